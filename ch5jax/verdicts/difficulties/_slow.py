"""SLOW: it was on its way when it ended, the rate is too small or the steps too few."""

from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np

from ch5jax.diagnostics import Difficulty
from ch5jax.verdicts._finding import Finding, finding
from ch5jax.verdicts._phrases import left, n
from ch5jax.verdicts.difficulties._rule import Evidence, Rule

if TYPE_CHECKING:
    from ch5jax.verdicts._diagnosis import Diagnosis


def _test(of: Evidence) -> Finding:
    """Either it still falls, or it never got going although the gradient is what it was.

    Where the best is not known, what has not learned counts as slow if it falls no slower than at half time, or if its
    parameters have hardly moved. Steps that are nearly too long to be stable are not too small.
    """
    summary, limits = of.summary, of.limits
    short = ~summary.learned
    unfinished = jnp.where(
        summary.has_best, summary.left > limits.above, short & (summary.late_slope > limits.slow * summary.middle_slope)
    )
    strength = summary.late_slope / jnp.where(summary.middle_slope > 0, summary.middle_slope, jnp.nan)
    standing = summary.has_best & (summary.left > limits.above) & (summary.promised < summary.left) & summary.steep
    untouched = ~summary.has_best & short & (summary.moved < limits.moved) & ~summary.still
    holds = summary.known & ((summary.falling & unfinished) | (~summary.falling & (standing | untouched)))
    if of.curvature is not None:
        holds &= ~(summary.rate * of.curvature.largest / 2 > limits.stable)
    return finding(holds, strength, -1, summary.steps)


def _say(found: Finding, of: "Diagnosis") -> str:
    summary, step = of.summary, int(found.step)
    if summary.falling:
        speed = f", {float(found.strength):.2g} times as fast as at half time" if np.isfinite(found.strength) else ""
        return f"when it ended at step {step:,} the loss still fell{speed}, with {left(of)}."
    if summary.has_best:
        return (
            f"it ended at step {step:,} with {left(of)}; late on, the loss fell by no more than chance, and the "
            "gradient was not small."
        )
    return (
        f"it ended at step {step:,} without having learned, and its parameters had moved by {n(summary.moved)} of "
        f"their initial norm (under {n(of.thresholds.moved)})."
    )


RULE = Rule(
    Difficulty.SLOW,
    _test,
    _say,
    "Try a larger learning rate, momentum or an adaptive rate, or more steps.",
    alone=True,
)
