"""Parts of a sweep side by side in one folder: the whole's bits, and nobody in another's way."""

import subprocess
import sys
from pathlib import Path

import jax
import pytest

import ch5jax
from ch5jax.sweeps import StoreError, look, train_shard
from ch5jax.sweeps._folder import Folder
from tests.sweeps.small import KEY, RATES, TASK, assert_same_bits, batches, run

HOW = {"steps": 30, "key": KEY, "seeds": 2, "record_every": 4, "evaluate_every": 10}


def part(i, n, store, **changes):
    return train_shard((i, n), TASK, batches(), store=store, **{**HOW, "width": 4, **changes})


@pytest.fixture(scope="module")
def whole():
    return run()


@pytest.mark.parametrize("n", [2, 9])
def test_parts_together_are_the_whole(tmp_path, whole, n):
    missing = [part(i, n, tmp_path) for i in range(n, 0, -1)]
    assert missing == sorted(missing, reverse=True)
    assert missing[0] == 8 - len(range(n - 1, 8, n))  # of eight chunks
    assert missing[-1] == 0
    files = {file.name: file.stat().st_mtime_ns for file in tmp_path.glob("*.npz")}
    assert_same_bits(run(store=tmp_path), whole)
    assert {file.name: file.stat().st_mtime_ns for file in tmp_path.glob("*.npz")} == files  # nothing trained again
    assert_same_bits(ch5jax.open(tmp_path), whole)


def test_what_is_missing_is_said_and_trained_by_the_whole(tmp_path, whole):
    seen = []
    assert part(1, 3, tmp_path, progress=seen.append) == 5
    assert (seen[0].trials_done, seen[-1].trials_done, seen[-1].trials) == (0, 10, 10)  # of this part's own
    assert seen[-1].steps_done == seen[-1].steps == 10 * 30
    assert sum(one.done for one in look(tmp_path).parts) == 10
    with pytest.raises(StoreError, match="5 of its 8 chunks are missing"):
        ch5jax.open(tmp_path)
    assert part(1, 3, tmp_path) == 5
    assert_same_bits(run(store=tmp_path), whole)


def test_a_part_that_was_stopped_goes_on(tmp_path, whole):
    class StoppedError(Exception):
        pass

    def stop(progress):
        if progress.trials_done:
            raise StoppedError

    with pytest.raises(StoppedError):
        part(2, 2, tmp_path, progress=stop)
    assert len([*tmp_path.glob("*chunk*.npz")]) < 4
    part(1, 2, tmp_path)
    assert part(2, 2, tmp_path) == 0
    assert_same_bits(run(store=tmp_path), whole)


def test_who_works_where(tmp_path):
    part(1, 2, tmp_path)
    manifest = Folder(tmp_path).manifest()
    with Folder(tmp_path, (2, 2)).held(manifest):
        with pytest.raises(StoreError, match=r"is in use: process \d+ on .*shard 2 of 2 works there"):
            run(store=tmp_path)  # the whole waits for all parts
        with pytest.raises(StoreError, match="shard 2 of 2 works there"):
            part(2, 2, tmp_path)
        assert part(1, 2, tmp_path) == 4  # beside it
        assert "shard" in look(tmp_path).held_by
    with Folder(tmp_path).held(manifest), pytest.raises(StoreError, match="is in use"):
        part(2, 2, tmp_path)


def test_a_part_leaves_what_others_are_writing(tmp_path):
    part(1, 2, tmp_path)
    writing = tmp_path / "group000-chunk000001.npz.123.456.part"
    writing.write_bytes(b"half")
    part(2, 2, tmp_path)
    assert writing.exists()
    run(store=tmp_path)
    assert not writing.exists()


def test_more_seeds_but_no_more_steps(tmp_path):
    part(1, 1, tmp_path, keep_states=True, record_every=5)
    with pytest.raises(StoreError, match="goes on to 60 without shard only"):
        part(1, 1, tmp_path, steps=60, keep_states=True, record_every=5)
    missing = [part(i, 2, tmp_path, seeds=3, keep_states=True, record_every=5) for i in (1, 2)]
    assert missing[0] > missing[1] == 0
    assert len(run(store=tmp_path, seeds=3, record_every=5)) == 42


PART = """
import sys
from tests.sweeps.test_shard import part
part(int(sys.argv[2]), 3, sys.argv[1], width=None)
"""


def test_real_processes_that_begin_at_once_agree_on_the_width(tmp_path, quick_environment):
    command = [sys.executable, "-c", PART, str(tmp_path)]
    environment = {**quick_environment, "PYTHONPATH": "."}
    running = [subprocess.Popen([*command, str(i)], cwd=Path(__file__).parents[2], env=environment) for i in (1, 2, 3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    found = ch5jax.open(tmp_path)
    assert len(found) == 28
    assert_same_bits(found, run(width=found.width))
    assert found.width <= 5  # so that three parts have something to do


@pytest.mark.parametrize("shard", [(0, 2), (3, 2), (1,), 1, (1.0, 2), (True, 2), "1/2", None])
def test_parts_that_there_are_not(tmp_path, shard):
    with pytest.raises(ValueError, match="shard must be which of how many"):
        train_shard(shard, TASK, batches(), store=tmp_path / "store", **HOW)
    assert not (tmp_path / "store").exists()


def test_another_sweep_is_refused(tmp_path):
    part(1, 2, tmp_path)
    opts = {**batches(), "sgd": ch5jax.grid(ch5jax.sgd, learning_rate=RATES[:3])}
    with pytest.raises(StoreError, match="another sweep"):
        train_shard((2, 2), TASK, opts, store=tmp_path, **HOW)
    with pytest.raises(StoreError, match="another sweep"):
        part(2, 2, tmp_path, key=jax.random.key(8))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("")
    with pytest.raises(StoreError, match=r"holds mine\.txt"):
        part(1, 2, tmp_path / "other")
