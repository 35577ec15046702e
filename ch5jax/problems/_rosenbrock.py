"""Rosenbrock's function."""

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax.problems._problem import CriticalPoint, Problem, check_dimensions, critical_point, make


def rosenbrock(dimensions: int = 2) -> Problem:
    r"""Rosenbrock's function: a narrow curved valley with a flat floor.

    .. math:: f(x) = \sum_{i=1}^{d-1} 100\,(x_{i+1} - x_i^2)^2 + (1 - x_i)^2

    Args:
      dimensions: d ≥ 2.

    Returns:
      A `Problem` in the box [−2.048, 2.048]^d. The global minimum is (1, …, 1); in two dimensions its condition number
      is 2,508. For d ≤ 3 it is the only critical point. From d = 4 on there is a local minimum near (−1, 1, …, 1), with
      a value between 3.70 (d = 4) and 3.99, and a saddle with one way down. For d up to 7 these are all: Newton's
      method from 4,000 random starts found no other. More dimensions have more saddles, which are not given. The start
      is (−1.2, 1, −1.2, 1, …).

    Raises:
      ValueError: if the dimensions are no integer ≥ 2.

    Example:
      >>> import ch5jax
      >>> [point.kind for point in ch5jax.problems.rosenbrock(4).critical_points]
      ['minimum', 'minimum', 'saddle']

    Source: Rosenbrock, *An automatic method for finding the greatest or least value of a function* (1960); the start as
    in Moré, Garbow and Hillstrom, *Testing unconstrained optimization software* (1981), the box as in De Jong (1975);
    the local minimum and the saddles: Shang and Qiu, *A note on the extended Rosenbrock function* (2006), and Kok and
    Sandrock, *Locating and characterizing the stationary points of the extended Rosenbrock function* (2009).
    """
    check_dimensions(dimensions, 2)
    dimensions = int(dimensions)

    def formula(x: jax.Array) -> jax.Array:
        return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    near = [np.ones(dimensions)]
    if dimensions >= 4:
        near += [np.array([-1.0, *np.ones(dimensions - 1)]), _near_the_saddle(dimensions)]
    return make(
        "rosenbrock",
        formula,
        start=np.resize([-1.2, 1.0], dimensions),
        bounds=(-2.048, 2.048),
        critical_points=[_critical(x) for x in near],
        lowest=0.0,
    )


def _near_the_saddle(dimensions: int) -> np.ndarray:
    """The coordinates fall to 0.01, which goes on by itself where 0.01 = x, and end with a square."""
    if dimensions == 4:
        return np.array([-0.656, 0.443, 0.204, 0.042])
    inner = [-0.555, 0.322, 0.115, 0.0235, *np.full(dimensions - 4, 0.01)]
    return np.array([*inner[: dimensions - 1], 1e-4])


def _critical(x: np.ndarray) -> CriticalPoint:
    """The critical point that Newton's method finds from nearby, in eleven steps at most (for d = 4)."""
    for _ in range(20):
        x = x - np.linalg.solve(_hessian(x), _gradient(x))
    value = np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
    return critical_point(x, value, np.linalg.eigvalsh(_hessian(x)))


def _gradient(x: np.ndarray) -> np.ndarray:
    rise = x[1:] - x[:-1] ** 2
    gradient = np.zeros(len(x))
    gradient[:-1] = -400 * x[:-1] * rise - 2 * (1 - x[:-1])
    gradient[1:] += 200 * rise
    return gradient


def _hessian(x: np.ndarray) -> np.ndarray:
    diagonal = np.zeros(len(x))
    diagonal[:-1] = 1200 * x[:-1] ** 2 - 400 * x[1:] + 2
    diagonal[1:] += 200
    beside = -400 * x[:-1]
    return np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
