"""What a difficulty leaves in the program: whether it was found, how strong, where and when."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ch5jax import _trees


class Finding(NamedTuple):
    """One difficulty in one run, as arrays; in a `Verdict`, one for each difficulty along the last axis."""

    found: jax.Array  # (), bool
    strength: jax.Array  # (), what was measured; NaN where it could not be
    where: jax.Array  # (), int32: the layer or the weight matrix, from 0; −1 where there is none
    step: jax.Array  # (), int32: steps taken when it was first seen; −1 where it was not


def finding(
    found: jax.typing.ArrayLike, strength: jax.typing.ArrayLike, where: jax.typing.ArrayLike, step: jax.typing.ArrayLike
) -> Finding:
    """A finding in its dtypes; what was not found happened at no step."""
    found = jnp.asarray(found, bool)
    return Finding(
        found,
        jnp.asarray(strength).astype(_trees.default_float()),
        jnp.asarray(where, jnp.int32),
        jnp.where(found, jnp.asarray(step, jnp.int32), -1),
    )


def nothing() -> Finding:
    """What is said of a difficulty whose signals are not to be had."""
    return finding(False, jnp.nan, -1, -1)


def first_step(holds: jax.Array, probed_at: jax.Array) -> jax.Array:
    """Steps taken at the first probe at which something holds."""
    return probed_at[jnp.argmax(holds)]


def mostly(holds: jax.Array, known: jax.Array) -> jax.Array:
    """Whether something holds at more than half of the probes at which it is known."""
    return 2 * jnp.sum(holds & known) > jnp.sum(known)


def late(values: jax.Array) -> jax.Array:
    """The last quarter of the probes, one at least."""
    return values[-max(1, len(values) // 4) :]
