"""The compiled loop: which steps it takes, with which keys, what it reports, and what it composes with."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ch5jax
from ch5jax import _keys
from ch5jax.tasks import supervised
from ch5jax.tasks._examples import split
from ch5jax.tasks._supervised import TrainState
from tests.references import mlp as reference

pytestmark = pytest.mark.smoke
quickly = pytest.mark.usefixtures("compiled_quickly")

KEY = jax.random.key(3)


def walk(step_metrics=lambda key, index: {}, evaluation=lambda state: {}):
    """A noisy descent on a bowl; the state is (position, optimizer's state, steps taken)."""

    def init(key, opt):
        position = jax.random.normal(key, (3,))
        return position, opt.init(position), jnp.zeros([], jnp.int32)

    def step(key, index, opt, state):
        position, opt_state, taken = state
        target = 1 + 0.1 * jax.random.normal(key, (3,))
        loss, gradient = jax.value_and_grad(lambda position: jnp.sum((position - target) ** 2))(position)
        updates, opt_state = opt.update(gradient, opt_state, position)
        position = optax.apply_updates(position, updates)
        return (position, opt_state, taken + 1), {"loss": loss, **step_metrics(key, index)}

    def evaluate(opt, state):
        return {"validation_loss": jnp.sum((state[0] - 1) ** 2), "taken": state[2], **evaluation(state)}

    return ch5jax.Task(init, step, evaluate)


WALK = walk(lambda key, index: {"number": index + 1})


@quickly
@pytest.mark.parametrize(("steps", "record_every"), [(1, 1), (7, 1), (9, 3), (10, 3), (2, 5), (7, 7)])
def test_metrics_are_kept_every_so_many_steps_and_at_the_last(steps, record_every):
    expected = [n for n in range(1, steps + 1) if n % record_every == 0 or n == steps]
    np.testing.assert_array_equal(ch5jax.recorded_steps(steps, record_every), expected)
    run = ch5jax.train(WALK, ch5jax.sgd(0.1), KEY, steps, record_every=record_every)
    assert set(run.metrics) == {"loss", "number"}
    np.testing.assert_array_equal(run.metrics["number"], expected)
    assert set(run.evaluations) == {"validation_loss", "taken"}
    assert run.evaluations["validation_loss"].shape == run.evaluations["taken"].shape == (1,)
    assert run.evaluations["taken"][-1] == steps


@quickly
@pytest.mark.parametrize(("steps", "record_every", "evaluate_every"), [(10, 2, 4), (9, 3, 9), (11, 2, 4), (5, 2, 8)])
def test_evaluations_come_every_so_many_steps_and_at_the_end(steps, record_every, evaluate_every):
    whole = ch5jax.train(WALK, ch5jax.sgd(0.1), KEY, steps)
    spacings = {"record_every": record_every, "evaluate_every": evaluate_every}
    run = ch5jax.train(WALK, ch5jax.sgd(0.1), KEY, steps, **spacings)
    kept = ch5jax.recorded_steps(steps, record_every)
    np.testing.assert_array_equal(run.metrics["number"], kept)
    np.testing.assert_allclose(run.metrics["loss"], whole.metrics["loss"][kept - 1], rtol=1e-6)
    np.testing.assert_array_equal(run.evaluations["taken"], ch5jax.recorded_steps(steps, evaluate_every))
    for name, value in run.last().items():
        assert value.shape == ()
        np.testing.assert_allclose(value, whole.last()[name], rtol=1e-6)


@quickly
@pytest.mark.parametrize("key", [KEY, jax.random.PRNGKey(3)], ids=["typed", "raw"])
def test_a_steps_key_is_the_trials_folded_with_its_index_and_no_other_starts_the_trial(key):
    def words(key):
        return jax.random.key_data(key)

    task = walk(lambda key, index: {"high": words(key)[0], "low": words(key)[1], "index": index})
    started = task._replace(init=lambda key, opt: (*WALK.init(key, opt)[:2], words(key)))
    started = started._replace(step=lambda key, index, opt, state: (state, task.step(key, index, opt, WALK_STATE)[1]))
    started = started._replace(evaluate=lambda opt, state: {"validation_loss": 0.0})
    (_, _, start_words), metrics, *_ = ch5jax.train(started, ch5jax.sgd(0.1), key, 300)
    got = np.stack([metrics["high"], metrics["low"]], axis=1)
    expected = jax.vmap(lambda i: words(jax.random.fold_in(key, i)))(jnp.arange(300))
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(metrics["index"], np.arange(300))
    np.testing.assert_array_equal(start_words, words(jax.random.fold_in(key, _keys.INIT)))
    assert not (got == np.asarray(start_words)).all(axis=1).any()
    assert not np.array_equal(start_words, words(key))


WALK_STATE = (jnp.ones(3), ch5jax.sgd(0.1).init(jnp.ones(3)), jnp.zeros([], jnp.int32))

LOSSES = {True: "cross_entropy", False: "squared_error"}


def small(epochs=False, classify=True, activation=jax.nn.relu, batch_size=8):
    """Forty examples of four features, and a network of two layers."""
    rng = np.random.default_rng(5)
    inputs = rng.normal(size=(40, 4)).astype(np.float32)
    targets = np.eye(3)[np.argmax(inputs[:, :3], axis=1)] if classify else inputs[:, :1] * inputs[:, 1:2]
    parts = split(inputs, targets, jax.random.key(0))
    network = ch5jax.networks.mlp((4, 6, targets.shape[1]), activation)
    task = supervised(network, *parts, loss=LOSSES[classify], batch_size=batch_size, epochs=epochs)
    return task, parts, network


@pytest.mark.parametrize(("classify", "activation"), [(True, "relu"), (False, "tanh")])
def test_training_equals_a_loop_in_numpy(x64, classify, activation):
    task, parts, network = small(classify=classify, activation={"relu": jax.nn.relu, "tanh": jnp.tanh}[activation])
    run = ch5jax.train(task, ch5jax.sgd(0.3), KEY, 8)
    examples = len(parts.train.inputs)
    rows = [np.asarray(jax.random.randint(jax.random.fold_in(KEY, i), (8,), 0, examples)) for i in range(8)]
    batches = [(parts.train.inputs[r].astype(float), parts.train.targets[r].astype(float)) for r in rows]
    score = reference.cross_entropy if classify else reference.squared_error
    start = network.init(jax.random.fold_in(KEY, _keys.INIT))
    layers, losses = reference.train(start, batches, 0.3, score, activation)
    np.testing.assert_allclose(run.metrics["loss"], losses, rtol=1e-11)
    for got, expected in zip(run.state.params, layers, strict=True):
        chex.assert_trees_all_close(tuple(got), expected, rtol=1e-11, atol=1e-14)
    for name, part in (("validation", parts.validation), ("test", parts.test)):
        outputs, *_ = reference.forward(layers, part.inputs.astype(float), activation)
        np.testing.assert_allclose(run.last()[f"{name}_loss"], score(outputs, part.targets)[0], rtol=1e-11)


def test_every_so_many_steps_stays_a_branch_when_trials_are_batched():
    def now_and_then(key, index):
        return {"rare": jax.lax.cond(index % 5 == 0, lambda: jnp.sin(1.0 * index), lambda: 0.0)}

    for task in (walk(now_and_then), small(epochs=True)[0]):
        opts, keys = ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 0.2]), jax.random.split(KEY, 2)
        program = str(
            jax.make_jaxpr(jax.vmap(lambda opt, key, task=task: ch5jax.train(task, opt, key, 10)))(opts, keys)
        )
        assert "cond[" in program


def final_loss(opt):
    return ch5jax.train(WALK, opt, KEY, 12).evaluations["validation_loss"][-1]


loss_and_slope = jax.jit(jax.value_and_grad(final_loss))


@pytest.mark.parametrize("name", ["learning_rate", "b1", "b2", "eps"])
def test_hypergradients_equal_finite_differences(x64, name):
    opt = ch5jax.adam(0.1, b1=0.8, b2=0.9, eps=1e-2)
    slope = getattr(loss_and_slope(opt)[1], name)
    value, h = getattr(opt, name), 1e-6
    ahead, behind = (loss_and_slope(opt.replace(**{name: value + step}))[0] for step in (h, -h))
    difference = (ahead - behind) / (2 * h)
    assert abs(slope) > 1e-4
    np.testing.assert_allclose(slope, difference, rtol=1e-5)


@quickly
def test_a_batch_of_optimizers_equals_the_loop():
    opts = ch5jax.grid(ch5jax.adam, learning_rate=[1e-3, 1e-2, 1e-1], b1=[0.5, 0.9])
    task = small()[0]
    trained = jax.jit(jax.vmap(lambda opt: ch5jax.train(task, opt, KEY, 8, record_every=4, evaluate_every=4)))
    together = trained(opts)
    for i, opt in enumerate(ch5jax.unstack(opts)):
        one = ch5jax.train(task, opt, KEY, 8, record_every=4, evaluate_every=4)
        chex.assert_trees_all_close(jax.tree.map(lambda x, i=i: x[i], together), one, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(("epochs", "signals_every"), [(False, 0), (True, 1)])
def test_a_run_in_two_parts_has_the_bits_of_one(epochs, signals_every):
    task, opt = small(epochs)[0], ch5jax.adam(1e-2)
    train = functools.partial(ch5jax.train, task, opt, KEY, signals_every=signals_every)
    whole = train(20)
    first = train(13)
    second = train(7, state=first.state, start=13)
    chex.assert_trees_all_equal(second.state, whole.state)
    losses = [run.metrics["loss"] for run in (first, second)]
    np.testing.assert_array_equal(np.concatenate(losses), whole.metrics["loss"])
    chex.assert_trees_all_equal(second.evaluations, whole.evaluations)


@quickly
def test_a_given_state_is_donated():
    task, opt = small()[0], ch5jax.adam(1e-2)
    state = ch5jax.train(task, opt, KEY, 2).state
    assert isinstance(state, TrainState)
    given = [leaf for leaf in jax.tree.leaves(state) if leaf.size]
    ch5jax.train(task, opt, KEY, 2, state=state, start=2)
    assert all(leaf.is_deleted() for leaf in given)


def test_a_state_of_another_optimizer_is_refused():
    task = small()[0]
    state = task.init(KEY, ch5jax.adam(0.1))
    with pytest.raises(ValueError, match=r"state must match the task's initial state.*\.opt_state"):
        ch5jax.train(task, ch5jax.momentum(0.1), KEY, 2, state=state)


@quickly
def test_one_program_serves_all_values_keys_and_starts():
    traces = []
    task = walk(lambda key, index: traces.append(index) or {})
    for i, learning_rate in enumerate((0.1, 0.2, 0.3)):
        ch5jax.train(task, ch5jax.sgd(learning_rate), jax.random.key(i), 10, start=5 * i)
        if i == 0:
            first = len(traces)
    assert len(traces) == first > 0
    ch5jax.train(task, ch5jax.sgd(0.1), KEY, 11)
    assert len(traces) > first


@quickly
def test_a_run_that_diverges_says_so_in_its_metrics_and_raises_nothing():
    losses = ch5jax.train(WALK, ch5jax.sgd(1e6), KEY, 30).metrics["loss"]
    assert np.isfinite(losses[0])
    assert not np.isfinite(losses[-1])


def test_integers_from_numpy_are_integers(x64):
    three, six = np.int64(3), np.int64(6)
    with jax.numpy_dtype_promotion("strict"):
        spacings = {"record_every": three, "evaluate_every": six}
        numbers = ch5jax.train(WALK, ch5jax.sgd(0.1), KEY, np.int64(8), start=three, **spacings).metrics["number"]
    np.testing.assert_array_equal(numbers, [6, 9, 11])
    assert numbers.dtype == jnp.int32


@pytest.mark.parametrize("name", ["steps", "record_every", "evaluate_every"])
@pytest.mark.parametrize("value", [0, -1, 2.5, "3"])
def test_numbers_of_steps_that_are_none_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a positive integer, got {value!r}"):
        ch5jax.train(WALK, ch5jax.sgd(0.1), KEY, **{"steps": 10, name: value})


@pytest.mark.parametrize(("steps", "record_every"), [(0, 1), (5, 0), (5, 2.0)])
def test_records_of_no_steps_are_refused(steps, record_every):
    with pytest.raises(ValueError, match="must be a positive integer"):
        ch5jax.recorded_steps(steps, record_every)


def test_evaluations_between_records_are_refused():
    with pytest.raises(ValueError, match="evaluate_every must be a multiple of record_every = 3, got 4"):
        ch5jax.train(WALK, ch5jax.sgd(0.1), KEY, 10, record_every=3, evaluate_every=4)


def test_metrics_of_one_name_are_refused():
    task = walk(evaluation=lambda state: {"loss": 0.0})
    with pytest.raises(ValueError, match="must name their metrics differently, both have loss"):
        ch5jax.train(task, ch5jax.sgd(0.1), KEY, 10)


def test_an_optimizer_of_optax_is_refused_with_the_way_to_pass_it():
    with pytest.raises(ValueError, match=r"must be data, got the function .* ch5jax\.lift"):
        ch5jax.train(ch5jax.tasks.digits(), optax.adam(1e-3), jax.random.key(0), 1)
