"""A mini-batch that several devices divide: eight of this process, and four each of two processes."""

import socket
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ch5jax

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 6)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 0).astype(int)
KEY = jax.random.key(1)


def task(mesh=None, batch_size=32, **how):
    network = ch5jax.networks.mlp((6, 16, 16, 2), jax.nn.relu, batch_norm=True)
    return ch5jax.tasks.supervised(network, (X, Y), batch_size=batch_size, mesh=mesh, **how)


def trained(mesh=None):
    """All that a training is, as one list of arrays on the host."""
    one = task(mesh)
    run = ch5jax.train(one, ch5jax.adam(0.01), KEY, 40, evaluate_every=20, signals_every=10)
    model_state = run.state.model_state
    loss = lambda params: one.loss(KEY, ch5jax.adam(0.01), run.state, params)
    value, gradient = jax.jit(jax.value_and_grad(loss))(one.params(run.state))
    parts = (run.metrics, run.evaluations, run.state.params, model_state, value, gradient)
    return [np.asarray(leaf) for leaf in jax.tree.leaves(parts)]


def all_devices():
    return jax.make_mesh((jax.device_count(),), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))


def assert_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-5)  # sums in another order, over 40 steps


@pytest.fixture(scope="module")
def expected():
    return trained()


def test_eight_devices_train_as_one_does(expected):
    assert jax.device_count() == 8
    assert_same(trained(all_devices()), expected)
    mesh = jax.make_mesh((2, 4), ("a", "b"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
    assert_same(trained(mesh), expected)


def test_each_device_has_its_part_of_the_batch():
    for mesh, width in ((None, 32), (all_devices(), 4)):
        one, opt = task(mesh), ch5jax.adam(0.01)
        state = one.init(KEY, opt)
        program = jax.jit(one.step).lower(KEY, jnp.int32(0), opt, state).compile().as_text()
        assert ("all-reduce" in program) == (mesh is not None)
        assert f"f32[{width},16]" in program  # activations
        assert mesh is None or "f32[32,16]" not in program


def test_what_cannot_be_divided():
    with pytest.raises(
        ValueError, match="batch_size must be a multiple of the mesh's 8 devices, which divide it, got 36"
    ):
        task(all_devices(), batch_size=36)


PROGRAM = """
import sys
import jax
jax.config.update("jax_num_cpu_devices", 4)
jax.distributed.initialize(f"127.0.0.1:{sys.argv[1]}", num_processes=2, process_id=int(sys.argv[2]))
import numpy as np
from tests.training.test_mesh import all_devices, trained
assert (jax.process_count(), jax.device_count(), jax.local_device_count()) == (2, 8, 4)
np.savez(sys.argv[3], *trained(all_devices()))
"""


def test_two_processes_train_as_one_does(tmp_path, expected, quick_environment):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    files = [tmp_path / f"{i}.npz" for i in (0, 1)]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(port), str(i), str(file)],
            cwd=Path(__file__).parents[2],
            env={**quick_environment, "PYTHONPATH": "."},
        )
        for i, file in enumerate(files)
    ]
    assert [process.wait() for process in running] == [0, 0]
    for file in files:
        with np.load(file) as found:
            assert_same([found[name] for name in found.files], expected)
