"""The adding problem: what its data are, what is known of its error, its steps against NumPy, and that it is learnt."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ch5jax
from ch5jax import _keys
from ch5jax.networks import rnn
from ch5jax.tasks import adding
from ch5jax.tasks._adding import sequences
from tests.references import rnn as reference
from tests.tapping.networks import site_gradients

pytestmark = pytest.mark.usefixtures("module_compiled_quickly")

KEY, OPT = jax.random.key(7), ch5jax.sgd(0.1)
SMALL = {"time": 5, "hidden": 4, "batch_size": 6, "validation_size": 8, "test_size": 9}


@pytest.fixture(scope="module")
def many():
    """A hundred thousand sequences of eight steps: numbers, markers and targets."""
    x, targets = sequences(KEY, 100_000, 8)
    assert x.shape == (100_000, 8, 2)
    assert targets.shape == (100_000, 1)
    return np.asarray(x[..., 0], float), np.asarray(x[..., 1], float), np.asarray(targets[:, 0], float)


def test_every_sequence_has_one_marker_in_each_half(many):
    _, markers, _ = many
    assert set(np.unique(markers)) == {0, 1}
    np.testing.assert_array_equal(markers[:, :4].sum(axis=1), np.ones(len(markers)))
    np.testing.assert_array_equal(markers[:, 4:].sum(axis=1), np.ones(len(markers)))


def test_of_an_odd_number_of_steps_the_second_half_is_the_longer_one():
    markers = np.asarray(sequences(KEY, 300, 5)[0][..., 1])
    np.testing.assert_array_equal(markers[:, :2].sum(axis=1), np.ones(300))
    np.testing.assert_array_equal(markers[:, 2:].sum(axis=1), np.ones(300))
    assert (markers.sum(axis=0) > 0).all()


def test_every_pair_of_marked_steps_is_as_likely_as_another(many):
    _, markers, _ = many
    shares = np.einsum("ni,nj->ij", markers[:, :4], markers[:, 4:]) / len(markers)
    np.testing.assert_allclose(shares, np.full((4, 4), 1 / 16), atol=0.004)  # five standard deviations


def test_numbers_are_uniform_and_know_nothing_of_each_other_and_of_the_markers(many):
    numbers, markers, _ = many
    assert 0 <= numbers.min() < 1e-4
    assert 1 - 1e-4 < numbers.max() < 1
    counts, _ = np.histogram(numbers, bins=10, range=(0, 1))
    np.testing.assert_allclose(counts / numbers.size, np.full(10, 0.1), atol=0.002)
    correlations = np.corrcoef(np.concatenate([numbers, markers[:, :1], markers[:, 4:5]], axis=1).T)
    np.testing.assert_allclose(correlations, np.eye(10), atol=0.02)


def test_targets_are_the_sums_of_the_marked_numbers(many):
    numbers, markers, targets = many
    marked = numbers[markers == 1].reshape(-1, 2)  # in the order of steps: the first of each sequence, then its second
    np.testing.assert_allclose(targets, marked[:, 0] + marked[:, 1], rtol=1e-6)


def test_the_best_constant_is_1_with_a_sixth_and_with_one_number_known_a_twelfth_is_left(many):
    numbers, markers, targets = many
    np.testing.assert_allclose(targets.mean(), 1, atol=5 * np.sqrt(1 / 6 / len(targets)))
    # (s − 1)² has mean 1/6 and second moment 1/15
    deviation = np.sqrt((1 / 15 - 1 / 36) / len(targets))
    np.testing.assert_allclose(np.mean((targets - 1) ** 2), 1 / 6, atol=5 * deviation)
    np.testing.assert_allclose(np.mean(np.abs(targets - 1) < 0.08), 0.1536, atol=5 * np.sqrt(0.13 / len(targets)))
    second = numbers[:, 4:][markers[:, 4:] == 1]
    # (u − 1/2)² has mean 1/12 and second moment 1/80
    deviation = np.sqrt((1 / 80 - 1 / 144) / len(targets))
    np.testing.assert_allclose(np.mean((targets - second - 0.5) ** 2), 1 / 12, atol=5 * deviation)


def test_evaluation_is_the_squared_error_and_the_share_of_small_errors_on_two_sets_of_the_data_key():
    task = adding(**SMALL | {"validation_size": 300, "test_size": 200, "data_key": KEY})
    state = task.init(jax.random.key(1), OPT)
    layer, last = state.params
    params = (layer, last._replace(kernel=0.2 * last.kernel, bias=last.bias + 1))  # so that some errors are small
    metrics = task.evaluate(OPT, state._replace(params=params))
    assert set(metrics) == {"validation_loss", "validation_accuracy", "test_loss", "test_accuracy"}
    for name, key, size in zip(("validation", "test"), jax.random.split(KEY), (300, 200), strict=True):
        x, targets = (np.asarray(array, float) for array in sequences(key, size, 5))
        errors = reference.forward(jax.tree.map(np.asarray, params), x, "tanh")[0] - targets
        share = np.mean(np.abs(errors) < 0.08)
        assert 0.05 < share < 0.5
        np.testing.assert_allclose(metrics[f"{name}_loss"], np.mean(errors**2), rtol=1e-5)
        np.testing.assert_allclose(metrics[f"{name}_accuracy"], share, rtol=1e-6)
    assert (task.objective, task.maximize) == ("validation_loss", False)


def test_the_held_out_sets_are_fixed_and_differ():
    losses = []
    for settings in ({}, {"data_key": jax.random.key(0)}, {"data_key": KEY}):
        task = adding(**SMALL | {"test_size": 8} | settings)
        state = task.init(jax.random.key(1), OPT)
        metrics = task.evaluate(OPT, state)
        losses.append([float(metrics["validation_loss"]), float(metrics["test_loss"])])
    assert losses[0] == losses[1]
    assert len(set(losses[0] + losses[2])) == 4


def test_steps_equal_numpys_for_a_batch_of_optimizers_and_scales(x64):
    task, steps = adding(**SMALL), 3
    swept = {
        "optimizer": ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 0.5]),
        "initial_scale": jnp.array([[1.0, 1.0, 1.0], [0.5, 2.0, 3.0]]),
    }
    run = jax.vmap(lambda h: ch5jax.train(task, h, KEY, steps, signals_every=0))(swept)
    key = jax.random.fold_in(KEY, _keys.INIT)
    batches = [
        tuple(np.asarray(array) for array in sequences(jax.random.fold_in(KEY, index), 6, 5)) for index in range(steps)
    ]
    for i, rate in enumerate((0.1, 0.5)):
        start = jax.tree.map(np.asarray, rnn(2, 4, 1).init(key, swept["initial_scale"][i]))
        params, losses, norms = reference.train(start, batches, rate, "tanh")
        np.testing.assert_allclose(run.metrics["loss"][i], losses, rtol=1e-11)
        np.testing.assert_allclose(run.metrics["gradient_norm"][i], norms, rtol=1e-11)
        for got, due in zip(jax.tree.leaves(run.state.params), jax.tree.leaves(params), strict=True):
            np.testing.assert_allclose(got[i], due, rtol=1e-11, atol=1e-13)


@pytest.fixture(scope="module")
def learnt():
    """A delay of ten steps, under four rates and two seeds: losses over the steps, and the last of everything."""
    task = adding(time=10, hidden=16)

    def clipped(learning_rate):
        clip = ch5jax.lift(optax.clip_by_global_norm, max_norm=1.0)
        return ch5jax.chain(clip, ch5jax.adam(learning_rate=learning_rate))

    def train(opt, key):
        run = ch5jax.train(task, opt, key, 600, signals_every=0)
        return run.metrics["loss"], run.last()

    opts = ch5jax.grid(clipped, learning_rate=[0.0, 3e-3, 1e-2, 3e-2])
    return jax.vmap(jax.vmap(train, (0, None)), (None, 0))(opts, jax.random.split(jax.random.key(0), 2))


def test_a_short_delay_is_learnt_in_a_few_hundred_steps(learnt):
    _, last = learnt
    best = last["validation_loss"].min(axis=1)
    assert (best < 1 / 60).all()
    assert (last["validation_accuracy"].max(axis=1) > 0.4).all()
    np.testing.assert_allclose(last["test_loss"], last["validation_loss"], rtol=0.4)


def test_a_seed_gives_every_optimizer_the_same_weights_and_sequences(learnt):
    losses = np.asarray(learnt[0])  # seeds, optimizers, steps
    assert (losses[:, :, 0] == losses[:, :1, 0]).all()
    assert (losses[0, :, 0] != losses[1, :, 0]).all()
    assert (losses[:, 1:, 1] != losses[:, :1, 1]).all()


def test_every_step_has_sequences_of_its_own(learnt):
    losses, last = learnt
    still = np.asarray(losses)[:, 0]  # a rate of 0: the same weights at every step
    assert len(np.unique(still)) > 0.99 * still.size
    # over all of them, the loss is that of the two held-out sets
    mean = last["validation_loss"][:, 0] / 2 + last["test_loss"][:, 0] / 2
    np.testing.assert_allclose(still.mean(axis=1), mean, rtol=0.1)


def test_the_loss_is_that_of_the_step_with_the_same_key_and_shows_every_steps_gradient():
    task = adding(**SMALL)
    state = task.init(KEY, OPT)
    assert task.params(state) is state.params
    seen = {}

    def update(updates, state, params=None, *, value, **extra):
        seen.update(value=value, gradients=updates, params=params)
        return updates, state

    watching = optax.GradientTransformationExtraArgs(lambda params: (), update)
    _, metrics = task.step(KEY, jnp.int32(0), watching, state._replace(opt_state=()))
    assert seen["value"] is metrics["loss"]
    assert seen["params"] is state.params
    square = sum(np.sum(np.asarray(gradient) ** 2) for gradient in jax.tree.leaves(seen["gradients"]))
    np.testing.assert_allclose(metrics["gradient_norm"], np.sqrt(square), rtol=1e-6)
    np.testing.assert_allclose(task.loss(KEY, OPT, state, state.params), metrics["loss"], rtol=1e-6)
    through_time, at_the_end = site_gradients(lambda params: task.loss(KEY, OPT, state, params), state.params)
    assert through_time.z.shape == through_time.after.shape == (5, 6, 4)
    assert at_the_end.z.shape == (6, 1)
    norms = ch5jax.diagnostics.layer_gradient_norms((through_time, at_the_end))
    assert norms.shape == (6,)  # every step counts as a layer, and the outputs
    x, targets = sequences(KEY, 6, 5)
    due = 2 * (rnn(2, 4, 1).apply(state.params, x) - targets) / 6
    np.testing.assert_allclose(at_the_end.z, due, rtol=1e-5)
    assert (norms > 0).all()


def test_a_plain_optax_optimizer_takes_the_step_too():
    task = adding(**SMALL)
    states = []
    for opt in (optax.sgd(0.1), ch5jax.sgd(0.1)):
        state = task.init(KEY, opt)
        states.append(task.step(KEY, jnp.int32(0), opt, state)[0].params)
    chex.assert_trees_all_close(*states, rtol=1e-6)


def test_width_activation_initialisers_and_scale_are_the_networks():
    chex.assert_trees_all_equal(adding(validation_size=1, test_size=1).init(KEY, OPT).params, rnn(2, 32, 1).init(KEY))
    ones = jax.nn.initializers.ones
    settings = {"activation": jax.nn.relu, "recurrent_init": ones, "kernel_init": ones, "initial_scale": (1, 0.5, 2)}
    task = adding(**SMALL | settings)
    for hyperparameters, scale in ((OPT, (1, 0.5, 2)), ({"optimizer": OPT, "initial_scale": 3.0}, 3.0)):
        params = task.init(KEY, hyperparameters).params
        chex.assert_trees_all_equal(params, rnn(2, 4, 1, jax.nn.relu, ones, ones).init(KEY, scale))
    x, targets = (np.asarray(array, float) for array in sequences(KEY, 6, 5))
    outputs = reference.forward(jax.tree.map(np.asarray, params), x, "relu")[0]
    np.testing.assert_allclose(task.loss(KEY, OPT, None, params), np.mean((outputs - targets) ** 2), rtol=1e-5)


def test_trains_where_jax_refuses_all_promotion(x64):
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        task = adding(**{name: np.int64(size) for name, size in SMALL.items()})
        run = jax.eval_shape(lambda opt: ch5jax.train(task, opt, KEY, 4, signals_every=0), ch5jax.adam(0.01))
    for name in ("loss", "gradient_norm", "validation_loss", "validation_accuracy", "test_loss", "test_accuracy"):
        assert (run.metrics | run.evaluations)[name].dtype == jnp.float64


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"time": 1}, "time must be 2 or more, to have a number to remember in each half, got 1"),
        ({"time": 0}, "time must be a positive integer, got 0"),
        ({"hidden": 0}, "hidden must be a positive integer, got 0"),
        ({"batch_size": 2.0}, "batch_size must be a positive integer, got 2.0"),
        ({"validation_size": 0}, "validation_size must be a positive integer, got 0"),
        ({"test_size": -1}, "test_size must be a positive integer, got -1"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        adding(**settings)


def test_unknown_hyperparameters_are_refused():
    task = adding(**SMALL)
    with pytest.raises(ValueError, match="hyperparameters hold optimizer and initial_scale, got scale"):
        task.init(KEY, {"optimizer": OPT, "scale": 1.0})
