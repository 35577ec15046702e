"""A trial's bits depend on its hyperparameters, its seed and the width, and on nothing else."""

import chex
import jax
import numpy as np
import pytest

import ch5jax
from tests.sweeps.small import KEY, RATES, TASK, assert_same_bits, batches, run

smoke = pytest.mark.smoke  # programs that are compiled in full cost most of a smoke: two tests of bits are in it


@pytest.fixture(scope="module")
def whole():
    return run()


@pytest.fixture(scope="module")
def plain():
    """Without signals: a third of the time to compile."""
    return run(signals_every=0)


def rows(result, group, settings=slice(None)):
    """Final loss and last validation loss of a group: (settings, seeds, 2)."""
    inside = result.columns["group"] == group
    values = np.stack([result.columns[name][inside] for name in ("loss", "validation_loss")], axis=-1)
    return values.reshape(-1, len(np.unique(result.columns["seed"])), 2)[settings]


def test_a_trial_is_the_same_in_another_chunk_with_other_neighbours_and_in_the_padded_one(whole):
    for settings in ([6], [2, 0], [6, 5, 4, 3, 2, 1, 0], [1, 3, 5]):
        part = run({"adam": ch5jax.grid(ch5jax.adam, learning_rate=RATES[settings] / 10), "sgd": batches()["sgd"]})
        np.testing.assert_array_equal(rows(part, "adam"), rows(whole, "adam", settings))


@smoke
def test_the_number_of_devices_does_not_matter(whole, monkeypatch):
    monkeypatch.setattr(jax, "local_devices", lambda: jax.devices("cpu")[:1])
    assert_same_bits(run(), whole)


@pytest.mark.parametrize("count", [2, 3, 7])
def test_nor_does_it_where_the_last_chunks_are_padded(plain, monkeypatch, count):
    monkeypatch.setattr(jax, "local_devices", lambda: jax.devices("cpu")[:count])
    assert_same_bits(run(signals_every=0), plain)


def test_the_same_seeds_serve_every_setting():
    """Common random numbers: at a rate of zero nothing is left but initial weights and batches."""
    same = run(ch5jax.grid(ch5jax.sgd, learning_rate=[0.0, 0.0]), seeds=[5, 1], signals_every=0)
    losses = rows(same, "sgd")[..., 0]
    np.testing.assert_array_equal(losses[0], losses[1])
    assert losses[0, 0] != losses[0, 1]


def test_seeds_may_be_named(plain):
    named = run(seeds=[1], signals_every=0)
    inside = plain.columns["seed"] == 1
    np.testing.assert_array_equal(named.columns["loss"], plain.columns["loss"][inside])


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_rate_of_1e12_is_a_row_that_says_when_and_leaves_the_other_63_alone(optimizer):
    factory = getattr(ch5jax, optimizer)
    calm = np.logspace(-3, -1, 64)
    wild = calm.copy()
    wild[17] = 1e12
    one, other = (
        run(
            ch5jax.grid(factory, learning_rate=rates), seeds=1, width=16, steps=12, evaluate_every=None, signals_every=0
        )
        for rates in (calm, wild)
    )
    others = np.arange(64) != 17
    for name in ("loss", "validation_loss", "test_accuracy", "diverged_at"):
        np.testing.assert_array_equal(one.columns[name][others], other.columns[name][others])
    assert (one.columns["diverged_at"] == -1).all()
    assert other.columns["diverged_at"][17] == 1  # the first loss is the untrained network's
    assert other.ranking()[-1] == 17


def test_rerun_gives_the_same_bits_and_the_full_curve(whole):
    for number in (0, 9, 27):
        again = whole.rerun(number)
        group = whole.columns["group"][number]
        first = int(np.argmax(whole.columns["group"] == group))
        curves = whole.curves[str(group)]
        assert again.metrics["loss"].shape == (30,)
        np.testing.assert_array_equal(again.metrics["loss"][curves.steps - 1], curves.metrics["loss"][number - first])
        for name, values in again.evaluations.items():
            np.testing.assert_array_equal(values, curves.evaluations[name][number - first])
            assert values[-1] == whole.columns[name][number]


@pytest.mark.usefixtures("compiled_quickly")
@smoke
def test_a_trial_trains_to_the_same_numbers_outside_the_sweep(whole):
    """To rounding: another width is another program."""
    for number in (3, 20):
        trial = whole.trial(number)
        trained = ch5jax.train(TASK, trial.hyperparameters, trial.key, 30)
        np.testing.assert_allclose(trained.metrics["loss"][-1], whole.columns["loss"][number], rtol=1e-4)
        np.testing.assert_allclose(trained.last()["test_loss"], whole.columns["test_loss"][number], rtol=1e-4)
        chex.assert_trees_all_close(trained.state, whole.rerun(number).state, rtol=1e-3, atol=1e-5)


def test_a_trials_key_is_folded_from_its_seed(whole):
    for number in (0, 1, 27):
        seed = int(whole.columns["seed"][number])
        assert (
            jax.random.key_data(whole.trial(number).key) == jax.random.key_data(jax.random.fold_in(KEY, seed))
        ).all()


def test_a_trials_hyperparameters_are_those_that_were_given(whole):
    assert whole.trial(2).hyperparameters == ch5jax.sgd(learning_rate=float(RATES[1]))
    assert whole.trial(27).hyperparameters == ch5jax.adam(learning_rate=float(RATES[6] / 10))
