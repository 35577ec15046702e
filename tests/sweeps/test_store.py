"""A sweep's folder: going on, refusing what is not ours, and losing nothing."""

import errno
import json
import os
import pathlib
import shutil

import jax
import numpy as np
import pytest

import ch5jax
from ch5jax.sweeps import StoreError, _executor
from ch5jax.sweeps._folder import Folder
from tests.sweeps.small import RATES, assert_same_bits, batches, run


class StoppedError(Exception):
    """Raised in the middle of a sweep."""


def stop_after(events):
    """A progress callback that ends the sweep at its n-th call."""
    seen = iter(range(events))

    def progress(_):
        if next(seen, None) is None:
            raise StoppedError

    return progress


def snapshot(folder):
    """All but the lock, which says who was here last."""
    files = [file for file in folder.iterdir() if file.name != ".lock"]
    return {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in files}


@pytest.fixture(scope="module")
def whole():
    return run()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep") / "store"
    run(store=folder)
    return folder


@pytest.fixture
def copied(finished, tmp_path):
    """A finished sweep's folder to do something to."""
    return shutil.copytree(finished, tmp_path / "copied")


@pytest.mark.parametrize("events", [1, 2, 4, 5])
def test_a_stopped_sweep_goes_on_to_the_same_bits_and_trains_no_finished_chunk_again(tmp_path, whole, events):
    with pytest.raises(StoppedError):
        run(store=tmp_path, progress=stop_after(events))
    before = snapshot(tmp_path)
    first = []
    assert_same_bits(run(store=tmp_path, progress=first.append), whole)
    after = snapshot(tmp_path)
    assert {name: after[name] for name in before} == before
    chunks = sum("-chunk" in name for name in before)
    assert first[0].trials_done == min(14, 4 * chunks)
    assert first[-1].trials_done == first[-1].trials == 28


def test_a_finished_sweep_is_read_not_trained(finished, whole):
    before = snapshot(finished)
    seen = []
    assert_same_bits(run(store=finished, progress=seen.append), whole)
    assert snapshot(finished) == before
    assert [progress.trials_done for progress in seen] == [28]


def test_a_long_chunk_goes_on_from_its_state(tmp_path, whole, monkeypatch):
    monkeypatch.setattr(_executor, "SECONDS_BETWEEN_STATES", 0.0)
    with pytest.raises(StoppedError):
        run(store=tmp_path, progress=stop_after(3))
    states = [file for file in tmp_path.iterdir() if file.stem.endswith("-state")]
    assert states
    seen = []
    assert_same_bits(run(store=tmp_path, progress=seen.append), whole)
    assert seen[-1].steps_done == seen[-1].steps == 28 * 30
    assert not [file for file in tmp_path.iterdir() if file.stem.endswith("-state")]


def test_a_slow_task_is_cut_into_short_segments_and_gives_the_same_bits(whole, monkeypatch):
    monkeypatch.setattr(_executor, "SECONDS_A_SEGMENT", 0.0)
    monkeypatch.setattr(_executor, "FIRST_SEGMENT", 7)
    seen = []
    assert_same_bits(run(progress=lambda p: seen.append(p.steps_done)), whole)
    assert np.diff(sorted(set(seen))).min() <= 8  # one step of two chunks of four


def test_a_state_that_a_kill_left_beside_its_finished_chunk_is_removed(copied):
    with np.load(copied / "group000-chunk000001.npz") as chunk:
        of = json.loads(str(chunk["__about__"]))["of"]
    left = copied / "group000-chunk000001-state.npz"
    Folder(copied).write(left.stem, {}, of.replace("chunk000001", "chunk000001-state").removesuffix(", 30 steps"))
    run(store=copied)
    assert not left.exists()


def test_a_store_begun_on_eight_devices_goes_on_with_one(tmp_path, whole, monkeypatch):
    with pytest.raises(StoppedError):
        run(store=tmp_path, progress=stop_after(5))
    monkeypatch.setattr(jax, "local_devices", lambda: jax.devices("cpu")[:1])
    assert_same_bits(run(store=tmp_path), whole)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"steps": 29}, "steps"),
        ({"seeds": 1}, "7 are not among this one's hyperparameters and seeds"),
        ({"seeds": [1, 2]}, "7 are not among this one's hyperparameters and seeds"),
        ({"width": 5}, "width"),
        ({"record_every": 2}, "record_every"),
        ({"evaluate_every": 5}, "evaluate_every"),
        (
            {"hyperparameters": {**batches(), "sgd": ch5jax.grid(ch5jax.sgd, learning_rate=RATES * 2)}},
            "hyperparameters",
        ),
        ({"task": ch5jax.tasks.digits(hidden=(9,), batch_size=8)}, "program"),
        (
            {"task": ch5jax.tasks.digits(hidden=(8,), batch_size=8, split_key=jax.random.key(1))},
            "data",
        ),
    ],
)
def test_another_sweeps_store_is_refused_and_left_untouched(finished, changes, named):
    before = snapshot(finished)
    with pytest.raises(StoreError, match=rf"belongs to another sweep: .*{named}"):
        run(store=finished, **changes)
    assert snapshot(finished) == before


def test_a_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(StoreError, match=r"holds thesis\.tex"):
        run(store=tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_folders_place_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="is a file"):
        run(store=tmp_path / "file")


@pytest.mark.parametrize("damage", ["truncated", "flipped", "emptied", "foreign"])
def test_a_damaged_chunk_is_named_and_nothing_is_touched(copied, damage):
    file = copied / "group001-chunk000002.npz"
    content = bytearray(file.read_bytes())
    if damage == "flipped":
        with np.load(file) as arrays:
            values = arrays["metrics/loss"].tobytes()
        content[content.index(values) + len(values) // 2] ^= 1
    elif damage == "foreign":
        np.savez(file, loss=np.zeros(3))
        content = bytearray(file.read_bytes())
    else:
        content = content[: len(content) // 2 if damage == "truncated" else 0]
    file.write_bytes(content)
    before = snapshot(copied)
    with pytest.raises(StoreError, match=r"group001-chunk000002\.npz is damaged"):
        run(store=copied)
    assert snapshot(copied) == before


def test_a_damaged_manifest_is_named(copied):
    (copied / "manifest.json").write_text("{")
    with pytest.raises(StoreError, match=r"manifest\.json is damaged"):
        run(store=copied)


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self.path,)


def test_nothing_is_unpickled(copied, tmp_path):
    file, made = copied / "group000-chunk000000.npz", tmp_path / "made"
    np.savez(file, evil=np.array([Evil(made)], dtype=object))
    with pytest.raises(StoreError, match="is damaged"):
        run(store=copied)
    assert not made.exists()


def test_a_full_disk_ends_clearly_and_the_store_goes_on(tmp_path, whole, monkeypatch):
    flush, left = os.fsync, iter(range(4))  # the manifest, what is known of two groups, and a chunk

    def full(descriptor):
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match=r"No space left on device.*what it holds is whole") as raised:
            run(store=tmp_path)
    assert raised.value.errno == errno.ENOSPC
    kept = [".lock", "group000-chunk000000.npz", "group000.npz", "group001.npz", "manifest.json"]
    assert sorted(file.name for file in tmp_path.iterdir()) == kept
    assert_same_bits(run(store=tmp_path), whole)


def test_a_folder_that_cannot_be_made_ends_clearly():
    with pytest.raises(OSError, match="cannot make the store"):
        run(store="/proc/nothing/store")


@pytest.mark.usefixtures("compiled_quickly")
def test_the_width_of_a_begun_sweep_is_kept(tmp_path):
    first = run(store=tmp_path, width=None)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["width"] == first.width
    del manifest["hash"]
    Folder(tmp_path / "narrow").path.mkdir()
    Folder(tmp_path / "narrow").begin({**manifest, "width": 3}, {})
    assert run(store=tmp_path / "narrow", width=None).width == 3


def test_the_manifest_says_what_the_sweep_is(finished):
    manifest = json.loads((finished / "manifest.json").read_text())
    due = {"format", "steps", "record_every", "width", "key", "groups", "versions", "device", "hash"}
    assert due <= manifest.keys()
    assert [group["name"] for group in manifest["groups"]] == ["sgd", "adam"]
    assert manifest["groups"][0]["program"] != manifest["groups"][1]["program"]
    assert manifest["groups"][0]["data"] == manifest["groups"][1]["data"]


@pytest.mark.parametrize("name", ["~nosuchuser/z", "x" * 300, "a\0b", os.devnull, f"{os.devnull}/x", "", 5])
def test_what_can_be_no_folder_is_refused(name):
    for opened in (lambda: run(store=name), lambda: ch5jax.open(name)):
        with pytest.raises(StoreError, match="store must"):
            opened()
