"""BatchNorm in a task: trained with batch statistics, evaluated with running ones, in a loop and in a sweep."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ch5jax
from ch5jax.networks import mlp
from ch5jax.tasks import supervised
from ch5jax.tasks._examples import Examples, Parts, split

pytestmark = pytest.mark.usefixtures("compiled_quickly")

KEY = jax.random.key(3)


def parts():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4)) * [1, 10, 0.1, 3] + [0, 5, -1, 100]
    return split(x, np.eye(3)[np.argmax((x - x.mean(0)) / x.std(0) @ rng.normal(size=(4, 3)), 1)], jax.random.key(0))


def task_of(divided, **options):
    network = mlp((4, 6, 5, 3), batch_norm=True)
    return supervised(network, *divided, loss="cross_entropy", batch_size=8, **options)


def test_a_loop_of_ones_own_gives_the_same():
    """Batches by the documented keys; statistics threaded by hand; evaluation with running statistics."""
    divided, network = parts(), mlp((4, 6, 5, 3), batch_norm=True)
    opt = ch5jax.momentum(0.1)
    setting = {"optimizer": opt, "batch_norm_momentum": 0.8, "batch_norm_eps": 1e-3}
    run = ch5jax.train(task_of(divided), setting, KEY, 7)

    params, stats = jax.jit(network.init)(jax.random.fold_in(KEY, np.uint32(2**32 - 1))), network.init_state()
    opt_state = opt.init(params)

    @jax.jit
    def step(params, stats, opt_state, inputs, targets):
        def loss(params):
            logits, after = network.apply_training(params, stats, inputs, momentum=0.8, eps=1e-3)
            return jnp.mean(optax.softmax_cross_entropy(logits, targets)), after

        (value, stats_after), slope = jax.value_and_grad(loss, has_aux=True)(params)
        updates, opt_state = opt.update(slope, opt_state, params)
        return optax.apply_updates(params, updates), stats_after, opt_state, value

    losses = []
    for index in range(7):
        rows = np.asarray(jax.random.randint(jax.random.fold_in(KEY, index), (8,), 0, 36))
        batch = divided.train.inputs[rows], divided.train.targets[rows]
        params, stats, opt_state, value = step(params, stats, opt_state, *batch)
        losses.append(value)
    chex.assert_trees_all_close((run.state.params, run.state.model_state), (params, stats), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(run.metrics["loss"], losses, rtol=1e-4)
    logits = network.apply(params, divided.validation.inputs, state=stats, eps=1e-3)
    due = jnp.mean(optax.softmax_cross_entropy(logits, divided.validation.targets))
    np.testing.assert_allclose(run.last()["validation_loss"], due, rtol=1e-3)


def test_evaluation_is_inference():
    """One example's answer does not depend on those beside it."""
    divided = parts()
    run = ch5jax.train(task_of(divided), ch5jax.sgd(0.1), KEY, 20)
    one = Examples(divided.test.inputs[:1], divided.test.targets[:1])
    again = Examples(*(np.repeat(array[:1], 5, axis=0) for array in divided.test))
    losses = [
        jax.jit(task_of(Parts(divided.train, part, part)).evaluate)(ch5jax.sgd(0.1), run.state)["test_loss"]
        for part in (one, again)
    ]
    np.testing.assert_allclose(*losses, rtol=1e-5)  # two programs, which float32 rounds differently
    assert np.isfinite(run.last()["test_loss"])


def test_the_loss_function_is_the_training_loss():
    task = task_of(parts())
    state = jax.jit(task.init)(KEY, ch5jax.sgd(0.1))
    key = jax.random.fold_in(KEY, 0)
    _, metrics = jax.jit(task.step)(key, jnp.int32(0), ch5jax.sgd(0.1), state)
    loss = jax.jit(task.loss)(key, ch5jax.sgd(0.1), state, state.params)
    np.testing.assert_allclose(loss, metrics["loss"], rtol=1e-6)


def test_every_trial_of_a_sweep_keeps_its_own_statistics():
    """Momentum of BatchNorm × learning rate, against each of them trained alone."""
    task, momenta = task_of(parts()), (0.0, 0.9, 0.99)
    space = {
        "optimizer": ch5jax.grid(ch5jax.sgd, learning_rate=np.repeat([0.01, 0.3], 3)),
        "batch_norm_momentum": np.tile(momenta, 2),
    }
    result = ch5jax.sweep(task, space, steps=12, key=KEY, seeds=2, width=4)
    assert len(result) == 12
    table = result.table()
    for i in (0, 5, 10):
        trial = result.trial(i)
        last = ch5jax.train(task, trial.hyperparameters, trial.key, 12).last()
        np.testing.assert_allclose(table.validation_loss[i], last["validation_loss"], rtol=1e-3)
        np.testing.assert_allclose(table.loss[i], last["loss"], rtol=1e-3)
    state = result.rerun(5).state
    weights = np.asarray(state.model_state[0].weight)
    momentum = float(result.trial(5).hyperparameters["batch_norm_momentum"])
    np.testing.assert_allclose(weights, np.full(6, 1 - momentum**12), rtol=1e-5)
    # momentum decides what is evaluated, and nothing of the training
    same = table[np.isclose(table["optimizer.learning_rate"], 0.3) & (table.seed == table.seed[0])]
    assert len(same) == 3
    assert same.loss.nunique() == 1
    assert same.validation_loss.nunique() == 3


def test_exact_statistics_may_be_asked_for():
    setting = {"optimizer": ch5jax.sgd(0.1), "batch_norm_momentum": None}
    run = ch5jax.train(task_of(parts()), setting, KEY, 5)
    np.testing.assert_array_equal(run.state.model_state[0].weight, np.full(6, 40.0))
    assert np.isfinite(run.last()["validation_loss"])


def test_hypergradients_reach_batch_norms_momentum():
    task = task_of(parts())

    def final(momentum):
        setting = {"optimizer": ch5jax.sgd(0.05), "batch_norm_momentum": momentum}
        return ch5jax.train(task, setting, KEY, 5).last()["validation_loss"]

    value_and_slope = jax.jit(jax.value_and_grad(final))
    (ahead, _), (behind, _), (_, slope) = map(value_and_slope, (0.701, 0.699, 0.7))
    np.testing.assert_allclose(slope, (ahead - behind) / 0.002, rtol=0.05)


def test_ready_tasks_have_batch_norm_as_an_option():
    task = ch5jax.tasks.digits(hidden=(16, 16), batch_norm=True)
    run = ch5jax.train(task, ch5jax.adam(1e-2), KEY, 150)
    assert run.last()["validation_accuracy"] > 0.9
    assert len(run.state.model_state) == 2


def test_its_hyperparameters_belong_to_tasks_that_have_it():
    plain = supervised(mlp((4, 6, 3)), *parts(), loss="cross_entropy", batch_size=8)
    setting = {"optimizer": ch5jax.sgd(0.1), "batch_norm_momentum": 0.9}
    with pytest.raises(ValueError, match="hyperparameters hold optimizer and initial_scale, got batch_norm_momentum"):
        plain.init(KEY, setting)
    with pytest.raises(ValueError, match=r"batch_norm_momentum and batch_norm_eps, got momentum"):
        task_of(parts()).init(KEY, {"optimizer": ch5jax.sgd(0.1), "momentum": 0.9})
