"""Difficulties of the steps: a cliff, overshooting, noise, too small a rate, divergence."""

import jax
import jax.numpy as jnp

from ch5jax.diagnostics import Curvature, Signals
from ch5jax.verdicts._course import Course
from ch5jax.verdicts._finding import Finding, finding, first_step, late, nothing
from ch5jax.verdicts._thresholds import Thresholds


def cliff(signals: Signals, looked_at: jax.Array, went: Course, limits: Thresholds) -> Finding:
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
        risen = inside & (after - before > limits.falling * went.descent)
        thrown = jnp.where(jnp.isnan(usual), risen, thrown)
    holds = (signals.spike > limits.spike) & jnp.isfinite(signals.spike) & thrown
    strength = jnp.max(jnp.where(holds | ~jnp.any(holds), signals.spike, 0))
    return finding(jnp.any(holds), strength, -1, first_step(holds, looked_at))


def diverged(signals: Signals) -> Finding:
    """The loss is lost for good."""
    if signals.lost_since is None:
        return nothing()
    since = signals.lost_since[-1]
    return finding(since >= 0, jnp.nan, -1, since)


def noisy(went: Course, limits: Thresholds) -> Finding:
    """The loss has stalled above the best, and the noise of the steps explains why."""
    stuck = went.known & ~went.falling & (went.left > limits.above)
    explains = went.lift > limits.lift * went.above_best
    return finding(stuck & went.mostly_noise & explains, went.noise, -1, went.steps)


def oscillating(signals: Signals, went: Course, limits: Thresholds) -> Finding:
    """The loss has stalled while the steps promise, to first order, that it falls: they overshoot."""
    if signals.alternation is None:
        return nothing()
    turns = jnp.median(late(signals.alternation))
    bounces = turns > limits.alternation
    stuck = went.known & ~went.falling & jnp.where(went.has_best, went.left > limits.above, bounces)
    because = ~noisy(went, limits).found & ((went.promised > limits.overshoot) | bounces)
    return finding(stuck & because, went.promised, -1, went.steps)


def slow(curvature: Curvature | None, went: Course, limits: Thresholds) -> Finding:
    """Either it still falls, or it never got going although the gradient is what it was.

    Where the best is not known, what falls counts as slow if it has not slowed down since half time. Steps that are
    nearly too long to be stable are not too small.
    """
    unfinished = jnp.where(went.has_best, went.left > limits.above, went.fall > limits.slow * went.middle)
    strength = went.fall / jnp.where(went.middle > 0, went.middle, jnp.nan)
    standing = ~went.falling & went.has_best & (went.left > limits.above) & (went.promised < went.left) & went.steep
    holds = went.known & ((went.falling & unfinished) | standing)
    if curvature is not None:
        holds &= ~(went.rate * curvature.largest / 2 > limits.stable)
    return finding(holds, strength, -1, went.steps)
