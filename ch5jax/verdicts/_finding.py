"""What is found of a difficulty: whether it is there, how strong, where and when."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ch5jax import _trees
from ch5jax.diagnostics import Difficulty, masked, unmasked

# Which of several difficulties is the run's verdict: what is wrong from the start before what comes of it.
PRECEDENCE = (
    Difficulty.UNSCALED,
    Difficulty.DIVERGED,
    Difficulty.SYMMETRY,
    Difficulty.SATURATED,
    Difficulty.VANISHING,
    Difficulty.EXPLODING,
    Difficulty.CLIFF,
    Difficulty.NO_GRADIENT,
    Difficulty.SADDLE,
    Difficulty.LOCAL_OPTIMUM,
    Difficulty.OSCILLATING,
    Difficulty.NOISE,
    Difficulty.OVERFITTING,
    Difficulty.SLOW,
    Difficulty.UNKNOWN,
    Difficulty.HEALTHY,
)


class Finding(NamedTuple):
    """One difficulty in one run; made by `judge`, all of them: each field has a last axis, `Difficulty`'s values."""

    found: jax.Array  # (), bool
    masked_strength: jax.Array  # (), `strength` as programs return it: −max where it is NaN
    where: jax.Array  # (), int32: the layer or the weight matrix, from 0; −1 where there is none
    step: jax.Array  # (), int32: steps taken when it was first seen (of DIVERGED the first lost step); −1 where not

    @property
    def strength(self) -> jax.Array:
        """What was measured; NaN where it could not be. NumPy's array, outside of programs."""
        return unmasked(self.masked_strength)

    @property
    def code(self) -> jax.Array:
        """Of all difficulties, the one that comes first by `PRECEDENCE`, int32; one for each run of a batch."""
        order = jnp.asarray(PRECEDENCE, jnp.int32)
        return order[jnp.argmax(jnp.asarray(self.found)[..., order], axis=-1)]

    def of(self, difficulty: Difficulty) -> "Finding":
        """Of all difficulties, this one.

        Args:
          difficulty: which.

        Returns:
          Its finding, without the last axis.
        """
        return Finding(*(column[..., difficulty] for column in self))


def finding(
    found: jax.typing.ArrayLike, strength: jax.typing.ArrayLike, where: jax.typing.ArrayLike, step: jax.typing.ArrayLike
) -> Finding:
    """A finding in its dtypes; what was not found happened at no step."""
    found = jnp.asarray(found, bool)
    return Finding(
        found,
        masked(jnp.asarray(strength).astype(_trees.default_float())),
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
