"""OVERFITTING: much of what was learned holds on the training examples alone."""

from ch5jax.diagnostics import Difficulty
from ch5jax.verdicts._finding import Finding, finding
from ch5jax.verdicts._phrases import n, share
from ch5jax.verdicts.difficulties._rule import Evidence, Rule


def _test(of: Evidence) -> Finding:
    """The validation loss over the training loss at the end, as a share of what the training loss fell by."""
    summary = of.summary
    return finding(summary.known & (summary.lost_share > of.limits.overfitting), summary.lost_share, -1, summary.steps)


RULE = Rule(
    Difficulty.OVERFITTING,
    _test,
    lambda found, of: (
        f"at the end the validation loss was {n(of.summary.validation)}, and the training loss {n(of.summary.end)}: "
        f"{share(found.strength)} of what was learned (over {share(of.thresholds.overfitting)}) does not hold on other "
        "examples."
    ),
    "Try early stopping (the parameters of the best validation step), a smaller network, weight decay, dropout, or "
    "more examples.",
    ("early stopping", "weight decay", "rate ÷ 10"),
)
