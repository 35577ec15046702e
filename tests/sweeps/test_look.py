"""What a sweep's folder holds, told while it is not finished, held, or damaged; and left as it is."""

import os

import numpy as np
import pytest

import ch5jax
from ch5jax.sweeps import Part, StoreError, look
from ch5jax.sweeps._folder import Folder
from ch5jax.sweeps._lock import Lock
from tests.sweeps.small import KEY

pytestmark = pytest.mark.usefixtures("compiled_quickly")

TASK = ch5jax.tasks.surface(ch5jax.problems.beale())
OPTS = {
    "sgd": ch5jax.grid(ch5jax.sgd, learning_rate=np.geomspace(1e-4, 1e-1, 5)),
    "adam": ch5jax.grid(ch5jax.adam, learning_rate=np.geomspace(1e-4, 1e-1, 3)),
}


class StoppedError(Exception):
    pass


def sweep(store, stop_at=None, **options):
    def progress(now):
        if stop_at is not None and now.trials_done >= stop_at:
            raise StoppedError

    options = {"steps": 20, "key": KEY, "store": store, "width": 2, "progress": progress, **options}
    return ch5jax.sweep(TASK, OPTS, **options)


def content(folder):
    return {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in folder.iterdir()}


def test_a_finished_sweep(tmp_path):
    sweep(tmp_path)
    before = content(tmp_path)
    found = look(tmp_path)
    assert found.parts == (Part("sgd", 20, 5, 5, 0, 0), Part("adam", 20, 3, 3, 0, 0))
    assert (found.damaged, found.held_by, found.rungs_ahead) == ({}, "", False)
    assert found.manifest["width"] == 2
    assert found.bytes == sum(len(data) for data, _ in before.values())
    assert content(tmp_path) == before


def test_one_that_was_stopped_says_what_is_done_half_way_and_missing(tmp_path, monkeypatch):
    monkeypatch.setattr("ch5jax.sweeps._executor.SECONDS_BETWEEN_STATES", 0.0)
    monkeypatch.setattr("ch5jax.sweeps._executor.FIRST_SEGMENT", 5)
    monkeypatch.setattr("ch5jax.sweeps._executor.SECONDS_A_SEGMENT", 0.0)
    seen = []

    def progress(now):
        if now.trials_done >= 2:
            seen.append(look(tmp_path))  # also by the process that works there
        if len(seen) > 8:
            raise StoppedError

    with pytest.raises(StoppedError):
        sweep(tmp_path, progress=progress)
    assert all(f"process {os.getpid()} on" in one.held_by for one in seen)
    found = look(tmp_path)
    assert found.held_by == ""
    sgd, adam = found.parts
    assert (sgd.trials, adam) == (5, Part("adam", 20, 3, 0, 0, 0))
    assert 2 <= sgd.done < 5
    assert 0 < sgd.half_way <= 5 - sgd.done
    assert 0 < sgd.at < 20
    result = sweep(tmp_path)
    assert look(tmp_path).parts == (Part("sgd", 20, 5, 5, 0, 0), Part("adam", 20, 3, 3, 0, 0))
    assert len(result) == 8


def test_rungs_are_told_one_by_one_as_far_as_they_are_known(tmp_path):
    rungs = ch5jax.Rungs((4, 10), 0.5)
    spaced = {"record_every": 2, "evaluate_every": 2, "signals_every": 2, "rungs": rungs}
    with pytest.raises(StoppedError):
        sweep(tmp_path, stop_at=1, **spaced)
    found = look(tmp_path)
    assert [(part.group, part.steps) for part in found.parts][:2] == [("sgd", 4), ("adam", 4)]
    result = sweep(tmp_path, **spaced)
    found = look(tmp_path)
    assert not found.rungs_ahead
    for steps in (4, 10, 20):
        trained = sum(part.trials for part in found.parts if part.steps == steps)
        assert trained == np.sum(result.steps_trained >= steps)
        assert all(part.done == part.trials for part in found.parts)


@pytest.mark.parametrize("how", ["a flipped bit", "another chunk's", "cut"])
def test_damaged_files_are_named_with_what_to_do_and_are_not_counted(tmp_path, how):
    sweep(tmp_path)
    chunks = sorted(tmp_path.glob("group000-chunk*.npz"))
    whole = bytearray(chunks[0].read_bytes())
    if how == "a flipped bit":
        whole[len(whole) // 2] ^= 1
    chunks[0].write_bytes({"cut": whole[:100], "another chunk's": chunks[1].read_bytes()}.get(how, bytes(whole)))
    found = look(tmp_path)
    assert [*found.damaged] == [chunks[0].stem]
    assert str(chunks[0]) in found.damaged[chunks[0].stem]
    assert "its chunk will be trained again" in found.damaged[chunks[0].stem] or how == "another chunk's"
    assert found.parts[0].done == 3
    chunks[0].unlink()
    assert look(tmp_path).parts[0].done == 3
    sweep(tmp_path)
    assert look(tmp_path).parts[0].done == 5


def test_a_file_that_goes_while_it_is_read_is_not_damaged(tmp_path, monkeypatch):
    """As a state does when its chunk is done."""
    sweep(tmp_path)
    read = Folder.arrays

    def arrays(self, name, of):
        if name == "group000-chunk000001":
            (tmp_path / f"{name}.npz").unlink()
        return read(self, name, of)

    monkeypatch.setattr(Folder, "arrays", arrays)
    found = look(tmp_path)
    assert (found.damaged, found.parts[0].done) == ({}, 3)


def test_a_stranger_among_the_chunks_is_told(tmp_path):
    sweep(tmp_path)
    other = tmp_path / "group007-chunk000000.npz"
    other.write_bytes(next(tmp_path.glob("group000-chunk*.npz")).read_bytes())
    assert [*look(tmp_path).damaged] == [other.stem]


def test_who_works_there_is_told_and_can_go_on(tmp_path):
    sweep(tmp_path)
    lock = Lock(tmp_path, "process 7 on here, since noon")
    assert look(tmp_path).held_by == "process 7 on here, since noon"
    lock.release()
    assert look(tmp_path).held_by == ""
    Lock(tmp_path, "the next").release()


def test_what_is_no_sweeps_folder_is_refused(tmp_path):
    with pytest.raises(StoreError, match="must be the folder of a sweep"):
        look(tmp_path)
    with pytest.raises(StoreError, match="must be the folder of a sweep"):
        look(tmp_path / "nothing")
    sweep(tmp_path / "a")
    (tmp_path / "a" / "manifest.json").write_text("{")
    with pytest.raises(StoreError, match="damaged"):
        look(tmp_path / "a")
