"""Constant initial parameters."""

from typing import Any

import jax
import jax.numpy as jnp

from ch5jax._hyperparameters import ANY, check_number, implemented_by, scalar
from ch5jax._types import DType
from ch5jax.initializers._initializer import Initializer


def _draw(key: jax.Array, shape: tuple[int, ...], dtype: DType, value: Any) -> jax.Array:
    del key
    return jnp.broadcast_to(scalar("value", value, dtype), shape)


@implemented_by(_draw)
def constant(value: jax.typing.ArrayLike) -> Initializer:
    """The same value everywhere: for biases; units whose weights all start equal stay equal.

    Args:
      value: any real number; it may be traced.

    Returns:
      An `Initializer`: call it with a key, which it does not use, a shape and a dtype.

    Raises:
      ValueError: if the value is not a number; in the call, if the dtype is neither floating nor complex.

    Example:
      >>> import ch5jax, jax
      >>> ch5jax.initializers.constant(0.5)(jax.random.key(0), (3,)).tolist()
      [0.5, 0.5, 0.5]

    Source: the chapter, section 5.6 no. 2, on equal units; Goodfellow, Bengio and Courville, *Deep Learning* (2016),
    section 8.4: a bias of 0.1 for a rectified unit, of 1 for a forget gate.
    """
    return Initializer._of(constant, {"value": check_number("value", value, ANY)}, frozenset())
