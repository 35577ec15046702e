"""What befalls a store: others at work in it, users' files, files in each other's place, damage of every kind."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import jax
import numpy as np
import pytest

import ch5jax
from ch5jax.sweeps import StoreError
from ch5jax.sweeps._folder import Folder

MANIFEST = {"format": 8, "steps": 2, "groups": []}
TASK = ch5jax.tasks.surface(ch5jax.problems.beale())


def sweep(store, key=0, **changes):
    """Six trials, some to each chunk, of a sweep that hardly costs anything."""
    arguments = {"steps": 4, "key": jax.random.key(key), "seeds": 2, "width": 1, "signals_every": 0, **changes}
    rates = arguments.pop("rates", [0.01, 0.02, 0.03])
    return ch5jax.sweep(TASK, ch5jax.grid(ch5jax.sgd, learning_rate=rates), store=store, **arguments)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults") / "store"
    sweep(folder)
    return folder


@pytest.fixture
def copied(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "copied")


def begun(folder):
    """A folder with a manifest, and nothing else."""
    with Folder(folder).held(MANIFEST) as kept:
        kept.begin(MANIFEST, {})
    return folder


@pytest.mark.parametrize(("field", "value"), [("width", 2), ("steps", 3), ("maximize", True), ("key", [0, 1])])
def test_a_manifest_that_was_changed_by_hand_is_damaged(copied, field, value):
    file = copied / "manifest.json"
    manifest = json.loads(file.read_text())
    assert manifest[field] != value
    file.write_text(json.dumps({**manifest, field: value}))
    for opened in (lambda: ch5jax.open(copied), lambda: sweep(copied, width=None)):
        with pytest.raises(StoreError, match=r"manifest\.json is damaged \(its hash does not fit\)"):
            opened()


def test_one_bit_of_a_manifest_or_of_what_is_known_of_a_group_is_seen(copied):
    for name in ("manifest.json", "group000.npz"):
        whole = (copied / name).read_bytes()
        for place in np.linspace(0, len(whole) - 1, 40).astype(int):
            content = bytearray(whole)
            content[place] ^= 4
            (copied / name).write_bytes(content)
            with contextlib.suppress(StoreError):  # padding of the archive means nothing
                found = ch5jax.open(copied)
                np.testing.assert_array_equal(found.columns["learning_rate"], np.repeat([0.01, 0.02, 0.03], 2))
        (copied / name).write_bytes(whole)


def test_a_chunk_in_anothers_place_is_named(copied, tmp_path):
    first, second = copied / "group000-chunk000000.npz", copied / "group000-chunk000001.npz"
    whole = second.read_bytes()
    sweep(tmp_path / "other", key=1)  # of the same shape
    for wrong in (first.read_bytes(), (tmp_path / "other" / second.name).read_bytes()):
        second.write_bytes(wrong)
        for opened in (ch5jax.open, sweep):
            with pytest.raises(
                StoreError, match=r"chunk000001\.npz must hold group000-chunk000001 of sweep \w+, 4 steps, got"
            ):
                opened(copied)
    second.write_bytes(whole)
    shutil.copy(first, copied / "group000-chunk000017.npz")
    with pytest.raises(StoreError, match=r"chunk000017\.npz must hold nothing: this sweep has none of that name"):
        sweep(copied)


def test_a_folder_with_a_users_part_files_is_not_empty_and_they_stay(tmp_path):
    (tmp_path / "film.mkv.part").write_text("precious")
    with pytest.raises(StoreError, match=r"must be an empty folder or a sweep's, but .* holds film\.mkv\.part"):
        sweep(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["film.mkv.part"]


def test_only_what_a_kill_left_of_our_own_files_is_deleted(tmp_path):
    begun(tmp_path)
    ours = ["group000-chunk000003.npz.77.78.part", "group001.npz.1.2.part", "manifest.json.5.6.part"]
    theirs = ["film.mkv.part", "group000.npz.part", "a.manifest.json.5.6.part", "mine.npz", "group000.npz.77.78.part~"]
    for name in ours + theirs:
        (tmp_path / name).write_text("x")
    begun(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {*theirs, ".lock", "manifest.json"}


def test_what_a_kill_left_before_there_was_a_manifest_is_no_stranger(tmp_path):
    (tmp_path / "manifest.json.5.6.part").write_text("{")
    begun(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {".lock", "manifest.json"}


def test_a_second_thread_is_told_who_works_there(tmp_path):
    said = []

    def second():
        try:
            begun(tmp_path)
        except StoreError as error:
            said.append(str(error))

    with Folder(tmp_path).held(MANIFEST):
        for _ in range(2):
            thread = threading.Thread(target=second)
            thread.start()
            thread.join()
    assert len(said) == 2
    assert f"is in use: process {os.getpid()} on " in said[0]
    begun(tmp_path)


HOLD = """
import os, sys, time
from ch5jax.sweeps._folder import Folder
with Folder(sys.argv[1]).held({"format": 8, "steps": 2, "groups": []}):
    if sys.argv[2] == "forks" and not os.fork():
        os.write(1, f"child {os.getpid()}\\n".encode())
        time.sleep(60)
        os._exit(0)
    os.write(1, b"held\\n")
    time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="no fork there")
@pytest.mark.parametrize("child", ["alone", "forks"])
def test_a_dead_process_holds_nothing_even_if_a_child_of_it_lives(tmp_path, child):
    command = [sys.executable, "-W", "ignore", "-c", HOLD, str(tmp_path), child]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        said = [process.stdout.readline().split() for _ in range(1 + (child == "forks"))]
        with pytest.raises(StoreError, match=rf"is in use: process {process.pid} on .*, since \d{{4}}-"):
            begun(tmp_path)
        process.kill()
        process.wait()
        begun(tmp_path)
        for words in said:
            if words[0] == "child":
                os.kill(int(words[1]), 9)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFO there")
@pytest.mark.parametrize("name", ["manifest.json", "group000.npz", "group000-chunk000000.npz"])
@pytest.mark.parametrize("what", ["fifo", "folder", "dangling"])
def test_what_is_no_file_is_named_and_not_waited_for(copied, name, what):
    file = copied / name
    file.unlink()
    {"fifo": os.mkfifo, "folder": Path.mkdir, "dangling": lambda path: path.symlink_to("nowhere")}[what](file)
    with pytest.raises(StoreError, match=rf"{name} must be a file, and is none"):
        ch5jax.open(copied)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[]", "\0", "NaN", '{"format": 8}'])
def test_a_strange_manifest_is_damaged(copied, text):
    (copied / "manifest.json").write_text(text)
    with pytest.raises(StoreError, match=r"manifest\.json is damaged"):
        ch5jax.open(copied)


def strange_archives(path):
    """Their contents: encrypted by its flags, of unknown methods, pickled, of terabytes by its header."""
    whole = path.read_bytes()
    directory = whole.rindex(b"PK\x01\x02")
    for place in range(directory, len(whole)):
        yield whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
    for place in (directory + 8, directory + 10):
        yield whole[:place] + b"\xff\xff" + whole[place + 2 :]
    np.savez(path, pickled=np.array([{}], dtype=object))
    yield path.read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    yield path.read_bytes()


def test_a_damaged_archive_is_named_and_nobody_is_advised_to_unpickle(copied):
    path = copied / "group000-chunk000002.npz"
    whole, said = ch5jax.open(copied).columns["loss"], []
    for content in strange_archives(path):
        path.write_bytes(content)
        try:
            np.testing.assert_array_equal(ch5jax.open(copied).columns["loss"], whole)
        except StoreError as error:
            said.append(str(error))
    assert len(said) > 20
    assert {words.partition(" (")[0] for words in said} == {f"{path} is damaged"}
    assert "pickle" not in "".join(said)


def test_the_home_folder_is_meant_by_its_sign(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    first = sweep("~/runs/x", width=2)
    assert (tmp_path / "home" / "runs" / "x" / "manifest.json").exists()
    assert not Path("~").exists()
    assert ch5jax.open("~/runs/x").width == first.width == sweep(Path("~/runs/x"), width=None).width
