"""Symmetry: units with equal incoming weights, which stay equal and learn one thing twice."""

import chex
import jax
import jax.numpy as jnp
import numpy as np

from ch5jax import _trees

PROJECTIONS = 8


def duplicate_units(kernel: chex.Array, tolerance: jax.typing.ArrayLike = 1e-5) -> jax.Array:
    r"""How many units of a layer have a twin: another unit with the same incoming weights.

    .. math:: \#\{j : \exists k \ne j,\ \|w_j - w_k\| \le \tau \max(\|w_j\|, \|w_k\|)\}

    Two units that start equal and feed equal weights get equal gradients, and stay equal for ever.

    Equal vectors have equal projections. So every unit is projected on eight fixed random directions, units are sorted
    by the first of these, and each is compared with its neighbour there: the mean square of eight differences
    estimates the square of the distance, within a factor of two as a rule. That takes one product of the kernel with
    eight vectors, not units² × inputs operations. Twins whose weights are equal to rounding are found unless a third
    unit's projection lies between theirs, for which the odds are about units × 1e-7.

    Args:
      kernel: incoming weights, the units along the last axis, shape (..., units), floating.
      tolerance: τ ≥ 0, the relative distance up to which two units count as equal.

    Returns:
      How many units have a twin, int32, shape ().

    Raises:
      ValueError: if the kernel has fewer than two axes, or is not floating.

    Example:
      >>> import ch5jax, jax.numpy as jnp
      >>> kernel = jnp.array([[1.0, 2.0, 1.0, 4.0], [0.5, 1.0, 0.5, 1.0]])
      >>> int(ch5jax.diagnostics.duplicate_units(kernel))
      2

    Source: the chapter, section 5.6 no. 2; Goodfellow, Bengio and Courville, *Deep Learning* (2016), section 8.4:
    initial parameters need to break the symmetry between units.
    """
    kernel = jnp.asarray(kernel)
    _trees.check_inexact(kernel, "kernel")
    if jnp.ndim(kernel) < 2:
        raise ValueError(f"kernel must have shape (..., inputs, units), got {jnp.shape(kernel)}")
    units = kernel.shape[-1]
    w = kernel.reshape(-1, units).astype(_trees.accumulator_dtype(kernel.dtype))
    # drawn on the host: constants of the program
    directions = jnp.asarray(np.random.default_rng(0).normal(size=(PROJECTIONS, len(w))), w.dtype)
    projected = jnp.matmul(directions, w, precision=jax.lax.Precision.HIGHEST)
    projected = projected[:, jnp.argsort(projected[0])]
    lengths = jnp.sum(_trees.abs_sq(projected), axis=0)
    apart = jnp.sum(_trees.abs_sq(projected[:, 1:] - projected[:, :-1]), axis=0)
    equal = apart <= jnp.asarray(tolerance, apart.dtype) ** 2 * jnp.maximum(lengths[1:], lengths[:-1])
    no = jnp.zeros(1, bool)
    return jnp.sum(jnp.concatenate([equal, no]) | jnp.concatenate([no, equal]), dtype=jnp.int32)
