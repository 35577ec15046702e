"""Training by mini-batches on divided data: the parts, the batches, the scores."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ch5jax
from ch5jax.networks import Network, mlp
from ch5jax.tasks import supervised
from ch5jax.tasks._examples import Examples, Parts, part_rows, split
from tests.tapping.networks import site_gradients

pytestmark = pytest.mark.usefixtures("compiled_quickly")

KEY = jax.random.key(7)


@pytest.mark.parametrize("examples", [5, 9, 10, 101])
def test_parts_are_disjoint_and_all_rows_together(examples):
    train, validation, test = part_rows(examples, KEY)
    assert len(validation) == len(test) == examples // 5
    np.testing.assert_array_equal(np.sort(np.concatenate([train, validation, test])), np.arange(examples))


def test_parts_are_drawn_by_the_key():
    assert all(np.array_equal(a, b) for a, b in zip(part_rows(50, KEY), part_rows(50, KEY), strict=True))
    assert not np.array_equal(part_rows(50, KEY)[0], part_rows(50, jax.random.key(8))[0])


def test_examples_keep_their_targets():
    inputs = np.arange(20.0)[:, None]
    parts = split(inputs, 10 * inputs, KEY)
    for part, rows in zip(parts, part_rows(20, KEY), strict=True):
        np.testing.assert_array_equal(part.inputs, inputs[rows])
        np.testing.assert_array_equal(part.targets, 10 * part.inputs)
        assert part.inputs.dtype == part.targets.dtype == np.float32


def test_too_few_examples_for_three_parts_are_refused():
    with pytest.raises(ValueError, match=r"a data set needs 5 examples at least.* got 4"):
        part_rows(4, KEY)


def visits(examples, batch_size):
    """A task whose weight i is 1 − 2⁻ᵏ after k batches with example i, under SGD at a quarter of the batch size."""
    one = Examples(np.eye(examples, dtype=np.float32), np.ones((examples, 1), np.float32))
    network = Network(lambda key, scale=1.0: jnp.zeros(examples), lambda w, x: (x @ w)[:, None])
    task = supervised(network, *Parts(one, one, one), batch_size=batch_size, epochs=True)

    def seen(steps, key=KEY):
        state = ch5jax.train(task, ch5jax.sgd(batch_size / 4), key, steps).state
        return np.round(-np.log2(1 - np.asarray(state.params))).astype(int), state.order

    return seen


def test_an_epoch_sees_every_example_once():
    seen = visits(12, 4)
    np.testing.assert_array_equal(seen(3)[0], np.ones(12))
    np.testing.assert_array_equal(seen(6)[0], np.full(12, 2))
    counts, order = seen(4)
    np.testing.assert_array_equal(np.sort(counts), [1] * 8 + [2] * 4)
    np.testing.assert_array_equal(np.sort(order), np.arange(12))
    np.testing.assert_array_equal(counts[order[:4]], [2] * 4)


def test_every_epoch_and_trial_has_an_order_of_its_own():
    seen = visits(12, 4)
    orders = [tuple(order.tolist()) for order in (seen(3)[1], seen(6)[1], seen(3, jax.random.key(1))[1])]
    assert len(set(orders)) == 3
    assert tuple(range(12)) not in orders


def test_an_epochs_incomplete_batch_is_left_out():
    seen = visits(11, 4)
    np.testing.assert_array_equal(np.sort(seen(2)[0]), [0] * 3 + [1] * 8)
    assert seen(4)[0].sum() == 16
    assert seen(4)[0].max() <= 2


def data(targets, rows=30):
    rng = np.random.default_rng(2)
    inputs = rng.normal(size=(rows, 3))
    return split(
        inputs, rng.normal(size=(rows, 1)) if targets == 1 else np.eye(targets)[np.arange(rows) % targets], KEY
    )


def task_of(parts, classify=True, network=None, **settings):
    network = network or mlp((3, 4, parts.train.targets.shape[1]))
    loss = "cross_entropy" if classify else "squared_error"
    return supervised(network, *parts, loss=loss, **{"batch_size": 6} | settings)


def test_classification_is_scored_by_cross_entropy_and_accuracy():
    parts, network = data(3), mlp((3, 4, 3))
    task = task_of(parts, network=network)
    state = jax.jit(task.init)(KEY, ch5jax.sgd(0.1))
    metrics = jax.jit(task.evaluate)(ch5jax.sgd(0.1), state)
    assert (task.objective, task.maximize) == ("validation_accuracy", True)
    assert set(metrics) == {"validation_loss", "validation_accuracy", "test_loss", "test_accuracy"}
    for name, part in (("validation", parts.validation), ("test", parts.test)):
        logits = np.asarray(network.apply(state.params, part.inputs), float)
        labels = part.targets.argmax(1)
        shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        nats = -np.log(shares[np.arange(len(labels)), labels]).mean()
        np.testing.assert_allclose(metrics[f"{name}_loss"], nats, rtol=1e-5)
        np.testing.assert_allclose(metrics[f"{name}_accuracy"], (logits.argmax(1) == labels).mean(), rtol=1e-6)


def test_regression_is_scored_by_squared_error_and_explained_variance():
    parts, network = data(1), mlp((3, 4, 1))
    task = task_of(parts, classify=False, network=network)
    state = jax.jit(task.init)(KEY, ch5jax.sgd(0.1))
    metrics = jax.jit(task.evaluate)(ch5jax.sgd(0.1), state)
    assert (task.objective, task.maximize) == ("validation_loss", False)
    assert set(metrics) == {"validation_loss", "validation_r2", "test_loss", "test_r2"}
    for name, part in (("validation", parts.validation), ("test", parts.test)):
        outputs = np.asarray(network.apply(state.params, part.inputs), float)
        residual, total = ((part.targets - outputs) ** 2).sum(), ((part.targets - part.targets.mean()) ** 2).sum()
        np.testing.assert_allclose(metrics[f"{name}_loss"], residual / len(outputs), rtol=1e-5)
        np.testing.assert_allclose(metrics[f"{name}_r2"], 1 - residual / total, rtol=1e-4)


def test_explained_variance_of_a_part_without_variance_is_finite():
    parts = data(1)
    parts = parts._replace(test=Examples(parts.test.inputs, np.ones_like(parts.test.targets)))
    task = task_of(parts, classify=False)
    metrics = task.evaluate(ch5jax.sgd(0.1), task.init(KEY, ch5jax.sgd(0.1)))
    np.testing.assert_allclose(metrics["test_r2"], 1 - metrics["test_loss"], rtol=1e-6)


def test_the_loss_is_that_of_the_step_with_the_same_key():
    task, opt = task_of(data(3)), ch5jax.sgd(0.1)
    state = jax.jit(task.init)(KEY, opt)
    params = task.params(state)
    assert params is state.params
    _, metrics = jax.jit(task.step)(KEY, jnp.int32(0), opt, state)
    np.testing.assert_allclose(jax.jit(task.loss)(KEY, opt, state, params), metrics["loss"], rtol=1e-6)
    sites = site_gradients(lambda params: task.loss(KEY, opt, state, params), params)
    assert [site.z.shape for site in sites] == [(6, 4), (6, 3)]
    assert np.abs(sites[0].z).max() > 0


def test_a_plain_optax_optimizer_takes_the_step_too():
    task = task_of(data(3))
    states = []
    for opt in (optax.sgd(0.1), ch5jax.sgd(0.1)):
        step = jax.jit(lambda key, opt=opt: task.step(key, jnp.int32(0), opt, task.init(key, opt)))
        states.append(step(KEY)[0].params)
    chex.assert_trees_all_close(*states, rtol=1e-6)


def test_the_initial_scale_is_the_tasks_or_the_hyperparameters():
    parts, network = data(3), mlp((3, 4, 3))
    task, opt = task_of(parts, network=network, hyperparameters={"initial_scale": 0.5}), ch5jax.sgd(0.1)
    for hyperparameters, scale in (
        (opt, 0.5),
        ({"optimizer": opt}, 0.5),
        ({"optimizer": opt, "initial_scale": 2.0}, 2.0),
        ({"optimizer": opt, "initial_scale": (2.0, 0.1)}, (2.0, 0.1)),
    ):
        chex.assert_trees_all_equal(task.init(KEY, hyperparameters).params, network.init(KEY, scale))


def test_trains_where_jax_refuses_all_promotion(x64):
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        for classify, targets in ((True, 3), (False, 1)):
            for epochs in (False, True):
                task = task_of(data(targets), classify=classify, epochs=epochs, batch_size=np.int64(6))
                run = jax.eval_shape(lambda opt, task=task: ch5jax.train(task, opt, KEY, 4), ch5jax.adam(0.01))
                assert run.evaluations["validation_loss"].dtype == jnp.float64


@pytest.mark.parametrize("batch_size", [0, -3, 19, 2.0, "6"])
def test_batch_sizes_that_are_none_are_refused(batch_size):
    with pytest.raises(ValueError, match=f"batch_size must be an integer from 1 to the 18 .* got {batch_size!r}"):
        task_of(data(3), batch_size=batch_size)


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        (0.1, "must be an optimizer, or a dict with optimizer and initial_scale, got 0.1"),
        ({"optimizer": 0.1}, "must be an optimizer, or a dict"),
        ({"initial_scale": 0.1}, "must hold an optimizer, got only initial_scale"),
        ({"optimizer": ch5jax.sgd(0.1), "scale": 1.0}, "hold optimizer and initial_scale, got scale"),
    ],
)
def test_hyperparameters_without_an_optimizer_are_refused(hyperparameters, message):
    with pytest.raises(ValueError, match=message):
        task_of(data(3)).init(KEY, hyperparameters)
