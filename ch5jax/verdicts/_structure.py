"""Difficulties of the network itself: vanishing and exploding signals, flat layers, twins."""

import jax
import jax.numpy as jnp

from ch5jax.diagnostics import Signals, first_over_last
from ch5jax.verdicts._finding import Finding, finding, first_step, late, mostly, nothing
from ch5jax.verdicts._summary import RunSummary
from ch5jax.verdicts._thresholds import Thresholds


def hindered(summary: RunSummary, limits: Thresholds) -> jax.Array:
    """Whether a run did not get where it could, as far as that is known.

    One that did is not accused of how its network looks: AdaGrad learns the digits with half of its ReLUs dead.
    """
    return ~summary.known | ~summary.has_best | (summary.left > limits.above)


def vanishing_and_exploding(
    signals: Signals, probed_at: jax.Array, summary: RunSummary, limits: Thresholds
) -> tuple[Finding, Finding]:
    """The signal at the first layer over that at the last, at more than half of the probes."""
    if signals.signal_norms is None:
        return nothing(), nothing()
    ratios = first_over_last(signals.signal_norms)
    known = jnp.isfinite(ratios)
    typical = jnp.nanmedian(jnp.where(known, ratios, jnp.nan))
    findings = [
        finding(hindered(summary, limits) & mostly(holds, known), typical, 0, first_step(holds & known, probed_at))
        for holds in (ratios < limits.vanishing, ratios > limits.exploding)
    ]
    return findings[0], findings[1]


def saturated(signals: Signals, probed_at: jax.Array, summary: RunSummary, limits: Thresholds) -> Finding:
    """The flattest layer, over the last quarter."""
    if signals.flat_units is None:
        return nothing()
    shares = jnp.mean(late(signals.flat_units), axis=0)
    layer = jnp.argmax(shares)
    flat, holds = shares[layer] > limits.flat_units, signals.flat_units[:, layer] > limits.flat_units
    return finding(hindered(summary, limits) & flat, shares[layer], layer, first_step(holds, probed_at))


def symmetry(signals: Signals, probed_at: jax.Array, summary: RunSummary, limits: Thresholds) -> Finding:
    """The weight matrix with most twins, among those that have some at every probe of the last quarter."""
    if signals.duplicate_units is None:
        return nothing()
    count = signals.duplicate_units
    if signals.gradient_norm is not None:  # weights that have overflowed are all alike
        count = jnp.where(jnp.isfinite(signals.gradient_norm)[:, None], count, 0)
    twins = jnp.min(late(count), axis=0)
    matrix = jnp.argmax(twins)
    met = hindered(summary, limits) & (twins[matrix] > 0)
    return finding(met, twins[matrix], matrix, first_step(count[:, matrix] > 0, probed_at))
