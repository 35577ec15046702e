"""`diagnose`: the same run as `train`'s, codes inside the program and words outside it."""

import functools
import pickle
import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.datasets import load_digits

import ch5jax
from ch5jax import problems, tasks
from ch5jax.diagnostics import Difficulty
from ch5jax.networks import mlp
from ch5jax.tasks import supervised
from ch5jax.tasks._examples import split
from ch5jax.verdicts import NO_DIFFICULTY, Thresholds
from ch5jax.verdicts._finding import finding
from ch5jax.verdicts._words import say

pytestmark = pytest.mark.usefixtures("module_compiled_quickly")

KEY = jax.random.key(0)
diagnose = functools.partial(ch5jax.diagnose, continuations=False)  # they have tests of their own
BASIN = tasks.surface(problems.styblinski_tang(), start=[2.0, -2.0])


@pytest.fixture(scope="module")
def dead():
    """ReLUs that the first step kills."""
    return diagnose(tasks.digits(hidden=(8, 8)), ch5jax.sgd(20.0), steps=100, key=KEY)


def test_it_is_the_run_that_train_does():
    task, opt = tasks.digits(hidden=(8,)), ch5jax.momentum(0.05)
    found = diagnose(task, opt, steps=60, key=KEY, signals_every=7, iterations=0)
    run = ch5jax.train(task, opt, KEY, 60, signals_every=7)
    chex.assert_trees_all_close(found.signals, run.signals, rtol=1e-5, atol=1e-7)
    assert found.probed_at.tolist() == ch5jax.recorded_steps(60, 7).tolist()
    assert found.curvature is None
    assert found.names.matrices == found.names.layers == ("[0].kernel", "[1].kernel")
    assert found.names.activations == ("[0].kernel",)


def test_it_probes_fifty_times_by_default_and_at_every_step_of_a_short_run():
    assert diagnose(BASIN, ch5jax.sgd(0.01), steps=500, key=KEY).signals_every == 10
    assert diagnose(BASIN, ch5jax.sgd(0.01), steps=20, key=KEY).signals_every == 1


def test_evidence_says_where_when_how_strongly_and_what_to_try(dead):
    assert dead.main is Difficulty.SATURATED
    assert dead.difficulties >= {Difficulty.SATURATED}
    assert next(iter(dead.evidence)) is Difficulty.SATURATED
    seen = dead.evidence[Difficulty.SATURATED]
    shares = np.asarray(dead.signals.flat_units)
    layer = np.argmax(shares[-12:].mean(axis=0))
    assert seen.where == layer
    np.testing.assert_allclose(seen.strength, shares[-12:, layer].mean(), rtol=1e-5)
    assert seen.step == dead.probed_at[np.argmax(shares[:, layer] > 0.5)]
    said = dead.sentences[Difficulty.SATURATED]
    assert f"layer [{layer}].kernel were flat" in said
    assert "(over 50 %)" in said
    assert f"step {seen.step}." in said
    assert "Try a smaller learning rate" in said


def test_in_words_every_difficulty_has_a_line_and_facts_follow(dead):
    lines = str(dead).splitlines()
    assert [line.split(":")[0] for line in lines[: len(dead.evidence)]] == [d.name for d in dead.evidence]
    assert tuple(lines[len(dead.evidence) :]) == dead.descriptions
    assert any(line.startswith("Start: the parameters travelled") for line in lines)


def test_a_basin_with_its_curvature_in_words():
    found = diagnose(BASIN, ch5jax.sgd(0.01), steps=300, key=KEY)
    assert found.difficulties == {Difficulty.LOCAL_OPTIMUM}
    point = problems.nearest(problems.styblinski_tang(), jnp.array([2.7468, -2.9035])).index
    eigenvalues = problems.styblinski_tang().critical_points[int(point)].eigenvalues
    np.testing.assert_allclose(found.curvature.smallest, eigenvalues[0], rtol=1e-3)
    np.testing.assert_allclose(found.curvature.largest, eigenvalues[-1], rtol=1e-3)
    (said,) = [line for line in found.descriptions if line.startswith("Curvature")]
    share = float(re.search(r"are (\d+) % of the longest that are stable", said).group(1))
    np.testing.assert_allclose(share, 100 * 0.01 * eigenvalues[-1] / 2, atol=0.6)  # η λ_max / 2
    assert "a minimum" in said


@pytest.mark.parametrize(("rate", "kind"), [(0.002, "a flat basin"), (0.01, "a minimum"), (0.04, "a sharp minimum")])
def test_flat_and_sharp_are_of_the_steps_that_are_taken(rate, kind):
    best = tasks.surface(problems.styblinski_tang(), start=[-2.0, -2.0])
    found = diagnose(best, ch5jax.sgd(rate), steps=300, key=KEY)
    assert found.difficulties == set()
    assert f": {kind};" in str(found)
    assert str(found).startswith("HEALTHY: none of the difficulties was seen.")


def test_a_plateau_is_described():
    flat = problems.Problem(
        "flat", lambda x: jnp.sum(jax.nn.sigmoid(10 * x)), np.ones(1) * 3.0, np.array([[-4.0], [4.0]]), (), None
    )
    found = diagnose(tasks.surface(flat), ch5jax.sgd(0.01), steps=100, key=KEY)
    assert found.difficulties == {Difficulty.NO_GRADIENT}  # in float32 exactly zero
    assert "no step moved the parameters" in str(found)
    assert "is not known, so that nothing is said of being stuck" in str(found)
    thrown = diagnose(tasks.surface(problems.rnn_cliff()), ch5jax.sgd(0.02), steps=600, key=KEY)
    assert "a plateau, on which these steps feel neither slope nor curvature" in str(thrown)


def test_a_cliff_that_clipping_passes_is_told_and_accuses_nobody():
    task = tasks.surface(problems.rnn_cliff())
    thrown = diagnose(task, ch5jax.sgd(0.01), steps=300, key=KEY)
    assert thrown.main is Difficulty.CLIFF
    clip = ch5jax.lift(optax.clip_by_global_norm, max_norm=0.1)
    passed = diagnose(task, ch5jax.chain(clip, ch5jax.sgd(0.01)), steps=300, key=KEY)
    assert Difficulty.CLIFF not in passed.difficulties
    assert any(line.startswith("Cliff passed: a gradient") for line in passed.descriptions)


def test_it_jits_and_maps_over_hyperparameters_and_words_come_one_by_one():
    opts = ch5jax.grid(ch5jax.sgd, learning_rate=[1e-5, 0.01, 0.2])
    many = jax.jit(jax.vmap(lambda opt: diagnose(BASIN, opt, steps=200, key=KEY)))(opts)
    assert [Difficulty(int(code)).name for code in many.code] == ["SLOW", "LOCAL_OPTIMUM", "DIVERGED"]
    for i, opt in enumerate(ch5jax.unstack(opts)):
        one = jax.tree.map(lambda x, i=i: x[i], many)
        assert one.difficulties == diagnose(BASIN, opt, steps=200, key=KEY).difficulties
        assert one.main.name in str(one)
    with pytest.raises(ValueError, match=r"of one run, got a batch of shape \(3,\): take one with jax\.tree\.map"):
        str(many)


def test_best_is_the_task_s_unless_it_is_given():
    far = diagnose(BASIN, ch5jax.sgd(0.01), steps=300, key=KEY, best=-64.2)  # where it ends
    assert far.difficulties == set()
    assert BASIN.lowest == pytest.approx(-78.3323, abs=1e-3)
    unknown = diagnose(BASIN._replace(lowest=None), ch5jax.sgd(0.01), steps=300, key=KEY)
    assert unknown.difficulties == set()
    near = diagnose(BASIN, ch5jax.sgd(0.01), steps=300, key=KEY, thresholds=Thresholds(basin=0.9))
    assert near.difficulties == set()


def test_a_task_that_says_nothing_but_its_loss_gets_what_that_allows():
    def step(key, index, rate, state):
        del key, index
        return state - rate * 2 * state, {"loss": state**2}

    bare = ch5jax.Task(lambda key, rate: jnp.ones(()), step, lambda rate, state: {"validation_loss": state**2})
    lost = diagnose(bare, 1.5, steps=100, key=KEY)
    assert lost.difficulties == {Difficulty.DIVERGED}
    assert lost.evidence[Difficulty.DIVERGED].step == 10  # 4¹⁰ > 10⁶ > 4⁹
    assert "Curvature at the end: not available." in lost.descriptions
    assert diagnose(bare, 0.1, steps=100, key=KEY, best=0.0).difficulties == set()
    silent = bare._replace(step=lambda *args: (step(*args)[0], {"error": jnp.ones(())}))
    assert diagnose(silent, 0.1, steps=20, key=KEY).difficulties == set()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"steps": 0}, "steps must be"), ({"steps": 10, "signals_every": 0}, "signals_every must be")],
)
def test_numbers_that_are_not_positive_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        diagnose(BASIN, ch5jax.sgd(0.01), key=KEY, **options)


def test_lowest_is_known_where_it_can_be():
    assert tasks.digits().lowest == tasks.adding(time=4).lowest == 0
    quadratic = tasks.quadratic_deep()
    state = ch5jax.train(quadratic, ch5jax.sgd(0.02), KEY, 2000).state
    losses = [quadratic.loss(jax.random.key(i), None, state, state.params) for i in range(40)]
    assert quadratic.lowest == pytest.approx(np.mean(losses), rel=0.02)  # 40 batches of 128 of the training part


def test_the_digits_can_be_learned_to_any_loss(x64):
    """So that 0 is a loss that can be reached, down to logistic regression."""
    task = tasks.digits(hidden=(), batch_size=512)
    run = ch5jax.train(task, ch5jax.momentum(20.0), KEY, 1500, record_every=100)
    assert run.last()["loss"] < 2e-3


def test_runs_too_short_to_tell_are_unknown():
    found = diagnose(tasks.digits(hidden=(8,)), ch5jax.sgd(0.02), steps=7, key=KEY)
    assert found.main is Difficulty.UNKNOWN
    assert found.difficulties == set()
    assert str(found).startswith("UNKNOWN: to tell how it went takes a loss and 8 probes, and there were 7.")


def test_parameters_that_are_lost_count_as_diverged_without_a_loss():
    def step(key, index, rate, state):
        del key, index
        return state - rate * 2 * state, {"error": state}

    quiet = ch5jax.Task(
        lambda key, rate: jnp.ones(()),
        step,
        lambda rate, state: {"validation_loss": state**2},
        params=lambda state: state,
    )
    found = diagnose(quiet, 1e3, steps=30, key=KEY)
    assert found.difficulties == {Difficulty.DIVERGED}
    assert diagnose(quiet, 0.1, steps=30, key=KEY).main is Difficulty.UNKNOWN


def test_the_baseline_of_ready_tasks_is_what_a_constant_gets():
    digits, rows = tasks.digits(), np.asarray(load_digits().target)
    shares = np.bincount(rows) / len(rows)
    assert digits.baseline == pytest.approx(-(shares * np.log(shares)).sum(), rel=1e-3)  # the training part's, nearly
    assert tasks.adding(time=4).baseline == pytest.approx(1 / 6)
    x = np.random.default_rng(0).normal(size=(50, 2))
    parts = split(x, x[:, :1] * 3, KEY)
    task = supervised(mlp((2, 1)), *parts, batch_size=5)
    assert task.baseline == pytest.approx(parts.train.targets.var(), rel=1e-6)


def test_a_noisy_basin_is_told_by_the_gradient_at_the_end():
    """In two dimensions the late probes say next to nothing of a gradient under noise of 3."""
    noisy = tasks.surface(problems.styblinski_tang(), start=[2.0, -2.0], noise=3.0, start_spread=0.1)
    opt = ch5jax.sgd(ch5jax.linear_decay(0.02, 0.0, 1000))
    assert diagnose(noisy, opt, steps=1000, key=KEY).main is Difficulty.LOCAL_OPTIMUM


def test_logistic_regression_has_no_other_basin():
    task = tasks.digits(hidden=())
    found = diagnose(task, ch5jax.sgd(0.5), steps=400, key=KEY)
    assert Difficulty.LOCAL_OPTIMUM not in found.difficulties
    assert 0.03 < found.summary.left < 0.2


def test_a_diagnosis_is_short_where_it_is_not_asked_for_words(dead):
    assert repr(dead) == "Diagnosis(SATURATED, steps=100)"
    assert repr(jax.tree.map(lambda x: x[None], dead)) == "Diagnosis(of (1,), steps=100)"
    again = pickle.loads(pickle.dumps(jax.device_get(dead)))
    assert str(again) == str(dead)
    assert float(dead.metrics["validation_accuracy"]) < 0.3


def test_every_sentence_reads_without_a_gap():
    """Each with numbers that are there, and with such as are not."""
    found = diagnose(tasks.digits(hidden=(8,)), ch5jax.sgd(0.3), steps=50, key=KEY)
    for strength in (0.5, np.inf):
        for difficulty in Difficulty:
            if difficulty not in NO_DIFFICULTY:
                sentence = say(difficulty, finding(True, strength, 0, 12), found)
                assert "nan" not in sentence
                assert sentence.endswith(".")
                assert "  " not in sentence
    assert "was all noise, which explains" in say(Difficulty.NOISE, finding(True, np.inf, -1, 12), found)
    assert "within the error of that" in say(Difficulty.NOISE, finding(True, 0.45, -1, 12), found)
    assert "was 20 times more noise than gradient" in say(Difficulty.NOISE, finding(True, 20.0, -1, 12), found)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"best": "low"}, "best must be one number, a loss, got 'low'"),
        ({"best": np.zeros(3)}, "best must be one number"),
        ({"best": float("nan")}, "best must be finite, got nan"),
        ({"thresholds": None}, "thresholds must be a ch5jax.verdicts.Thresholds, got None"),
        ({"iterations": -1}, "iterations must be an integer from 0 on, got -1"),
        ({"task": tasks.digits}, "task must be a ch5jax.Task, such as"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        diagnose(**{"task": BASIN, "hyperparameters": ch5jax.sgd(0.1), "steps": 10, "key": KEY, **arguments})


def overfitting_task():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(60, 8)).astype(np.float32), rng.integers(0, 2, 60)
    return supervised(mlp((8, 16, 2)), (x[:40], y[:40]), (x[40:], y[40:]), batch_size=8, objective="validation_loss")


@pytest.mark.parametrize("steps", [100, 101, 107])
def test_overfitting_is_told_with_the_step_at_which_the_validation_loss_was_lowest(steps):
    task, opt = overfitting_task(), ch5jax.adam(0.01)
    found = diagnose(task, opt, steps=steps, key=KEY, iterations=0)
    run = ch5jax.train(task, opt, KEY, steps, record_every=10, evaluate_every=10, signals_every=0)
    at = [*range(10, steps + 1, 10), steps][: len(run.evaluations["validation_loss"])]
    lowest = int(np.argmin(run.evaluations["validation_loss"]))
    assert found.main is Difficulty.OVERFITTING
    assert found.evidence[Difficulty.OVERFITTING].step == at[lowest] < steps
    value = f"{run.evaluations['validation_loss'][lowest]:.3g}"
    assert f"; the validation loss was lowest, {value}, at step {at[lowest]}." in str(found)


def test_a_sweep_tells_since_when_a_trial_overfits_by_the_evaluations_that_it_has():
    opts = ch5jax.grid(ch5jax.adam, learning_rate=[0.01, 0.02])
    result = ch5jax.sweep(overfitting_task(), opts, steps=100, key=KEY, evaluate_every=5)
    for trial in (0, 1):
        losses = result.curves["adam"].evaluations["validation_loss"][trial]
        found = result.diagnosis(trial)
        assert found.evidence[Difficulty.OVERFITTING].step == 5 * (1 + int(np.argmin(losses))) < 100
        assert f"at step {found.evidence[Difficulty.OVERFITTING].step}." in str(found)
    once = ch5jax.sweep(overfitting_task(), opts, steps=100, key=KEY)  # evaluated at the end: when is not known
    assert once.diagnosis(0).evidence[Difficulty.OVERFITTING].step == 100
    assert "was lowest" not in str(once.diagnosis(0))


def test_validation_losses_on_the_way_that_are_not_finite_are_no_lowest_ones():
    run = ch5jax.train(overfitting_task(), ch5jax.adam(0.01), KEY, 100, signals_every=5)

    def told(*losses):
        given = {"validation": jnp.array(losses), "validated_at": jnp.array([25, 50, 75, 100])}
        summary = ch5jax.verdicts.diagnosis_of(run.signals, 100, 5, jnp.nan, **given).summary
        return int(summary.lowest_at), float(summary.lowest_validation), float(summary.validation)

    assert told(np.nan, 0.5, -np.inf, 2.0) == (50, 0.5, 2.0)
    at, lowest, last = told(np.nan, np.nan, np.inf, np.nan)
    assert (at, np.isfinite(lowest), np.isfinite(last)) == (100, False, False)
