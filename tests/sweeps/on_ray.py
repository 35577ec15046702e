"""Sweeps on a real Ray cluster of three nodes on this machine, of which a worker and a node are killed: a program.

Ray leaves threads and sockets open at its end, which a test session takes for faults: so it runs by itself.
"""

import os
import signal
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from ray.cluster_utils import Cluster

import ch5jax
from ch5jax.sweeps import ChunkError, Ray
from tests.sweeps.small import TASK, assert_same_bits, run

FOLDER = Path(sys.argv[1])


def say(what):
    with (FOLDER / "said").open("a") as file:
        print(what, file=file)


def telling(task):
    """The task, which says in a file which process traces it."""

    def init(key, hyperparameters):
        with (FOLDER / "processes").open("a") as file:
            print(os.getpid(), file=file)
        return task.init(key, hyperparameters)

    return task._replace(init=init)


def deadly():
    """A task whose process dies where the learning rate is above 100."""

    def kill(rate):
        if np.any(rate > 100):
            os.kill(os.getpid(), signal.SIGKILL)
        return rate

    def step(key, index, opt, w):
        like = jax.ShapeDtypeStruct((), jnp.float32)
        rate = jax.pure_callback(kill, like, opt.learning_rate, vmap_method="expand_dims")
        return w - rate * w, {"loss": w**2}

    return ch5jax.Task(lambda key, opt: jnp.ones(()), step, lambda opt, w: {"validation_loss": w**2})


soon = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}
head = {"num_cpus": 1, "include_dashboard": False, "_system_config": soon}
cluster = Cluster(initialize_head=True, head_node_args=head)
nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
engine = Ray(cluster.address)
expected, killed = run(), []


def strike(progress):
    """Kills a worker when the first chunk is done, and a node when the second one is."""
    if progress.trials_done and not killed:
        workers = {int(line) for line in (FOLDER / "processes").read_text().split()} - {os.getpid()}
        killed.append(workers.pop())
        os.kill(killed[0], signal.SIGKILL)
    elif progress.trials_done > 4 and len(killed) == 1:
        killed.append(nodes.pop())
        cluster.remove_node(killed[1], allow_graceful=False)


found = run(task=telling(TASK), engine=engine, store=FOLDER / "store", progress=strike)
assert len(killed) == 2
assert_same_bits(found, expected)
assert_same_bits(ch5jax.open(FOLDER / "store"), expected)
say("a worker and a node were killed: same bits")

opts = ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 1000.0, 0.2])
sweep = {"steps": 3, "key": jax.random.key(0), "width": 1, "signals_every": 0, "store": FOLDER / "deadly"}
try:
    ch5jax.sweep(deadly(), opts, engine=Ray(cluster.address, retries=1), **sweep)
    raise AssertionError("it did not die")
except ChunkError as error:
    say(error)
(part,) = ch5jax.sweeps.look(FOLDER / "deadly").parts
assert (part.done, part.trials) == (2, 3)
opts = ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 10.0, 0.2])
result = ch5jax.sweep(deadly(), opts, engine=Ray(cluster.address), **{**sweep, "store": None})
np.testing.assert_allclose(result.columns["validation_loss"], [0.9**6, 9.0**6, 0.8**6], rtol=1e-5)


def refusing(key, opt):
    if os.getpid() != DRIVER:
        raise ValueError("this task has no place here")
    return jnp.ones(())


DRIVER = os.getpid()
try:
    ch5jax.sweep(deadly()._replace(init=refusing), opts, engine=Ray(cluster.address), **{**sweep, "store": None})
    raise AssertionError("it was not refused")
except ValueError as error:
    say(error)
cluster.shutdown()
try:
    ch5jax.sweep(deadly(), opts, engine=Ray("127.0.0.1:1"), **{**sweep, "store": FOLDER / "nowhere"})
    raise AssertionError("there is no such cluster")
except ValueError as error:
    say(error)
