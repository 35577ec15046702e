"""Sparse initial weights."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax import _trees
from ch5jax._hyperparameters import POSITIVE, Range, check_number, implemented_by, scalar
from ch5jax._types import DType
from ch5jax.initializers._gaussian import draw as draw_gaussian
from ch5jax.initializers._initializer import Initializer

_AT_LEAST_ONE = Range(1.0)


def _draw(
    key: jax.Array,
    shape: tuple[int, ...],
    dtype: DType,
    nonzeros: Any,
    std: Any,
    out_axis: int | tuple[int, ...],
    batch_axis: int | tuple[int, ...],
) -> jax.Array:
    incoming, units = _roles(shape, out_axis, batch_axis)
    inputs, outputs = (tuple(shape[axis] for axis in axes) for axes in (incoming, units))
    wanted = scalar("nonzeros", nonzeros, _trees.default_float())
    if not isinstance(nonzeros, jax.Array) and nonzeros > math.prod(inputs):
        raise ValueError(
            f"nonzeros must be at most the {math.prod(inputs)} incoming weights that a unit has in shape {shape}, "
            f"got {nonzeros:g}"
        )
    key_positions, key_weights = jax.random.split(key)
    # a random order of each unit's incoming weights: two of 2³² lots are so seldom equal that no bias shows
    ranks = jnp.argsort(jax.random.bits(key_positions, (math.prod(inputs), math.prod(outputs)), jnp.uint32), axis=0)
    ranks = jnp.moveaxis(ranks.reshape(inputs + outputs), range(len(shape)), incoming + units)
    chosen = (ranks < wanted.astype(ranks.dtype)) & (scalar("std", std, wanted.dtype) != 0)
    weights = _without_zero(draw_gaussian(key_weights, shape, dtype, std), dtype)
    return jnp.where(chosen, weights, jnp.zeros_like(weights))


@implemented_by(_draw)
def sparse(
    nonzeros: jax.typing.ArrayLike,
    std: jax.typing.ArrayLike,
    *,
    out_axis: int | Sequence[int] = -1,
    batch_axis: int | Sequence[int] = (),
) -> Initializer:
    r"""Exactly k Gaussian incoming weights for every unit, at random positions; the others are 0.

    .. math:: w_{iu} = z_{iu}\, [i \in P_u], \qquad z_{iu} \sim \mathcal N(0, \sigma^2), \qquad |P_u| = k

    The total input of a unit does not depend on how many inputs there are, and units stay diverse without small
    weights. Every unit has positions of its own, each set of k as probable as another. A weight that is drawn is never
    0, whatever it is rounded to, unless σ is.

    Args:
      nonzeros: k ≥ 1, a whole number. It may be traced, and is not checked then: a fraction is cut off, and more than
        there are incoming weights gives them all.
      std: σ > 0, the standard deviation of the drawn weights. A number; it may be traced.
      out_axis: the axis or axes that number the units, by default the last. All axes that are neither this nor batch
        axes number the incoming weights, as they do in JAX's fan-in: (inputs,) of a dense kernel (inputs, outputs),
        and (height, width, inputs) of a convolution's HWIO kernel.
      batch_axis: the axis or axes along which there are several kernels.

    Returns:
      An `Initializer`: call it with a key, a shape and a dtype.

    Raises:
      ValueError: if a number is none or is known and out of range; in the call, if the known k is more than the
        incoming weights, the shape lacks an axis or has one in two roles, or the dtype is neither floating nor complex.

    Example:
      >>> import ch5jax, jax
      >>> kernel = ch5jax.initializers.sparse(nonzeros=15, std=1.0)(jax.random.key(0), (64, 4))
      >>> (kernel != 0).sum(axis=0).tolist()
      [15, 15, 15, 15]

    Source: the chapter, section 5.6 no. 5; Martens, *Deep learning via Hessian-free optimization* (ICML 2010), with k =
    15; Goodfellow, Bengio and Courville, *Deep Learning* (2016), section 8.4.
    """
    nonzeros = check_number("nonzeros", nonzeros, _AT_LEAST_ONE)
    if not isinstance(nonzeros, jax.Array) and not np.all(np.isfinite(nonzeros) & (nonzeros == np.floor(nonzeros))):
        raise ValueError(f"nonzeros must be a whole number, got {nonzeros!r}")
    values = {
        "nonzeros": nonzeros,
        "std": check_number("std", std, POSITIVE),
        "out_axis": _checked_axis("out_axis", out_axis),
        "batch_axis": _checked_axis("batch_axis", batch_axis),
    }
    return Initializer._of(sparse, values, frozenset({"out_axis", "batch_axis"}))


def _without_zero(weights: jax.Array, dtype: DType) -> jax.Array:
    """What `dtype` would round to 0 becomes the smallest number on its side that it holds: float16 ends at 6e-8."""
    limits = jnp.finfo(dtype), jnp.finfo(weights.dtype)
    smallest = max(float(limits[0].smallest_subnormal), float(limits[1].tiny))  # below 1e-38 float32 counts as 0
    edge = jnp.copysign(jnp.asarray(smallest, limits[1].dtype), weights.real).astype(weights.dtype)
    return jnp.where(jnp.abs(weights) < smallest, edge, weights)


def _checked_axis(name: str, axis: Any) -> int | tuple[int, ...]:
    """An axis as an int, several as a tuple."""
    axes = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    if any(not isinstance(one, int | np.integer) or isinstance(one, bool) for one in axes):
        raise ValueError(f"{name} must be an integer or several, got {axis!r}")
    return tuple(int(one) for one in axes) if isinstance(axis, (tuple, list)) else int(axis)


def _roles(
    shape: tuple[int, ...], out_axis: int | tuple[int, ...], batch_axis: int | tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The axes that number a unit's incoming weights, and those that number units."""
    units: list[int] = []
    for name, axis in (("out_axis", out_axis), ("batch_axis", batch_axis)):
        for one in (axis,) if isinstance(axis, int) else axis:
            if not -len(shape) <= one < len(shape):
                raise ValueError(f"{name} must be an axis of the shape {shape}, got {one}")
            if one % len(shape) in units:
                raise ValueError(f"{name} must be another axis than the other units', got {one} in shape {shape}")
            units.append(one % len(shape))
    incoming = tuple(axis for axis in range(len(shape)) if axis not in units)
    if not incoming:
        raise ValueError(f"shape must have an axis of incoming weights beside the units', got {shape}")
    return incoming, tuple(units)
