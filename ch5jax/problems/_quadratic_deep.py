"""DeepOBS's quadratic in a hundred dimensions: the spectrum, and the loss in expectation."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax.problems._problem import Problem, critical_point, make

NOISE_LEVEL = 0.6  # the data's standard deviation
_SEED = 42


class Spectrum(NamedTuple):
    """The Hessian Q = R' diag(λ) R."""

    eigenvalues: np.ndarray  # λ, shape (100,)
    rotation: np.ndarray  # R, shape (100, 100)

    @classmethod
    def drawn(cls) -> "Spectrum":
        """The eigenvalues and the rotation, drawn as DeepOBS draws them: one generator, the eigenvalues first."""
        random = np.random.RandomState(_SEED)
        eigenvalues = np.concatenate([random.uniform(0.0, 1.0, 90), random.uniform(30.0, 60.0, 10)])
        return cls(eigenvalues, _rotation(random, len(eigenvalues)))


def quadratic_deep() -> Problem:
    r"""DeepOBS's quadratic in a hundred dimensions, in expectation over its data.

    .. math:: f(\theta) = \mathbb E\,\tfrac12 (\theta - x)^\top Q\,(\theta - x)
              = \tfrac12 \theta^\top Q\,\theta + \tfrac{\sigma^2}{2} \operatorname{tr} Q,
              \qquad x \sim N(0, \sigma^2 I), \quad \sigma = 0.6

    A spectrum as seen in networks: 90 eigenvalues of Q are drawn from (0, 1), 10 from (30, 60), and the axes are turned
    at random. `tasks.quadratic_deep` trains on the data.

    Returns:
      A `Problem` in 100 dimensions, in the box [−2, 2]^100. The start is (1, …, 1). Its only critical point is the
      minimum 0, whose value is 0.18 tr Q = 85.970. The eigenvalues go from 0.0055 to 53.13, so that gradient descent
      converges for rates below 0.0376.

    Example:
      >>> import ch5jax
      >>> point = ch5jax.problems.quadratic_deep().critical_points[0]
      >>> int((point.eigenvalues < 1).sum()), int((point.eigenvalues > 30).sum())
      (90, 10)

    Source: Schneider, Balles and Hennig, *DeepOBS: a deep learning optimizer benchmark suite* (2019); the spectrum
    after Chaudhari et al., *Entropy-SGD* (2017).
    """
    eigenvalues, rotation = Spectrum.drawn()
    floor = NOISE_LEVEL**2 / 2 * np.sum(eigenvalues)

    def formula(theta: jax.Array) -> jax.Array:
        turned = jnp.matmul(jnp.asarray(rotation, theta.dtype), theta, precision="highest")
        return jnp.sum(jnp.asarray(eigenvalues, theta.dtype) * turned**2) / 2 + float(floor)

    return make(
        "quadratic_deep",
        formula,
        start=np.ones(len(eigenvalues)),
        bounds=(-2.0, 2.0),
        critical_points=[critical_point(np.zeros(len(eigenvalues)), floor, eigenvalues)],
        lowest=float(floor),
    )


def _rotation(random: np.random.RandomState, dimensions: int) -> np.ndarray:
    """A rotation, uniform among all, by growing one of the plane (Diaconis and Shahshahani, 1987).

    Each dimension more is put in front, and a reflection takes its axis to a random direction.
    """
    angle = 2 * np.pi * random.uniform()
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    for size in range(3, dimensions + 1):
        direction = random.normal(size=size)
        mirror = -direction / np.linalg.norm(direction)
        mirror[0] += 1.0
        grown = np.eye(size)
        grown[1:, 1:] = turn
        turn = grown - np.outer(mirror, mirror @ grown) * (2 / (mirror @ mirror))
    return turn
