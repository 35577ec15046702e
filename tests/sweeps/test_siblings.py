"""What its siblings refute is not said of a trial."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ch5jax
from ch5jax.diagnostics import Difficulty, Signals
from ch5jax.sweeps._siblings import _wrong_way, seen_to_work, ties, with_siblings
from ch5jax.verdicts import diagnosis_of
from tests.sweeps.small import KEY

PROBES = 40
BASELINE = 2.3


def diagnoses(losses, input_scale=None):
    """Of trials whose mean loss takes this course, with nothing else known."""

    def one(loss):
        first = jnp.full(PROBES, loss[0])
        signals = Signals(mean_loss=loss, first_loss=first, lost_since=jnp.full(PROBES, -1, jnp.int32))
        return diagnosis_of(signals, PROBES, 1, 0.5, BASELINE, input_scale=input_scale)

    return jax.tree.map(np.asarray, jax.vmap(one)(jnp.asarray(losses)))


def falling(end):
    """From the baseline, straight down."""
    return np.linspace(BASELINE, end, PROBES)


def told(found):
    return [Difficulty(int(code)).name for code in np.asarray(found.code)]


def test_no_rate_is_too_small_whose_family_is_best_at_a_smaller_one():
    found = diagnoses([falling(1.5), falling(1.2), falling(1.6), falling(1.9)])
    assert told(found) == ["SLOW"] * 4
    rates = {"learning_rate": np.array([0.01, 0.1, 1.0, 10.0])}
    changed = with_siblings(found, rates, np.zeros(4), np.zeros(4, bool), BASELINE)
    assert told(changed) == ["SLOW", "SLOW", "UNKNOWN", "UNKNOWN"]
    assert changed.findings.step[2, Difficulty.SLOW] == -1
    assert changed.findings.step[2, Difficulty.UNKNOWN] == PROBES


def test_families_are_settings_with_their_seed():
    found = diagnoses([falling(1.5), falling(1.9), falling(1.9), falling(1.5)])
    settings = {"optimizer.learning_rate": np.array([0.01, 0.1, 0.01, 0.1]), "decay": np.array([1, 1, 2, 2])}
    changed = with_siblings(found, settings, np.zeros(4), np.zeros(4, bool), BASELINE)
    assert told(changed) == ["SLOW", "UNKNOWN", "SLOW", "SLOW"]
    alone = with_siblings(found, settings, np.arange(4), np.zeros(4, bool), BASELINE)
    assert told(alone) == ["SLOW"] * 4


def test_a_hundred_thousand_families_take_no_pass_each():
    """Random search has nearly a family a trial: a pass over all trials for each would take 10¹⁰ steps."""
    trials, rng = 100_000, np.random.default_rng(0)
    settings = {"learning_rate": rng.random(trials), "decay": rng.integers(0, 30_000, trials)}
    end = np.where(rng.random(trials) < 0.5, np.inf, rng.random(trials))
    wrong = _wrong_way(settings, np.zeros(trials), end)
    for decay in range(50):
        rows = np.flatnonzero(settings["decay"] == decay)
        rate, lowest = settings["learning_rate"][rows], np.argmin(end[rows])
        due = np.sign(rate[lowest] - rate) if np.isfinite(end[rows]).any() else 0 * rate
        np.testing.assert_array_equal(wrong[rows], due)


@pytest.mark.parametrize("settings", [{}, {"a.learning_rate": np.ones(2), "b.learning_rate": np.ones(2)}])
def test_without_one_rate_nothing_is_refuted(settings):
    found = diagnoses([falling(1.5), falling(1.9)])
    assert told(with_siblings(found, settings, np.zeros(2), np.zeros(2, bool), BASELINE)) == ["SLOW"] * 2


def test_who_is_tied_with_the_best_is_neither_accused_nor_healthy_unless_it_learned():
    found = diagnoses([falling(1.5), falling(2.0), falling(1.5)])
    changed = with_siblings(found, {}, np.zeros(3), np.array([True, True, False]), BASELINE)
    assert told(changed) == ["HEALTHY", "SLOW", "SLOW"]


def test_the_best_of_a_sweep_that_learned_nothing_is_not_healthy():
    flat = np.full(PROBES, BASELINE)
    found = diagnoses([flat])
    best = dataclasses.replace(found, masked=(found.masked[0]._replace(left=np.zeros(1)), None))
    assert told(with_siblings(best, {}, np.zeros(1), np.ones(1, bool), BASELINE)) == ["UNKNOWN"]


def test_inputs_are_not_unscaled_where_the_best_has_learned_from_them():
    slow, half, far = falling(1.9), falling(1.3), falling(1.0)
    for losses, due in (((slow, half), ["UNSCALED", "HEALTHY"]), ((slow, far), ["SLOW", "HEALTHY"])):
        found = diagnoses(losses, input_scale=100.0)
        assert told(found) == ["UNSCALED"] * 2
        rates = {"learning_rate": np.array([0.01, 0.1])}
        changed = with_siblings(found, rates, np.zeros(2), np.array([False, True]), BASELINE)
        assert told(changed) == due


def test_ties_are_within_half_a_percent_of_the_best():
    scores = np.array([0.98, 0.976, 0.97, -np.inf, np.nan])
    assert ties(scores, 0.98).tolist() == [True, True, False, False, False]
    assert ties(np.array([-0.2, -0.2009, -0.21]), -0.2).tolist() == [True, True, False]
    assert not ties(np.full(2, -np.inf), -np.inf).any()


def test_a_sweep_advises_no_rate_away_from_its_best():
    task = ch5jax.tasks.digits(hidden=(16,))
    opts = ch5jax.grid(ch5jax.sgd, learning_rate=np.geomspace(1e-4, 3.0, 8))
    task = task._replace(lowest=None)
    table = ch5jax.sweep(task, opts, steps=200, key=KEY).table().set_index("learning_rate")
    best = table.loss.idxmin()
    for rate, row in table.iterrows():
        assert not (rate > best and "slow" in row.difficulties)
        assert not (rate < best and ("oscillating" in row.difficulties or "noise" in row.difficulties))
    assert table.validation_accuracy.max() > 0.9
    assert table.loc[table.validation_accuracy.idxmax(), "verdict"] == "healthy"
    assert table.verdict.iloc[0] == "slow"


def settings_of(**values):
    """Every combination, each at two seeds."""
    axes = np.meshgrid(*values.values(), [3, 1], indexing="ij")
    flat = [axis.ravel() for axis in axes]
    return dict(zip(values, flat[:-1], strict=True)), flat[-1]


def test_a_remedy_is_the_best_sibling_s_value_that_is_better_at_every_seed():
    settings, seeds = settings_of(learning_rate=[0.01, 0.1, 1.0, 10.0])
    scores = np.array([0.5, 0.6, 0.9, 0.8, 0.7, 0.85, -np.inf, 0.3])
    # the third is worse on average and at one seed better than the second
    assert seen_to_work(settings, seeds, scores)[::2].tolist() == ["learning_rate 0.1", "", "", "learning_rate 0.1"]
    assert seen_to_work({}, seeds[:2], scores[:2]).tolist() == ["", ""]
    assert seen_to_work(settings, seeds, np.full(8, -np.inf)).tolist() == [""] * 8


def test_what_is_tied_is_no_remedy():
    settings, seeds = settings_of(learning_rate=[0.01, 0.1])
    assert seen_to_work(settings, seeds, np.array([0.9, 0.9, 0.9 + 0.004, 0.9 + 0.004])).tolist() == [""] * 4
    assert seen_to_work(settings, seeds, np.array([0.9, 0.9, 0.9 + 0.006, 0.9 + 0.006]))[0] == "learning_rate 0.1"
    # of a loss, too: the larger the better, and all below 0
    assert seen_to_work(settings, seeds, np.array([-2.0, -2.0, -1.0, -1.0]))[0] == "learning_rate 0.1"


def test_one_hyperparameter_is_changed_the_one_that_brings_most():
    settings, seeds = settings_of(rate=[0.1, 1.0], decay=[0.0, 0.5, 0.9])
    by_setting = np.array([0.1, 0.2, 0.3, 0.5, 0.8, 0.6])
    found = seen_to_work(settings, seeds, np.repeat(by_setting, 2))[::2]
    assert found.tolist() == ["rate 1", "rate 1", "rate 1", "decay 0.5", "", "decay 0.5"]


def test_remedies_in_words_stand_where_the_trials_do():
    """Rows in any order, and values that are no numbers."""
    settings, seeds = settings_of(activation=np.array(["relu", "tanh"]), rate=[0.1, 1.0])
    scores = np.repeat([0.2, 0.4, 0.9, 0.1], 2)
    order = np.random.default_rng(0).permutation(8)
    found = seen_to_work({name: values[order] for name, values in settings.items()}, seeds[order], scores[order])
    assert found.tolist() == np.array(["activation tanh", "", "", "rate 0.1"]).repeat(2)[order].tolist()


def test_equal_settings_count_once():
    """Two of three settings are the same: seven rows of two settings, whatever their order."""
    settings, seeds = settings_of(learning_rate=[0.01, 0.1, 0.1])
    scores = np.repeat([0.2, 0.9, 0.9], 2)
    assert seen_to_work(settings, seeds, scores).tolist() == ["learning_rate 0.1"] * 2 + [""] * 4


def test_a_seed_that_left_at_a_rung_counts_as_lost():
    settings, seeds = settings_of(learning_rate=[0.01, 0.1])
    scores = np.array([0.2, 0.3, 0.9, 0.8])
    rows = [0, 2, 3]  # the second seed of the first setting has left
    some = {name: values[rows] for name, values in settings.items()}
    assert seen_to_work(some, seeds[rows], scores[rows]).tolist() == ["learning_rate 0.1", "", ""]
    rows = [0, 1, 3]  # of the second setting, which is then not better at every seed
    some = {name: values[rows] for name, values in settings.items()}
    assert seen_to_work(some, seeds[rows], scores[rows]).tolist() == ["", "", ""]


def test_a_sweep_may_have_a_setting_twice():
    rates = [0.01, 0.02, 0.02, 0.05, 0.03, 0.04, 0.06]
    task = ch5jax.tasks.surface(ch5jax.problems.styblinski_tang(), start=[-2.0, -2.0])
    found = ch5jax.sweep(task, ch5jax.grid(ch5jax.sgd, learning_rate=rates), steps=40, key=KEY, seeds=3)
    assert found.columns["remedy"][3:6].tolist() == found.columns["remedy"][6:9].tolist()
    assert len(found) == 21
