"""A real process, killed at several moments: the next run goes on, and ends with the same bits."""

import collections
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import ch5jax
from tests.sweeps.small import assert_same_bits, run

KILLS = int(os.environ.get("CH5JAX_KILLS", "5"))  # 50 in docs/sweeps.md

SWEEP = """
import sys
import jax
jax.config.update("jax_num_cpu_devices", 2)
from ch5jax.sweeps import _executor
from tests.sweeps.small import run
def report(progress):
    print(progress.steps_done, flush=True)
    sys.stdin.readline()
_executor.SECONDS_BETWEEN_STATES = float(sys.argv[2])
run(store=sys.argv[1], progress=report)
"""


@pytest.fixture
def environment(tmp_path_factory, quick_environment):
    """Of the processes to kill: only the first of them has to compile the sweep."""
    return {
        **quick_environment,
        "PYTHONPATH": ".",
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("compiled")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }


def killed_at(report, store, between_states, environment):
    """Runs the sweep until it has reported so many times how far it is; what it said last."""
    command = [sys.executable, "-c", SWEEP, str(store), str(between_states)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], env=environment, **pipes) as process:
        for _ in range(report - 1):
            process.stdout.readline()
            print(file=process.stdin, flush=True)
        reached = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    return reached


@pytest.mark.parametrize("between_states", [0, 60])
def test_killed_again_and_again(tmp_path, environment, between_states):
    assert 0 < killed_at(3, tmp_path, between_states, environment) < 8 * 30  # in the middle of the first two chunks
    assert bool(list(tmp_path.glob("*-state.npz"))) == (between_states == 0)
    killed_at(5, tmp_path, between_states, environment)
    finished = {
        file.name: file.stat().st_mtime_ns for file in tmp_path.glob("*-chunk*.npz") if "state" not in file.name
    }
    assert finished
    assert_same_bits(run(store=tmp_path), run())
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in finished} == finished
    assert not list(tmp_path.glob("*.part"))


AT_RANDOM = """
import sys
import jax
jax.config.update("jax_num_cpu_devices", 2)
from ch5jax.sweeps import _executor
from tests.sweeps.test_killed import longer
_executor.SECONDS_BETWEEN_STATES = _executor.SECONDS_A_SEGMENT = 0.0
_executor.FIRST_SEGMENT = 3
print(flush=True)
longer(sys.argv[2], store=sys.argv[1], progress=lambda progress: print(flush=True))
"""
KINDS = ("whole", "halved")


def longer(kind, **changes):
    """A sweep of a hundred segments and more, some of them with two rungs."""
    rungs = ch5jax.Rungs([40, 80], 0.5) if kind == "halved" else None
    return run(steps=120, signals_every=4, evaluate_every=40, rungs=rungs, **changes)


def test_killed_at_random_moments(tmp_path, environment):
    """By signals of all kinds, over and over in one folder until it is done, then in the next."""
    draw = random.Random(0)
    due = {kind: longer(kind) for kind in KINDS}
    killed, finished, is_open, longest = collections.Counter(), 0, False, 3.0
    while killed.total() < KILLS or is_open:
        kind, store = KINDS[finished % 2], tmp_path / f"{finished}"
        command = [sys.executable, "-c", AT_RANDOM, str(store), kind]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(command, cwd=Path(__file__).parents[2], env=environment, **pipes) as process:
            for _ in range(draw.choice([1, 2, 2, 2])):  # from the beginning, or from when it trains
                process.stdout.readline()
            begun = time.monotonic()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(draw.uniform(0, longest) if killed.total() < KILLS else None)
            by = draw.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
            if is_open := process.poll() is None:
                process.send_signal(by)
            process.wait()  # what it prints fits the pipe
        if process.returncode == 0:  # also where it had ended when the signal came
            longest, is_open = time.monotonic() - begun, False
            assert_same_bits(ch5jax.open(store), due[kind])
            assert not list(store.glob("*.part"))
            finished += 1
        else:
            kept = len(list(store.glob("*-chunk*.npz")))
            killed[f"{by.name} with {kept} files kept, {kind}"] += 1
    assert killed.total() == KILLS
    print(f"{KILLS} kills, {finished} sweeps finished:", *sorted(killed.items()), sep="\n")
