"""Gaussian initial parameters."""

from typing import Any

import jax

from ch5jax import _trees
from ch5jax._hyperparameters import NON_NEGATIVE, check_number, implemented_by, scalar
from ch5jax._types import DType
from ch5jax.initializers._initializer import Initializer


def draw(key: jax.Array, shape: tuple[int, ...], dtype: DType, std: Any) -> jax.Array:
    wide = _trees.accumulator_dtype(dtype)
    return scalar("std", std, wide) * jax.random.normal(key, shape, wide)


@implemented_by(draw)
def gaussian(std: jax.typing.ArrayLike) -> Initializer:
    r"""Gaussian about 0; for a complex dtype, the same in all directions.

    .. math:: w \sim \mathcal N(0, \sigma^2), \qquad \mathbb E |w|^2 = \sigma^2

    Args:
      std: σ ≥ 0, the standard deviation. A number; it may be traced.

    Returns:
      An `Initializer`: call it with a key, a shape and a dtype.

    Raises:
      ValueError: if the standard deviation is not a number or is known and negative; in the call, if the dtype is
        neither floating nor complex.

    Example:
      >>> import ch5jax, jax
      >>> stds = ch5jax.grid(ch5jax.initializers.gaussian, std=[0.01, 0.1, 1.0])
      >>> kernels = jax.vmap(lambda init: init(jax.random.key(0), (64, 32)))(stds)
      >>> [f"{kernel.std():.1g}" for kernel in kernels]
      ['0.01', '0.1', '1']

    Source: the chapter, section 5.6 nos. 3 and 4; Goodfellow, Bengio and Courville, *Deep Learning* (2016), section
    8.4. For a constant scale `jax.nn.initializers.normal` does the same, but is no data, and draws float16 and bfloat16
    in their own precision.
    """
    return Initializer._of(gaussian, {"std": check_number("std", std, NON_NEGATIVE)}, frozenset())
