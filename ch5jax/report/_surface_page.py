"""Ways over a surface as a page with a player."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ch5jax.problems import CriticalPoint
from ch5jax.report._descents import Contours
from ch5jax.report._document import document
from ch5jax.report._packed import pack_numbers
from ch5jax.report._plotly import look_of


def surface_page(
    surface: Contours,
    ways: Mapping[str, tuple[np.ndarray, np.ndarray]],
    steps: np.ndarray,
    *,
    title: str,
    lead: str,
    caption: str,
    height: str,
    who: str = "",
    axes: tuple[str, str] = ("x", "y"),
    sides: tuple[str, str] = ("x", "y"),
    points: Sequence[CriticalPoint] = (),
    lowest: float | None = None,
) -> str:
    """The page as text.

    Args:
      surface: what is drawn below.
      ways: by name, the places, shape (frames, 2), and the values there.
      steps: how many steps each frame comes after, shape (frames,).
      title: the page's title.
      lead: a sentence below it.
      caption: what a reader must know of the contours.
      height: what lies above the lowest, as a heading.
      who: what the ways are called.
      axes: what the two sides are called.
      sides: the same in a word.
      points: known ones, to be marked.
      lowest: the least value there is; the least that was seen, where that is not known.
    """
    seen = [value[np.isfinite(value)] for value in (*(values for _, values in ways.values()), surface.values)]
    floor = min((float(one.min()) for one in seen if one.size), default=0.0) if lowest is None else lowest
    data: dict[str, Any] = {
        "steps": steps.tolist(),
        "floor": floor,
        "axes": axes,
        "x": surface.x.tolist(),
        "y": surface.y.tolist(),
        "heights": pack_numbers(surface.heights.ravel()),
        "values": pack_numbers(surface.values.ravel()),
        "points": [{"at": point.point.tolist(), "kind": point.kind, "value": point.value} for point in points],
        "runs": [
            {"name": name, "look": look_of(place), "path": pack_numbers(path.ravel()), "values": pack_numbers(values)}
            for place, (name, (path, values)) in enumerate(ways.items())
        ],
    }
    scripts = ("basics", "looks", "race")
    kinds = {"minimum": "★", "saddle": "✕", "maximum": "▲"}
    marked = {
        kinds.get(point.kind, "■"): point.kind if point.kind in kinds else "other critical point" for point in points
    }
    words: dict[str, Any] = {
        "title": title,
        "lead": lead,
        "caption": caption,
        "height": height,
        "who": who,
        "sides": sides,
    }
    return document("race.html", scripts, data, marked=marked, **words)
