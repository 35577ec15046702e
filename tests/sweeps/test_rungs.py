"""Rungs: what is lost or worst stops early, what goes on keeps its bits, whatever interrupts it."""

import jax
import numpy as np
import pytest

import ch5jax
from ch5jax import report
from ch5jax.sweeps import StoreError
from ch5jax.sweeps._rungs import survivors
from tests.sweeps.small import assert_same_bits, batches, run

SPACINGS = {"steps": 30, "record_every": 5, "evaluate_every": 5, "signals_every": 5}
TASK = ch5jax.tasks.surface(ch5jax.problems.rosenbrock())
BATCH = ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 0.2])
RATES = np.array([1e-3, 1e3, 2e-3, 1e4, 5e-4])  # two of them diverge at once


def halved(**changes):
    return run(**SPACINGS, rungs=ch5jax.Rungs([5, 15], keep=1 / 3), **changes)


def surface(rates=RATES, rungs=(20, 40), keep=1.0, **changes):
    arguments = {"steps": 60, "key": jax.random.key(3), "seeds": 2, "width": 2, "signals_every": 10, **changes}
    rungs = ch5jax.Rungs(rungs, keep) if rungs else None
    return ch5jax.sweep(TASK, ch5jax.grid(ch5jax.sgd, learning_rate=rates), rungs=rungs, **arguments)


@pytest.fixture(scope="module")
def whole():
    return run(**SPACINGS)


@pytest.fixture(scope="module")
def found():
    return halved()


def expected(whole):
    """How long each trial trains, from a sweep without rungs: nothing in it diverges."""
    curve = np.concatenate([whole.curves[group].evaluations[whole.objective] for group in whole.groups])
    settings = curve.reshape(-1, 2, curve.shape[1]).mean(axis=1)
    settings = settings if whole.maximize else -settings
    left, steps = np.arange(len(settings)), np.full(len(settings), 30)
    for rung in (5, 15):
        best_first = left[np.argsort(-settings[left, rung // 5 - 1], kind="stable")]
        count = -(-len(left) // 3)
        steps[best_first[count:]] = rung
        left = np.sort(best_first[:count])
    return np.repeat(steps, 2)


def test_the_best_settings_of_all_groups_go_on_as_if_nothing_had_been(whole, found):
    np.testing.assert_array_equal(found.columns["steps_trained"], expected(whole))
    assert {*found.columns["steps_trained"]} == {5, 15, 30}
    on = found.columns["steps_trained"] == 30
    for name in [*whole.columns][: [*whole.columns].index("verdict")]:
        np.testing.assert_array_equal(found.columns[name][on], whole.columns[name][on], err_msg=name)


def test_curves_end_where_a_trial_was_stopped(whole, found):
    for group in whole.groups:
        steps = found.steps_trained[found.columns["group"] == group]
        ours, all_steps = found.curves[group], whole.curves[group]
        taken = ours.steps <= steps[:, None]
        np.testing.assert_array_equal(ours.metrics["loss"], np.where(taken, all_steps.metrics["loss"], np.nan))
        evaluated = ours.evaluated_at <= steps[:, None]
        ended = np.where(evaluated, all_steps.evaluations["validation_loss"], np.nan)
        np.testing.assert_array_equal(ours.evaluations["validation_loss"], ended)
        probed = ours.probed_at <= steps[:, None]
        ended = np.where(probed, all_steps.signals.gradient_norm, np.nan)
        np.testing.assert_array_equal(ours.signals.gradient_norm, ended)


def test_a_trial_s_last_row_is_that_of_its_last_step(found):
    for trial in (0, int(np.flatnonzero(found.steps_trained == 15)[0]), int(found.ranking()[0])):
        again = found.rerun(trial)
        assert len(again.metrics["loss"]) == found.steps_trained[trial] == found.trial(trial).steps
        assert again.metrics["loss"][-1] == found.columns["loss"][trial]
        assert found.diagnosis(trial).main.name.lower() == found.columns["verdict"][trial]


def test_who_was_stopped_ranks_behind_who_went_on(found):
    steps = found.steps_trained[found.ranking()]
    assert (np.diff(steps) <= 0).all()
    best = report.leaderboard(found)[0]
    assert {*found.steps_trained[[*best.trials]]} == {30}
    assert found.steps_trained[found.best("best").number] == 30


@pytest.mark.parametrize("stopped_at", [3, 9, 14])
def test_interrupted_anywhere_it_ends_with_the_same_bits(tmp_path, found, stopped_at):
    class StoppedError(Exception):
        pass

    reports = []

    def progress(one):
        reports.append(one)
        if len(reports) == stopped_at:
            raise StoppedError

    with pytest.raises(StoppedError):
        halved(store=tmp_path, progress=progress)
    with pytest.raises(StoreError, match=r"missing|hardly begun"):
        ch5jax.open(tmp_path)
    again = halved(store=tmp_path)
    assert_same_bits(again, found)
    assert_same_bits(ch5jax.open(tmp_path), found)
    assert_same_bits(halved(store=tmp_path), found)
    assert not [*tmp_path.glob("*-end.npz"), *tmp_path.glob("*-state.npz")]


@pytest.mark.parametrize("which", [0, 4, -1])
def test_a_damaged_chunk_is_named_and_what_is_deleted_trains_again(tmp_path, found, which):
    """Of the first stage, of a later one, and of the last: all states are gone by then."""
    halved(store=tmp_path)
    chunks = sorted(tmp_path.glob("group001-chunk*.npz"))
    others = {file: file.read_bytes() for file in chunks if file != chunks[which]}
    chunks[which].write_bytes(b"x")
    with pytest.raises(StoreError, match=f"{chunks[which].name} is damaged.*delete it"):
        halved(store=tmp_path)
    chunks[which].unlink()
    assert_same_bits(halved(store=tmp_path), found)
    assert {file: file.read_bytes() for file in others} == others
    assert_same_bits(ch5jax.open(tmp_path), found)


def test_progress_never_goes_back_and_ends_with_all():
    seen = []
    found = halved(progress=seen.append)
    steps = [one.steps_done for one in seen]
    assert steps == sorted(steps)
    assert seen[-1].steps_done == seen[-1].steps == found.steps_trained.sum()
    assert seen[-1].trials_done == seen[-1].trials == len(found)


def test_what_is_lost_is_stopped_and_nothing_else():
    whole, found = surface(rungs=None), surface()
    lost = whole.columns["diverged_at"] >= 0
    assert 0 < lost.sum() < len(lost)
    np.testing.assert_array_equal(found.steps_trained, np.where(lost, 20, 60))
    for name in ("loss", "diverged_at", "verdict"):
        np.testing.assert_array_equal(found.columns[name][~lost], whole.columns[name][~lost])
    assert (found.columns["diverged_at"][lost] >= 0).all()
    assert {*found.columns["verdict"][lost]} == {"diverged"}
    assert (np.sort(found.ranking()[-lost.sum() :]) == np.flatnonzero(lost)).all()


def test_nothing_is_left(tmp_path):
    found = surface(rates=[1e3, 1e4], store=tmp_path)
    assert {*found.steps_trained} == {20}
    assert_same_bits(ch5jax.open(tmp_path), found)
    assert_same_bits(surface(rates=[1e3, 1e4], store=tmp_path), found)
    assert not [*tmp_path.glob("*-end.npz")]


def test_a_group_of_which_nobody_goes_on_keeps_its_rows():
    batches = {
        "bad": ch5jax.grid(ch5jax.sgd, learning_rate=[1e3, 1e4]),
        "good": ch5jax.grid(ch5jax.momentum, learning_rate=[1e-4]),
    }
    rungs = ch5jax.Rungs([20])
    found = ch5jax.sweep(TASK, batches, steps=60, key=jax.random.key(3), signals_every=10, rungs=rungs)
    assert found.steps_trained.tolist() == [20, 20, 60]
    assert found.columns["group"].tolist() == ["bad", "bad", "good"]
    assert np.isfinite(found.columns["learning_rate"]).all()
    assert found.columns["decay"].tolist()[2] == pytest.approx(0.9)
    assert report.leaderboard(found)[0].group == "good"


def test_ties_go_to_the_first_and_lost_seeds_count_before_the_mean():
    scores = [np.array([1.0, 1.0, 1.0, 1.0, 9.0, -np.inf]), np.array([2.0, 0.0])]
    lost = [np.array([False] * 5 + [True]), np.array([False, False])]
    settings = [np.array([0, 0, 1, 1, 2, 2]), np.array([0, 0])]

    def on(keep):
        return np.concatenate(survivors(scores, lost, settings, keep)).astype(int).tolist()

    assert on(0.25) == [1, 1, 0, 0, 0, 0, 0, 0]
    assert on(0.5) == [1, 1, 1, 1, 0, 0, 0, 0]
    assert on(0.75) == [1, 1, 1, 1, 0, 0, 1, 1]
    assert on(1.0) == [1, 1, 1, 1, 1, 0, 1, 1]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ch5jax.Rungs([]), "at must be a list of steps"),
        (lambda: ch5jax.Rungs([0, 5]), "at must be a list of steps"),
        (lambda: ch5jax.Rungs(5), "at must be a list of steps"),
        (lambda: ch5jax.Rungs([2.5]), "at must be a list of steps"),
        (lambda: ch5jax.Rungs([5, 5]), "must increase"),
        (lambda: ch5jax.Rungs([5], keep=0), "share in"),
        (lambda: ch5jax.Rungs([5], keep=1.5), "share in"),
        (lambda: ch5jax.Rungs([5], keep=np.nan), "share in"),
        (lambda: ch5jax.Rungs([5], keep="half"), "share in"),
        (lambda: ch5jax.halving(1), "leave room"),
        (lambda: ch5jax.halving(100, factor=1), "over 1"),
        (lambda: ch5jax.halving(100, first=100), "less than"),
        (lambda: ch5jax.halving(100, first=99), "room for a rung"),
        (lambda: ch5jax.halving(0), "steps must"),
        (lambda: ch5jax.stop_lost(1), "leave room"),
        (lambda: surface(rungs=(60,)), "less than the sweep's 60"),
        (lambda: surface(rungs=(25,)), "multiples of signals_every, 10 here, got 25"),
        (lambda: surface(rungs=(20,), record_every=7), "multiples of record_every, 7"),
        (lambda: surface(keep_states=True), "keep_states must be False"),
        (lambda: ch5jax.sweep(TASK, BATCH, key=jax.random.key(0), steps=9, rungs=[3]), "rungs must be"),
    ],
)
def test_wrong_rungs_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("changes", [{"seeds": 3}, {"rates": [*RATES, 1e-4]}, {"steps": 120}, {"keep": 0.5}])
def test_a_sweep_with_rungs_cannot_be_extended(tmp_path, changes):
    surface(store=tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.glob("[gm]*")}
    with pytest.raises(StoreError, match=r"rungs|another sweep"):
        surface(store=tmp_path, **changes)
    assert {file.name: file.read_bytes() for file in tmp_path.glob("[gm]*")} == before


@pytest.mark.parametrize("steps", [2, 7, 100, 300, 1000, 2000, 10_007])
def test_default_rungs_fit_the_default_spacings(steps):
    for rungs in (ch5jax.halving(steps), ch5jax.stop_lost(steps)):
        assert rungs.at
        every = ch5jax.training.Probes.spaced(steps, None).every
        rungs.check(steps, signals_every=every)


def test_default_spacing_of_records_is_one_that_fits():
    found = surface(rungs=(70, 140), steps=1000, signals_every=0, width=4, seeds=1)
    assert np.diff(found.curves["sgd"].steps).max() == 10
    found = surface(rungs=(69, 138), steps=1000, signals_every=0, width=4, seeds=1)
    assert found.curves["sgd"].steps[0] == 3


def test_batches_of_the_small_sweep_are_what_the_reference_thinks(whole):
    assert sum(len(batch.learning_rate) for batch in batches().values()) * 2 == len(whole)
    assert (whole.columns["diverged_at"] < 0).all()


UNKNOWN_LOWEST = TASK._replace(lowest=None)


@pytest.mark.parametrize("keep", [1.0, 1 / 3])
def test_a_task_whose_lowest_loss_nobody_knows_is_judged_at_each_rung_as_if_it_ended_there(keep):
    """By its siblings up to there, as in a sweep of so many steps; a table's is such a task."""
    opts = ch5jax.grid(ch5jax.sgd, learning_rate=[1e-4, 3e-4, 1e-3, 1e3, 2e-3, 1e4])
    arguments = {"key": jax.random.key(3), "width": 2, "signals_every": 10, "record_every": 10}
    found = ch5jax.sweep(UNKNOWN_LOWEST, opts, steps=240, rungs=ch5jax.Rungs((100, 160), keep), **arguments)
    short = ch5jax.sweep(UNKNOWN_LOWEST, opts, steps=100, **arguments)
    stopped = found.columns["steps_trained"] == 100
    assert 2 <= stopped.sum() < 6
    np.testing.assert_array_equal(found.columns["verdict"][stopped], short.columns["verdict"][stopped])
    for trial in np.flatnonzero(stopped):
        one, other = found.diagnosis(int(trial)), short.diagnosis(int(trial))
        assert one.signals.lost_since.shape == other.signals.lost_since.shape == (10,)
        np.testing.assert_array_equal(one.findings.found, other.findings.found)


def test_a_table_and_a_task_of_ones_own_are_halved(tmp_path):
    draw = np.random.default_rng(0)
    inputs = draw.normal(size=(80, 3))
    np.savez(tmp_path / "t.npz", a=inputs[:, 0], b=inputs[:, 1], c=inputs[:, 2], price=inputs.sum(axis=1))
    table = ch5jax.tasks.table(tmp_path / "t.npz", target="price", hidden=(4,))
    assert table.lowest is None
    opts = ch5jax.grid(ch5jax.sgd, learning_rate=np.geomspace(1e-3, 1.0, 9))
    result = ch5jax.sweep(table, opts, steps=270, key=jax.random.key(0), rungs=ch5jax.halving(270))
    assert result.steps_trained.max() == 270
    assert np.sum(result.steps_trained == 270) == 1


def test_a_group_may_have_rungs_of_its_own(whole, tmp_path):
    rungs = {"adam": ch5jax.Rungs([5, 15], keep=1 / 3), "sgd": None}
    result = run(**SPACINGS, rungs=rungs, store=tmp_path)
    alone = run({"adam": batches()["adam"]}, **SPACINGS, rungs=rungs["adam"])
    sgd = result.columns["group"] == "sgd"
    assert (result.columns["steps_trained"][sgd] == 30).all()
    np.testing.assert_array_equal(result.columns["steps_trained"][~sgd], alone.columns["steps_trained"])
    for name in ("loss", "validation_loss", "best_validation_accuracy"):
        np.testing.assert_array_equal(result.columns[name][sgd], whole.columns[name][sgd])
        np.testing.assert_array_equal(result.columns[name][~sgd], alone.columns[name])
    assert_same_bits(ch5jax.open(tmp_path), result)
    assert_same_bits(run(**SPACINGS, rungs={"adam": rungs["adam"]}, store=tmp_path), result)
    with pytest.raises(StoreError, match="belongs to another sweep"):
        run(**SPACINGS, rungs=rungs["adam"], store=tmp_path)


def test_groups_of_the_same_rungs_are_ranked_together(found):
    def rungs():
        return ch5jax.Rungs([5, 15], keep=1 / 3)

    assert_same_bits(run(**SPACINGS, rungs={"adam": rungs(), "sgd": rungs()}), found)
    apart = {"adam": rungs(), "sgd": ch5jax.Rungs([5, 15], keep=0.33)}
    columns = run(**SPACINGS, rungs=apart).columns
    for group in apart:
        steps = columns["steps_trained"][columns["group"] == group]
        assert [(steps > rung).sum() for rung in (5, 15)] == [6, 2]  # of seven settings three, and one


def test_rungs_that_lie_between_one_another_and_a_stop(tmp_path):
    class StoppedError(Exception):
        pass

    rungs = {"sgd": ch5jax.Rungs([5, 20], keep=0.5), "adam": ch5jax.Rungs([10, 15], keep=0.5)}
    seen = []
    expected = run(**SPACINGS, rungs=rungs, progress=seen.append)
    assert seen[-1].steps_done == expected.columns["steps_trained"].sum()
    assert seen[-1].steps == seen[-1].steps_done
    for stop in (2, 9, 14):
        count = 0

        def report(progress, stop=stop):
            nonlocal count
            count += 1
            if count > stop:
                raise StoppedError

        with pytest.raises(StoppedError):
            run(**SPACINGS, rungs=rungs, progress=report, store=tmp_path / str(stop))
        assert_same_bits(run(**SPACINGS, rungs=rungs, store=tmp_path / str(stop)), expected)


@pytest.mark.parametrize(
    ("rungs", "words"),
    [
        ({"sdg": None}, "must have the names of groups, 'sgd', 'adam'; got 'sdg'"),
        ({"sgd": [5]}, "or a dict of them by group"),
        (3, "or a dict of them by group"),
        ({"sgd": ch5jax.Rungs([30])}, "less than the sweep's 30 steps"),
        ({"sgd": ch5jax.Rungs([5]), "adam": ch5jax.Rungs([7])}, "multiples of"),
    ],
)
def test_rungs_by_group_that_are_none(rungs, words):
    with pytest.raises(ValueError, match=words):
        run(**SPACINGS, rungs=rungs)


def test_hyperbands_brackets_are_those_of_the_paper():
    found = ch5jax.hyperband(81 * 25, first=25)  # Li et al. (2018), table 1: R = 81
    assert [bracket.settings for bracket in found] == [81, 34, 15, 8, 5]
    at = list(ch5jax.halving(81 * 25, first=25).at)
    assert at == [40, 80, 240, 680]  # at multiples of 40, where signals are taken
    assert [bracket.rungs and list(bracket.rungs.at) for bracket in found] == [at, at[1:], at[2:], at[3:], None]
    assert [bracket.settings for bracket in ch5jax.hyperband(81 * 25, first=25, times=2)] == [162, 68, 30, 16, 10]
    steps = []
    for bracket in found:
        trials, begin, due = bracket.settings, 0, 0
        for end in (*(bracket.rungs.at if bracket.rungs else ()), 81 * 25):
            due += trials * (end - begin)
            trials, begin = -(-trials // 3), end
        steps.append(due)
    assert max(steps) < 1.5 * min(steps)


@pytest.mark.parametrize(("given", "words"), [((1,), "room"), ((270, 1.0), "factor"), ((270, 3, None, 0), "times")])
def test_hyperbands_that_are_none(given, words):
    with pytest.raises(ValueError, match=words):
        ch5jax.hyperband(*given)
