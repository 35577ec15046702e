"""Which axes of an array are features and which are the batch, and the checks of all that has to fit."""

import math
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax import _hyperparameters, _trees
from ch5jax.normalization._state import BatchNormParams


class Layout(NamedTuple):
    """The axes of an array, told apart."""

    shape: tuple[int, ...]
    features: tuple[int, ...]  # the axes that are kept, increasing
    batch: tuple[int, ...]  # all others, increasing
    dtype: np.dtype  # what its statistics are computed in: float32 at least

    @property
    def features_shape(self) -> tuple[int, ...]:
        """The shape of a number for every feature."""
        return tuple(self.shape[axis] for axis in self.features)

    @property
    def samples(self) -> int:
        """How many samples a feature has."""
        return math.prod(self.shape[axis] for axis in self.batch)

    def along(self, values: jax.Array) -> jax.Array:
        """A number for every feature, in a shape that broadcasts against the array."""
        return values.reshape([self.shape[axis] if axis in self.features else 1 for axis in range(len(self.shape))])

    def squeezed(self, values: jax.Array) -> jax.Array:
        """The way back from `along`."""
        return values.reshape(self.features_shape)


def feature_layout(what: str, x: Any, axis: int | Sequence[int]) -> Layout:
    """The layout of `x` with these feature axes; refuses axes that it does not have, and what is no floating array."""
    if not isinstance(x, (jax.Array, np.ndarray)):
        raise ValueError(f"{what} must be an array, got {type(x).__name__}")
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"{what} must be floating, got dtype {x.dtype.name}; convert it with {what}.astype(...)")
    rank = x.ndim
    try:
        named = tuple(operator.index(a) for a in (axis if isinstance(axis, Sequence) else (axis,)))
    except TypeError:
        raise ValueError(f"axis must be an integer or several, got {axis!r}") from None
    if not named or any(not -rank <= a < rank for a in named):
        raise ValueError(f"axis must name axes of {what}, whose shape is {x.shape}, got {axis!r}")
    features = tuple(sorted({a % rank for a in named}))
    if len(features) < len(named):
        raise ValueError(f"axis must name every axis once, got {axis!r} for {what} of shape {x.shape}")
    batch = tuple(a for a in range(rank) if a not in features)
    return Layout(x.shape, features, batch, _trees.accumulator_dtype(jax.dtypes.canonicalize_dtype(x.dtype)))


def check_batch(what: str, layout: Layout, mapped: bool = False) -> None:
    """Refuses an array in which a feature has no samples; a mapped axis may be all of the batch."""
    if not layout.batch and not mapped:
        raise ValueError(
            f"{what} must have a batch axis beside its features, got shape {layout.shape} with feature axes "
            f"{layout.features}"
        )
    if layout.samples == 0:
        raise ValueError(f"{what} must have a sample at least, got the empty batch of shape {layout.shape}")


def check_features(what: str, values: Any, layout: Layout) -> None:
    """Refuses what is not one floating number for every feature."""
    if not isinstance(values, (jax.Array, np.ndarray)):
        raise ValueError(f"{what} must be an array, got {type(values).__name__}")
    if jnp.shape(values) != layout.features_shape:
        raise ValueError(
            f"{what} must have shape {layout.features_shape}, the features of an array of shape {layout.shape} with "
            f"feature axes {layout.features}, got {jnp.shape(values)}"
        )
    if not jnp.issubdtype(jnp.result_type(values), jnp.floating):
        raise ValueError(f"{what} must be floating, got dtype {jnp.result_type(values).name}")


def check_mask(mask: Any, layout: Layout) -> jax.Array | None:
    """The mask as an array of as many axes as the layout has, each 1 or whole."""
    if mask is None:
        return None
    mask = jnp.asarray(mask)
    if mask.dtype != jnp.bool and not jnp.issubdtype(mask.dtype, jnp.integer):
        raise ValueError(f"mask must be boolean, got dtype {mask.dtype.name}; for zeros and ones write mask != 0")
    try:
        fits = np.broadcast_shapes(mask.shape, layout.shape) == layout.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"mask must broadcast to x of shape {layout.shape}, got shape {mask.shape}; a mask of whole rows has an "
            "axis of length 1 for the features"
        )
    return mask.astype(bool).reshape((1,) * (len(layout.shape) - mask.ndim) + mask.shape)


def prepared(params: BatchNormParams | None, eps: Any, layout: Layout) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Scale, bias and eps, checked, as arrays that broadcast against x; what is None is ones or zeros."""
    eps = _hyperparameters.check_number("eps", eps, _hyperparameters.POSITIVE)
    if not isinstance(eps, jax.Array) and np.any(eps < (tiny := float(jnp.finfo(layout.dtype).tiny))):
        raise ValueError(f"eps must be {tiny:.3g} or more, which {layout.dtype.name} can hold, got {eps!r}")
    params = BatchNormParams(None, None) if params is None else params
    if not isinstance(params, BatchNormParams):
        raise ValueError(f"params must be BatchNormParams(scale, bias) or None, got {type(params).__name__}")
    given = []
    for name, value, missing in (("scale", params.scale, jnp.ones), ("bias", params.bias, jnp.zeros)):
        if value is None:
            given.append(layout.along(missing(layout.features_shape, layout.dtype)))
        else:
            check_features(f"params.{name}", value, layout)
            given.append(layout.along(jnp.asarray(value)).astype(layout.dtype))
    return given[0], given[1], _hyperparameters.scalar("eps", eps, layout.dtype)
