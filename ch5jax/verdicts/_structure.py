"""Difficulties of the network itself: vanishing and exploding signals, flat layers, twins."""

import jax.numpy as jnp

from ch5jax.diagnostics import Signals, first_over_last
from ch5jax.verdicts._course import Course
from ch5jax.verdicts._finding import Finding, finding, first_step, late, mostly, nothing
from ch5jax.verdicts._thresholds import Thresholds


def vanishing_and_exploding(signals: Signals, looked_at: jnp.ndarray, limits: Thresholds) -> tuple[Finding, Finding]:
    """The signal at the first layer over that at the last, at more than half of the looks."""
    if signals.signal_norms is None:
        return nothing(), nothing()
    ratios = first_over_last(signals.signal_norms)
    known = jnp.isfinite(ratios)
    typical = jnp.nanmedian(jnp.where(known, ratios, jnp.nan))
    findings = [
        finding(mostly(holds, known), typical, 0, first_step(holds & known, looked_at))
        for holds in (ratios < limits.vanishing, ratios > limits.exploding)
    ]
    return findings[0], findings[1]


def saturated(signals: Signals, looked_at: jnp.ndarray, went: Course, limits: Thresholds) -> Finding:
    """The flattest layer, over the last quarter.

    A run that got where it could is not accused: AdaGrad learns the digits with half of its ReLUs dead.
    """
    if signals.flat_units is None:
        return nothing()
    shares = jnp.mean(late(signals.flat_units), axis=0)
    layer = jnp.argmax(shares)
    holds = signals.flat_units[:, layer] > limits.flat_units
    hindered = ~went.has_best | ~(went.left <= limits.above)
    return finding(hindered & (shares[layer] > limits.flat_units), shares[layer], layer, first_step(holds, looked_at))


def symmetry(signals: Signals, looked_at: jnp.ndarray) -> Finding:
    """The weight matrix with most twins, among those that have some at every look of the last quarter."""
    if signals.equal_units is None:
        return nothing()
    twins = jnp.min(late(signals.equal_units), axis=0)
    matrix = jnp.argmax(twins)
    return finding(twins[matrix] > 0, twins[matrix], matrix, first_step(signals.equal_units[:, matrix] > 0, looked_at))
