"""A real process, killed at several moments: the next run goes on, and ends with the same bits."""

import os
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
from ch5jax.sweeps import _run
from tests.sweeps.small import run
_run.SECONDS_BETWEEN_STATES = float(sys.argv[2])
run(store=sys.argv[1], progress=lambda p: print(p.steps_done, flush=True))
print("finished", flush=True)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Of the processes to kill: only the first of them has to compile the sweep."""
    return {
        **os.environ,
        "PYTHONPATH": ".",
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("compiled")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }


def start(store, between_states, environment):
    command = [sys.executable, "-c", SWEEP, str(store), str(between_states)]
    root = Path(__file__).parents[2]
    return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True, env=environment)


@pytest.mark.parametrize("between_states", [0, 60])
def test_killed_again_and_again(tmp_path, environment, between_states):
    reached = []
    for lines in (2, 5):
        with start(tmp_path, between_states, environment) as process:
            seen = [process.stdout.readline() for _ in range(lines)]
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert process.returncode == -signal.SIGKILL
        reached.append(int(seen[0]))
    finished = {file.name: file.stat().st_mtime_ns for file in tmp_path.glob("*.npz") if "state" not in file.name}
    assert_same_bits(run(store=tmp_path), run())
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in finished} == finished
    assert not list(tmp_path.glob("*.part"))
