"""A real process, killed at several moments: the next run goes on, and ends with the same bits."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sweeps.small import assert_same_bits, run

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
