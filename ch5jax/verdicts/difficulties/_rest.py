"""SADDLE and LOCAL_OPTIMUM: where a run rests, told by the Hessian."""

import jax
import jax.numpy as jnp

from ch5jax.diagnostics import Difficulty
from ch5jax.verdicts._continuations import DOWNHILL
from ch5jax.verdicts._finding import Finding, finding, nothing
from ch5jax.verdicts._phrases import left, n, share
from ch5jax.verdicts._summary import gradient_is_small
from ch5jax.verdicts.difficulties._noise import explains
from ch5jax.verdicts.difficulties._rule import Evidence, Rule


def _at_rest(of: Evidence) -> tuple[jax.Array, jax.Array]:
    """Whether the gradient is small and the loss does not fall; and λ_min over the largest magnitude.

    About zero it says nothing: a valley that is flat along its floor, as of logistic regression, is no basin.
    """
    assert of.curvature is not None
    smallest, largest, summary = of.curvature.smallest, of.curvature.largest, of.summary
    steepest = jnp.maximum(jnp.abs(smallest), jnp.abs(largest))
    lowest = smallest / jnp.where(steepest > 0, steepest, 1)
    felt = ~(summary.largest_rate * steepest * summary.steps < 1)  # else the steps are too small to tell anything of it
    return summary.known & ~summary.falling & felt & gradient_is_small(summary, steepest, of.limits), lowest


def _saddle(of: Evidence) -> Finding:
    """With a best known, short of it; without one, where the gradient is exactly zero: there λ_min is proof enough.

    What the noise of the steps holds up does not rest: of single examples the loss curves down somewhere anywhere.
    """
    if of.curvature is None:
        return nothing()
    rests, lowest = _at_rest(of)
    summary = of.summary
    short = summary.has_best & (summary.left > of.limits.above) & ~explains(of)
    still = summary.known & ~summary.has_best & summary.still
    return finding(((rests & short) | still) & (lowest < -of.limits.saddle), lowest, -1, summary.steps)


def _downhill(of: Evidence) -> jax.Array:
    """A step down the most negative curvature lowers the loss over ten times as much as the gradient could."""
    assert of.continuations is not None
    if of.curvature is None:
        return jnp.array(False)
    steepest = jnp.maximum(jnp.abs(of.curvature.smallest), jnp.abs(of.curvature.largest))
    by_gradient = jnp.maximum(of.summary.squared_norm, 0) / 2
    curves = of.curvature.smallest < -of.limits.saddle * steepest
    return of.gains[DOWNHILL] & curves & (10 * by_gradient < of.continuations.gain[DOWNHILL] * steepest)


def _local_optimum(of: Evidence) -> Finding:
    if of.curvature is None:
        return nothing()
    rests, lowest = _at_rest(of)
    summary = of.summary
    short = summary.has_best & (summary.left > of.limits.basin)
    return finding(rests & short & (lowest > of.limits.saddle), summary.left, -1, summary.steps)


SADDLE = Rule(
    Difficulty.SADDLE,
    _saddle,
    lambda found, of: (
        f"at step {int(found.step):,} it rested, with {left(of)}, where the loss curves down: the smallest eigenvalue "
        f"is {float(found.strength):.2g} times the largest magnitude (under -{n(of.thresholds.saddle)}), and the "
        "gradient is small."
    ),
    "Try momentum, an adaptive rate, smaller mini-batches, or another start.",
    ("Adam at 0.01", "weights drawn anew", "rate × 10"),
    proof=_downhill,
    ways=(DOWNHILL,),
)
LOCAL_OPTIMUM = Rule(
    Difficulty.LOCAL_OPTIMUM,
    _local_optimum,
    lambda found, of: (
        f"at step {int(found.step):,} it rested in a basin: a small gradient, a loss that curves up in all "
        f"directions, and {share(found.strength)} of the descent left (over {share(of.thresholds.basin)})."
    ),
    "Try other starts, smaller mini-batches, or a larger rate at first.",
    ("Adam at 0.01", "weights drawn anew", "rate × 10"),
)
