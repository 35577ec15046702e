"""NO_GRADIENT: the gradient is exactly zero, and the run has not got where it could."""

import jax.numpy as jnp

from ch5jax.diagnostics import Difficulty
from ch5jax.verdicts._finding import Finding, finding, first_step, late, nothing
from ch5jax.verdicts.difficulties._rule import ANEW, Evidence, Rule


def _test(of: Evidence) -> Finding:
    """At every late probe, of a loss that does not curve either; where that is not known, of one that did not fall."""
    norms = of.signals.gradient_norm
    if norms is None:
        return nothing()
    summary = of.summary
    stuck = summary.known & (summary.end != 0) & ~(summary.has_best & summary.learned)
    if of.curvature is None:
        stuck &= summary.end >= summary.first * jnp.where(summary.first > 0, 0.9, 1.1)
    else:
        stuck &= (of.curvature.smallest == 0) & (of.curvature.largest == 0)
    since = jnp.flip(jnp.cumprod(jnp.flip(norms == 0))) > 0
    return finding(stuck & jnp.all(late(norms) == 0), 0, -1, first_step(since, of.probed_at))


RULE = Rule(
    Difficulty.NO_GRADIENT,
    _test,
    lambda found, of: (
        f"from step {int(found.step):,} on the gradient was exactly zero: nothing that the loss depends on can be "
        "learned."
    ),
    "Look at what the loss makes of the outputs (one softmax unit, rounded or clipped numbers, a ReLU at the end), "
    "or start again with smaller steps.",
    (ANEW, "weights drawn anew"),
)
