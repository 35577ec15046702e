"""A fork of a process that has trained says so; one of a process that has not, and a spawned one, train."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork there")

SCRIPT = """
import os, sys, warnings
warnings.simplefilter("ignore")
import jax, ch5jax
task = ch5jax.tasks.surface(ch5jax.problems.beale())
train = lambda: ch5jax.train(task, ch5jax.sgd(0.01), jax.random.key(0), 2, signals_every=0)
opts = ch5jax.grid(ch5jax.sgd, learning_rate=[0.01])
calls = {
    "train": train,
    "sweep": lambda: ch5jax.sweep(task, opts, steps=2, key=None),
    "diagnose": lambda: ch5jax.diagnose(task, ch5jax.sgd(0.01), steps=2, key=None),
}
train()
child = os.fork()
if child == 0:
    try:
        calls[sys.argv[1]]()
    except ValueError as error:
        print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
train()
"""


@pytest.mark.parametrize("what", ["train", "sweep", "diagnose"])
def test_a_fork_of_a_process_that_has_trained_is_told(what, quick_environment):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, what],
        capture_output=True,
        text=True,
        timeout=100,
        env=quick_environment,
        check=True,
    )
    assert "was forked from" in done.stdout
    assert 'start it by multiprocessing.get_context("spawn")' in done.stdout
