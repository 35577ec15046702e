"""Branin's function."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax.problems._problem import CriticalPoint, Problem, critical_point, make

_B, _C = 5.1 / (4 * math.pi**2), 5 / math.pi
_A = 10 * (1 - 1 / (8 * math.pi))


def branin() -> Problem:
    r"""Branin's function: three global minima, and two saddles between them.

    .. math:: f(x, y) = (y - b x^2 + c x - 6)^2 + a \cos x + 10, \qquad b = \frac{5.1}{4\pi^2},\quad c = \frac5\pi,
              \quad a = 10\Bigl(1 - \frac{1}{8\pi}\Bigr)

    The gradient is zero where sin x = 0 and the square is 0. So the critical points are known exactly: x = kπ and y =
    b x² − c x + 6, minima with 10 − a ≈ 0.397887 for odd k and saddles with 10 + a ≈ 19.602113 for even k.

    Returns:
      A `Problem` in two dimensions, in the box [−5, 10] × [0, 15], with all five critical points in it. The start is
      its centre, (2.5, 7.5).

    Example:
      >>> import ch5jax
      >>> [(point.kind, point.point.round(3).tolist()) for point in ch5jax.problems.branin().critical_points[:2]]
      [('minimum', [-3.142, 12.275]), ('saddle', [0.0, 6.0])]

    Source: the chapter, section 5.1.1; Branin, *Widely convergent method for finding multiple solutions of simultaneous
    nonlinear equations* (1972); constants and box as in Dixon and Szegő, *Towards Global Optimisation 2* (1978).
    """

    def formula(point: jax.Array) -> jax.Array:
        x, y = point
        return (y - _B * x**2 + _C * x - 6) ** 2 + _A * jnp.cos(x) + 10

    return make(
        "branin",
        formula,
        start=(2.5, 7.5),
        bounds=((-5.0, 0.0), (10.0, 15.0)),
        critical_points=[_critical(k) for k in range(-1, 4)],
        lowest=10 - _A,
    )


def _critical(k: int) -> CriticalPoint:
    """The critical point at x = kπ, and the Hessian there, by hand."""
    x, cosine = k * math.pi, (-1.0) ** k
    slope = _C - 2 * _B * x  # of what is squared, in x; in y it is 1
    hessian = np.array([[2 * slope**2 - _A * cosine, 2 * slope], [2 * slope, 2.0]])
    return critical_point((x, _B * x**2 - _C * x + 6), 10 + _A * cosine, np.linalg.eigvalsh(hessian))
