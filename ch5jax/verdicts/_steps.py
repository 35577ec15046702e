"""Difficulties of the steps: a cliff, overshooting, noise, too small a rate, divergence."""

import jax
import jax.numpy as jnp

from ch5jax.diagnostics import Curvature, Signals
from ch5jax.verdicts._finding import Finding, finding, first_step, late, nothing
from ch5jax.verdicts._summary import RunSummary
from ch5jax.verdicts._thresholds import Thresholds


def cliff(signals: Signals, probed_at: jax.Array, summary: RunSummary, limits: Thresholds) -> Finding:
    """A spike of the gradient, and weights that moved in its interval as they never do: they were thrown.

    Where a distance is not to be had (or infinite, for a start at 0), a loss that has risen since by a tenth of the
    descent stands for it.
    """
    if signals.spike is None:
        return nothing()
    moved = jnp.full(signals.spike.shape, jnp.nan)
    if signals.distance is not None:
        moved = jnp.abs(jnp.diff(signals.distance, prepend=jnp.zeros(1, signals.distance.dtype)))
    usual = jnp.nanmedian(jnp.where(jnp.isfinite(moved), moved, jnp.nan))
    thrown = moved > limits.thrown * usual
    if signals.mean_loss is not None:
        before, after = jnp.roll(signals.mean_loss, 1), jnp.roll(signals.mean_loss, -1)
        inside = (jnp.arange(len(before)) > 0) & (jnp.arange(len(before)) < len(before) - 1)
        risen = inside & (after - before > limits.falling * summary.descent)
        thrown = jnp.where(jnp.isnan(usual), risen, thrown)
    holds = (signals.spike > limits.spike) & jnp.isfinite(signals.spike) & thrown
    strength = jnp.max(jnp.where(holds | ~jnp.any(holds), signals.spike, 0))
    return finding(jnp.any(holds), strength, -1, first_step(holds, probed_at))


def diverged(signals: Signals) -> Finding:
    """The loss is lost for good."""
    if signals.lost_since is None:
        return nothing()
    since = signals.lost_since[-1]
    return finding(since >= 0, jnp.nan, -1, since)


def noisy(summary: RunSummary, limits: Thresholds) -> Finding:
    """The loss has stalled above the best, and the noise of the steps explains why."""
    stuck = summary.known & ~summary.falling & (summary.left > limits.above)
    explains = summary.lift > limits.lift * summary.above_best
    return finding(stuck & summary.mostly_noise & explains, summary.noise, -1, summary.steps)


def oscillating(signals: Signals, summary: RunSummary, limits: Thresholds) -> Finding:
    """The loss has stalled while the steps promise, to first order, that it falls: they overshoot."""
    if signals.alternation is None:
        return nothing()
    turns = jnp.median(late(signals.alternation))
    bounces = turns > limits.alternation
    stuck = summary.known & ~summary.falling & jnp.where(summary.has_best, summary.left > limits.above, bounces)
    because = ~noisy(summary, limits).found & ((summary.promised > limits.overshoot) | bounces)
    return finding(stuck & because, summary.promised, -1, summary.steps)


def slow(curvature: Curvature | None, summary: RunSummary, limits: Thresholds) -> Finding:
    """Either it still falls, or it never got going although the gradient is what it was.

    Where the best is not known, what falls counts as slow if it has not slowed down since half time. Steps that are
    nearly too long to be stable are not too small.
    """
    unfinished = jnp.where(
        summary.has_best, summary.left > limits.above, summary.late_slope > limits.slow * summary.middle_slope
    )
    strength = summary.late_slope / jnp.where(summary.middle_slope > 0, summary.middle_slope, jnp.nan)
    standing = (
        ~summary.falling
        & summary.has_best
        & (summary.left > limits.above)
        & (summary.promised < summary.left)
        & summary.steep
    )
    holds = summary.known & ((summary.falling & unfinished) | standing)
    if curvature is not None:
        holds &= ~(summary.rate * curvature.largest / 2 > limits.stable)
    return finding(holds, strength, -1, summary.steps)
