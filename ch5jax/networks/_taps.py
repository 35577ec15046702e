"""Taps: zeros that a network adds on the way, so that a gradient can be read there."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Tap(NamedTuple):
    """Zeros around one activation φ: h = φ(z + before) + after.

    The gradient of a loss with respect to them is ∂L/∂z and ∂L/∂h, for every example; their quotient is φ'(z). An array
    or a scalar may stand in a tap's place: it is `before`, and nothing is added after.
    """

    before: Any  # shape of z, or one that broadcasts to it
    after: Any = None  # likewise; None where no activation follows


class TapOverTime(NamedTuple):
    """A `Tap` for every step of a recurrent layer, with time as its leading axis: each step counts as a layer."""

    before: Any  # shape (time, *z.shape)
    after: Any = None


def tapped(z: jax.Array, tap: Any, activation: Callable[[jax.Array], jax.Array] | None) -> jax.Array:
    """The activation of z, with a tap's zeros before and after; without a tap, or without an activation, as well."""
    before, after = tap if isinstance(tap, Tap) else (tap, None)
    z = z if before is None else z + _like(before, z)
    h = z if activation is None else activation(z)
    return h if after is None else h + _like(after, h)


def _like(tap: Any, z: jax.Array) -> jax.Array:
    """A tap as an array like z: said outright, for those who refuse promotion."""
    return jnp.broadcast_to(jnp.asarray(tap, z.dtype), z.shape)
