"""The ways of several optimizers over a function of two variables."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax.optimizers import Transformation
from ch5jax.problems import Problem
from ch5jax.tasks import surface

GRID = 160  # points along each side of the contours


class Descents(NamedTuple):
    """Made by `descents`."""

    problem: Problem
    paths: dict[str, np.ndarray]  # by optimizer, float64, shape (steps + 1, 2): where it was after so many steps
    values: dict[str, np.ndarray]  # the function there, float64, shape (steps + 1,); NaN where it is not finite


def descents(
    problem: Problem,
    optimizers: Mapping[str, Transformation],
    *,
    steps: int,
    start: jax.typing.ArrayLike | None = None,
    noise: float = 0.0,
    key: jax.Array | None = None,
) -> Descents:
    """Where each of several optimizers is after every step, from the same start and with the same noise.

    Args:
      problem: one of two variables, such as `problems.beale()`.
      optimizers: by name.
      steps: how many, ≥ 1.
      start: shape (2,); the problem's by default.
      noise: ≥ 0, the standard deviation of Gaussian noise on every coordinate of the gradient.
      key: for the noise; by default `jax.random.key(0)`.

    Returns:
      `Descents`, for `write_race` and `write_animation`.

    Raises:
      ValueError: if the problem has not two variables, there are no optimizers, or an argument is out of range.

    Example:
      >>> import ch5jax, ch5jax.report
      >>> ways = {"momentum": ch5jax.momentum(0.001), "adam": ch5jax.adam(0.1)}
      >>> found = ch5jax.report.descents(ch5jax.problems.beale(), ways, steps=500)
      >>> found.paths["adam"].shape, found.paths["adam"][-1].round(2).tolist()
      ((501, 2), [3.0, 0.5])
    """
    check_two(problem)
    if not optimizers:
        raise ValueError("optimizers must be one at least, by name, got none")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps must be an integer of at least 1, got {steps!r}")
    task = surface(problem, start=start, noise=noise)
    key = jax.random.key(0) if key is None else key

    def way(optimizer: Any) -> tuple[jax.Array, jax.Array]:
        def step(state: Any, index: jax.Array) -> tuple[Any, jax.Array]:
            state, _ = task.step(jax.random.fold_in(key, index), index, optimizer, state)
            return state, state.params

        state = task.init(key, optimizer)
        _, points = jax.lax.scan(step, state, jnp.arange(steps))
        points = jnp.concatenate([state.params[None], points])
        return points, jax.vmap(problem.function)(points)

    paths, values = {}, {}
    compiled = jax.jit(way)
    for name, optimizer in optimizers.items():
        points, heights = (np.asarray(one, float) for one in compiled(optimizer))
        good = np.isfinite(points).all(axis=1) & np.isfinite(heights)
        paths[name], values[name] = np.where(good[:, None], points, np.nan), np.where(good, heights, np.nan)
    return Descents(problem, paths, values)


def check_two(problem: Problem) -> None:
    """Refuses a problem that is no surface to look at."""
    if not isinstance(problem, Problem):
        raise ValueError(f"problem must be a Problem, such as ch5jax.problems.beale(), got {problem!r}")
    if len(problem.start) != 2:
        raise ValueError(f"problem must have two variables to be drawn, and {problem.name} has {len(problem.start)}")


class Contours(NamedTuple):
    """A function on a grid, and how high it is to be drawn."""

    x: np.ndarray  # shape (GRID,)
    y: np.ndarray
    values: np.ndarray  # shape (GRID, GRID), a row for each y
    heights: np.ndarray  # the same, so that a valley shows beside walls of many orders of magnitude; NaN where unknown


def contours(found: Descents) -> Contours:
    """The function in the problem's box, and around what the optimizers and the known points have of it nearby.

    Args:
      found: the descents.
    """
    box = found.problem.bounds.astype(float)
    room = 0.6 * (box[1] - box[0])
    near = [found.problem.start, *(point.point for point in found.problem.critical_points)]
    points = np.concatenate([np.stack(near), *(path for path in found.paths.values())])
    points = np.clip(points[np.isfinite(points).all(axis=1)], box[0] - room, box[1] + room)
    low, high = np.minimum(box[0], points.min(axis=0)), np.maximum(box[1], points.max(axis=0))
    x, y = (np.linspace(a, b, GRID) for a, b in zip(low, high, strict=True))
    grid = jnp.asarray(np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2), dtype=jnp.result_type(float))
    values = np.asarray(jax.jit(jax.vmap(found.problem.function))(grid), float).reshape(GRID, GRID)
    values = np.where(np.isfinite(values), values, np.nan)
    return Contours(x, y, values, drawn_heights(values))


def drawn_heights(values: np.ndarray) -> np.ndarray:
    """How high a function is to be drawn: the logarithm of how far it is above its lowest.

    Args:
      values: on a grid; NaN where it is not finite.
    """
    if not np.isfinite(values).any():
        return values
    above = values - np.nanmin(values)
    unit = 1e-3 * float(np.nanmedian(above)) or 1.0
    return np.log10(above + unit)
