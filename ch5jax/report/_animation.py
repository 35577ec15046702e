"""A race of optimizers as a GIF or a film."""

import importlib
import os
import shutil
from pathlib import Path

import numpy as np

from ch5jax._extras import require
from ch5jax.report._descents import Descents, contours
from ch5jax.report._plotly import look_of
from ch5jax.report._whole import whole

_MARKS = {"minimum": "*", "saddle": "X", "maximum": "^", "degenerate": "s"}


def write_animation(
    found: Descents, path: str | os.PathLike[str], *, frames: int = 120, frames_per_second: int = 20
) -> Path:
    """Writes the optimizers' ways over the function's contours as a GIF, or as MP4 where there is an ffmpeg.

    It may be the machine's own, or that of the package imageio-ffmpeg (`ch5jax[film]`).

    Args:
      found: what `descents` gave.
      path: a name that ends in .gif or .mp4; the file appears whole or not at all.
      frames: how many places of the ways, evenly spaced.
      frames_per_second: of them.

    Returns:
      The path.

    Raises:
      ImportError: without Matplotlib (`ch5jax[examples]`).
      ValueError: if the name ends otherwise, or in .mp4 and there is no ffmpeg.
      OSError: if the file cannot be written.

    Example:
      >>> import ch5jax, ch5jax.report, os, tempfile
      >>> found = ch5jax.report.descents(ch5jax.problems.beale(), {"adam": ch5jax.adam(0.1)}, steps=100)
      >>> film = ch5jax.report.write_animation(found, os.path.join(tempfile.mkdtemp(), "race.gif"), frames=3)
      >>> film.read_bytes()[:6]
      b'GIF89a'
    """
    matplotlib, animation, figures, canvases = (
        require(name, "examples", "an animation")
        for name in ("matplotlib", "matplotlib.animation", "matplotlib.figure", "matplotlib.backends.backend_agg")
    )
    kind = Path(path).suffix.lower()
    if kind not in (".gif", ".mp4"):
        raise ValueError(f"path must end in .gif or .mp4, got {Path(path).name!r}")
    ffmpeg = _ffmpeg()
    if kind == ".mp4" and ffmpeg is None:
        raise ValueError(
            f"path must end in .gif where there is no ffmpeg, got {Path(path).name!r}; "
            'pip install "ch5jax[film]" brings one'
        )
    surface = contours(found)
    figure = figures.Figure((6.4, 5.2), dpi=100, layout="constrained")
    canvases.FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.contourf(surface.x, surface.y, surface.heights, levels=24, cmap="Greys")
    for point in found.problem.critical_points:
        axes.plot(*point.point, _MARKS[point.kind], color="#009e73", markersize=11, markeredgecolor="white")
    lines = {}
    for place, name in enumerate(found.paths):
        colour = tuple(part / 255 for part in look_of(place)["rgb"])
        (trail,) = axes.plot([], [], color=colour, linewidth=1.8, label=name.replace("$", r"\$").lstrip("_"))
        (head,) = axes.plot([], [], "o", color=colour, markeredgecolor="white", markersize=8)
        lines[name] = trail, head
    axes.legend(loc="upper right", fontsize=9)
    axes.set(xlim=surface.x[[0, -1]], ylim=surface.y[[0, -1]])
    steps = len(next(iter(found.paths.values())))
    writer = (animation.PillowWriter if kind == ".gif" else animation.FFMpegWriter)(fps=frames_per_second)
    with whole(path) as beside, matplotlib.rc_context({"animation.ffmpeg_path": ffmpeg or "ffmpeg"}):
        named = beside.with_name(beside.name + kind)  # ffmpeg goes by the name
        try:
            with writer.saving(figure, str(named), dpi=100):
                for step in np.unique(np.linspace(0, steps - 1, min(frames, steps)).round().astype(int)):
                    for name, (trail, head) in lines.items():
                        way = found.paths[name][: step + 1]
                        trail.set_data(*way.T)
                        head.set_data(*way[-1:].T)
                    axes.set_title(f"step {step:,}", fontsize=10)
                    writer.grab_frame()
            named.replace(beside)
        finally:
            named.unlink(missing_ok=True)
    return Path(path)


def _ffmpeg() -> str | None:
    """Where ffmpeg is: the machine's, or what the package imageio-ffmpeg brings."""
    if found := shutil.which("ffmpeg"):
        return found
    try:
        return str(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
    except (ImportError, RuntimeError):  # the latter where the package has none for this machine
        return None
