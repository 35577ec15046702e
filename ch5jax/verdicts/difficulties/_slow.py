"""SLOW: it was on its way when it ended, the rate is too small or the steps too few."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax.diagnostics import Curvature, Difficulty
from ch5jax.verdicts._continuations import AS_BEFORE, BY_ADAM, FASTER
from ch5jax.verdicts._finding import Finding, finding
from ch5jax.verdicts._phrases import left, n
from ch5jax.verdicts._summary import RunSummary
from ch5jax.verdicts.difficulties._rule import ANEW, Evidence, Rule

if TYPE_CHECKING:
    from ch5jax.verdicts._diagnosis import Diagnosis

_WAYS = AS_BEFORE, FASTER, BY_ADAM


def _test(of: Evidence) -> Finding:
    """Either it still falls, or it never got going although the gradient is what it was.

    Where the best is not known, a run that has not learned is slow in three cases: its loss falls no slower than in the
    second quarter, its parameters have hardly moved, or all its steps together are too short to have gone
    down the steepest direction.
    Steps that are nearly too long to be stable are not too small.
    """
    summary, limits = of.summary, of.limits
    short = ~summary.learned
    unfinished = jnp.where(
        summary.has_best, summary.left > limits.above, short & (summary.late_slope > limits.slow * summary.middle_slope)
    )
    strength = summary.late_slope / jnp.where(summary.middle_slope > 0, summary.middle_slope, jnp.nan)
    standing = summary.has_best & (summary.left > limits.above) & (summary.promised < summary.left) & summary.steep
    untouched = summary.moved < limits.moved
    if of.curvature is not None:
        untouched |= of_the_way(summary, of.curvature) < 1
    untouched &= ~summary.has_best & short & ~summary.still
    holds = summary.known & ((summary.falling & unfinished) | (~summary.falling & (standing | untouched)))
    if of.curvature is not None:
        holds &= ~(summary.rate * of.curvature.largest / 2 > limits.stable)
    return finding(holds, strength, -1, summary.steps)


def _faster(of: Evidence) -> jax.Array:
    """More steps lower the loss, ten times the rate, or Adam's; or ten times the rate does so over three times as much.

    The last for a run that has not learned, which short steps move too little to see.
    """
    assert of.continuations is not None
    gain, error, _ = of.continuations
    beyond_chance = gain[FASTER] > jnp.maximum(of.limits.errors * error[FASTER], 3 * gain[AS_BEFORE])
    further = ~of.summary.learned & of.summary.known & beyond_chance
    return jnp.any(of.gains[jnp.array(_WAYS)]) | further


def of_the_way(summary: RunSummary, curvature: Curvature) -> jax.Array:
    """α λ T: how often all steps together could have gone down the steepest direction; NaN if nothing curves up."""
    return jnp.where(curvature.largest > 0, summary.largest_rate * curvature.largest * summary.steps, jnp.nan)


def _say(found: Finding, of: "Diagnosis") -> str:
    summary, step = of.summary, int(found.step)
    if summary.falling:
        speed = f", {float(found.strength):.2g} times as fast as halfway through" if np.isfinite(found.strength) else ""
        return f"when it ended at step {step:,} the loss still fell{speed}, with {left(of)}."
    if summary.has_best:
        return (
            f"it ended at step {step:,} with {left(of)}; late on, the loss fell by no more than chance, and the "
            "gradient was not small."
        )
    if of.curvature is None or summary.moved < of.thresholds.moved:
        why = f"its parameters had moved by {n(summary.moved)} of their initial norm (under {n(of.thresholds.moved)})"
    else:
        share = float(of_the_way(summary, of.curvature))
        why = f"all its steps together made {share:.2g} of the way down the steepest direction (under 1)"
    return f"it ended at step {step:,} without having learned, and {why}."


RULE = Rule(
    Difficulty.SLOW,
    _test,
    _say,
    "Try a larger learning rate, momentum or an adaptive rate, or more steps.",
    ("Adam at 0.01", "rate × 100", ANEW),
    alone=True,
    proof=_faster,
    ways=_WAYS,
)
