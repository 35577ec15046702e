"""Beale's function."""

import jax
import numpy as np

from ch5jax.problems._problem import CriticalPoint, Problem, critical_point, make

_TARGETS = (1.5, 2.25, 2.625)


def beale() -> Problem:
    r"""Beale's function: two valleys that a saddle joins, one with the minimum and one without end.

    .. math:: f(x, y) = \sum_{i=1}^3 \bigl(c_i - x (1 - y^i)\bigr)^2, \qquad c = (1.5,\ 2.25,\ 2.625)

    Beyond the saddle at (0, 1) the valley falls towards 0.4521 as x → −∞ and y → 1, and has no minimum: what descends
    there runs away, slower and slower.

    Returns:
      A `Problem` in two dimensions, in the box [−4.5, 4.5]², with all of its three critical points: the minimum (3,
      0.5), the saddle (0, 1) with eigenvalues ±27.75, and a saddle near (0.1005, −2.6445), which is as steep across as
      it is flat along. (f is a square in x, so that x can be eliminated: of what remains, (2y−1)(y−1)(7y²+13y+17)
      (3y³+11y²+10y+5), these three roots are real.) The start is (1, 1).

    Example:
      >>> import ch5jax
      >>> [point.kind for point in ch5jax.problems.beale().critical_points]
      ['minimum', 'saddle', 'saddle']

    Source: Beale, *On an iterative method for finding a local minimum of a function of more than one variable* (1958);
    the start as in Moré, Garbow and Hillstrom, *Testing unconstrained optimization software* (1981), number 5.
    """

    def formula(point: jax.Array) -> jax.Array:
        x, y = point
        a, b, c = (target - x * (1 - y**i) for i, target in enumerate(_TARGETS, start=1))
        return a**2 + b**2 + c**2

    return make(
        "beale",
        formula,
        start=(1.0, 1.0),
        bounds=(-4.5, 4.5),
        critical_points=[
            _critical(3.0, 0.5),
            _critical(0.0, 1.0),
            _critical(0.100537937324158359, -2.64451358502312497),
        ],
        lowest=0.0,
    )


def _critical(x: float, y: float) -> CriticalPoint:
    """The value and the Hessian there, by hand."""
    value, hessian = 0.0, np.zeros((2, 2))
    for i, target in enumerate(_TARGETS, start=1):
        residual = target - x * (1 - y**i)
        slope = np.array([y**i - 1, i * x * y ** (i - 1)])
        bend = np.array([[0, i * y ** (i - 1)], [i * y ** (i - 1), i * (i - 1) * x * (y ** (i - 2) if i > 1 else 0)]])
        value += residual**2
        hessian += 2 * np.outer(slope, slope) + 2 * residual * bend
    return critical_point((x, y), value, np.linalg.eigvalsh(hessian))
