"""A race of optimizers as a page: contours, and everyone on their way."""

import os
from pathlib import Path

import numpy as np

from ch5jax.report._descents import Descents, contours
from ch5jax.report._numbers import label, number
from ch5jax.report._surface_page import surface_page
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
    steps = len(next(iter(found.paths.values())))
    frames = np.unique(np.linspace(0, steps - 1, min(steps, FRAMES)).round().astype(int))
    page = surface_page(
        contours(found),
        {name: (way[frames], found.values[name][frames]) for name, way in found.paths.items()},
        frames,
        title=title or label(found.problem.name),
        lead=_lead(found),
        height="Height above the lowest",
        who="optimizer",
        caption="The contours are of the logarithm of the height, so that valleys show: the darker, the lower.",
        points=found.problem.critical_points,
        lowest=found.problem.lowest,
    )
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
