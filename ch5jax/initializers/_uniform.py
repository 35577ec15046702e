"""Uniform initial parameters."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from ch5jax import _trees
from ch5jax._hyperparameters import NON_NEGATIVE, check_number, implemented_by, scalar
from ch5jax._types import DType
from ch5jax.initializers._initializer import Initializer


def _draw(key: jax.Array, shape: tuple[int, ...], dtype: DType, limit: Any) -> jax.Array:
    wide = _trees.accumulator_dtype(dtype)
    if jnp.issubdtype(wide, jnp.complexfloating):
        key_radius, key_angle = jax.random.split(key)
        real = _trees.real_dtype(wide)
        radius = jnp.sqrt(jax.random.uniform(key_radius, shape, real))
        angle = jax.random.uniform(key_angle, shape, real, 0, 2 * math.pi)
        drawn = jax.lax.complex(radius * jnp.cos(angle), radius * jnp.sin(angle))
    else:
        drawn = jax.random.uniform(key, shape, wide, -1, 1)
    return scalar("limit", limit, wide) * drawn


@implemented_by(_draw)
def uniform(limit: jax.typing.ArrayLike) -> Initializer:
    r"""Uniform between −limit and limit; for a complex dtype, in the disk of that radius.

    .. math:: w \sim U(-a, a), \qquad \operatorname{std} w = a / \sqrt{3}

    Args:
      limit: a ≥ 0. A number; it may be traced.

    Returns:
      An `Initializer`: call it with a key, a shape and a dtype.

    Raises:
      ValueError: if the limit is not a number or is known and negative; in the call, if the dtype is neither floating
        nor complex.

    Example:
      >>> import ch5jax, jax
      >>> kernel = ch5jax.initializers.uniform(limit=0.1)(jax.random.key(0), (64, 32))
      >>> bool((abs(kernel) <= 0.1).all() and (kernel < -0.09).any() and (kernel > 0.09).any())
      True

    Source: the chapter, section 5.6 no. 3; Goodfellow, Bengio and Courville, *Deep Learning* (2016), section 8.4.
    `jax.nn.initializers.uniform` lies between 0 and its scale.
    """
    return Initializer._of(uniform, {"limit": check_number("limit", limit, NON_NEGATIVE)}, frozenset())
