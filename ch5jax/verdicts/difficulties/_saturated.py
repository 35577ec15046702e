"""SATURATED: most units of a layer are flat over the whole batch, dead ReLUs among them."""

import jax.numpy as jnp

from ch5jax.diagnostics import Difficulty
from ch5jax.verdicts._finding import Finding, finding, first_step, late, nothing
from ch5jax.verdicts._phrases import hidden, share
from ch5jax.verdicts.difficulties._rule import ANEW, Evidence, Rule, hindered

ALL = 0.999  # but for rounding


def _test(of: Evidence) -> Finding:
    """The flattest layer, over the last quarter.

    Where all of it is flat, no output depends on the inputs: nothing was learned, unless a best or a baseline says so.
    """
    flat_units = of.signals.flat_units
    if flat_units is None:
        return nothing()
    shares = jnp.mean(late(flat_units), axis=0)
    layer = jnp.argmax(shares)
    flat, holds = shares[layer] > of.limits.flat_units, flat_units[:, layer] > of.limits.flat_units
    constant = ~of.summary.measured & (shares[layer] > ALL)
    return finding((hindered(of) | constant) & flat, shares[layer], layer, first_step(holds, of.probed_at))


RULE = Rule(
    Difficulty.SATURATED,
    _test,
    lambda found, of: (
        f"{share(found.strength)} of the units of {hidden(of, int(found.where))} were flat over whole mini-batches at "
        f"the end (over {share(of.thresholds.flat_units)}), more than that for the first time at step "
        f"{int(found.step):,}."
    ),
    "Try a smaller learning rate, smaller initial weights, or BatchNorm before the activation.",
    (ANEW, "weights drawn anew + standardised inputs", "rate ÷ 100"),
)
