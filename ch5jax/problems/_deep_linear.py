"""The deep linear network, whose layers are matrices that multiply."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax import _trees
from ch5jax._hyperparameters import POSITIVE
from ch5jax._types import PyTree
from ch5jax.problems._problem import CriticalPoint, Problem, critical_point, known_number, make

_START = 0.1


def deep_linear(depth: int = 3, targets: float | Sequence[float] = 1.0) -> Problem:
    r"""A deep linear network: a product of matrices that has to equal a diagonal one.

    .. math:: f(W_1, \dots, W_L) = \tfrac12 \lVert W_L \cdots W_1 - \operatorname{diag}(t)\rVert^2

    With one target the layers are numbers, and f = (w_L ⋯ w_1 − t)²/2. At 0 nothing is learnt. For two layers it is a
    saddle of eigenvalues ±t_i; for three or more all second derivatives are zero there, and around it lies a plateau:
    the gradient is of the order of the weights to the power L − 1. Targets are learnt one after the other, the largest
    first, with a plateau at a saddle before each.

    Args:
      depth: L ≥ 2, the number of layers.
      targets: the target's diagonal t, n positive numbers in any order; a number for layers of one unit.

    Returns:
      A `Problem` in d = L n² dimensions, in the box [−2, 2]^d or a larger one that holds twice the solution; `point` is
      all of W_1, row by row, then W_2, and so on. Its n + 1 critical points, which are not all, have learnt the first r
      of the targets, r = 0, …, n, equally in all layers: t_i^(1/L) on the diagonals for i ≤ r, 0 elsewhere. Where all
      is learnt f is 0, on a surface of equal minima, so that the point is degenerate. For r < n it is a saddle if a
      target that is missing is larger than one that is learnt, and for L = 2 always; else it is degenerate: a plateau
      that second derivatives do not show the way from. The start is 0.1 on the diagonals of all layers, from which the
      layers stay diagonal and equal under any optimizer that treats coordinates alike.

    Raises:
      ValueError: if the depth is no integer ≥ 2, or a target not a positive number.

    Example:
      >>> import ch5jax
      >>> for depth in (2, 3):
      ...     origin = ch5jax.problems.deep_linear(depth).critical_points[0]
      ...     print(origin.kind, origin.eigenvalues.tolist())
      saddle [-1.0, 1.0]
      degenerate [0.0, 0.0, 0.0]
      >>> [point.kind for point in ch5jax.problems.deep_linear(3, targets=(1.0, 2.0)).critical_points]
      ['degenerate', 'saddle', 'degenerate']

    Source: the chapter, section 5.1.2; Saxe, McClelland and Ganguli, *Exact solutions to the nonlinear dynamics of
    learning in deep linear neural networks* (2013); Kawaguchi, *Deep learning without poor local minima* (2016), for
    saddles without a negative eigenvalue. The eigenvalues are ours.
    """
    _trees.check_positive(depth=depth)
    if depth < 2:
        raise ValueError(f"depth must be 2 at least, got {depth}")
    depth, t = int(depth), _checked(targets)
    width, reach = len(t), 2 * max(1.0, t.max() ** (1 / depth))

    def formula(point: jax.Array) -> jax.Array:
        product, *others = point.reshape(depth, width, width)
        for layer in others:
            product = jnp.matmul(layer, product, precision="highest")
        return jnp.sum((product - jnp.diag(jnp.asarray(t, point.dtype))) ** 2) / 2

    return make(
        "deep_linear",
        formula,
        start=_point(np.full(width, _START), depth),
        bounds=(-reach, reach),
        critical_points=[_critical(t, depth, learnt) for learnt in range(width + 1)],
        lowest=0.0,
    )


def _checked(targets: PyTree) -> np.ndarray:
    listed = targets if isinstance(targets, Sequence | np.ndarray) else [targets]
    if not len(listed):
        raise ValueError("targets must be positive numbers, one at least, got none")
    return np.array([known_number("targets", target, POSITIVE) for target in listed])


def _point(diagonal: np.ndarray, depth: int) -> np.ndarray:
    """All layers with the same diagonal, as one vector."""
    return np.tile(np.diag(diagonal).ravel(), depth)


def _critical(t: np.ndarray, depth: int, learnt: int) -> CriticalPoint:
    r"""Where the first `learnt` targets are learnt, and the eigenvalues there.

    A step δ_l in layer l moves entry (i, j) of the product by Σ_l s_i^{L−l} s_j^{l−1} δ_l[i, j], where s is the layers'
    diagonal. The square of that gives one eigenvalue for every entry, and zeros. What is missing, −t_i, adds the
    products of two steps that meet in an entry (i, i): δ_L[i, j] s_j^{L−2} δ_1[j, i], which couple the entries (i, j)
    and (j, i) of the last and the first layer.
    """
    reached = np.where(np.arange(len(t)) < learnt, t, 0.0)
    s = reached ** (1 / depth)
    eigenvalues = np.zeros((len(t), len(t), depth))
    powers = np.arange(depth)
    for i in range(len(t)):
        for j in range(len(t)):
            if i < learnt and j < learnt:
                eigenvalues[i, j, 0] = np.sum(s[i] ** (2 * powers[::-1]) * s[j] ** (2 * powers))
            elif i >= learnt and (j < learnt or depth == 2):
                # the pair of δ_L[i, j] and δ_1[j, i]: the square of each has s_j^{2L−2}, their product t_i s_j^{L−2}
                eigenvalues[i, j, :2] = s[j] ** (depth - 2) * (reached[j] + np.array([-t[i], t[i]]))
    return critical_point(_point(s, depth), np.sum(t[learnt:] ** 2) / 2, eigenvalues.ravel())
