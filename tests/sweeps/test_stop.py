"""Ctrl-C, SIGTERM and SIGHUP: the state is stored first, and the sweep goes on to the same bits."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ch5jax.sweeps import _executor
from ch5jax.sweeps._stop import SIGNALS, Stop
from tests.sweeps.small import assert_same_bits
from tests.sweeps.test_extend import chunks, sweep

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no such signals there")


class EndedError(Exception):
    """Raised by a handler of our own."""


@pytest.fixture
def ended():
    """Handlers that raise, in the place of those that would end the tests."""

    def end(number, frame):
        raise EndedError(number)

    before = {one: signal.signal(one, end) for one in SIGNALS}
    yield end
    for one, handler in before.items():
        signal.signal(one, handler)


@pytest.mark.parametrize("one", SIGNALS)
def test_a_signal_waits_and_a_second_one_does_not(ended, one):
    def within(*numbers):
        with Stop() as stop:
            for number in numbers:
                signal.raise_signal(number)
                reached.append(stop.asked)

    reached = []
    with pytest.raises(EndedError, match=str(int(one))):
        within(one)
    with pytest.raises(EndedError, match=str(int(signal.SIGTERM))):
        within(one, signal.SIGTERM)
    assert reached == [True, True]
    assert all(signal.getsignal(one) is ended for one in SIGNALS)


def test_what_is_ignored_stays_so_and_other_threads_change_nothing(ended):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Stop() as stop:
        signal.raise_signal(signal.SIGHUP)
        assert not stop.asked
        assert signal.getsignal(signal.SIGINT) is not ended
    seen = []

    def elsewhere():
        with Stop():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [ended]


@pytest.mark.parametrize("one", SIGNALS)
def test_the_state_is_stored_before_a_signal_ends_a_sweep(tmp_path, ended, one, monkeypatch):
    monkeypatch.setattr(_executor, "FIRST_SEGMENT", 10)
    whole = sweep(steps=200)

    sent = []

    def stop(progress):
        if progress.steps_done and not sent:
            sent.append(one)
            signal.raise_signal(one)

    with pytest.raises(EndedError):
        sweep(tmp_path, steps=200, progress=stop)
    assert "group000-chunk000000-state.npz" in chunks(tmp_path)
    seen = []
    assert_same_bits(sweep(tmp_path, steps=200, progress=lambda now: seen.append(now.steps_done)), whole)
    first = min(done for done in seen if done)
    assert first > 4 * 20  # not from the start, with four trials side by side


def test_a_handler_that_only_takes_note_lets_the_sweep_go_on(tmp_path, ended):
    noted = []
    signal.signal(signal.SIGTERM, lambda number, frame: noted.append(number))
    found = sweep(tmp_path, steps=200, progress=lambda now: signal.raise_signal(signal.SIGTERM))
    assert noted
    assert_same_bits(found, sweep(steps=200))


def catches(process, number):
    """Whether a process has a handler for a signal."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    caught = int(next(line.split()[1] for line in lines if line.startswith("SigCgt")), 16)
    return bool(caught >> (number - 1) & 1)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="nobody says there which signals are caught")
@pytest.mark.parametrize(("delay", "one"), [(0, "SIGINT"), (0.2, "SIGTERM"), (0.7, "SIGINT"), (1.3, "SIGHUP")])
def test_the_command_ends_in_a_line_while_it_begins(tmp_path, delay, one):
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "ch5jax.cli", "sweep", "--no-cache"]
    # what a shell starts in the background ignores SIGINT, what nohup starts SIGHUP, and so would all that these start
    numbers = signal.SIGINT, signal.SIGHUP
    before = [signal.signal(number, signal.SIG_DFL) for number in numbers]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=path)
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)
    try:
        while not catches(process.pid, signal.SIGTERM):
            time.sleep(0.002)
        time.sleep(delay)
        process.send_signal(getattr(signal, one))
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()  # nothing, where it has ended
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("Stopped.")
    assert "Traceback" not in said


BEFORE_JAX = """
import signal, sys
sys.argv, sys.modules["jax"] = [sys.argv[1]], None
try:
    import ch5jax
except ImportError:
    print(signal.getsignal(signal.SIGTERM) is sys.modules["ch5jax._command"]._end)
"""


@pytest.mark.parametrize(("program", "ours"), [("/usr/bin/ch5jax", True), ("ch5jax.exe", True), ("train.py", False)])
def test_handlers_are_there_before_jax_is_imported_and_only_in_the_command(program, ours):
    command = [sys.executable, "-c", BEFORE_JAX, program]
    root = Path(__file__).parents[2]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root).stdout
    assert said == f"{ours}\n"
