"""What every difficulty has: a test on the evidence, a sentence, and what to try."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from ch5jax._types import Scalar
from ch5jax.diagnostics import Curvature, Difficulty, Signals
from ch5jax.verdicts._continuations import WAYS, Continuations
from ch5jax.verdicts._finding import Finding
from ch5jax.verdicts._summary import RunSummary
from ch5jax.verdicts._thresholds import Thresholds

if TYPE_CHECKING:
    from ch5jax.verdicts._diagnosis import Diagnosis


ANEW = "Adam at 0.003 + weights drawn anew + standardised inputs + standardised targets"  # what was right most often


class Evidence(NamedTuple):
    """What is known of a run."""

    signals: Signals
    probed_at: jax.Array
    summary: RunSummary
    curvature: Curvature | None
    limits: Thresholds
    continuations: Continuations | None = None

    @property
    def gains(self) -> jax.Array:
        """Which ways to go on lower the loss so far that they prove something: (6,), bool."""
        return self.lower(self.limits.gain)

    def lower(self, share: Scalar) -> jax.Array:
        """Which of them lower it, beyond chance, by over that share of what there is to learn: (6,), bool."""
        if self.continuations is None:
            return jnp.zeros(len(WAYS), bool)
        gain, error, _ = self.continuations
        return self.summary.known & (gain > jnp.maximum(self.limits.errors * error, share * self.summary.reach))


class Rule(NamedTuple):
    """One difficulty. Its place among the others is `PRECEDENCE`'s."""

    difficulty: Difficulty
    test: Callable[[Evidence], Finding]  # pure, of one run
    say: Callable[[Finding, "Diagnosis"], str]  # what was seen, where and how strongly
    remedies: str  # what the chapter would try
    treatments: tuple[str, ...]  # what `ch5jax.treat` tries, by name, in this order; as far as the task has it
    alone: bool = False  # told only where no other is found, but for those of the data
    of_the_data: bool = False  # told by the data: what the course shows is told beside it
    proof: Callable[[Evidence], jax.Array] | None = None  # by the ways to go on: asked where nothing else was found
    ways: tuple[int, ...] = ()  # which of them it is shown by


def hindered(of: Evidence) -> jax.Array:
    """Whether a run did not get where it could, as far as that is known.

    One that did is not accused of how its network looks: AdaGrad learns the digits with half of its ReLUs dead. Where
    no best is known, who has come half of the way from the baseline (or the start) to a loss of 0 has learned.
    """
    summary = of.summary
    return ~summary.known | ~summary.learned
