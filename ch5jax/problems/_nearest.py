"""Which of a problem's critical points is nearest."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax import _trees
from ch5jax.problems._problem import Problem

KINDS = ("minimum", "maximum", "saddle", "degenerate")


class Nearest(NamedTuple):
    """The critical point that is nearest to a point."""

    index: jax.Array  # shape (), int32: its place in `problem.critical_points`
    distance: jax.Array  # shape (), in the point's dtype: the Euclidean distance to it


def nearest(problem: Problem, point: jax.typing.ArrayLike, kind: str | None = None) -> Nearest:
    """Finds the critical point of a problem that is nearest to a point.

    Args:
      problem: a `Problem` with critical points.
      point: shape (d,), floating. Map over many with `jax.vmap`.
      kind: look among the critical points of this kind only; among all by default.

    Returns:
      `Nearest(index, distance)`, where the index counts in `problem.critical_points`, whatever the kind. Of two that
      are equally near, it is the first. The distance's gradient is 0 at a critical point.

    Raises:
      ValueError: if the problem knows no critical point of that kind, or the point has another shape.

    Example:
      >>> import ch5jax, jax.numpy as jnp
      >>> problem = ch5jax.problems.beale()
      >>> index, distance = ch5jax.problems.nearest(problem, jnp.array([3.0, 0.75]))
      >>> problem.critical_points[int(index)].kind, float(distance)
      ('minimum', 0.25)
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    places = [i for i, critical in enumerate(problem.critical_points) if kind in (None, critical.kind)]
    if not places:
        raise ValueError(f"{problem.name} has no known critical point{f' of kind {kind!r}' if kind else ''}")
    x = jnp.asarray(point)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        x = x.astype(_trees.default_float())
    if x.shape != (shape := np.shape(problem.start)):
        raise ValueError(f"point must have shape {shape}, got {x.shape}; map over many with jax.vmap")
    points = jnp.asarray(np.stack([problem.critical_points[i].point for i in places]), x.dtype)
    squares = jnp.sum((points - jnp.broadcast_to(x, points.shape)) ** 2, axis=1)
    first = jnp.argmin(squares)
    least = squares[first]
    at_zero = least == 0  # where √ has an infinite slope
    distance = jnp.where(at_zero, 0, jnp.sqrt(jnp.where(at_zero, 1, least)))
    return Nearest(jnp.asarray(places, jnp.int32)[first], distance)
