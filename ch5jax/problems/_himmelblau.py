"""Himmelblau's function."""

import jax
import numpy as np

from ch5jax.problems._problem import CriticalPoint, Problem, critical_point, make

# To the last digit of a float64, from Newton's method with 40 digits.
_POINTS = (
    (3.0, 2.0),
    (3.58442834033049174, -1.84812652696440355),
    (-3.77931025337774689, -3.28318599128616941),
    (-2.80511808695274485, 3.13131251825057297),
    (3.38515418360702094, 0.0738518798377492877),
    (0.0866775045553963518, 2.88425470117477611),
    (-3.07302575076438961, -0.0813530442879675116),
    (-0.127961346730680066, -1.95371498024457643),
    (-0.270844590667347613, -0.923038556479981463),
)


def himmelblau() -> Problem:
    r"""Himmelblau's function: four equal minima, four saddles between them, and a maximum in the middle.

    .. math:: f(x, y) = (x^2 + y - 11)^2 + (x + y^2 - 7)^2

    Returns:
      A `Problem` in two dimensions, in the box [−5, 5]². Its critical points, by value: four minima with 0, saddles
      with 13.3, 67.7, 104 and 178, the maximum with 182. These are all: two cubics have nine points in common at most.
      The start, (0, 0), is close to the maximum.

    Example:
      >>> import ch5jax
      >>> points = ch5jax.problems.himmelblau().critical_points
      >>> [(point.kind, round(point.value, 1)) for point in points[3:6]]
      [('minimum', 0.0), ('saddle', 13.3), ('saddle', 67.7)]

    Source: the chapter, section 5.1.1; Himmelblau, *Applied Nonlinear Programming* (1972).
    """

    def formula(point: jax.Array) -> jax.Array:
        x, y = point
        return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2

    return make(
        "himmelblau",
        formula,
        start=(0.0, 0.0),
        bounds=(-5.0, 5.0),
        critical_points=[_critical(x, y) for x, y in _POINTS],
        lowest=0.0,
    )


def _critical(x: float, y: float) -> CriticalPoint:
    """The value and the Hessian there, by hand; what is below a rounding of the squares is 0."""
    value = (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2
    hessian = np.array([[12 * x**2 + 4 * y - 42, 4 * (x + y)], [4 * (x + y), 12 * y**2 + 4 * x - 26]])
    return critical_point((x, y), value if value > 1e-20 else 0.0, np.linalg.eigvalsh(hessian))
