"""A task that breaks a promise is refused before anything long starts, by `train` and by `sweep` alike."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ch5jax
from ch5jax import Task
from ch5jax.tasks import check_promises

KEY = jax.random.key(0)


def init(key, rate):
    return {"w": jnp.ones(3), "count": 0}


def step(key, index, rate, state):
    w = state["w"] * (1 - rate)
    return {"w": w, "count": state["count"] + 1}, {"loss": jnp.sum(w**2)}


def evaluate(rate, state):
    return {"validation_loss": jnp.sum(state["w"] ** 2)}


GOOD = Task(init, step, evaluate, params=lambda state: state["w"], loss=lambda key, rate, state, w: jnp.sum(w**2))


def stepping(change=None, metrics=None):
    """A step whose state or metrics are something else."""

    def other(key, index, rate, state):
        after, of_step = step(key, index, rate, state)
        return {**after, **(change or {})}, of_step if metrics is None else metrics

    return GOOD._replace(step=other)


def reporting(**metrics):
    return GOOD._replace(evaluate=lambda rate, state: metrics)


BROKEN = {
    "no pair": (GOOD._replace(step=lambda *args: {"w": jnp.ones(3)}), r"task\.step must return a pair .* got \{'w': f"),
    "a shape": (
        stepping({"w": jnp.ones(2)}),
        r"returns\['w'\] must have shape \(3,\) like the one it got, got \(2,\)",
    ),
    "a dtype": (
        stepping({"count": jnp.ones(())}),
        r"returns\['count'\] must have dtype int32 .* got float32",
    ),
    "a leaf more": (stepping({"new": jnp.ones(())}), r"must match the one it got: got a leaf at \['new'\]"),
    "a leaf less": (stepping({"count": None}), r"must match the one it got: expected a leaf at \['count'\]"),
    "a structure": (stepping({"w": (jnp.ones(3),)}), r"must match the one it got: .* at \['w'\]"),
    "no dict": (stepping(metrics=jnp.ones(())), r"task\.step must report a dict of scalars, got float32\[\]"),
    "a vector": (stepping(metrics={"loss": jnp.ones(3)}), r"task\.step .* its 'loss' is float32\[3\]"),
    "a word": (stepping(metrics={"loss": "low"}), r"task\.step must report scalars, and its 'loss' is 'low'"),
    "a tree": (stepping(metrics={"loss": {"a": 1.0}}), r"its 'loss' is \{'a': float32\[\]\}"),
    "complex": (stepping(metrics={"loss": 1j}), r"its 'loss' is complex64\[\]"),
    "a number's name": (stepping(metrics={3: 1.0}), r"must name its metrics in words, got the name 3"),
    "no objective": (
        reporting(test_loss=0.0),
        "objective must be a metric of task.evaluate, which gives test_loss; got",
    ),
    "nothing": (GOOD._replace(evaluate=lambda rate, state: None), r"task\.evaluate must report a dict"),
    "one name": (reporting(validation_loss=0.0, loss=0.0), "must name their metrics differently, both have loss"),
    "a vector loss": (
        GOOD._replace(loss=lambda key, rate, state, w: w),
        r"task\.loss must return a real scalar, got f",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_promise_is_refused_by_train_and_by_sweep(name):
    task, words = BROKEN[name]
    with pytest.raises(ValueError, match=words):
        ch5jax.train(task, 0.1, KEY, 10)
    with pytest.raises(ValueError, match=words):
        ch5jax.sweep(task, np.array([0.1, 0.2]), steps=10, key=KEY)


def test_a_metric_may_be_called_signals(compiled_quickly):
    for task in (stepping(metrics={"loss": 2.0, "signals": 1.0}), reporting(validation_loss=2.0, signals=1.0)):
        run = ch5jax.train(task, 0.1, KEY, 4)
        assert run.last()["signals"] == 1
        assert run.signals.distance.shape == (4,)
        result = ch5jax.sweep(task, np.array([0.1, 0.2]), steps=4, key=KEY)
        assert result.columns["signals"].tolist() == [1, 1]
        assert result.curves["trials"].signals.distance.shape == (2, 4)


def test_numbers_of_pythons_and_truth_values_will_do(compiled_quickly):
    task = stepping(metrics={"loss": 1, "done": True, "rate": np.float32(0.1)})
    run = ch5jax.train(task, 0.1, KEY, 5)
    assert int(run.state["count"]) == 5
    assert run.metrics["done"].shape == (5,)
    result = ch5jax.sweep(task, np.array([0.1, 0.2]), steps=5, key=KEY)
    assert len(result) == 2


def test_a_task_for_raw_keys_gets_raw_keys(compiled_quickly):
    def raw(key, index, rate, state):
        return step(key, index, rate, state)[0], {"loss": key[1].astype(float)}

    run = ch5jax.train(GOOD._replace(step=raw), 0.1, jax.random.PRNGKey(3), 2)
    assert run.metrics["loss"].shape == (2,)


def test_it_only_traces():
    ran = []

    def watched(rate, state):
        jax.debug.callback(lambda: ran.append(1))
        return evaluate(rate, state)

    check_promises(GOOD._replace(evaluate=watched), 0.1)
    check_promises(GOOD, jax.ShapeDtypeStruct((), jnp.float32))
    assert not ran
    with pytest.raises(ValueError, match=r"task must be a ch5jax\.Task"):
        check_promises(step, 0.1)
