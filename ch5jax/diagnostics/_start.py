"""The start: how far a run has come from it."""

import chex
import jax

from ch5jax import _trees
from ch5jax.diagnostics._cliff import relative


def distance(params: chex.ArrayTree, start: chex.ArrayTree) -> jax.Array:
    r"""How far the parameters have travelled from their starting point, relative to its norm.

    .. math:: \|w - w_0\| / \|w_0\|

    Well under 1, a run ends in the neighbourhood that its initial weights chose for it; over 1, the start is forgotten.

    Args:
      params: w, any pytree.
      start: w₀, like it.

    Returns:
      A scalar ≥ 0; inf where w₀ = 0 and w ≠ 0.

    Raises:
      ValueError: if the trees do not match.

    Example:
      >>> import ch5jax, jax.numpy as jnp
      >>> float(ch5jax.diagnostics.distance(jnp.array([3.0, 4.0]), jnp.array([0.0, 4.0])))
      0.75

    Source: the chapter, section 5.6 no. 4: trained weights are close to the initial ones; Goodfellow, Bengio and
    Courville, *Deep Learning* (2016), section 8.2.7: most of the trouble is to find a way from the start to a good
    region. The measure is common, as in Chizat, Oyallon and Bach, *On lazy training in differentiable programming*
    (2019).
    """
    _trees.check_match(params, start, "params", "start")
    return relative(jax.tree.map(lambda w, w0: w - w0, params, start), start)
