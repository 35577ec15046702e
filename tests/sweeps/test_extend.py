"""A finished sweep by more seeds, settings or groups in the same store: what was there keeps its bits."""

import jax
import numpy as np
import pytest

import ch5jax
from ch5jax.sweeps import StoreError, _folder
from tests.sweeps.small import assert_same_bits

TASK = ch5jax.tasks.surface(ch5jax.problems.rosenbrock())


def sweep(store=None, rates=(0.001, 0.002, 0.003), seeds=2, others=(), steps=6, **changes):
    batches = {"sgd": ch5jax.grid(ch5jax.sgd, learning_rate=np.asarray(rates))}
    batches |= {name: ch5jax.grid(getattr(ch5jax, name), learning_rate=[0.01, 0.02]) for name in others}
    arguments = {"key": jax.random.key(3), "width": 2, "signals_every": 0, **changes}
    return ch5jax.sweep(TASK, batches, steps=steps, seeds=seeds, store=store, **arguments)


def chunks(folder):
    return {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in folder.glob("*chunk*.npz")}


def test_more_seeds_settings_and_groups_one_after_the_other(tmp_path):
    sweep(tmp_path)
    before = chunks(tmp_path)
    steps = (
        {"seeds": 3},
        {"seeds": [2, 5, 0, 1]},
        {"seeds": [2, 5, 0, 1], "rates": (0.004, 0.001, 0.003, 0.002)},
        {"seeds": [2, 5, 0, 1], "rates": (0.004, 0.001, 0.003, 0.002), "others": ("momentum",)},
    )
    for changes in steps:
        seen = []
        found = sweep(tmp_path, progress=lambda progress: seen.append(progress.trials_done), **changes)
        assert 0 < seen[0] < seen[-1] == len(found)
        assert_same_bits(ch5jax.open(tmp_path), found)
        after = chunks(tmp_path)
        assert len(after) > len(before)
        assert {name: after[name] for name in before} == before
        before = after
    assert_same_bits(found, sweep(**changes))
    np.testing.assert_array_equal(found.rerun(5).metrics["loss"][-1], found.columns["loss"][5])


def test_equal_settings_are_told_apart(tmp_path):
    sweep(tmp_path, rates=(0.001, 0.001))
    found = sweep(tmp_path, rates=(0.001, 0.002, 0.001))
    np.testing.assert_array_equal(found.columns["loss"][:2], found.columns["loss"][4:])
    with pytest.raises(StoreError, match="2 are not among"):
        sweep(tmp_path, rates=(0.001, 0.002))


def test_an_extension_that_was_stopped_goes_on(tmp_path):
    class StoppedError(Exception):
        pass

    def stop(progress):
        if progress.trials_done > 6:
            raise StoppedError

    sweep(tmp_path, evaluate_every=3)
    larger = {"seeds": 4, "others": ("adam",), "evaluate_every": 3}
    with pytest.raises(StoppedError):
        sweep(tmp_path, progress=stop, **larger)
    with pytest.raises(StoreError, match="its groups is"):
        sweep(tmp_path, seeds=4, evaluate_every=3)
    assert_same_bits(sweep(tmp_path, **larger), sweep(**larger))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": 4}, "its steps is 6, this one's 4"),
        ({"steps": 8}, "a sweep of 6 steps, which cannot go on to 8: its finished chunks kept no state"),
        ({"seeds": 1}, "of the 6 trials of group 'sgd' there, 3 are not among this one's hyperparameters and seeds"),
        ({"rates": (0.001, 0.002, 0.005)}, "2 are not among .* can be extended, not cut"),
        ({"rates": np.float32([0.001, 0.002, 0.003])}, r"groups\[0\]\.hyperparameters"),
        ({"key": jax.random.key(4)}, "key"),
    ],
)
def test_what_is_no_extension_is_refused_and_nothing_is_touched(tmp_path, changes, words):
    sweep(tmp_path, record_every=2, evaluate_every=6)
    before = {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir() if file.name != ".lock"}
    with pytest.raises(StoreError, match=words):
        sweep(tmp_path, record_every=2, evaluate_every=6, **changes)
    assert {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir() if file.name != ".lock"} == before


@pytest.mark.parametrize("signals_every", [0, 2])
def test_more_steps_go_on_from_the_states_that_were_kept(tmp_path, signals_every):
    spaced = {"record_every": 2, "evaluate_every": 3, "signals_every": signals_every}
    first = sweep(tmp_path, steps=6, keep_states=True, **spaced)
    seen = []
    longer = {"steps": 16, "seeds": 3, "signals_every": signals_every}  # and a seed more
    found = sweep(tmp_path, progress=lambda progress: seen.append(progress.steps_done), **longer)
    assert seen[0] == 0
    assert max(np.diff(seen)) <= 6 * 16  # none of the first six steps of the six first trials was taken again
    assert_same_bits(found, sweep(**spaced | longer))
    assert_same_bits(ch5jax.open(tmp_path), found)
    old = np.isin(found.columns["seed"], [0, 1])
    np.testing.assert_array_equal(found.curves["sgd"].metrics["loss"][old][:, :3], first.curves["sgd"].metrics["loss"])
    assert not list(tmp_path.glob("*-end.npz"))


def test_what_is_not_told_is_as_in_the_folder(tmp_path):
    spaced = {"record_every": 2, "evaluate_every": 3, "signals_every": 0, "width": 1}
    first = sweep(tmp_path, **spaced)
    untold = sweep(tmp_path, **dict.fromkeys(spaced))
    assert_same_bits(untold, first)
    assert untold.width == 1


def test_again_and_again_stopped_anywhere(tmp_path, monkeypatch):
    spaced = {"record_every": 1, "evaluate_every": 2}

    class StoppedError(Exception):
        pass

    def stop(progress):
        if 0 < progress.trials_done < 6:
            raise StoppedError

    sweep(tmp_path, steps=4, keep_states=True, **spaced)
    with pytest.raises(StoppedError):
        sweep(tmp_path, steps=8, keep_states=True, progress=stop, **spaced)
    longest = sweep(tmp_path, steps=8, keep_states=True, **spaced)
    with monkeypatch.context() as patch:  # after the finished chunks went, before it says what it is
        patch.setattr(_folder.Folder, "_put", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            sweep(tmp_path, steps=12, keep_states=True, **spaced)
    assert not list(tmp_path.glob("*chunk000000.npz"))
    assert_same_bits(sweep(tmp_path, steps=8, keep_states=True, **spaced), longest)
    assert_same_bits(sweep(tmp_path, steps=12, **spaced), sweep(steps=12, **spaced))


def _interrupt(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("spacings", "words"),
    [
        ({"record_every": 4, "evaluate_every": 6}, "6 steps, .*no multiple of its record_every, 4"),
        ({"record_every": 1, "evaluate_every": 4}, "no multiple of its evaluate_every, 4"),
        ({"record_every": 1, "evaluate_every": 6, "signals_every": 4}, "no multiple of its signals_every, 4"),
    ],
)
def test_steps_between_two_records_cannot_be_gone_on_from(tmp_path, spacings, words):
    sweep(tmp_path, keep_states=True, **spacings)
    before = {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir() if file.name != ".lock"}
    with pytest.raises(StoreError, match=words):
        sweep(tmp_path, steps=12, **spacings)
    assert {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir() if file.name != ".lock"} == before


def test_a_state_of_another_sweep_is_not_gone_on_from(tmp_path):
    spaced = {"record_every": 1, "evaluate_every": 2}
    sweep(tmp_path / "one", keep_states=True, **spaced)
    sweep(tmp_path / "other", keep_states=True, rates=(0.004, 0.005, 0.006), **spaced)
    name = "group000-chunk000000-end.npz"
    (tmp_path / "one" / name).write_bytes((tmp_path / "other" / name).read_bytes())
    with pytest.raises(StoreError, match=name):
        sweep(tmp_path / "one", steps=12, **spaced)
    assert (tmp_path / "one" / "group000-chunk000000.npz").exists()
