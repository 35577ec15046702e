"""OSCILLATING: steps overshoot, the rate is too large."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from ch5jax.diagnostics import Difficulty
from ch5jax.verdicts._continuations import AS_BEFORE, FASTER, LARGER, SLOWER
from ch5jax.verdicts._finding import Finding, finding, late
from ch5jax.verdicts._phrases import left, n, share
from ch5jax.verdicts.difficulties._noise import explains
from ch5jax.verdicts.difficulties._rule import ANEW, Evidence, Rule

if TYPE_CHECKING:
    from ch5jax.verdicts._diagnosis import Diagnosis


def _test(of: Evidence) -> Finding:
    """The loss has stalled while the steps promise, to first order, that it falls; or it ends far above its start."""
    summary, limits = of.summary, of.limits
    met = jnp.array(False)
    if of.signals.alternation is not None:
        bounces = jnp.median(late(of.signals.alternation)) > limits.alternation
        stuck = summary.known & ~summary.falling & jnp.where(summary.has_best, summary.left > limits.above, bounces)
        met = stuck & ~explains(of) & ((summary.promised > limits.overshoot) | bounces)
    return finding(met | summary.worse, summary.promised, -1, summary.steps)


def _at_a_smaller_rate(of: Evidence) -> jax.Array:
    """A tenth of the rate lowers the loss, and neither steps as before nor larger batches explain it."""
    assert of.continuations is not None
    gain, gains = of.continuations.gain, of.gains
    noise = gains[LARGER] & (2 * gain[LARGER] > gain[SLOWER])
    return gains[SLOWER] & ~noise & ~gains[AS_BEFORE] & ~gains[FASTER]


def _say(found: Finding, of: "Diagnosis") -> str:
    limits, summary = of.thresholds, of.summary
    if summary.worse:
        return (
            f"the loss ended at {n(summary.end)}, over {n(limits.worse)} times what it was at first or what a constant "
            "prediction has: the steps throw it up."
        )
    if found.strength > limits.overshoot:
        return (
            f"the loss stalled with {left(of)} although the steps promised, to first order, to lower it by "
            f"{share(found.strength)} of the descent in as many steps again (over {share(limits.overshoot)}): they "
            "overshoot."
        )
    return (
        f"the loss stalled with {left(of)}, and turned at over {share(limits.alternation)} of the late steps: they "
        "jump from wall to wall."
    )


RULE = Rule(
    Difficulty.OSCILLATING,
    _test,
    _say,
    "Try a smaller learning rate, or one that decays.",
    ("rate ÷ 10", ANEW, "rate ÷ 100"),
    proof=_at_a_smaller_rate,
    ways=(SLOWER,),
)
