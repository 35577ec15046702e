"""The course of each group's best setting."""

from collections.abc import Sequence

import numpy as np

from ch5jax.report._chart import Chart
from ch5jax.report._leaderboard import Row
from ch5jax.report._numbers import is_share, label
from ch5jax.report._plotly import Figure, Look, figure, metric_axis, thinned
from ch5jax.sweeps import SweepResult


def course_charts(
    result: SweepResult, rows: Sequence[Row], looks: dict[str, Look], units: dict[str, str]
) -> list[Chart]:
    """Learning curves of the best settings: the training loss, and the objective on the way.

    Args:
      result: the sweep.
      rows: its leaderboard.
      looks: the groups to draw, with their colours.
      units: the units of metrics, where they have one.
    """
    best = {row.group: np.array(row.trials) for row in rows if row.trials}
    drawn = [group for group in looks if group in best]
    if not drawn:
        return []
    metrics = result.curves[drawn[0]].metrics
    losses = [name for name in ("loss", *metrics) if name in metrics][:1]
    return [
        *(_courses(result, loss, False, drawn, best, looks, units.get(loss, "")) for loss in losses),
        _courses(result, result.objective, True, drawn, best, looks, units.get(result.objective, "")),
    ]


def _courses(
    result: SweepResult,
    metric: str,
    evaluated: bool,
    drawn: list[str],
    best: dict[str, np.ndarray],
    looks: dict[str, Look],
    unit: str,
) -> Chart:
    data: list[Figure] = []
    seen: list[np.ndarray] = []
    for group in drawn:
        curves, look = result.curves[group], looks[group]
        numbers = result.columns["trial"][result.columns["group"] == group]
        rows = np.flatnonzero(np.isin(numbers, best[group]))
        steps = curves.evaluated_at if evaluated else curves.steps
        values = (curves.evaluations if evaluated else curves.metrics)[metric][rows].astype(float)
        picks = thinned(len(steps))
        steps, values = steps[picks], values[:, picks]
        if len(values) > 1:
            data += look.band(steps, values.min(axis=0), values.max(axis=0))
        form = ".2%" if is_share(metric) else ".4g"
        hover = f"step %{{x}}<br>%{{y:{form}}}"
        data.append(look.line(steps, values.mean(axis=0), markers=evaluated, hovertemplate=hover))
        seen.append(values.mean(axis=0))
    name = metric if evaluated else f"training {label(metric)}"
    caption = "The best setting of each group"
    caption += (
        ": mean over the seeds, the band is their range." if any(len(best[group]) > 1 for group in drawn) else "."
    )
    if not evaluated:
        caption += " Each value is of the steps' own mini-batches."
    yaxis = metric_axis(name, np.concatenate(seen), unit)
    heading = label(name)
    return Chart(heading[:1].upper() + heading[1:], caption, figure(data, {"title": {"text": "step"}}, yaxis))
