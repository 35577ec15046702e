"""Which difficulty each training met, along a swept hyperparameter."""

from typing import Any

import numpy as np

from ch5jax.diagnostics import Difficulty
from ch5jax.report._chart import Chart
from ch5jax.report._numbers import better_with, label, number
from ch5jax.report._plotly import POINTS, Figure, Look, figure, numbers, shown, value_axis
from ch5jax.report._settings import Settings
from ch5jax.sweeps import SweepResult

# Green is for healthy alone; the others take turns, and symbols tell apart those of one colour.
_HEALTHY = (0, 158, 115)
_COLOURS = ((0, 114, 178), (213, 94, 0), (204, 121, 167), (230, 159, 0), (86, 180, 233), (127, 127, 127))
_SYMBOLS = ("square", "diamond", "x")


def difficulty_chart(result: SweepResult, looks: dict[str, Look], settings: dict[str, Settings]) -> Chart | None:
    """A row a group, a point a training, coloured by its verdict; None without signals or a swept number.

    Args:
      result: the sweep.
      looks: the groups to draw.
      settings: each group's trials by setting.
    """
    swept = [name for group in looks for name in settings[group].swept()]
    rates = [name for name in swept if name.rpartition(".")[2] == "learning_rate"]
    name = next(iter(rates + swept), None)
    if name is None or "verdict" not in result.columns:
        return None
    having = [group for group in looks if name in settings[group].swept()]
    parts = [_points(result, group, settings[group], name, -row) for row, group in enumerate(having)]
    x, y, verdicts, text = (np.concatenate(column) for column in zip(*parts, strict=True))
    traces = [
        _trace(difficulty, x[mine], y[mine], text[mine])
        for difficulty in Difficulty
        if (mine := verdicts == difficulty.name.lower()).any()
    ]
    ticks = {
        "tickvals": [-row for row in range(len(having))],
        "ticktext": [shown(group) for group in having],
        "range": [0.5 - len(having), 0.6],
        "automargin": True,
        "zeroline": False,
    }
    caption = "A point is a training; the seeds of a setting lie side by side. Its colour is the first of what it met."
    return Chart(f"What they met, by {label(name)}", caption, figure(traces, value_axis(name, x), ticks))


def _points(
    result: SweepResult, group: str, gathered: Settings, name: str, row: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A group's trainings, thinned if there are very many: place, verdict, and what hovering over them tells."""
    rows = np.flatnonzero(result.columns["group"] == group)
    picks = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), 4 * POINTS)).round().astype(int))
    settings = gathered.of_trial[picks]
    first = np.unique(gathered.of_trial, return_index=True)[1]
    seed = picks - first[settings] if gathered.seeds.max() > 1 else np.zeros(len(picks))
    offset = 0.5 * (np.clip(seed / max(gathered.seeds.max() - 1, 1), 0, 1) - 0.5)
    x = gathered.hyperparameters[name].astype(float)[settings]
    seeds, verdicts, met = (result.columns[column][rows[picks]] for column in ("seed", "verdict", "difficulties"))
    seen = result.columns["remedy"][rows[picks]] if "remedy" in result.columns else np.full(len(picks), "")
    text = [
        f"<b>{shown(group)}</b><br>{shown(label(name))} {shown(number(value))}, seed {s}<br>{label(m or verdict)}"
        + (f"<br>{shown(better_with(remedy), 80)}" if remedy else "")
        for value, s, verdict, m, remedy in zip(x, seeds, verdicts, met, seen, strict=True)
    ]
    return x, row + offset, verdicts, np.array(text)


def verdict_look(difficulty: Difficulty) -> dict[str, Any]:
    """How a verdict looks, on a page and in a figure: a colour, and the number of a shape."""
    place = int(difficulty) - 1
    if not difficulty:
        return {"rgb": _HEALTHY, "shape": 0}
    return {"rgb": _COLOURS[place % len(_COLOURS)], "shape": 1 + place // len(_COLOURS)}


def _trace(difficulty: Difficulty, x: np.ndarray, y: np.ndarray, text: np.ndarray) -> Figure:
    look = verdict_look(difficulty)
    rgb, symbol = look["rgb"], ("circle", *_SYMBOLS)[look["shape"]]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": label(difficulty.name.lower()),
        "x": numbers(x),
        "y": numbers(y),
        "marker": {"color": f"rgb({', '.join(map(str, rgb))})", "size": 6, "symbol": symbol},
        "text": text.tolist(),
        "hovertemplate": "%{text}<extra></extra>",
    }
