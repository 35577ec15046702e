"""SYMMETRY: units with equal incoming weights."""

import jax.numpy as jnp

from ch5jax.diagnostics import Difficulty
from ch5jax.verdicts._finding import Finding, finding, first_step, late, nothing
from ch5jax.verdicts._phrases import named
from ch5jax.verdicts.difficulties._rule import ANEW, Evidence, Rule, hindered


def _test(of: Evidence) -> Finding:
    """The weight matrix with most twins, among those that have some at every probe of the last quarter."""
    count = of.signals.duplicate_units
    if count is None:
        return nothing()
    if of.signals.gradient_norm is not None:  # weights that have overflowed are all alike
        count = jnp.where(jnp.isfinite(of.signals.gradient_norm)[:, None], count, 0)
    twins = jnp.min(late(count), axis=0)
    matrix = jnp.argmax(twins)
    met = hindered(of) & (twins[matrix] > 0)
    return finding(met, twins[matrix], matrix, first_step(count[:, matrix] > 0, of.probed_at))


RULE = Rule(
    Difficulty.SYMMETRY,
    _test,
    lambda found, of: (
        f"{float(found.strength):.0f} units of the weight matrix "
        f"{named(of.names.matrices, int(found.where)) or 'that there is'} had a twin with the same incoming weights, "
        f"first seen at step {int(found.step):,}."
    ),
    "Try random initial weights, such as He's or Glorot's.",
    ("weights drawn anew", ANEW, "weights drawn anew + standardised inputs"),
)
