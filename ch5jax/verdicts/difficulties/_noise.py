"""NOISE: the noise of mini-batches holds the loss up."""

from typing import TYPE_CHECKING

import jax
import numpy as np

from ch5jax.diagnostics import Difficulty
from ch5jax.verdicts._continuations import AS_BEFORE, FASTER, LARGER, SLOWER
from ch5jax.verdicts._finding import Finding, finding
from ch5jax.verdicts._phrases import left, n, share
from ch5jax.verdicts.difficulties._rule import Evidence, Rule

if TYPE_CHECKING:
    from ch5jax.verdicts._diagnosis import Diagnosis


def explains(of: Evidence) -> jax.Array:
    """Whether the loss has stalled above the best, and the noise of the steps explains why."""
    summary, limits = of.summary, of.limits
    stuck = summary.known & summary.has_best & ~summary.falling & (summary.left > limits.above)
    return stuck & summary.mostly_noise & (summary.lift > limits.lift * summary.above_best)


def _averaged(of: Evidence) -> jax.Array:
    """Larger batches lower the loss, at least half as much as a smaller rate does; steps as before do not."""
    assert of.continuations is not None
    gain, gains = of.continuations.gain, of.gains
    enough = ~(2 * gain[LARGER] < gain[SLOWER])
    return gains[LARGER] & enough & ~gains[AS_BEFORE] & ~gains[FASTER]


def _test(of: Evidence) -> Finding:
    return finding(explains(of), of.summary.noise, -1, of.summary.steps)


def _say(found: Finding, of: "Diagnosis") -> str:
    summary, limit = of.summary, float(of.thresholds.noise)
    ratio = float(found.strength)
    explained = min(float(summary.lift) / max(float(summary.above_best), 1e-30), 1.0)
    if not np.isfinite(ratio):
        noise = "all noise"
    elif ratio > limit:
        noise = f"{ratio:.2g} times more noise than gradient (over {n(limit)} times)"
    else:
        noise = f"by {ratio:.2g} times noise, and over {n(limit)} times within the error of that"
    return (
        f"the loss stalled with {left(of)}; a mini-batch's gradient was {noise}, which explains {share(explained)} of "
        "that."
    )


RULE = Rule(
    Difficulty.NOISE,
    _test,
    _say,
    "Try a rate that decays, or larger mini-batches.",
    ("rate ÷ 10", "larger batches", "Adam at 0.001"),
    proof=_averaged,
    ways=(LARGER,),
)
