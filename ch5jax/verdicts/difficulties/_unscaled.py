"""UNSCALED: the inputs are not on the scale that initial weights are made for."""

from ch5jax.diagnostics import Difficulty
from ch5jax.verdicts._finding import Finding, finding
from ch5jax.verdicts._phrases import n
from ch5jax.verdicts.difficulties._rule import ANEW, Evidence, Rule


def _test(of: Evidence) -> Finding:
    """Inputs that are far too large, of a run that has not learned, or is lost: whatever they made of it."""
    summary, since = of.summary, of.signals.lost_since
    failed = summary.known & ~summary.learned
    if since is not None:
        failed |= since[-1] >= 0
    return finding(failed & (summary.input_scale > of.limits.unscaled), summary.input_scale, -1, 0)


RULE = Rule(
    Difficulty.UNSCALED,
    _test,
    lambda found, of: (
        f"the first layer's inputs have a root mean square of up to {n(found.strength)} (over "
        f"{n(of.thresholds.unscaled)}), where initial weights are made for one of about 1, and the run failed."
    ),
    "Try standardised inputs, or smaller initial weights and a smaller learning rate.",
    ("standardised inputs", ANEW, "rate ÷ 100 + weights drawn anew"),
    of_the_data=True,
)
