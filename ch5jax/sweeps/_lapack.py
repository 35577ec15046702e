"""Lowering in which no LAPACK call has a batch to share out among threads.

A batched QR (SVD, Cholesky, eigenvalues, …) of jaxlib 0.10 and 0.11 on a CPU hands its matrices to XLA's thread pool
and waits there for them. It is itself run by a thread of that pool, so that as many calls at once as there are threads
wait for ever for a thread to be free: on two cores any two calls of one step, or one call on each of two devices. No
flag prevents it (of XLA's, one only makes it rarer), so a sweep's programs call LAPACK with one matrix at a time, for
which nothing is handed on. jaxlib 0.12 does not share calls out any more (jax-ml/jax, commit 8599924): from there on
nothing here is used, and the file can go with the last older version that is admitted.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import jaxlib.version
from jax.interpreters import mlir
from jax.lax import linalg

from ch5jax._types import Params

SHARES_CALLS_OUT = tuple(map(int, jaxlib.version.__version__.split(".")[:2])) < (0, 12)

# Each primitive that calls LAPACK, with the rank of its first operand without batch axes.
_PRIMITIVES = {
    linalg.cholesky_p: 2,
    linalg.eig_p: 2,
    linalg.eigh_p: 2,
    linalg.hessenberg_p: 2,
    linalg.householder_product_p: 2,
    linalg.lu_p: 2,
    linalg.ormqr_p: 2,
    linalg.qr_p: 2,
    linalg.schur_p: 2,
    linalg.svd_p: 2,
    linalg.triangular_solve_p: 2,
    linalg.tridiagonal_p: 2,
    linalg.tridiagonal_solve_p: 1,
}


def lowering_parameters(trials: int, devices: Sequence[jax.Device]) -> mlir.LoweringParameters:
    """What to lower a program with, of so many trials over all devices."""
    if devices[0].platform != "cpu" or not SHARES_CALLS_OUT:
        return mlir.LoweringParameters()
    rules = tuple((p, _one_at_a_time(p, rank, trials, len(devices))) for p, rank in _PRIMITIVES.items())
    return mlir.LoweringParameters(override_lowering_rules=rules)


def _one_at_a_time(primitive: Any, rank: int, trials: int, devices: int) -> Callable[..., Any]:
    """The lowering of a primitive as a loop over its batch, in which each device has one matrix."""

    def rule(context: Any, *operands: Any, **params: Params) -> Any:
        shape = context.avals_in[0].shape
        batch = shape[: len(shape) - rank]
        module = context.module_context.replace(lowering_parameters=mlir.LoweringParameters())
        plain = context.replace(module_context=module)
        call = functools.partial(primitive.bind, **params)
        # the trials lead, cut up among the devices: a loop over them would move each matrix to all devices
        lanes = devices if batch[:1] == (trials,) else 1
        looped = functools.partial(_loop, call, primitive.multiple_results, len(batch), lanes)
        lowered = looped if math.prod(batch) > lanes else call
        return mlir.lower_fun(lowered, multiple_results=primitive.multiple_results)(plain, *operands)

    return rule


def _loop(call: Callable[..., Any], multiple_results: bool, axes: int, lanes: int, *operands: jax.Array) -> Any:
    """Calls it for `lanes` matrices at a time, taken from the batch at equal distances."""
    batch = operands[0].shape[:axes]
    rounds = math.prod(batch) // lanes

    def cut(x: jax.Array) -> jax.Array:
        return jnp.moveaxis(x.reshape(lanes, rounds, *x.shape[axes:]), 1, 0)

    def joined(x: jax.Array) -> jax.Array:
        return jnp.moveaxis(x, 0, 1).reshape(*batch, *x.shape[2:])

    _, results = jax.lax.scan(lambda _, xs: (None, call(*xs)), None, tuple(map(cut, operands)))
    return [joined(x) for x in results] if multiple_results else joined(results)
