"""The cliff of a recurrent network with one unit."""

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax import _trees
from ch5jax.problems._problem import CriticalPoint, Problem, critical_point, make

_STATE, _TARGET = 0.5, 0.7
_MOST_STEPS = 100


def rnn_cliff(steps: int = 50) -> Problem:
    r"""The cliff: the loss of a recurrent network with one unit and no input, after many steps.

    .. math:: f(w, b) = (\sigma(x_T) - 0.7)^2, \qquad x_t = w\,\sigma(x_{t-1}) + b, \qquad x_0 = 0.5

    For w > 4 the unit may have two stable states. Which one it ends in changes where x_0 is the unstable state between
    them, along b = 0.5 − 0.6225 w: there the loss has a wall, and the gradient is of the order of (w σ'(x_0))^T. In the
    wall runs a valley of loss 0, the continuation of the gentle one at smaller w, and so narrow that gradient descent
    stays in it only for rates below 2·10⁻⁷ (at w = 5).

    Args:
      steps: T, how often the unit is applied, 1 to 100. The wall is the steeper the more there are; beyond a hundred,
        float64 does not resolve it.

    Returns:
      A `Problem` in the two dimensions (w, b), in the box [−1, 7] × [−4, 2]. For every w ≥ 0 one b gives loss 0, and
      all of these points are critical and degenerate, flat along the valley; those for w = 0 and w = 5 are given. With
      50 steps, the curvature across the valley is 0.13 at the one and 1.1·10⁷ at the other. The start, (5, −2.3), is
      on the upper plain before the wall: gradient descent slides down to it and is thrown off.

    Raises:
      ValueError: if the steps are no integer from 1 to 100.

    Example:
      >>> import ch5jax
      >>> for point in ch5jax.problems.rnn_cliff().critical_points:
      ...     print(point.point.round(3), point.kind, f"{point.eigenvalues[-1]:.2g}")
      [0.    0.847] degenerate 0.13
      [ 5.    -2.612] degenerate 1.1e+07

    Source: the chapter, section 5.1.3; Pascanu, Mikolov and Bengio, *On the difficulty of training recurrent neural
    networks* (2013), section 2.3 and figure 6; the start, the box and the eigenvalues are ours.
    """
    _trees.check_positive(steps=steps)
    if steps > _MOST_STEPS:
        raise ValueError(f"steps must be {_MOST_STEPS} at most, got {steps}")
    steps = int(steps)

    def formula(point: jax.Array) -> jax.Array:
        w, b = point
        x, _ = jax.lax.scan(lambda x, _: (w * jax.nn.sigmoid(x) + b, None), jnp.full_like(w, _STATE), length=steps)
        return (jax.nn.sigmoid(x) - _TARGET) ** 2

    return make(
        "rnn_cliff",
        formula,
        start=(5.0, -2.3),
        bounds=((-1.0, -4.0), (7.0, 2.0)),
        critical_points=[_critical(w, steps) for w in (0.0, 5.0)],
        lowest=0.0,
    )


def _sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def _unrolled(w: float, b: float, steps: int) -> tuple[float, np.ndarray]:
    """The last state, and its derivative in (w, b)."""
    x, slope = _STATE, np.zeros(2)
    for _ in range(steps):
        y = _sigmoid(x)
        x, slope = w * y + b, w * y * (1 - y) * slope + np.array([y, 1.0])
    return x, slope


def _critical(w: float, steps: int) -> CriticalPoint:
    """The point of loss 0 with this w ≥ 0: the last state grows with b, and lies between b and b + w."""
    state = float(np.log(_TARGET / (1 - _TARGET)))
    low, high = state - w, state
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if _unrolled(w, middle, steps)[0] < state else (low, middle)
    slope = _TARGET * (1 - _TARGET) * _unrolled(w, high, steps)[1]  # of σ(x_T); the Hessian is 2 slope slope'
    return critical_point((w, high), 0.0, (0.0, float(2 * slope @ slope)))
