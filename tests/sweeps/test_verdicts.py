"""A verdict for every trial of a sweep: those of its own signals, whatever stands beside it."""

import jax
import numpy as np
import pytest

import ch5jax
from ch5jax.diagnostics import Difficulty
from ch5jax.sweeps import _verdicts
from ch5jax.verdicts import NO_DIFFICULTY, PRECEDENCE, Thresholds, judge
from tests.sweeps import small

pytestmark = pytest.mark.usefixtures("compiled_quickly")

BASIN = ch5jax.tasks.surface(ch5jax.problems.styblinski_tang(), start=[-2.0, -2.0])
RATES = [1e-6, 1e-2, 1.0]


def sweep(task=BASIN, rates=RATES, **options):
    opts = ch5jax.grid(ch5jax.sgd, learning_rate=rates)
    return ch5jax.sweep(task, opts, key=small.KEY, **{"steps": 200, "width": 4, "signals_every": 5, **options})


@pytest.fixture(scope="module")
def result():
    return sweep(seeds=2)


def test_a_million_verdicts_hold_what_is_known_once(result):
    """Their signals are the curves', and thresholds one row for all."""
    ((numbers, batch),) = result._diagnoses
    curves = result.curves["sgd"].signals
    assert numbers.tolist() == [*range(6)]
    assert np.shares_memory(batch.signals.gradient_norm, curves.gradient_norm)
    assert all(leaf.strides[0] == 0 and len(leaf) == 6 for leaf in jax.tree.leaves(batch.thresholds))
    one = result.diagnosis(3)
    np.testing.assert_array_equal(one.signals.gradient_norm, curves.gradient_norm[3])
    np.testing.assert_allclose(jax.tree.leaves(one.thresholds), jax.tree.leaves(Thresholds()), rtol=1e-6)


def test_a_column_names_what_each_trial_met(result):
    assert result.columns["verdict"].tolist() == ["slow"] * 2 + ["healthy"] * 2 + ["diverged"] * 2
    assert result.columns["difficulties"].tolist() == ["slow"] * 2 + [""] * 2 + ["diverged"] * 2
    assert set(result.table().verdict) == {"slow", "healthy", "diverged"}
    assert result.columns["remedy"].tolist() == ["learning_rate 0.01"] * 2 + [""] * 2 + ["learning_rate 0.01"] * 2


def test_verdicts_are_those_of_judge_trial_by_trial():
    found = sweep(small.TASK, np.geomspace(1e-4, 30, 5), steps=120)
    curves = found.curves["sgd"]
    for i in range(5):
        signals = jax.tree.map(lambda values, i=i: values[i], curves.signals)
        verdict = judge(signals, curves.probed_at, best=0.0, baseline=small.TASK.baseline)
        assert found.columns["verdict"][i] == Difficulty(int(verdict.code)).name.lower()
        names = [d.name.lower() for d in PRECEDENCE if d not in NO_DIFFICULTY and verdict.found[d]]
        assert found.columns["difficulties"][i] == ", ".join(names)


def test_lots_and_what_fills_them_up_change_nothing(result, monkeypatch):
    monkeypatch.setattr(_verdicts, "MOST_AT_ONCE", 2)
    again = sweep(seeds=2)
    for name in ("verdict", "difficulties", "remedy"):
        np.testing.assert_array_equal(again.columns[name], result.columns[name])


def best_of(found, number):
    """What a trial was measured against."""
    summary = found.diagnosis(number).summary
    return float(summary.end - summary.above_best)


def test_what_can_be_reached_is_the_task_s_lowest_loss_or_the_best_of_the_trials():
    assert best_of(sweep(rates=[1e-6, 1e-3]), 0) == pytest.approx(BASIN.lowest)
    unknown = sweep(BASIN._replace(lowest=None), [1e-6, 1e-3, 1.0])
    losses = unknown.curves["sgd"].signals.mean_loss
    assert best_of(unknown, 0) == pytest.approx(losses[1].min())  # the third one diverges
    assert unknown.columns["verdict"].tolist() == ["slow", "healthy", "diverged"]


def test_groups_of_one_task_are_measured_against_the_best_of_all():
    task = BASIN._replace(lowest=None)
    opts = {name: ch5jax.grid(ch5jax.sgd, learning_rate=[rate]) for name, rate in (("low", 1e-6), ("high", 1e-2))}
    options = {"steps": 200, "key": small.KEY, "signals_every": 5, "width": 1}
    together = ch5jax.sweep(task, opts, **options)
    low, high = (together.curves[name].signals.mean_loss.min() for name in opts)
    assert [best_of(together, i) for i in range(2)] == pytest.approx([high, high])
    other = task._replace(evaluate=task.evaluate)
    apart = ch5jax.sweep({"low": other, "high": task}, opts, **options)
    assert [best_of(apart, i) for i in range(2)] == pytest.approx([low, high])


def test_a_trial_is_diagnosed_with_what_a_sweep_does_not_take():
    """Curvature, and continuations: it rests in a basin that is not the lowest, and steps ten times as long gain."""
    aside = ch5jax.tasks.surface(ch5jax.problems.styblinski_tang(), start=[2.0, -2.0])
    result = sweep(aside, [1e-6, 1e-2])
    trial, found = result.trial(1), result.diagnose(1)
    again = ch5jax.diagnose(trial.task, trial.hyperparameters, steps=200, key=trial.key)
    assert (str(found), found.main) == (str(again), Difficulty.LOCAL_OPTIMUM)
    assert result.columns["verdict"][1] != "local_optimum"
    assert "Going on for" in str(result.diagnose(0, iterations=3))
    assert result.diagnose(0, continuations=False).continuations is None
    with pytest.raises(ValueError, match="trial must be an integer from 0 to 1, got 2"):
        result.diagnose(2)


def test_a_diagnosis_says_the_verdict_in_words(result):
    for number in range(len(result)):
        found = result.diagnosis(number)
        assert found.main.name.lower() == result.columns["verdict"][number]
        assert found.steps == 200
        assert found.curvature is None
        assert "Curvature at the end: not available." in found.descriptions
    assert f"from step {result.columns['diverged_at'][5]} on" in str(result.diagnosis(5))
    with pytest.raises(ValueError, match="trial must be an integer from 0 to 5, got 6"):
        result.diagnosis(6)


def test_parameters_that_are_lost_count_as_diverged_though_the_loss_does_not_show_it():
    def step(key, index, rate, state):
        del key, index
        return state + rate, {"loss": state * 0}

    task = ch5jax.Task(
        lambda key, rate: jax.numpy.zeros(()), step, lambda rate, state: {"validation_loss": state}, params=lambda s: s
    )
    found = ch5jax.sweep(task, np.array([1.0, np.inf]), steps=1, key=small.KEY, width=1)
    assert found.columns["diverged_at"].tolist() == [-1, 0]
    assert found.columns["verdict"].tolist() == ["unknown", "diverged"]  # one probe tells no course


def test_without_signals_there_is_no_column_and_a_clear_error():
    found = sweep(signals_every=0)
    assert not {"verdict", "difficulties", "remedy"} & set(found.columns)
    with pytest.raises(ValueError, match=r"took none \(signals_every=0\)"):
        found.diagnosis(0)


def test_a_hyperparameter_called_verdict_keeps_a_column_of_its_own():
    def step(key, index, given, state):
        del key, index
        return state - given["verdict"] * 2 * state, {"loss": state**2}

    task = ch5jax.Task(lambda key, given: jax.numpy.ones(()), step, lambda given, state: {"validation_loss": state**2})
    found = ch5jax.sweep(task, {"verdict": np.array([0.1, 1.5])}, steps=100, key=small.KEY, width=2)
    assert found.columns["hyperparameter verdict"].tolist() == [0.1, 1.5]
    assert found.columns["verdict"].tolist() == ["healthy", "diverged"]


def test_a_store_gives_the_same_verdicts_again(tmp_path):
    first, again = (sweep(store=tmp_path / "store") for _ in range(2))
    small.assert_same_bits(first, again)
    assert (first.columns["verdict"] == again.columns["verdict"]).all()
