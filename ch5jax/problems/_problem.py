"""What a problem is: a function, and what is known of it."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from ch5jax import _trees
from ch5jax._hyperparameters import Range, check_number


class CriticalPoint(NamedTuple):
    """A point where the gradient is zero, and what the function looks like there.

    Attributes:
      point: shape (d,), float64.
      value: the function there.
      kind: by the eigenvalues: "minimum" (all > 0), "maximum" (all < 0), "saddle" (of both signs) or "degenerate"
        (otherwise: one is zero and second derivatives do not tell; a point in a valley of equal minima is one).
      eigenvalues: of the Hessian, shape (d,), float64, ascending. What is known to be zero is exactly 0.
    """

    point: np.ndarray
    value: float
    kind: str
    eigenvalues: np.ndarray


class Problem(NamedTuple):
    """A function to minimise, and what is known of it. Facts are float64 and belong to NumPy, whatever JAX's precision.

    Attributes:
      name: the factory's name.
      function: a point of shape (d,) -> a scalar of its dtype; pure, and so compiled, mapped and differentiated.
      start: the usual starting point, shape (d,).
      bounds: the box that it is usually looked at in, shape (2, d): the lower corner, the upper corner.
      critical_points: points where the gradient is zero. The factory's docstring says whether these are all.
      lowest: the least value in the box, None where it is not known.
      parts: for a loss that changes from step to step: step t, counted from 0, has the function parts[t mod
        len(parts)], and `function` is their mean. Empty where every step has `function`.

    Example:
      >>> import ch5jax, jax
      >>> problem = ch5jax.problems.beale()
      >>> for point in problem.critical_points:
      ...     print(point.kind, point.point.round(3).tolist(), point.eigenvalues.round(2).tolist())
      minimum [3.0, 0.5] [0.3, 48.98]
      saddle [0.0, 1.0] [-27.75, 27.75]
      saddle [0.101, -2.645] [-0.78, 867.75]
      >>> abs(jax.grad(problem.function)(problem.critical_points[1].point)).tolist()
      [0.0, 0.0]
    """

    name: str
    function: Callable[[ArrayLike], jax.Array]
    start: np.ndarray
    bounds: np.ndarray
    critical_points: tuple[CriticalPoint, ...]
    lowest: float | None = None
    parts: tuple[Callable[[ArrayLike], jax.Array], ...] = ()


def make(
    name: str,
    formula: Callable[[jax.Array], jax.Array],
    *,
    start: ArrayLike,
    bounds: tuple[ArrayLike, ArrayLike],
    critical_points: Sequence[CriticalPoint],
    lowest: float | None = None,
    parts: Sequence[Callable[[jax.Array], jax.Array]] = (),
) -> Problem:
    """A problem of formulas on floating arrays of shape (d,); their points are checked first."""
    start = np.array(start, float)
    box = np.stack([np.broadcast_to(np.asarray(bound, float), start.shape) for bound in bounds])
    checked = [_on_points(len(start), part) for part in (formula, *parts)]
    return Problem(name, checked[0], start, box, tuple(critical_points), lowest, tuple(checked[1:]))


def _on_points(dimensions: int, formula: Callable[[jax.Array], jax.Array]) -> Callable[[ArrayLike], jax.Array]:
    def function(point: ArrayLike) -> jax.Array:
        x = jnp.asarray(point)
        if x.shape != (dimensions,):
            raise ValueError(f"point must have shape ({dimensions},), got {x.shape}; map over many with jax.vmap")
        if jnp.issubdtype(x.dtype, jnp.integer):
            x = x.astype(_trees.default_float())
        if not jnp.issubdtype(x.dtype, jnp.floating):
            raise ValueError(f"point must be floating, got dtype {x.dtype.name}")
        return formula(x)

    return function


def critical_point(point: ArrayLike, value: float, eigenvalues: ArrayLike) -> CriticalPoint:
    """A critical point whose Hessian has these eigenvalues, in any order; zeros are exact."""
    ascending = np.sort(np.asarray(eigenvalues, float))
    return CriticalPoint(np.array(point, float), float(value), _kind(ascending), ascending)


def _kind(eigenvalues: np.ndarray) -> str:
    below, above = bool((eigenvalues < 0).any()), bool((eigenvalues > 0).any())
    if below and above:
        return "saddle"
    if (eigenvalues == 0).any():
        return "degenerate"
    return "maximum" if below else "minimum"


def known_number(name: str, value: Any, allowed: Range) -> float:
    """A factory's argument as a float: facts are computed from it at once, so that it cannot be traced.

    Raises:
      ValueError: naming the argument, if it is no scalar, traced, or out of range.
    """
    if isinstance(value, jax.core.Tracer) or np.ndim(check_number(name, value, allowed)):
        raise ValueError(f"{name} must be one number, known when the problem is made, got {value!r}")
    return float(check_number(name, float(value), allowed))  # a JAX array passes the first check unseen


def check_dimensions(dimensions: Any, least: int) -> None:
    """Refuses what is no integer of at least `least`."""
    _trees.check_positive(dimensions=dimensions)
    if dimensions < least:
        raise ValueError(f"dimensions must be {least} at least, got {dimensions}")
