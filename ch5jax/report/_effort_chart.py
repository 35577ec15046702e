"""How good the best is after so many settings: whether it takes luck to find."""

import numpy as np

from ch5jax.report._chart import Chart
from ch5jax.report._numbers import label
from ch5jax.report._plotly import Figure, Look, figure, logarithmic, metric_axis, thinned
from ch5jax.report._settings import Settings
from ch5jax.sweeps import SweepResult


def best_of(scores: np.ndarray) -> np.ndarray:
    r"""The expected best of n of some settings, drawn at random without replacement.

    .. math:: E[\max_n] = \sum_{i=n}^{N} s_{(i)} \binom{i-1}{n-1} / \binom{N}{n}

    Args:
      scores: of each setting, the larger the better; shape (N,).

    Returns:
      Of n = 1 to N, shape (N,).

    Example:
      >>> best_of(np.array([0.0, 1.0, 2.0])).round(3).tolist()
      [1.0, 1.667, 2.0]

    Source: Dodge et al., Show Your Work (2019), who draw with replacement.
    """
    ordered = np.sort(scores)
    count = len(ordered)
    found = np.empty(count)
    weights = np.full(count, 1 / count)  # how likely each is the best of one
    for n in range(1, count + 1):
        found[n - 1] = weights @ ordered
        if n < count:  # the i-th is the best of n + 1: it was of n, and one more below it is drawn
            ranks = np.arange(count)
            weights = weights * np.maximum(ranks - n + 1, 0) / n * (n + 1) / (count - n)
    return found


def effort_chart(
    result: SweepResult, looks: dict[str, Look], settings: dict[str, Settings], units: dict[str, str]
) -> Chart | None:
    """The expected best of so many settings of each group, in a random order; None where there are none to choose from.

    Args:
      result: the sweep.
      looks: the groups to draw, with their colours.
      settings: each group's trials by setting.
      units: the units of metrics, where they have one.
    """
    data: list[Figure] = []
    seen: list[np.ndarray] = []
    objective, sign = result.objective, 1 if result.maximize else -1
    for group, look in looks.items():
        means = settings[group].metrics[objective].mean
        scores = sign * means[np.isfinite(means)]
        if len(scores) < 2:
            continue
        scores = np.concatenate([scores, np.full(len(means) - len(scores), scores.min())])  # those that failed
        if len(scores) > 4000:  # whose quantiles say the same
            scores = np.quantile(scores, np.linspace(0, 1, 4000))
        expected = sign * best_of(scores)
        n = np.unique(np.geomspace(1, len(expected), 60).round().astype(int))
        n = n[thinned(len(n))]
        data.append(look.line(n, expected[n - 1], hovertemplate="best of %{x}: %{y:.4g}"))
        seen.append(expected)
    if not data:
        return None
    xaxis = logarithmic("settings tried", [1, max(map(len, seen))])
    caption = (
        "The best that so many settings, drawn at random, have on average (over seeds, too; one that failed counts as "
        "the worst). A line that is high early needs little search."
    )
    yaxis = metric_axis(objective, np.concatenate(seen), units.get(objective, ""))
    return Chart(f"Best {label(objective)} by search effort", caption, figure(data, xaxis, yaxis))
