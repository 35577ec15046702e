"""The function of Styblinski and Tang."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax.problems._problem import CriticalPoint, Problem, check_dimensions, critical_point, make

_ALL_UP_TO = 4  # dimensions, with 3⁴ = 81 critical points


def styblinski_tang(dimensions: int = 2) -> Problem:
    r"""The function of Styblinski and Tang: 2^d minima, of which one is the lowest.

    .. math:: f(x) = \tfrac12 \sum_{i=1}^{d} x_i^4 - 16 x_i^2 + 5 x_i

    The coordinates do not know of each other, and each has a low minimum (−2.9035, −39.166), a high one (2.7468,
    −25.029) and a maximum between them (0.1567, 0.196). A start goes downhill to the low one in the coordinates where
    it is below 0.1567, and so a share of 0.5157^d of all starts in the box finds the lowest minimum.

    Args:
      dimensions: d ≥ 1.

    Returns:
      A `Problem` in the box [−5, 5]^d. Up to four dimensions it has all 3^d critical points, by value. Beyond, a
      choice: the lowest minimum; the highest one, with all coordinates in the wrong place; the lowest saddle; the
      maximum. The start is (−1, 1, −1, 1, …), from which gradient descent goes to a minimum between the extremes.

    Raises:
      ValueError: if the dimensions are no positive integer.

    Example:
      >>> import ch5jax
      >>> for point in ch5jax.problems.styblinski_tang(1).critical_points:
      ...     print(point.kind, point.point.round(4), round(point.value, 3))
      minimum [-2.9035] -39.166
      minimum [2.7468] -25.029
      maximum [0.1567] 0.196

    Source: the chapter, section 5.1.1; Styblinski and Tang, *Experiments in nonconvex optimization: stochastic
    approximation with function smoothing and simulated annealing* (1990).
    """
    check_dimensions(dimensions, 1)
    dimensions = int(dimensions)

    def formula(x: jax.Array) -> jax.Array:
        return jnp.sum(x**4 - 16 * x**2 + 5 * x) / 2

    low, top, high = _roots()
    if dimensions <= _ALL_UP_TO:
        points = [_critical(np.array(x)) for x in itertools.product((low, high, top), repeat=dimensions)]
    else:
        points = [
            _critical(np.full(dimensions, low)),
            _critical(np.full(dimensions, high)),
            _critical(np.array([*np.full(dimensions - 1, low), top])),
            _critical(np.full(dimensions, top)),
        ]
    return make(
        "styblinski_tang",
        formula,
        start=np.resize([-1.0, 1.0], dimensions),
        bounds=(-5.0, 5.0),
        critical_points=sorted(points, key=lambda point: point.value),
        lowest=points[0].value,
    )


def _roots() -> np.ndarray:
    """Where one coordinate's slope 2x³ − 16x + 5/2 is zero, ascending: Viète's three cosines."""
    third = np.arccos(-15 / 64 * np.sqrt(3 / 8)) / 3
    return np.sort(np.sqrt(32 / 3) * np.cos(third - 2 * np.pi / 3 * np.arange(3)))


def _critical(x: np.ndarray) -> CriticalPoint:
    return critical_point(x, np.sum(x**4 - 16 * x**2 + 5 * x) / 2, 6 * x**2 - 16)
