"""VANISHING and EXPLODING: the gradient at the first layer over that at the last."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from ch5jax.diagnostics import Difficulty, first_over_last
from ch5jax.verdicts._finding import Finding, finding, first_step, mostly, nothing
from ch5jax.verdicts._phrases import n, named
from ch5jax.verdicts._thresholds import Thresholds
from ch5jax.verdicts.difficulties._rule import ANEW, Evidence, Rule, hindered

if TYPE_CHECKING:
    from ch5jax.verdicts._diagnosis import Diagnosis


def _where(holds: Callable[[jax.Array, Thresholds], jax.Array]) -> Callable[[Evidence], Finding]:
    """At more than half of the probes, of a run that has not been thrown above its start: that comes of the steps."""

    def test(of: Evidence) -> Finding:
        if of.signals.layer_gradient_norms is None:
            return nothing()
        ratios = first_over_last(of.signals.layer_gradient_norms)
        known = jnp.isfinite(ratios)
        typical = jnp.nanmedian(jnp.where(known, ratios, jnp.nan))
        there = holds(ratios, of.limits)
        met = hindered(of) & ~of.summary.worse & mostly(there, known)
        return finding(met, typical, 0, first_step(there & known, of.probed_at))

    return test


VANISHING = Rule(
    Difficulty.VANISHING,
    _where(lambda ratios, limits: ratios < limits.vanishing),
    lambda found, of: (
        f"the gradient at the first layer{_of(of, 0)} was {float(found.strength):.2g} of that at the last{_of(of, -1)} "
        f"(under {n(of.thresholds.vanishing)}), first seen at step {int(found.step):,}."
    ),
    "Try BatchNorm, ReLUs, larger or orthogonal initial weights, or layerwise pretraining.",
    (ANEW, "Adam at 0.01", "weights drawn anew"),
)
EXPLODING = Rule(
    Difficulty.EXPLODING,
    _where(lambda ratios, limits: ratios > limits.exploding),
    lambda found, of: (
        f"the gradient at the first layer{_of(of, 0)} was {float(found.strength):.2g} times that at the "
        f"last{_of(of, -1)} (over {n(of.thresholds.exploding)}), first seen at step {int(found.step):,}."
    ),
    "Try smaller initial weights, a clipped gradient, or BatchNorm.",
    (ANEW, "clipped gradient", "weights drawn anew"),
)


def _of(of: "Diagnosis", which: int) -> str:
    name = named(of.names.layers, which)
    return f", {name}{',' if which == 0 else ''}" if name else ""
