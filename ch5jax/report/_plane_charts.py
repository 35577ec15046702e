"""Two columns at once, and all of them."""

import numpy as np

from ch5jax.report._chart import Chart
from ch5jax.report._numbers import label
from ch5jax.report._plotly import Figure, figure, is_logarithmic, numbers, shown, value_axis
from ch5jax.report._settings import distinct, is_numeric, scored
from ch5jax.report._structure import with_structure
from ch5jax.sweeps import SweepResult

CELLS = 24  # along a side with many values


def heat_chart(result: SweepResult, x: str, y: str, median: bool = False) -> Chart:
    """The objective over two columns.

    Args:
      result: the sweep.
      x: a column of its table.
      y: another.
      median: of the trials in a cell, instead of the best.

    Raises:
      ValueError: if there is no such column.
    """
    result = with_structure(result)
    for argument, name in (("x", x), ("y", y)):
        if name not in result.columns:
            raise ValueError(f"{argument} must be a column of the table, {', '.join(result.columns)}; got {name!r}")
    score = objective_of(result)
    (edges_x, place_x, axis_x), (edges_y, place_y, axis_y) = (_cells(name, result.columns[name]) for name in (x, y))
    cells = np.full((len(edges_y) - 1, len(edges_x) - 1), np.nan)
    best = np.nanmax if result.maximize else np.nanmin
    for row, column in {(a, b) for a, b in zip(place_y, place_x, strict=True) if a >= 0 and b >= 0}:
        inside = score[(place_y == row) & (place_x == column)]
        if np.isfinite(inside).any():
            cells[row, column] = np.nanmedian(inside) if median else best(inside)
    trace = {
        "type": "heatmap",
        "x": numbers(edges_x),
        "y": numbers(edges_y),
        "z": [numbers(row) for row in cells],
        "colorscale": "Viridis",
        "reversescale": not result.maximize,
        "colorbar": {"title": {"text": shown(label(result.objective))}},
    }
    heading = f"{'Median' if median else 'Best'} {label(result.objective)}"
    return Chart(heading, "", figure([trace], axis_x, axis_y))


def objective_of(result: SweepResult) -> np.ndarray:
    """Each trial's score, as the leaderboard has it; NaN where it has none."""
    score = np.full(len(result), np.nan)
    for group in result.groups:
        score[result.columns["group"] == group] = scored(result, group, result.objective)
    return np.where(np.isfinite(score) & (result.columns["diverged_at"] < 0), score, np.nan)


def _cells(name: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, Figure]:
    """The edges of cells along an axis, which each value lies in (−1 for none), and the axis."""
    tried = distinct(values)
    if not is_numeric(values):
        ticks = {"tickvals": [*range(len(tried))], "ticktext": [shown(str(one)) for one in tried]}
        axis = {"title": {"text": shown(label(name))}, **ticks}
        return np.arange(len(tried) + 1) - 0.5, np.searchsorted(tried, values.astype(str)), axis
    log = is_logarithmic(tried)
    steps, own = (np.log10(one) if log else one.astype(float) for one in (tried, values))
    if len(steps) > 2 * CELLS:
        edges = np.linspace(steps[0], steps[-1], CELLS + 1)
    elif len(steps) > 1:
        middles = (steps[1:] + steps[:-1]) / 2
        edges = np.array([2 * steps[0] - middles[0], *middles, 2 * steps[-1] - middles[-1]])
    else:
        edges = np.array([steps[0] - 0.5, steps[0] + 0.5])
    place = np.clip(np.searchsorted(edges, own, side="right") - 1, 0, len(edges) - 2)
    return (10**edges if log else edges), np.where(np.isnan(own), -1, place), value_axis(name, tried)


def parallel_chart(result: SweepResult) -> Chart:
    """Parallel coordinates of the group, the hyperparameters that vary, and the objective.

    Args:
      result: the sweep.
    """
    result = with_structure(result)
    score = objective_of(result)
    floor = np.nanmin(score) if result.maximize else np.nanmax(score)
    score = np.where(np.isnan(score), floor, score)  # or Plotly leaves the whole line out
    names = dict.fromkeys(["group", *(name for one in result.hyperparameters.values() for name in one)])
    sides = [_side(name, result.columns[name]) for name in names if len(distinct(result.columns[name])) > 1]
    sides.append({"label": shown(label(result.objective)), "values": numbers(score)})
    line = {"color": numbers(score), "colorscale": "Viridis", "reversescale": not result.maximize, "showscale": True}
    trace = {"type": "parcoords", "dimensions": sides, "line": line}
    return Chart("All hyperparameters at once", "", figure([trace], {}, {}))


def _side(name: str, values: np.ndarray) -> Figure:
    tried = distinct(values)
    if not is_numeric(values):
        ticks = {"tickvals": [*range(len(tried))], "ticktext": [shown(str(one)) for one in tried]}
        return {"label": shown(label(name)), "values": np.searchsorted(tried, values.astype(str)).tolist(), **ticks}
    log = is_logarithmic(tried)
    own = (
        np.log10(np.where(np.isnan(values), tried[0], values)) if log else np.where(np.isnan(values), tried[0], values)
    )
    side = {"label": shown(label(name)), "values": numbers(own)}
    if log:
        decades = np.unique(np.round(np.log10(tried))).tolist()
        side |= {"tickvals": decades, "ticktext": [f"{10.0**one:g}" for one in decades]}
    return side
