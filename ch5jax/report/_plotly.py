"""What charts are made of: Plotly's traces and axes as plain dicts, with every name escaped for Plotly's markup."""

import html
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ch5jax.report._numbers import is_share, label

GROUPS = 12  # charts show at most so many groups, the best ones
POINTS = 400  # and so many points of a line

Figure = dict[str, Any]

# Okabe and Ito (2008), told apart with any kind of colour vision; yellow and black would vanish on one background
_COLOURS = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233), (127, 127, 127))
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "star", "pentagon")
_DASHES = ("solid", "dash", "dot")


class Look:
    """How a group looks, the same in every chart."""

    def __init__(self, name: str, position: int):
        self.name, self.position = shown(name), position
        self.rgb = _COLOURS[position % len(_COLOURS)]

    def colour(self, opacity: float = 1.0) -> str:
        """The group's colour, as CSS."""
        return f"rgba({', '.join(map(str, self.rgb))}, {opacity:g})"

    def line(self, x: Sequence[Any], y: Iterable[float], *, markers: bool = False, **more: Any) -> Figure:
        """A line through points; it is broken where y is not finite."""
        dash = _DASHES[self.position // len(_COLOURS) % len(_DASHES)]
        return self._trace(
            x, y, mode="lines+markers" if markers else "lines", line={"width": 2, "dash": dash}, marker_size=5, **more
        )

    def points(self, x: Sequence[Any], y: Iterable[float], *, size: float = 6, **more: Any) -> Figure:
        """Points without a line."""
        return self._trace(x, y, mode="markers", marker_size=size, **more)

    def band(self, x: np.ndarray, low: np.ndarray, high: np.ndarray, **more: Any) -> list[Figure]:
        """The area between two curves, in pieces where they are not finite."""
        finite = np.isfinite(low) & np.isfinite(high)
        pieces = np.split(np.arange(len(x)), np.flatnonzero(np.diff(finite)) + 1)
        return [
            {
                "type": "scatter",
                "x": numbers([*x[piece], *x[piece][::-1]]),
                "y": numbers([*high[piece], *low[piece][::-1]]),
                "mode": "lines",
                "line": {"width": 0},
                "fill": "toself",
                "fillcolor": self.colour(0.18),
                "hoverinfo": "skip",
                "showlegend": False,
                "legendgroup": self.name,
                **more,
            }
            for piece in pieces
            if len(piece) > 1 and finite[piece[0]]
        ]

    def crosses(self, x: Sequence[Any], text: Sequence[str], row: int) -> Figure:
        """Marks in the strip below a chart."""
        trace = self._trace(x, [row] * len(x), mode="markers", marker_size=6, text=list(text), yaxis="y2")
        return {
            **trace,
            "marker": {"symbol": "x-thin", "size": 6, "line": {"width": 1.5, "color": self.colour()}},
            "showlegend": False,
            "hovertemplate": "%{text}<extra></extra>",
        }

    def _trace(self, x: Sequence[Any], y: Iterable[float], *, marker_size: float, **more: Any) -> Figure:
        symbol = _SYMBOLS[self.position % len(_SYMBOLS)]
        return {
            "type": "scatter",
            "name": self.name,
            "legendgroup": self.name,
            "x": numbers(x),
            "y": numbers(y),
            "marker": {"color": self.colour(), "size": marker_size, "symbol": symbol},
            **more,
            **({"line": {**more["line"], "color": self.colour()}} if "line" in more else {}),
        }


def look_of(position: int) -> dict[str, Any]:
    """How a group looks on a page: its colour, and the number of a shape, of which there are five."""
    return {"rgb": _COLOURS[position % len(_COLOURS)], "shape": position // len(_COLOURS) % 5}


def shown(text: str, limit: int = 40) -> str:
    """A user's text in a chart, where Plotly would take `<` and `&` for markup; cut where it is long."""
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    return html.escape(text, quote=False)


def numbers(values: Iterable[Any]) -> list[Any]:
    """Values as JSON: six significant digits, and null for what is not finite, where Plotly breaks a line."""
    return [
        value if isinstance(value, str) else float(f"{value:.6g}") if math.isfinite(value) else None for value in values
    ]


def thinned(count: int, keep: int | None = None) -> np.ndarray:
    """At most `POINTS` positions out of `count`, evenly spaced, the last and `keep` among them."""
    picks = np.arange(count)
    if count > POINTS:
        picks = np.linspace(0, count - 1, POINTS).round().astype(int)
    return picks if keep is None else np.union1d(picks, [keep])


def is_logarithmic(values: np.ndarray) -> bool:
    """Whether positive numbers are better spread on a logarithmic axis than on a linear one."""
    values = np.unique(values[np.isfinite(values)].astype(float))
    if len(values) < 2 or values[0] <= 0:
        return False

    def unevenness(positions: np.ndarray) -> float:
        gaps = np.diff(positions)
        return float(gaps.std() / gaps.mean())

    linear, logarithmic = unevenness(values), unevenness(np.log(values))
    return values[-1] >= 10 * values[0] if len(values) == 2 else logarithmic < linear


def metric_axis(metric: str, values: np.ndarray, unit: str = "") -> Figure:
    """An axis for a metric: in percent, logarithmic for a loss over orders of magnitude, without those far off."""
    values = values[np.isfinite(values)]
    title = shown(label(metric)) + (f" ({shown(unit)})" if unit else "")
    axis: Figure = {"title": {"text": title}, "automargin": True}
    if len(values) and not np.ptp(values):  # Plotly would show from 0 to twice as much
        room = 0.05 if is_share(metric) else 0.1 * abs(values[0]) or 1.0
        axis["range"] = [float(values[0]) - room, float(values[0]) + room]
    if is_share(metric):
        return axis | {"tickformat": ".1%" if len(values) and np.ptp(values) < 0.05 else ".0%"}
    if len(values) and values.min() > 0 and values.max() > 10 * values.min():
        low, high = math.log10(values.min()), math.log10(min(values.max(), 1e4 * np.quantile(values, 0.1)))
        return axis | logarithmic(title, [10**low, 10**high]) | {"range": [low - 0.05, high + 0.1]}
    return axis


def near_the_best(axis: Figure, values: np.ndarray, maximize: bool) -> list[float] | None:
    """A range for an axis that shows the best values apart, if they take up little of the whole.

    Args:
      axis: what `metric_axis` made.
      values: the metric's values.
      maximize: whether more is better.
    """
    values = values[np.isfinite(values)]
    if axis.get("type") == "log" or len(values) < 2:
        return None
    best = values.max() if maximize else values.min()
    near = values[np.abs(values - best) <= 0.05 * np.ptp(values)]
    ends = (
        best - (1 if maximize else -1) * 0.05 * np.ptp(values),
        best + (1 if maximize else -1) * 0.01 * np.ptp(values),
    )
    return numbers(sorted(ends)) if len(near) >= 0.1 * len(values) else None


def value_axis(name: str, values: np.ndarray) -> Figure:
    """An axis for a swept hyperparameter."""
    title = shown(label(name))
    if is_logarithmic(values):
        return logarithmic(title, values)
    return {"title": {"text": title}}


def logarithmic(title: str, values: Iterable[float]) -> Figure:
    """A logarithmic axis: whole numbers at its ticks, one a decade if these values span two."""
    values = [value for value in values if value > 0 and math.isfinite(value)]
    decades = math.log10(max(values) / min(values)) if values else 0.0
    ticks = {"dtick": 1, "minor": {"ticks": "outside", "dtick": "D1", "ticklen": 3}} if decades > 2 else {"nticks": 4}
    return {"title": {"text": f"{title}, log scale"}, "type": "log", "tickformat": "~g", **ticks}


def figure(data: list[Figure], xaxis: Figure, yaxis: Figure, **layout: Any) -> Figure:
    """A figure; colours of text and grid are the page's."""
    base = {
        "margin": {"l": 64, "r": 16, "t": 12, "b": 48},
        "hovermode": "closest",
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    }
    return {"data": data, "layout": {**base, "xaxis": xaxis, "yaxis": yaxis, **layout}}
