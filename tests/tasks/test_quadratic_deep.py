"""DeepOBS's quadratic: the steps against NumPy's, and what is known of it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ch5jax
from ch5jax import problems
from ch5jax.tasks import quadratic_deep
from tests.references.problems import deep_spectrum

pytestmark = pytest.mark.usefixtures("compiled_quickly")

KEY, OPT = jax.random.key(5), ch5jax.sgd(0.01)
train = functools.partial(ch5jax.train, signals_every=0)


def examples(seed):
    return np.float32(np.random.RandomState(seed).normal(0, 0.6, (1000, 100))).astype(float)


def hessian():
    eigenvalues, axes = deep_spectrum()
    return sum(value * np.outer(axis, axis) for value, axis in zip(eigenvalues, axes, strict=True))


def loss(theta, x):
    """The mean over examples, one quadratic form after the other."""
    q = hessian()
    return np.mean([(theta - row) @ q @ (theta - row) for row in x]) / 2


def trained_by_numpy(batches, rate):
    """θ after one step of descent a batch, the loss and the gradient's norm before each."""
    theta, q, losses, norms = np.ones(100), hessian(), [], []
    for x in batches:
        slope = np.mean([q @ (theta - row) for row in x], axis=0)
        losses.append(loss(theta, x))
        norms.append(np.linalg.norm(slope))
        theta = theta - rate * slope
    return theta, losses, norms


def compare(task, rows):
    run = train(task, OPT, KEY, len(rows))
    last = run.last()
    theta, losses, norms = trained_by_numpy([examples(42)[chosen] for chosen in rows], 0.01)
    assert set(run.metrics) == {"loss", "gradient_norm"}
    assert set(run.evaluations) == {"validation_loss", "test_loss", "distance_to_minimum"}
    np.testing.assert_allclose(run.metrics["loss"], losses, rtol=1e-12)
    np.testing.assert_allclose(run.metrics["gradient_norm"], norms, rtol=1e-12)
    np.testing.assert_allclose(task.params(run.state), theta, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(last["validation_loss"], loss(theta, examples(44)), rtol=1e-12)
    np.testing.assert_allclose(last["test_loss"], loss(theta, examples(43)), rtol=1e-12)
    distance = np.linalg.norm(theta - examples(42).mean(0))
    np.testing.assert_allclose(last["distance_to_minimum"], distance, rtol=1e-12)
    return run.state


def test_steps_on_batches_that_are_drawn_equal_numpys(x64):
    task = quadratic_deep(batch_size=30)
    rows = [np.asarray(jax.random.randint(jax.random.fold_in(KEY, t), (30,), 0, 1000)) for t in range(4)]
    state = compare(task, rows)
    assert state.order.shape == (0,)
    assert (task.objective, task.maximize) == ("validation_loss", False)


def test_steps_of_epochs_equal_numpys(x64):
    """Three batches of 300 an epoch, each in an order of its own; a hundred examples are left out."""
    orders = [np.asarray(jax.random.permutation(jax.random.fold_in(KEY, t), 1000)) for t in (0, 3)]
    rows = [orders[t // 3][300 * (t % 3) : 300 * (t % 3) + 300] for t in range(5)]
    assert len(np.unique(np.concatenate(rows[:3]))) == 900
    assert not np.array_equal(*orders)
    state = compare(quadratic_deep(batch_size=300, epochs=True), rows)
    np.testing.assert_array_equal(state.order, orders[1])


def test_the_default_batch_is_deepobss():
    assert jax.eval_shape(lambda: quadratic_deep(epochs=True).init(KEY, OPT)).order.shape == (1000,)
    losses = [quadratic_deep(**given).loss(KEY, OPT, None, jnp.ones(100)) for given in ({}, {"batch_size": 128})]
    assert losses[0] == losses[1]


def test_losses_at_the_start_and_at_the_minimum_are_as_documented():
    task = quadratic_deep()
    state = task.init(KEY, OPT)
    np.testing.assert_array_equal(state.params, np.ones(100))
    mean = examples(42).mean(0)
    at_minimum = task.evaluate(OPT, state._replace(params=jnp.asarray(mean, jnp.float32)))
    np.testing.assert_allclose(at_minimum["validation_loss"], 85.611, atol=1e-3)
    np.testing.assert_allclose(at_minimum["test_loss"], 87.129, atol=1e-3)
    assert at_minimum["distance_to_minimum"] < 1e-5
    np.testing.assert_allclose(loss(mean, examples(42)), 84.770, atol=1e-3)
    expected = float(problems.quadratic_deep().function(np.ones(100)))
    np.testing.assert_allclose(expected, 353.50, atol=5e-3)


def test_every_batch_has_the_hessian_q(x64):
    task, theta = quadratic_deep(batch_size=3), jnp.linspace(-1, 1, 100)
    curvature = jax.jit(jax.hessian(task.loss, argnums=3))
    for key in jax.random.split(KEY, 2):
        np.testing.assert_allclose(curvature(key, OPT, None, theta), hessian(), atol=1e-12)


def test_the_gradient_noise_is_the_documented_one_at_every_point():
    q = hessian()
    np.testing.assert_allclose([np.trace(q), np.trace(q @ q)], [477.61, 19585], rtol=1e-5)
    np.testing.assert_allclose(0.36 * np.trace(q @ q), 7050.6, atol=0.05)
    among_examples = np.trace(q @ np.cov(examples(42).T, bias=True) @ q)
    np.testing.assert_allclose(among_examples, 6940.9, atol=0.05)
    task = quadratic_deep(batch_size=4)
    slopes = jax.jit(jax.vmap(jax.grad(task.loss, argnums=3), in_axes=(0, None, None, None)))
    keys = jax.random.split(KEY, 4000)
    for theta in (jnp.ones(100), jnp.linspace(-1, 1, 100)):
        noise = 4 * np.var(np.asarray(slopes(keys, OPT, None, theta), float), axis=0).sum()
        np.testing.assert_allclose(noise, among_examples, rtol=0.02)  # ten directions have all of it: std 0.007


def test_descent_ends_in_a_cloud_of_the_documented_size():
    """Along the ten steep axes, which 300 steps are enough for."""
    rate, size = 0.02, 4
    task = quadratic_deep(batch_size=size)
    ends_of = jax.jit(jax.vmap(lambda key: train(task, ch5jax.sgd(rate), key, 300, record_every=300).state.params))
    eigenvalues, axes = (np.array(part[90:]) for part in deep_spectrum())
    ends = np.asarray(ends_of(jax.random.split(KEY, 400)), float) @ axes.T
    along = (examples(42) @ axes.T).var(axis=0)
    variance = rate * eigenvalues / (2 - rate * eigenvalues) * along / size
    np.testing.assert_allclose(np.mean(ends.var(axis=0) / variance), 1, atol=0.06)  # of 4,000 samples: std 0.022
    np.testing.assert_allclose(along, 0.36, rtol=0.1)


def test_the_loss_is_that_of_the_step_with_the_same_key():
    task = quadratic_deep(batch_size=7)
    state = task.init(KEY, OPT)
    after, metrics = task.step(KEY, jnp.int32(2), OPT, state)
    value, slope = jax.value_and_grad(task.loss, argnums=3)(KEY, OPT, state, state.params)
    np.testing.assert_allclose(value, metrics["loss"], rtol=1e-6)
    np.testing.assert_allclose(state.params - 0.01 * slope, after.params, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(slope), metrics["gradient_norm"], rtol=1e-6)


def test_the_optimizer_is_told_the_loss():
    def update(updates, state, params=None, *, value, **_):
        return jax.tree.map(jnp.zeros_like, updates), value

    recorder = optax.GradientTransformationExtraArgs(lambda params: jnp.zeros(()), update)
    task = quadratic_deep(batch_size=3)
    state, metrics = task.step(KEY, jnp.int32(0), {"optimizer": recorder}, task.init(KEY, {"optimizer": recorder}))
    assert state.opt_state == metrics["loss"]


def test_trains_where_jax_refuses_all_promotion(x64):
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        for epochs in (False, True):
            task = quadratic_deep(batch_size=np.int64(9), epochs=epochs)
            run = jax.eval_shape(lambda opt, task=task: train(task, opt, KEY, 4), ch5jax.adam(0.01))
            numbers = [*run.metrics.values(), *run.evaluations.values(), run.state.params]
            assert {leaf.dtype for leaf in numbers} == {jnp.dtype("float64")}


@pytest.mark.parametrize("batch_size", [0, -1, 1001, 2.0, "6", True])
def test_batch_sizes_that_are_none_are_refused(batch_size):
    with pytest.raises(ValueError, match=f"batch_size must be an integer from 1 to 1000, got {batch_size!r}"):
        quadratic_deep(batch_size=batch_size)


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        (0.1, "must be an optimizer, or a dict with optimizer, got 0.1"),
        ({"optimizer": OPT, "noise": 1.0}, "hyperparameters hold optimizer, got noise"),
    ],
)
def test_hyperparameters_without_an_optimizer_are_refused(hyperparameters, message):
    with pytest.raises(ValueError, match=message):
        quadratic_deep().init(KEY, hyperparameters)
