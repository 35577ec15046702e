"""Verdicts on what a training wrote down: courses whose answer is known, and those of `train` and of a recorder."""

import pickle
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ch5jax
from ch5jax import problems, tasks
from ch5jax.diagnostics import Difficulty, Signals, diverged_at
from ch5jax.verdicts import Diagnosis, Thresholds, judge, judge_history, read_log
from ch5jax.verdicts._intervals import intervals, signals_of

pytestmark = pytest.mark.usefixtures("module_compiled_quickly")

D = Difficulty
N = 200
T = np.arange(N)
FALLEN = 0.1 + 2 * np.exp(-T / 10)
SLOW = 2 - T / 400
NAN, INF = np.nan, np.inf


def changed(values, at, value):
    new = np.array(values, float)
    new[at] = value
    return new


@pytest.mark.parametrize(
    ("losses", "best", "main"),
    [
        (np.ones(N), 0.0, D.UNKNOWN),  # no test tells why
        (np.ones(N), 1.0, D.HEALTHY),
        (1.2**T, None, D.DIVERGED),
        (changed(FALLEN, slice(150, N), NAN), 0.1, D.DIVERGED),
        (changed(FALLEN, -1, NAN), 0.1, D.DIVERGED),
        (changed(FALLEN, slice(100, 103), [NAN, INF, -INF]), 0.1, D.HEALTHY),  # it passes
        (1.0 + T % 2, None, D.OSCILLATING),
        (1.0 + T % 2, 0.0, D.OSCILLATING),
        (FALLEN, 0.1, D.HEALTHY),
        (FALLEN, 0.0, D.HEALTHY),
        (FALLEN, -1.0, D.UNKNOWN),  # a third of the descent is left
        (SLOW, None, D.SLOW),
        (SLOW, 0.0, D.SLOW),
        (FALLEN[:7], 0.1, D.UNKNOWN),  # too short to tell
    ],
)
def test_a_course_whose_answer_is_known(losses, best, main):
    found = judge_history(losses, best=best)
    assert found.main is main, str(found)
    assert isinstance(found, Diagnosis)
    assert "nan" not in str(found)


def test_without_a_best_it_says_what_judge_says():
    for losses in (np.ones(N), FALLEN, SLOW):
        found = judge_history(losses)
        assert int(judge(found.signals, found.probed_at).code) == found.main
        assert not found.summary.has_best


def test_the_signals_are_those_of_the_same_run():
    task = tasks.surface(problems.styblinski_tang(), start=[2.0, -2.0], noise=3.0)
    run = ch5jax.train(task, ch5jax.sgd(0.02), jax.random.key(1), steps=415, record_every=1, signals_every=8)
    found = judge_history(run.metrics["loss"], run.metrics["gradient_norm"])
    assert found.probed_at.tolist() == ch5jax.recorded_steps(415, 8).tolist()
    assert (found.steps, found.signals_every) == (415, 8)
    for name in ("spike", "alternation", "mean_loss", "first_loss", "lost_since"):
        np.testing.assert_allclose(getattr(found.signals, name), getattr(run.signals, name), rtol=1e-6, err_msg=name)
    np.testing.assert_allclose(found.signals.gradient_norm, run.signals.gradient_norm, rtol=1e-4)
    assert found.signals.update_norm is None
    assert int(found.code) == judge(Signals(*found.signals), found.probed_at).code


def test_a_diverging_run_of_train_is_lost_at_the_same_step():
    task = tasks.surface(problems.styblinski_tang(), start=[2.0, -2.0])
    run = ch5jax.train(task, ch5jax.sgd(0.5), jax.random.key(0), 100, signals_every=2)
    found = judge_history(run.metrics["loss"], run.metrics["gradient_norm"])
    np.testing.assert_array_equal(found.signals.lost_since, run.signals.lost_since)
    at = int(diverged_at(run.metrics["loss"]))
    assert at == found.signals.lost_since[-1] >= 0
    assert int(found.findings.step[D.DIVERGED]) == at + 1  # the first lost loss is that of this step, counted from 1


@pytest.mark.parametrize("steps", [np.arange(0, 10 * N, 10), np.arange(5000, 5000 + N), np.arange(1, N + 1)])
def test_words_name_the_historys_own_steps(steps):
    lost = judge_history(changed(FALLEN, slice(150, N), INF), steps=steps)
    assert f"from step {steps[150]:,} on" in str(lost)
    found = judge_history(SLOW, steps=steps)
    assert f"when it ended at step {steps[-1]:,} the loss still fell" in str(found)
    assert len(found.probed_at) == 50
    assert found.probed_at.tolist() == steps[3::4].tolist()
    assert found.signals_every == 4 * (steps[1] - steps[0])


def test_losses_unevenly_recorded_are_judged_by_their_steps():
    steps = np.unique(np.geomspace(1, 10_000, 80).astype(int))
    slow = judge_history(2 - steps / 10_000, steps=steps, best=0.0)
    assert slow.main is D.SLOW
    assert float(slow.findings.strength[D.SLOW]) == pytest.approx(1, abs=0.05)  # as fast as in the second quarter
    empty = intervals(steps).empty
    assert empty.sum() > 20
    np.testing.assert_allclose(slow.signals.mean_loss[empty], 2 - slow.probed_at[empty] / 10_000, atol=1e-6)
    records = judge_history(2 - steps / 10_000, best=0.0)
    assert float(records.findings.strength[D.SLOW]) > 10  # which the records alone do not show
    slowed = 0.1 + 2 * np.exp(-steps / 500)
    found = judge_history(slowed, steps=steps, best=0.1)
    assert found.main is D.HEALTHY
    assert len(found.probed_at) == 50
    spacing = np.diff(found.probed_at)
    assert spacing.max() - spacing.min() <= 1
    assert found.probed_at[-1] == 10_000
    exact = 0.1 + 2 * np.exp(-found.probed_at / 500)
    np.testing.assert_allclose(found.signals.mean_loss[20:], exact[20:], atol=0.02)  # interpolated


def test_intervals_hold_every_record_once():
    rng = np.random.default_rng(0)
    for count in (1, 2, 3, 9, 50, 51, 99, 100, 1234):
        for steps in (np.arange(3, 3 + 7 * count, 7), np.cumsum(rng.integers(1, 40, count))):
            made = intervals(steps)
            assert np.all(np.diff(made.probed_at) > 0)
            assert made.probed_at[-1] == steps[-1]
            assert made.ends.sum() == (~made.empty).sum()
            assert made.last[-1] == count - 1
            assert np.all(steps[made.last] <= made.probed_at)
            assert len(made.probed_at) <= 100


def test_what_lies_under_it_jits_and_vmaps():
    divided = intervals(np.arange(1, N + 1))
    losses = jnp.stack([jnp.asarray(FALLEN), jnp.asarray(SLOW), jnp.asarray(1.0 + T % 2)])
    codes = jax.jit(
        jax.vmap(lambda loss: judge(signals_of(loss, None, None, divided), divided.probed_at, best=0.1).code)
    )(losses)
    assert [D(int(code)) for code in codes] == [D.HEALTHY, D.SLOW, D.OSCILLATING]


def test_a_spike_that_throws_the_loss_is_a_cliff_and_one_that_does_not_is_passed():
    norms = changed(np.ones(N), 120, 50.0)
    thrown = judge_history(np.where(T > 120, 1.5, 0) + FALLEN, norms, steps=10 * (T + 1))
    assert thrown.main is D.CLIFF
    assert "a gradient 50 times the usual" in str(thrown)
    assert "in the 40 steps up to step 1,240." in str(thrown)
    assert "Cliff passed: a gradient 50 times the usual" in str(judge_history(FALLEN, norms))


def test_norms_that_were_not_written_down_leave_no_trace():
    norms = [None if i % 3 else 1.0 for i in T]
    norms[150] = 40.0
    found = judge_history(FALLEN, norms)
    assert float(jnp.nanmax(found.signals.spike)) == 40
    assert np.isfinite(found.signals.spike).all()
    alone = judge_history(FALLEN[::3], [norm for norm in norms if norm is not None])
    assert float(jnp.max(alone.signals.spike)) == 40
    assert not np.isfinite(judge_history(FALLEN, changed(np.ones(N), 100, NAN)).signals.spike).all()  # NaN is data


def test_losses_that_were_not_written_down_are_left_out():
    given = [float(loss) if i % 2 else None for i, loss in enumerate(FALLEN)]
    found, alone = judge_history(given), judge_history(FALLEN[1::2], steps=np.arange(2, N + 1, 2))
    np.testing.assert_array_equal(found.signals.mean_loss, alone.signals.mean_loss)
    assert found.probed_at.tolist() == alone.probed_at.tolist()


def test_a_baseline_and_thresholds_are_taken():
    assert judge_history(SLOW, best=1.3).main is D.SLOW
    left = float(judge_history(np.full(N, 1.0), best=0.0, baseline=4.0).summary.left)
    assert left == pytest.approx(1.0)  # it never was as bad as the baseline
    assert judge_history(FALLEN, best=-1.0, thresholds=Thresholds(above=0.4)).main is D.HEALTHY


VALIDATION = 0.3 + np.exp(-T / 10) + 0.5 * np.clip(T - 60, 0, None) / N
STILL = 0.1 + 2 * np.exp(-T / 60)


@pytest.mark.parametrize("noise", [0.0, 0.03])
@pytest.mark.parametrize("pair", [False, True])
def test_a_validation_loss_that_rises_while_the_training_loss_falls_overfits(noise, pair):
    losses = np.float32(VALIDATION + noise * np.random.default_rng(0).normal(size=N))
    validation = (10 * T[9::10] + 10, losses[9::10]) if pair else losses
    found = judge_history(STILL, validation=validation, steps=10 * T + 10, best=0.0)
    lowest = 9 + 10 * int(np.argmin(losses[9::10])) if pair else int(np.argmin(losses))
    assert int(found.validation.lowest_at) == 10 * lowest + 10
    assert float(found.validation.lowest) == pytest.approx(losses[lowest], rel=1e-6)
    assert float(found.validation.end) == pytest.approx(losses[-1], rel=1e-6)
    assert bool(found.validation.overfits)
    assert found.descriptions[-1] == (
        f"Validation loss: lowest {losses[lowest]:.3g} at step {10 * lowest + 10:,}, {losses[-1]:.3g} at the end (step "
        "2,000), above the lowest by more than its scatter while the training loss kept falling: it overfits since "
        f"step {10 * lowest + 10:,}."
    )
    assert str(found).endswith(found.descriptions[-1])


def test_a_validation_loss_does_not_overfit_by_chance_or_alone():
    rng = np.random.default_rng(1)
    flat = [0.3 + np.exp(-T / 10) + 0.05 * rng.normal(size=N) for _ in range(40)]
    assert sum(bool(judge_history(STILL, validation=one).validation.overfits) for one in flat) <= 1
    short = [judge_history(STILL, validation=(T[::20], one[::20])).validation.overfits for one in flat]
    assert sum(map(bool, short)) <= 2
    stalled = np.full(N, 0.5) + 0.01 * rng.normal(size=N)  # the training loss does not fall
    assert not judge_history(stalled, validation=VALIDATION).validation.overfits
    np.testing.assert_allclose(
        np.median([judge_history(STILL, validation=v).validation.scatter for v in flat[:5]]), 0.05, rtol=0.2
    )


def test_a_validation_loss_at_its_lowest_or_lost_is_told():
    falling = judge_history(STILL, validation=STILL + 0.1)
    assert falling.descriptions[-1] == f"Validation loss: lowest at the end, {STILL[-1] + 0.1:.3g} (step 200)."
    lost = judge_history(STILL, validation=changed(VALIDATION, -1, NAN))
    assert "not finite at the end (step 200)." in lost.descriptions[-1]
    never = judge_history(STILL, validation=(None,) * (N - 1) + (INF,))
    assert never.descriptions[-1] == "Validation loss: it was never finite."
    now_and_then = judge_history(STILL, validation=[v if i % 50 == 49 else None for i, v in enumerate(VALIDATION)])
    assert "at step 50, " in now_and_then.descriptions[-1]
    assert judge_history(STILL).validation is None


@pytest.fixture(scope="module")
def recorded():
    """A loop of one's own with a recorder: its states at each step, losses and gradient norms; one step is thrown."""
    opt = optax.with_extra_args_support(optax.chain(ch5jax.diagnostics.recorder(), ch5jax.sgd(0.05)))

    def step(carry, index):
        params, state = carry
        value, gradient = jax.value_and_grad(lambda w: jnp.sum(w**2 * jnp.array([[1.0, 0.1]])))(params)
        gradient = jnp.where(index == 250, 60.0, 1.0) * gradient
        updates, state = opt.update(gradient, state, params, value=value)
        return (optax.apply_updates(params, updates), state), (state, value, jnp.linalg.norm(gradient))

    start = jnp.ones((1, 2))
    (_, state), rest = jax.lax.scan(step, (start, opt.init(start)), jnp.arange(300))
    return state, *rest


def test_states_of_a_recorder_are_a_history(recorded):
    _, states, losses, norms = recorded
    found, same = judge_history(states, best=0.0), judge_history(losses, norms, best=0.0)
    for name in ("spike", "alternation", "first_loss", "lost_since", "gradient_norm"):
        np.testing.assert_allclose(getattr(found.signals, name), getattr(same.signals, name), rtol=1e-5, err_msg=name)
    np.testing.assert_allclose(found.signals.mean_loss, same.signals.mean_loss, atol=1e-5)  # differences of sums
    assert found.probed_at.tolist() == same.probed_at.tolist()
    assert found.main is same.main
    now_and_then = [jax.tree.map(lambda x, i=i: x[i], states[0]) for i in range(9, 300, 10)]
    rare = judge_history(now_and_then, best=0.0)
    assert rare.probed_at.tolist() == list(range(10, 310, 10))
    assert float(rare.signals.spike.max()) == float(same.signals.spike.max())
    means = np.asarray(losses).reshape(-1, 10).mean(axis=1)
    np.testing.assert_allclose(rare.signals.mean_loss, means, atol=1e-5)


def test_one_state_of_a_recorder_tells_what_was_lost_and_the_largest_spike(recorded):
    state = recorded[0]
    found = judge_history(state)
    assert found.main is D.UNKNOWN
    assert "Cliff passed: a gradient" in str(found)
    assert found.steps == 300
    opt = ch5jax.diagnostics.recorder()
    state = opt.init(jnp.ones(2))
    for value in (1.0, 2.0, INF, NAN):
        _, state = opt.update(jnp.full(2, value), state)
    assert "from step 3 on" in str(judge_history(state))  # without losses, of the updates


def test_columns_of_a_dict_are_found_by_their_names():
    keras = {"loss": list(STILL), "accuracy": [0.5] * N, "val_loss": list(VALIDATION)}
    found = judge_history(keras, best=0.0)
    assert "it overfits since step 61." in str(found)
    named = {"Epoch": T, "train/loss": jnp.asarray(STILL), "Gradient Norm": np.ones(N, np.float16)}
    found = judge_history(named)
    assert found.probed_at[-1] == N - 1
    assert found.signals.gradient_norm.tolist() == [1.0] * 50
    assert judge_history(named, steps=T + 1).probed_at[-1] == N  # what is given goes before
    repeated = {"epoch": T // 10, "loss": STILL}
    assert judge_history(repeated).probed_at[-1] == N  # epochs that many records share are no steps


def test_a_diagnosis_of_a_history_is_a_pytree_and_pickles():
    found = judge_history(STILL, validation=VALIDATION)
    assert str(jax.tree.map(jnp.asarray, found)) == str(found)
    assert str(pickle.loads(pickle.dumps(jax.device_get(found)))) == str(found)


LOG = "step,train_loss,val_loss,Grad-Norm,lr\n"


def test_a_log_is_read_with_what_was_not_recorded(tmp_path):
    path = tmp_path / "log.csv"
    rows = [f"{10 * i},{loss},,1.0,0.1\n{10 * i},,{loss + 0.1},,\n" for i, loss in enumerate(STILL)]
    path.write_text("\ufeff" + LOG + "".join(rows) + "\n")
    log = read_log(path)
    assert log.columns == {
        "losses": "train_loss",
        "validation": "val_loss",
        "gradient_norms": "Grad-Norm",
        "steps": "step",
    }
    assert log.unused == ("lr",)
    found = judge_history(log, best=0.0)
    same = judge_history(STILL, np.ones(N), STILL + 0.1, steps=10 * T, best=0.0)
    assert str(found) == str(same)
    path.write_text("a;loss\n1,5;2,5\n2;nan\n3;-inf\n")
    assert np.array_equal(read_log(path).losses, [2.5, NAN, -INF], equal_nan=True)
    assert read_log(path, loss="a", step="loss").losses == [1.5, 2.0, 3.0]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "log.csv must hold the columns' names and a row for each record, got 0 lines"),
        ("loss\n", {}, "and a row for each record, got 1 lines"),
        (
            "a,b\n1,2\n",
            {},
            "log.csv must have a column loss or train_loss, or it has to be told which one it is; it has 'a', 'b'",
        ),
        ("a,b\n1,2\n", {"loss": "c"}, "loss must be a column of {path}, got 'c'; it has 'a', 'b'"),
        ("loss\n1\nlow\n", {}, "column 'loss' of {path} must hold numbers, got 'low' in line 3"),
        ("loss,x\n,1\n,2\n", {}, "column 'loss' of {path} must hold a number, got 2 that are missing"),
        ("Step,loss\n1,1\n1,2\n", {}, "column 'Step' of {path} must increase, got 1 after 1 at index 1"),
        ("epoch,loss\n1,1\n1,2\n", {"step": "epoch"}, "column 'epoch' of {path} must increase, got 1 after 1"),
        (
            "step,loss\n1,1\n,2\n",
            {},
            "column 'step' of {path} must hold whole numbers from 0 to 2,147,483,647, got None",
        ),
    ],
)
def test_a_log_that_makes_no_sense_is_refused(tmp_path, text, options, message):
    path = tmp_path / "log.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=re.escape(message.format(path=path))):
        judge_history(read_log(path, **options))


def test_a_log_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"a log must be a CSV file, and there is no file .*none\.csv"):
        read_log(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"losses": []}, "losses must be numbers in a row, a list or array of shape (n,) with n ≥ 1, got shape (0,)"),
        ({"losses": np.ones((2, 3))}, "of shape (n,) with n ≥ 1, got shape (2, 3)"),
        ({"losses": [[1.0], [1.0, 2.0]]}, "losses must be numbers in a row, a list or array of shape (n,), got list: "),
        ({"losses": 3.0}, "with n ≥ 1, got 3.0"),
        ({"losses": "log.csv"}, "got 'log.csv'"),
        ({"losses": [1.0, "b"]}, "got 'b' at index 1"),
        ({"losses": np.ones(3, bool)}, "got dtype bool, "),
        ({"losses": np.ones(3, complex)}, "got dtype complex128, "),
        ({"losses": [None, None]}, "losses must hold a number, got 2 that are missing"),
        (
            {"losses": {"accuracy": [1.0]}},
            "losses, a dict, must have a column loss or train_loss, or it has to be told",
        ),
        (
            {"losses": {"loss": [1.0], "val_loss": ["x"]}},
            "column 'val_loss' of losses, a dict, must be numbers in a row",
        ),
        ({"gradient_norms": np.ones(3)}, "gradient_norms must have as many numbers as losses, 200, got 3"),
        ({"gradient_norms": changed(np.ones(N), 5, -1)}, "gradient_norms must not be negative, got -1 at index 5"),
        ({"validation": [1.0, 2.0]}, "validation, unless it is a pair (steps, losses), must have as many numbers as"),
        ({"validation": ([1, 2], [1.0])}, "validation must have as many numbers as the steps of validation, 2, got 1"),
        ({"validation": ([2, 1], [1.0, 2.0])}, "the steps of validation must increase, got 1 after 2 at index 1"),
        ({"steps": [1, 2]}, "steps must have as many numbers as losses, 200, got 2"),
        ({"steps": changed(T, 7, 6)}, "steps must increase, got 6 after 6 at index 7"),
        ({"steps": T + 0.5}, "steps must hold whole numbers from 0 to 2,147,483,647, got 0.5 at index 0"),
        ({"steps": T - 1}, "got -1.0 at index 0"),
        ({"best": "low"}, "best must be one finite number, a loss, got 'low'"),
        ({"best": NAN}, "best must be one finite number, a loss, got nan"),
        ({"baseline": [1.0]}, "baseline must be one finite number, a loss, got [1.0]"),
        ({"thresholds": None}, "thresholds must be a ch5jax.verdicts.Thresholds, got None"),
    ],
)
def test_a_history_that_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        judge_history(**{"losses": FALLEN, **arguments})


def test_states_that_are_no_history_are_refused(recorded):
    state, states, _, _ = recorded
    with pytest.raises(ValueError, match="the state of a recorder, must come alone"):
        judge_history(state, steps=T)
    with pytest.raises(ValueError, match=r"must be of more and more updates of one training, .* got counts \[0\]"):
        judge_history(ch5jax.diagnostics.recorder().init(jnp.ones(2)))
    with pytest.raises(ValueError, match=r"must be of one training, got counts of shape \(1, 300\)"):
        judge_history(jax.tree.map(lambda x: x[None], states))
    with pytest.raises(
        ValueError, match="must be one state of a recorder, or a list of them in time, got a tree with 2"
    ):
        judge_history((state, state))
