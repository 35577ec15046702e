"""A whole training as one function: swept, judged by its curves, the same as when it is called."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ch5jax
from ch5jax.tasks import whole
from tests.sweeps.small import assert_same_bits

pytestmark = pytest.mark.usefixtures("compiled_quickly")

KEY = jax.random.key(5)


def descent(key, rate):
    """Gradient descent on w², with curves of 40 steps."""

    def step(w, _):
        return w - rate * 2 * w, {"loss": w**2, "gradient_norm": jnp.abs(2 * w), "validation_loss": 2 * w**2}

    w, curves = jax.lax.scan(step, 1 + jax.random.uniform(key), length=40)
    return {**curves, "end": w, "steps_taken": 40}


def test_curves_and_numbers_are_those_of_the_function():
    task, rates = whole(descent, steps=40), jnp.array([0.1, 0.3])
    result = ch5jax.sweep(task, rates, key=KEY, seeds=2, record_every=1, evaluate_every=10)
    for trial in range(4):
        key = jax.random.fold_in(jax.random.fold_in(KEY, trial % 2), 0)
        due = jax.jit(descent)(key, rates[trial // 2])
        curves = result.curves[result.groups[0]]
        np.testing.assert_allclose(curves.metrics["loss"][trial], due["loss"], rtol=1e-5)
        told = curves.evaluations["validation_loss"][trial]
        np.testing.assert_allclose(told, due["validation_loss"][9::10], rtol=1e-5)
        np.testing.assert_allclose(result.columns["end"][trial], due["end"], rtol=1e-5)
    assert (result.columns["steps_taken"] == 40).all()
    assert (result.columns["best_step"] == 40).all()
    run = ch5jax.train(task, 0.1, jax.random.fold_in(KEY, 0))
    np.testing.assert_allclose(run.metrics["loss"], result.curves[result.groups[0]].metrics["loss"][0], rtol=1e-6)


def test_it_is_judged_by_its_curves(tmp_path):
    task = whole(descent, steps=40, lowest=0.0)
    rates = jnp.array([0.1, 0.99, 1.5, 1e-3])
    result = ch5jax.sweep(task, rates, key=KEY, store=tmp_path)
    assert result.columns["verdict"].tolist() == ["healthy", "slow", "diverged", "slow"]
    assert result.ranking()[-1] == 2
    assert_same_bits(result, ch5jax.sweep(task, rates, key=KEY, store=tmp_path))
    assert "diverged" in str(result.diagnosis(2)).lower()


def test_numbers_alone_take_one_step():
    def train(key, settings):
        return {"validation_accuracy": settings["a"] * jax.random.uniform(key), "loss": jnp.log(settings["a"])}

    task = whole(train, objective="validation_accuracy", maximize=True)
    result = ch5jax.sweep(task, {"a": jnp.array([-1.0, 1.0, 2.0])}, key=KEY)
    assert result.ranking()[0] == 2
    assert result.columns["diverged_at"].tolist() == [0, -1, -1]  # the log of −1


def test_it_trains_once_and_not_at_every_step():
    calls = []

    def train(key, rate):
        jax.debug.callback(lambda: calls.append(1))
        return {"loss": jnp.arange(20.0), "validation_loss": rate}

    ch5jax.train(whole(train, steps=20), 0.5, KEY)
    jax.effects_barrier()
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("train", "options", "message"),
    [
        (3, {}, "train must be a function"),
        (descent, {"steps": 0}, "steps must be a positive integer"),
        (descent, {"steps": 39}, r"curves of shape \(39,\), and its '\w+' has \(40,\)"),
        (lambda key, rate: 1.0, {}, "train must return a dict of numbers and curves, got float"),
        (lambda key, rate: {"loss": 1.0}, {}, "train must return the objective 'validation_loss', got loss"),
    ],
)
def test_what_is_refused(train, options, message):
    with pytest.raises(ValueError, match=message):
        ch5jax.train(whole(train, **options), 0.1, KEY)


def test_steps_are_the_tasks_own():
    task = whole(descent, steps=40)
    with pytest.raises(ValueError, match="steps must be the task's own, 40, or be left out, got 30"):
        ch5jax.train(task, 0.1, KEY, 30)
    with pytest.raises(ValueError, match=r"steps must be the same for every group, and their tasks have \[1, 40\]"):
        ch5jax.sweep({"a": task, "b": whole(descent)}, {"a": {"r": jnp.ones(1)}, "b": {"r": jnp.ones(1)}}, key=KEY)
    with pytest.raises(ValueError, match="steps must be a positive integer, and may be left out only for a task"):
        ch5jax.sweep(ch5jax.tasks.digits(), ch5jax.grid(ch5jax.sgd, learning_rate=[0.1]), key=KEY)


def test_the_loss_itself_may_be_the_objective_and_still_tells_of_divergence():
    def train(key, rate):
        return {"loss": jnp.where(jnp.arange(10) * rate > 5, jnp.nan, 1.0)}

    task = whole(train, steps=10, objective="loss")
    result = ch5jax.sweep(task, jnp.array([0.1, 1.0]), key=KEY, signals_every=0)
    assert task.objective == "final_loss"
    assert result.columns["diverged_at"].tolist() == [-1, 6]
    assert result.columns["final_loss"][0] == 1
