"""Sweeps whose programs call LAPACK: they end, and say the same as one matrix after the other."""

import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ch5jax.sweeps import _lapack

SIZE, LAYERS, WIDTH = 24, 4, 4


def spd(x):
    return x @ x.T + jnp.eye(SIZE)


def upper(x):
    return jnp.triu(x) + SIZE * jnp.eye(SIZE)


CALLS = {
    "qr": lambda x: jnp.linalg.qr(x)[1],
    "qr, complete": lambda x: jnp.linalg.qr(x[:, :8], mode="complete")[0],
    "pivoted qr": lambda x: jax.scipy.linalg.qr(x, pivoting=True)[1],
    "orthogonal": lambda x: jax.nn.initializers.orthogonal()(jax.random.key(jnp.int32(99 * x[0, 0])), x.shape),
    "svd": lambda x: jnp.linalg.svd(x)[0],
    "singular values": lambda x: jnp.linalg.svd(x, compute_uv=False),
    "cholesky": lambda x: jnp.linalg.cholesky(spd(x)),
    "symmetric eigenvalues": lambda x: jnp.linalg.eigh(x + x.T)[1],
    "eigenvalues": lambda x: jnp.sort(jnp.abs(jnp.linalg.eigvals(x))),
    "lu": lambda x: jax.scipy.linalg.lu_factor(x)[0],
    "solve": lambda x: jnp.linalg.solve(spd(x), x),
    "triangular solve": lambda x: jax.scipy.linalg.solve_triangular(upper(x), x),
    "schur": lambda x: jax.scipy.linalg.schur(x)[0],
    "hessenberg": lambda x: jax.lax.linalg.hessenberg(x)[0],
    "tridiagonal": lambda x: jax.lax.linalg.tridiagonal(x + x.T)[1],
    "tridiagonal solve": lambda x: jax.lax.linalg.tridiagonal_solve(x[0], 9 + x[1], x[2], x),
}
BATCHED = {name: CALLS[name] for name in ("qr", "svd", "lu", "tridiagonal solve")}

MANY_AT_ONCE = """
import jax
jax.config.update("jax_num_cpu_devices", 2)
import jax.numpy as jnp, numpy as np
import ch5jax
from tests.sweeps.test_lapack import CALLS, SIZE

def drawn(key):  # what the issue came from: six layers with orthogonal initial weights
    return sum(jnp.sum(jax.nn.initializers.orthogonal()(key, (64, 64))) for key in jax.random.split(key, 6))

def step(key, index, rate, state):
    keys = jax.random.split(key, len(CALLS))
    called = [jnp.sum(call(jax.random.normal(k, (SIZE, SIZE)))) for k, call in zip(keys, CALLS.values())]
    return state + rate * sum(called) + drawn(key), {"loss": state}

task = ch5jax.Task(lambda key, rate: rate * drawn(key), step, lambda rate, state: {"validation_loss": state})
rates = np.linspace(0, 1, 8)
result = ch5jax.sweep(task, rates, steps=3, key=jax.random.key(0), seeds=2, width=2, signals_every=0)
print("ended with", len(result))
"""


def test_a_sweep_with_many_lapack_calls_at_once_ends(quick_environment):
    """It hung for ever: as many batched calls as XLA has threads waited for a thread each."""
    environment = {**quick_environment, "PYTHONPATH": ".", "NPROC": "2"}
    process = subprocess.run(
        [sys.executable, "-c", MANY_AT_ONCE],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout == "ended with 16\n"


def one_at_a_time(call, *batch):
    """A call for every trial and for a batch of the trial's own: what it gives, what it should, and its program."""
    for _ in batch:
        call = jax.vmap(call)
    drawn = np.random.default_rng(0).normal(size=(2 * WIDTH, *batch, SIZE, SIZE)).astype(np.float32)
    devices = jax.local_devices()
    mesh = jax.make_mesh((len(devices),), ("trials",), axis_types=(jax.sharding.AxisType.Auto,), devices=devices)
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("trials"))
    traced = jax.jit(jax.vmap(call), in_shardings=sharding, out_shardings=sharding).trace(drawn)
    program = traced.lower(_private_parameters=_lapack.lowering_parameters(2 * WIDTH, devices)).compile()
    return program(jax.device_put(drawn, sharding)), jax.lax.map(call, drawn), program.as_text()


def check(found, alone, text):
    np.testing.assert_allclose(found, alone, rtol=2e-3, atol=2e-4)
    calls = re.findall(r"= (.*) custom-call.*lapack.*num_batch_dims=\"(\d)\"", text)
    assert calls
    for shapes, axes in calls:
        for shape in re.findall(r"\[([\d,]*)\]", shapes):
            assert set(shape.split(",")[: int(axes)]) <= {"1"}, shapes
    assert not re.search("all-gather|all-reduce|all-to-all|collective-permute", text)


@pytest.mark.usefixtures("compiled_quickly")
@pytest.mark.parametrize("name", CALLS)
def test_every_call_has_one_matrix(name, monkeypatch):
    monkeypatch.setattr(_lapack, "SHARES_CALLS_OUT", True)  # also under a JAX that needs no help
    check(*one_at_a_time(CALLS[name]))


@pytest.mark.usefixtures("compiled_quickly")
@pytest.mark.parametrize("name", BATCHED)
def test_a_batch_of_the_trial_s_own_is_cut_up_too(name, monkeypatch):
    monkeypatch.setattr(_lapack, "SHARES_CALLS_OUT", True)
    check(*one_at_a_time(BATCHED[name], 2, 3))


@pytest.mark.usefixtures("compiled_quickly")
def test_what_is_the_same_for_all_trials_is_cut_up_too(monkeypatch):
    monkeypatch.setattr(_lapack, "SHARES_CALLS_OUT", True)
    own = jax.random.normal(jax.random.key(0), (5, SIZE, SIZE))
    check(*one_at_a_time(lambda x: x + jax.vmap(CALLS["qr"])(own + jax.lax.optimization_barrier(0)).sum(0)))
