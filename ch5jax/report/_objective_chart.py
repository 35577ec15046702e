"""The final objective against the swept hyperparameter."""

from typing import NamedTuple

import numpy as np

from ch5jax.report._chart import Chart
from ch5jax.report._numbers import amount, label, number
from ch5jax.report._plotly import POINTS, Figure, Look, figure, metric_axis, near_the_best, shown, thinned, value_axis
from ch5jax.report._settings import Settings, distinct, ranks_best, scored
from ch5jax.sweeps import SweepResult


class _Drawn(NamedTuple):
    """A group's part of the chart."""

    traces: list[Figure]
    crosses: list[Figure]
    x: np.ndarray
    y: np.ndarray


def objective_chart(
    result: SweepResult, looks: dict[str, Look], settings: dict[str, Settings], units: dict[str, str]
) -> Chart:
    """The final objective of all settings: against a swept number, or as a strip where no number varies.

    Args:
      result: the sweep.
      looks: the groups to draw, with their colours.
      settings: each group's trials by setting.
      units: the units of metrics, where they have one.
    """
    swept = [name for group in looks for name in settings[group].swept()]
    rates = [name for name in swept if name.rpartition(".")[2] == "learning_rate"]
    name = next(iter(rates + swept), None)
    if name is None:
        return _strip(result, looks, settings, units)
    return _against(result, name, looks, settings, units)


def _against(
    result: SweepResult, name: str, looks: dict[str, Look], settings: dict[str, Settings], units: dict[str, str]
) -> Chart:
    objective = result.objective
    having = [group for group in looks if name in settings[group].hyperparameters]
    drawn = [_curve(objective, name, group, -row, looks[group], settings[group]) for row, group in enumerate(having)]
    x = np.concatenate([part.x for part in drawn])
    means = {group: settings[group].metrics[objective].mean for group in looks}
    levels = [
        looks[group].line([x.min(), x.max()], [means[group][settings[group].order()[0]]] * 2)
        for group in looks
        if group not in having
    ]
    crosses = [trace for part in drawn for trace in part.crosses]
    y = np.concatenate([part.y for part in drawn])
    yaxis = metric_axis(objective, y, units.get(objective, ""))
    near = near_the_best(yaxis, y, result.maximize)
    xaxis = value_axis(name, x)
    layout: Figure = {}
    if crosses:
        strip = min(0.3, 0.06 + 0.02 * len(having))
        yaxis["domain"] = [strip + 0.04, 1]
        xaxis["anchor"] = "y2"
        layout["yaxis2"] = _strip_axis(strip, len(having))
    data = [trace for part in drawn for trace in part.traces] + levels + crosses
    heading = f"{_when(result)} {label(objective)} against {label(name)}"
    caption = _caption(result, name, [settings[group] for group in having], [part.x for part in drawn])
    if levels:
        caption += f" Groups without a {label(name)}: their best setting, as a level."
    if crosses:
        caption += " A cross below is a setting that diverged with some seed."
    return Chart(heading, caption, figure(data, xaxis, yaxis, **layout), near)


def _caption(result: SweepResult, name: str, gathered: list[Settings], drawn: list[np.ndarray]) -> str:
    """What lines, bands and points are, and what is left out."""
    single = all((settings.seeds == 1).all() for settings in gathered)
    sentences = [f"{'The value' if single else 'Mean over the seeds'} {_moment(result)}."]
    grid = all(settings.is_grid() for settings in gathered)
    if not grid:
        sentences.append("A point is a setting.")
    elif not single:
        sentences.append("The band is their range.")
    if grid and any(varying != name for settings in gathered for varying in settings.varying()):
        sentences.append("For each value, the best setting of the other hyperparameters.")
    for settings, x in zip(gathered, drawn, strict=True):
        there = len(distinct(settings.hyperparameters[name])) if settings.is_grid() else len(settings)
        if len(x) < there:
            what = "values, evenly picked," if settings.is_grid() else "best settings"
            sentences.append(f"Of {there:,}, the {len(x):,} {what} of each group are shown.")
            break
    return " ".join(sentences)


def _curve(objective: str, name: str, group: str, row: int, look: Look, gathered: Settings) -> _Drawn:
    """A line with its band, where the settings are a grid; else points. Failed settings are crosses below."""
    x, spread, order = gathered.hyperparameters[name].astype(float), gathered.metrics[objective], gathered.order()
    order = order[np.isfinite(x[order])]
    picks = _best_at_each(x, order) if gathered.is_grid() else order[: 4 * POINTS]
    failed = gathered.failed()[picks]
    names = gathered.varying() or (name,)
    text = np.array([_told(gathered, objective, group, names, setting) for setting in picks])
    hover = {"text": text.tolist(), "hovertemplate": "%{text}<extra></extra>"}
    if gathered.is_grid():
        traces = [
            *look.band(x[picks], spread.low[picks], spread.high[picks]),
            look.line(x[picks], spread.mean[picks], markers=True, **hover),
        ]
    else:
        traces = [look.points(x[picks], spread.mean[picks], **hover)]
    crosses = [look.crosses(x[picks][failed], text[failed].tolist(), row)] if failed.any() else []
    return _Drawn(traces, crosses, x[picks], spread.mean[picks])


def _best_at_each(x: np.ndarray, order: np.ndarray) -> np.ndarray:
    """For each value, thinned if there are many, the best setting that has it."""
    rank = np.empty(len(x), int)
    rank[order] = np.arange(len(order))
    by_value = order[np.lexsort((rank[order], x[order]))]
    first = by_value[np.unique(x[by_value], return_index=True)[1]]
    return first[thinned(len(first), keep=int(np.argmin(rank[first])))]


def _strip_axis(height: float, rows: int) -> Figure:
    """The strip below the chart, a row a group."""
    return {
        "domain": [0, height],
        "range": [0.2 - rows, 0.8],
        "showticklabels": False,
        "showgrid": False,
        "zeroline": False,
        "fixedrange": True,
        "title": {"text": "diverged", "font": {"size": 11}},
    }


def _told(gathered: Settings, objective: str, group: str, names: tuple[str, ...], setting: int) -> str:
    """What hovering over a setting tells; escaped."""
    values = [(key, gathered.hyperparameters[key][setting]) for key in names]
    lines = [f"<b>{shown(group)}</b>", *(f"{shown(label(key))} {shown(number(value))}" for key, value in values)]
    spread, seeds = gathered.metrics[objective], gathered.seeds[setting]
    if gathered.diverged[setting]:
        lines.append(f"{gathered.diverged[setting]} of {seeds} seeds diverged")
    else:
        lines.append(f"{shown(label(objective))} {amount(objective, spread.mean[setting])}")
        if seeds > 1:
            low, high = amount(objective, spread.low[setting]), amount(objective, spread.high[setting])
            lines.append(f"{low} to {high} over {seeds} seeds")
    return "<br>".join(lines)


def _when(result: SweepResult) -> str:
    return "Best" if ranks_best(result) else "Final"


def _moment(result: SweepResult) -> str:
    return "at its best evaluation" if ranks_best(result) else "at the last step"


def _strip(result: SweepResult, looks: dict[str, Look], settings: dict[str, Settings], units: dict[str, str]) -> Chart:
    """Every seed as a point, for a sweep in which no number varies."""
    objective = result.objective
    data: list[Figure] = []
    seen: list[np.ndarray] = []
    for group, look in looks.items():
        gathered = settings[group]
        values = scored(result, group, objective)
        means = gathered.metrics[objective].mean
        for setting in gathered.order()[: POINTS // len(looks)]:
            names = [number(gathered.hyperparameters[name][setting]) for name in gathered.varying()]
            place = shown(", ".join([group, *names]))
            y = values[gathered.of_trial == setting] if np.isfinite(means[setting]) else np.array([np.nan])
            seen.append(y)
            data.append(look.points([place] * len(y), y, size=9) | {"showlegend": False, "opacity": 0.6})
            bar = {"symbol": "line-ew", "size": 26, "line": {"width": 3, "color": look.colour()}}
            mean = look.points([place], [means[setting]])
            data.append(mean | {"marker": bar, "showlegend": False})
    yaxis = metric_axis(objective, np.concatenate(seen), units.get(objective, ""))
    caption = f"A point is a seed {_moment(result)}, the bar their mean. A setting without points failed."
    return Chart(
        f"{_when(result)} {label(objective)}", caption, figure(data, {"type": "category", "automargin": True}, yaxis)
    )
