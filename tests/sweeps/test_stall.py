"""A sweep that makes no progress says so, and where; nothing here waits longer than until it is said."""

import logging
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ch5jax
from ch5jax.sweeps import _stall
from tests.sweeps.small import KEY


class Told(logging.Handler):
    """What was said, and a way to wait for it."""

    def __init__(self):
        super().__init__()
        self.said, self.condition = [], threading.Condition()

    def emit(self, record):
        with self.condition:
            self.said.append(record.getMessage())
            self.condition.notify_all()

    def wait(self, times):
        with self.condition:
            assert self.condition.wait_for(lambda: len(self.said) >= times, timeout=60)


@pytest.fixture
def told(monkeypatch):
    monkeypatch.setattr(_stall, "SECONDS", 0.05)
    handler, log = Told(), logging.getLogger("ch5jax.sweeps")
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)


def small_sweep(step=lambda key, index, rate, state: (state + rate, {"loss": state}), **arguments):
    """Six trials in two groups."""
    task = ch5jax.Task(lambda key, rate: rate, step, lambda rate, state: {"validation_loss": state})
    rates = np.linspace(0, 1, 3, dtype=np.float32)
    ch5jax.sweep({"a": task, "b": task}, rates, steps=2, key=KEY, width=1, signals_every=0, **arguments)


def test_a_step_that_does_not_end_is_named_with_its_trials(told):
    def wait(x):
        told.wait(1 + sum("taking" not in said for said in told.said))
        return x

    def step(key, index, rate, state):
        told_later = jax.pure_callback(wait, jax.ShapeDtypeStruct((), jnp.float32), state, vmap_method="sequential")
        return told_later, {"loss": state}

    small_sweep(step)
    assert any("while taking steps 0 to 2 of trials 0 to 1, group 'a'." in said for said in told.said), told.said


def test_a_progress_callback_that_does_not_come_back_is_named(told):
    def progress(_):
        told.wait(len(told.said) + 1)

    small_sweep(progress=progress)
    assert any("while reporting the progress." in said for said in told.said)


def test_it_is_said_again_after_twice_as_long_and_no_more_after_the_end(told):
    began = time.monotonic()
    with _stall.StallMonitor() as monitor:
        monitor.now("waiting")
        for patience in (0.05, 0.1, 0.2):
            told.wait(len(told.said) + 1)
            assert time.monotonic() - began >= patience
        monitor.now("going on")
        told.wait(len(told.said) + 1)
    doing = [said.split("while ")[1].split(".")[0] for said in told.said]
    doing = doing[doing[0] == "starting" :]  # as a machine at work on other things may see it
    assert doing[:2] == ["waiting"] * 2
    assert doing[-1] == "going on"
    assert not any(thread.name == "ch5jax stall monitor" for thread in threading.enumerate())


def test_progress_that_comes_in_time_says_nothing(monkeypatch, told):
    monkeypatch.setattr(_stall, "SECONDS", 600)
    small_sweep()
    assert not told.said


def test_processor_time_tells_work_from_waiting(told):
    def used():
        return float(told.said[-1].split("used ")[1].split(" s")[0])

    with _stall.StallMonitor(seconds=0.5) as monitor:
        monitor.now("waiting")
        told.wait(1)
        assert used() == 0
        monitor.now("working")
        while not used():
            np.linalg.svd(np.ones((50, 50)))
    assert "while working" in told.said[-1]
