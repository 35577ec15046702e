"""Saddles in the plane: two that second derivatives show, and one that they do not."""

import jax
import numpy as np

from ch5jax._hyperparameters import POSITIVE
from ch5jax.problems._problem import Problem, critical_point, known_number, make


def saddle(steepness: float = 1.0) -> Problem:
    r"""The plain saddle.

    .. math:: f(x, y) = a x^2 - y^2

    Along x gradient descent goes to 0, for rates below 1/a; along y it leaves as (1 + 2α)ᵗ. The start (1, 10⁻³) is
    almost on the line y = 0, from which nothing leaves: after the approach comes a plateau, whose length depends on the
    optimizer. There is no minimum: f falls without end, and `lowest` is that in the box.

    Args:
      steepness: a > 0, the curvature of the ascent over that of the descent.

    Returns:
      A `Problem` in two dimensions, in the box [−2, 2]². Its only critical point is the saddle at 0, with eigenvalues
      −2 and 2a.

    Raises:
      ValueError: if the steepness is not a positive number.

    Example:
      >>> import ch5jax
      >>> ch5jax.problems.saddle().critical_points[0].eigenvalues.tolist()
      [-2.0, 2.0]

    Source: the chapter, section 5.1.2; Goodfellow, Bengio and Courville, *Deep Learning* (2016), sections 4.3.1 (figure
    4.5) and 8.2.3.
    """
    return _saddle("saddle", known_number("steepness", steepness, POSITIVE))


def steep_saddle() -> Problem:
    r"""The saddle 5x² − y², whose ascent is five times as steep as its descent.

    .. math:: f(x, y) = 5 x^2 - y^2

    Rates are bounded by the ascent (0.2 for gradient descent), and the descent is what they have to find.

    Returns:
      A `Problem` in two dimensions, as `saddle(steepness=5.0)`: the saddle at 0 has eigenvalues −2 and 10.

    Example:
      >>> import ch5jax
      >>> ch5jax.problems.steep_saddle().critical_points[0].eigenvalues.tolist()
      [-2.0, 10.0]
    """
    return _saddle("steep_saddle", 5.0)


def _saddle(name: str, steepness: float) -> Problem:
    def formula(point: jax.Array) -> jax.Array:
        x, y = point
        return steepness * x**2 - y**2

    return make(
        name,
        formula,
        start=(1.0, 1e-3),
        bounds=(-2.0, 2.0),
        critical_points=[critical_point((0.0, 0.0), 0.0, (-2.0, 2.0 * steepness))],
        lowest=-4.0,
    )


def monkey_saddle() -> Problem:
    r"""The monkey saddle: three valleys and three ridges meet where the Hessian is zero.

    .. math:: f(x, y) = x^3 - 3 x y^2

    Gradient descent slows down on the way in as 1/t, not exponentially. The start (1, 10⁻³) lies almost on a ridge.

    Returns:
      A `Problem` in two dimensions, in the box [−2, 2]². Its only critical point, 0, is degenerate: no second
      derivative tells that it is not a minimum. f falls without end; `lowest` is that in the box, at (2, ±2).

    Example:
      >>> import ch5jax
      >>> point = ch5jax.problems.monkey_saddle().critical_points[0]
      >>> point.kind, point.eigenvalues.tolist()
      ('degenerate', [0.0, 0.0])

    Source: the chapter, section 5.1.2; Hilbert and Cohn-Vossen, *Geometry and the Imagination* (1952), section 28.
    """

    def formula(point: jax.Array) -> jax.Array:
        x, y = point
        return x**3 - 3 * x * y**2

    return make(
        "monkey_saddle",
        formula,
        start=(1.0, 1e-3),
        bounds=(-2.0, 2.0),
        critical_points=[critical_point((0.0, 0.0), 0.0, np.zeros(2))],
        lowest=-16.0,
    )
