"""Parameters as one real vector, so that a Hessian is a matrix."""

import functools
from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp

from ch5jax import _trees

# a product in the dtype's own precision: by default, TPUs round its factors to bfloat16
dot = functools.partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)


def ravel(params: chex.ArrayTree) -> tuple[jax.Array, Callable[[jax.Array], Any]]:
    """All parameters in one vector of the widest of their accumulators' dtypes, and the way back.

    Half-precision leaves come back in float32, so that a perturbation is not rounded away; a complex leaf counts as its
    real and its imaginary part.
    """
    _trees.check_inexact(params, "params")
    leaves, structure = jax.tree.flatten(params)
    if not leaves:
        raise ValueError("params must hold an array, got none")
    leaves = [jnp.asarray(leaf) for leaf in leaves]
    wide = [_trees.accumulator_dtype(leaf.dtype) for leaf in leaves]
    dtype = max((_trees.real_dtype(w) for w in wide), key=lambda d: jnp.finfo(d).bits)
    parts = [part for leaf, w in zip(leaves, wide, strict=True) for part in _real_parts(leaf.astype(w))]
    vector = jnp.concatenate([part.reshape(-1).astype(dtype) for part in parts])

    def unravel(vector: jax.Array) -> Any:
        position, made = 0, []
        for leaf, w in zip(leaves, wide, strict=True):
            pieces = []
            for _ in range(2 if jnp.iscomplexobj(leaf) else 1):
                piece = vector[position : position + leaf.size].reshape(leaf.shape)
                pieces.append(piece.astype(_trees.real_dtype(w)))
                position += leaf.size
            made.append(jax.lax.complex(*pieces) if len(pieces) == 2 else pieces[0])
        return structure.unflatten(made)

    return vector, unravel


def _real_parts(leaf: jax.Array) -> tuple[jax.Array, ...]:
    return (leaf.real, leaf.imag) if jnp.iscomplexobj(leaf) else (leaf,)


def hessian_product(
    loss: Callable[[Any], Any], params: chex.ArrayTree
) -> tuple[jax.Array, Callable[[jax.Array], jax.Array]]:
    """The parameters as a vector, and the product of the loss's Hessian there with a vector.

    The gradient is linearised once, so that a product costs no forward pass of its own.
    """
    vector, unravel = ravel(params)
    shape = jax.eval_shape(lambda v: loss(unravel(v)), vector)
    if not hasattr(shape, "shape") or shape.shape != () or not jnp.issubdtype(shape.dtype, jnp.floating):
        raise ValueError(f"loss must return a real scalar, got {shape}")
    return vector, jax.linearize(jax.grad(lambda v: loss(unravel(v))), vector)[1]
