"""When signals are taken, and where they are written: the one place that knows."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax import _trees

# A probe costs 2.8 steps of a 64-32-10 network in a sweep, and 3.5 of 64-128-128-10: two gradients, one of them with
# its layers', and the norms of all. (With the step taken once more in it, 3.4 and 3.6, and a fifth more to compile.)
FEWEST_STEPS_BETWEEN = 25
FEWEST = 8  # what a verdict needs to tell a course; short trainings pay for them


def recorded_steps(steps: int, record_every: int) -> np.ndarray:
    """The steps after which `train` records: every `record_every`, and the last.

    Args:
      steps: how many steps there were, ≥ 1.
      record_every: the spacing n, ≥ 1: records come after n, 2·n, … steps.

    Returns:
      Increasing integers, shape (records,): the horizontal axis of a learning curve.

    Raises:
      ValueError: if one of them is not positive.

    Example:
      >>> import ch5jax
      >>> ch5jax.recorded_steps(10, record_every=4).tolist()
      [4, 8, 10]
    """
    _trees.check_positive(steps=steps, record_every=record_every)
    return np.minimum(np.arange(record_every, steps + record_every, record_every), steps)


class Probes(NamedTuple):
    """When a training's signals are taken.

    Nothing here may depend on the trial: mapped over trials, a probe would be taken at every step.
    """

    every: int  # steps from probe to probe; 0 for none at all
    steps: int  # of the whole training; the last one is probed in any case
    first: Any = 0  # the index of the training's first step

    @classmethod
    def spaced(cls, steps: int, signals_every: int | None, first: Any = 0) -> "Probes":
        """As asked for; by default a fiftieth of all apart, and 25 at least, or what gives eight where that is less."""
        if signals_every is None:
            fewest = min(FEWEST_STEPS_BETWEEN, steps // FEWEST)
            return cls(max(steps // 50, fewest, 1), steps, first)
        if signals_every != 0:
            _trees.check_positive(signals_every=signals_every)
        return cls(int(signals_every), steps, first)

    def taken_at(self) -> np.ndarray:
        """Steps taken at each probe, the one that is probed too."""
        return recorded_steps(self.steps, self.every) if self.every else np.zeros(0, int)

    def now(self, index: jax.Array) -> jax.Array:
        """Whether this step is probed."""
        taken = index - self.first + 1
        return (taken % self.every == 0) | (taken == self.steps)

    def following(self, index: jax.Array) -> jax.Array:
        """The first step after this one that is probed; the next step after the last."""
        probed = ((index - self.first + 1) // self.every + 1) * self.every
        return jnp.maximum(self.first + jnp.minimum(probed, self.steps) - 1, index + 1)

    def row(self, index: Any) -> Any:
        """The row, of all, that belongs to this step: that of the next probe."""
        return (index - self.first) // self.every

    def whole_rows(self, begin: int, end: int) -> np.ndarray:
        """The rows that became whole between `begin` and `end` steps, counted from the row of step `begin`."""
        taken = self.taken_at()
        inside = taken[(taken > begin) & (taken <= end)]
        return (inside - 1) // max(self.every, 1) - begin // max(self.every, 1)
