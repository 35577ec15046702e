"""The quadratic, of any spectrum."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from ch5jax._hyperparameters import Range
from ch5jax.problems._problem import Problem, check_dimensions, critical_point, known_number, make


def quadratic(
    condition: float = 100.0,
    dimensions: int = 2,
    *,
    eigenvalues: ArrayLike | None = None,
    rotation_key: jax.Array | None = None,
) -> Problem:
    r"""A quadratic of a given condition number, or of given eigenvalues.

    .. math:: f(x) = \tfrac12 x^\top Q x, \qquad Q = R^\top \Lambda R,
              \qquad \lambda_i = \kappa^{(i-1)/(d-1)}

    Its gradient's Lipschitz constant is the largest eigenvalue's size, κ: gradient descent converges for rates below
    2/κ. The best fixed rate is 2/(κ+1), and takes (κ−1)/(κ+1) of the distance a step; with momentum (κ, the best rate
    4/(√κ+1)² and decay ((√κ−1)/(√κ+1))²) it takes (√κ−1)/(√κ+1) in the limit.

    The start is R'1/√d, of norm 1: all directions of curvature have an equal share of it. What treats all directions
    alike (SGD, momentum) takes the same course under every rotation, what goes by coordinates (Adam) does not.

    Args:
      condition: κ ≥ 1, the largest eigenvalue over the smallest, which is 1.
      dimensions: d ≥ 2.
      eigenvalues: Λ itself, shape (d,), d ≥ 1, of any sign; it replaces `condition` and `dimensions`.
      rotation_key: a key to draw the rotation R with; none by default, so that the axes are the eigenvectors.

    Returns:
      A `Problem`, in the box [−2, 2]^d. 0 is critical, the only one if no eigenvalue is zero. `lowest` is 0 if no
      eigenvalue is negative, and is not given otherwise.

    Raises:
      ValueError: if an argument is not as above.

    Example:
      >>> import ch5jax
      >>> ch5jax.problems.quadratic(condition=10.0, dimensions=3).critical_points[0].eigenvalues.round(3).tolist()
      [1.0, 3.162, 10.0]
      >>> ch5jax.problems.quadratic(eigenvalues=[1.0, 2.0, -3.0]).critical_points[0].kind
      'saddle'

    Source: Goodfellow, Bengio and Courville, *Deep Learning* (2016), section 8.2.1; Polyak, *Some methods of speeding
    up the convergence of iteration methods* (1964), for the rates.
    """
    if eigenvalues is None:
        check_dimensions(dimensions, 2)
        spectrum = np.geomspace(1.0, known_number("condition", condition, Range(1.0)), int(dimensions))
    else:
        spectrum = _checked(eigenvalues)
    rotation = None if rotation_key is None else _rotation(rotation_key, len(spectrum))
    start = np.full(len(spectrum), len(spectrum) ** -0.5)

    def formula(x: jax.Array) -> jax.Array:
        z = x if rotation is None else jnp.matmul(jnp.asarray(rotation, x.dtype), x, precision="highest")
        return jnp.sum(jnp.asarray(spectrum, x.dtype) * z * z) / 2

    return make(
        "quadratic",
        formula,
        start=start if rotation is None else rotation.T @ start,
        bounds=(-2.0, 2.0),
        critical_points=[critical_point(np.zeros(len(spectrum)), 0.0, spectrum)],
        lowest=None if (spectrum < 0).any() else 0.0,
    )


def _checked(eigenvalues: Any) -> np.ndarray:
    if isinstance(eigenvalues, jax.core.Tracer):
        raise ValueError(f"eigenvalues must be known when the problem is made, got {eigenvalues!r}")
    values = np.asarray(eigenvalues)
    if values.ndim != 1 or not values.size or values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        raise ValueError(f"eigenvalues must be finite numbers of shape (d,), got {eigenvalues!r}")
    return values.astype(float)


def _rotation(key: jax.Array, dimensions: int) -> np.ndarray:
    """An orthogonal matrix, uniform among all: drawn in JAX, the same on every device, and made orthogonal in float64.

    The signs of R's diagonal make QR's answer unique, and so uniform (Mezzadri, 2007).
    """
    if isinstance(key, jax.core.Tracer):
        raise ValueError(f"rotation_key must be known when the problem is made, got {key!r}")
    drawn = np.asarray(jax.random.normal(key, (dimensions, dimensions), jnp.float32), float)
    q, r = np.linalg.qr(drawn)
    return np.asarray(q * np.sign(np.diag(r)))
