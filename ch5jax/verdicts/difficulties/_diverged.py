"""DIVERGED: the loss is lost for good."""

import jax.numpy as jnp

from ch5jax.diagnostics import Difficulty
from ch5jax.verdicts._finding import Finding, finding, nothing
from ch5jax.verdicts.difficulties._rule import ANEW, Evidence, Rule


def _test(of: Evidence) -> Finding:
    if of.signals.lost_since is None:
        return nothing()
    since = of.signals.lost_since[-1]
    return finding(since >= 0, jnp.nan, -1, since)


RULE = Rule(
    Difficulty.DIVERGED,
    _test,
    lambda found, of: f"from step {int(found.step):,} on the loss was not finite, or beyond all bounds.",
    "Try a learning rate a tenth as large, or a clipped gradient.",
    (ANEW, "rate ÷ 10 + weights drawn anew + standardised inputs", "weights drawn anew"),
)
