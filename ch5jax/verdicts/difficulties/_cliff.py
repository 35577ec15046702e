"""CLIFF: one gradient far above all before it threw the parameters away."""

import jax.numpy as jnp

from ch5jax.diagnostics import Difficulty
from ch5jax.verdicts._finding import Finding, finding, first_step, nothing
from ch5jax.verdicts._phrases import n
from ch5jax.verdicts.difficulties._rule import ANEW, Evidence, Rule


def _test(of: Evidence) -> Finding:
    """A spike of the gradient, and weights that moved in its interval as they never do: they were thrown.

    Where a distance is not to be had (or infinite, for a start at 0), a loss that has risen since by a tenth of the
    descent stands for it.
    """
    signals, limits = of.signals, of.limits
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
        risen = inside & (after - before > limits.falling * of.summary.descent)
        thrown = jnp.where(jnp.isnan(usual), risen, thrown)
    holds = (signals.spike > limits.spike) & jnp.isfinite(signals.spike) & thrown
    strength = jnp.max(jnp.where(holds | ~jnp.any(holds), signals.spike, 0))
    return finding(jnp.any(holds), strength, -1, first_step(holds, of.probed_at))


RULE = Rule(
    Difficulty.CLIFF,
    _test,
    lambda found, of: (
        f"a gradient {float(found.strength):.3g} times the usual (over {n(of.thresholds.spike)}) threw the weights "
        f"away, in the {of.signals_every:,} steps up to step {int(found.step):,}."
    ),
    "Try to clip the gradient's norm, or a smaller learning rate.",
    ("clipped gradient", "rate ÷ 10", ANEW),
)
