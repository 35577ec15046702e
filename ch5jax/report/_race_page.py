"""A race of optimizers as a page: contours, and everyone on their way."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from ch5jax.report._descents import Descents, contours
from ch5jax.report._document import document
from ch5jax.report._numbers import label, number
from ch5jax.report._packed import pack_numbers
from ch5jax.report._plotly import look_of
from ch5jax.report._whole import write_whole

FRAMES = 2000  # of a longer way, so many places evenly


def write_race(found: Descents, path: str | os.PathLike[str], *, title: str = "") -> Path:
    """Writes a page on which the optimizers move over the function's contours: play, pause, scrub, and numbers beside.

    The file works offline, and holds all that it needs.

    Args:
      found: what `descents` gave.
      path: where to write; the file appears whole or not at all.
      title: the page's title; the problem's name by default.

    Returns:
      The path.

    Raises:
      ImportError: without Jinja2 and Plotly (`ch5jax[sweep]`).
      OSError: if the file cannot be written.

    Example:
      >>> import ch5jax, ch5jax.report, os, tempfile
      >>> found = ch5jax.report.descents(ch5jax.problems.beale(), {"adam": ch5jax.adam(0.1)}, steps=100)
      >>> page = ch5jax.report.write_race(found, os.path.join(tempfile.mkdtemp(), "race.html"))
      >>> "<title>beale</title>" in page.read_text(encoding="utf-8")
      True
    """
    surface = contours(found)
    steps = len(next(iter(found.paths.values())))
    frames = np.unique(np.linspace(0, steps - 1, min(steps, FRAMES)).round().astype(int))
    seen = [value[np.isfinite(value)] for value in (*found.values.values(), surface.values)]
    floor = found.problem.lowest
    points = found.problem.critical_points
    data: dict[str, Any] = {
        "steps": frames.tolist(),
        "floor": min(one.min() for one in seen if one.size) if floor is None else floor,
        "x": surface.x.tolist(),
        "y": surface.y.tolist(),
        "heights": pack_numbers(surface.heights.ravel()),
        "values": pack_numbers(surface.values.ravel()),
        "points": [{"at": point.point.tolist(), "kind": point.kind, "value": point.value} for point in points],
        "runs": [
            {
                "name": name,
                "look": look_of(place),
                "path": pack_numbers(way[frames].ravel()),
                "values": pack_numbers(found.values[name][frames]),
            }
            for place, (name, way) in enumerate(found.paths.items())
        ],
    }
    lead = _lead(found)
    page = document("race.html", ("basics", "looks", "race"), data, title=title or label(found.problem.name), lead=lead)
    return write_whole(path, page.encode())


def _lead(found: Descents) -> str:
    """Who got lowest, in a sentence."""
    ends = {name: values[-1] for name, values in found.values.items() if np.isfinite(values[-1])}
    steps = len(next(iter(found.values.values()))) - 1
    if not ends:
        return f"After {steps:,} steps everyone has diverged."
    best = min(ends, key=lambda name: ends[name])
    lost = [name for name in found.values if name not in ends]
    gone = f" {', '.join(lost)} diverged." if lost else ""
    return f"After {steps:,} steps {best} is lowest, at {number(float(ends[best]))}.{gone}"
