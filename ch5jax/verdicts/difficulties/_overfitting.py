"""OVERFITTING: much of what was learned holds on the training examples alone."""

from typing import TYPE_CHECKING

from ch5jax.diagnostics import Difficulty
from ch5jax.verdicts._finding import Finding, finding
from ch5jax.verdicts._phrases import n, share
from ch5jax.verdicts.difficulties._rule import Evidence, Rule

if TYPE_CHECKING:
    from ch5jax.verdicts._diagnosis import Diagnosis


def _test(of: Evidence) -> Finding:
    """The validation loss over the training loss at the end, as a share of what the training loss fell by."""
    summary = of.summary
    found = summary.known & (summary.lost_share > of.limits.overfitting)
    return finding(found, summary.lost_share, -1, summary.lowest_at)


def _lowest(of: "Diagnosis") -> str:
    """When to stop, where the validation loss is known on the way."""
    summary = of.summary
    if not int(summary.lowest_at) < int(summary.steps):
        return ""
    return f"; the validation loss was lowest, {n(summary.lowest_validation)}, at step {int(summary.lowest_at):,}"


RULE = Rule(
    Difficulty.OVERFITTING,
    _test,
    lambda found, of: (
        f"at the end the validation loss was {n(of.summary.validation)}, and the training loss {n(of.summary.end)}: "
        f"{share(found.strength)} of what was learned (over {share(of.thresholds.overfitting)}) does not hold on other "
        f"examples{_lowest(of)}."
    ),
    "Try early stopping (the parameters of the best validation step), a smaller network, weight decay, dropout, or "
    "more examples.",
    ("early stopping", "weight decay", "rate ÷ 10"),
)
