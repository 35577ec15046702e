"""How much a network, or a recurrence, stretches what passes through it."""

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp

from ch5jax import _trees
from ch5jax._types import PyTree
from ch5jax.diagnostics._curvature import lanczos
from ch5jax.diagnostics._vectors import ravel


def jacobian_norm(
    function: Callable[[PyTree], PyTree], inputs: chex.ArrayTree, key: jax.Array, iterations: int = 20
) -> jax.Array:
    r"""The largest singular value of a function's Jacobian.

    .. math:: \|J\|_2 = \sqrt{\lambda_{\max}(J^\top J)}, \qquad J = \partial f/\partial x

    For a recurrent network, take the map from its state to its state T steps later. ‖J‖₂ is then the norm of a product
    of T Jacobians, and ‖J‖₂^(1/T) the factor that gradients take on at each step.

    Args:
      function: f, from a pytree to a pytree, of floating arrays.
      inputs: x.
      key: draws Lanczos's first vector.
      iterations: products with JᵀJ, each a forward and a backward pass, ≥ 1; a lower bound that tightens with them.

    Returns:
      A scalar ≥ 0.

    Raises:
      ValueError: if an input is not floating, or the iterations are not positive.

    Example:
      >>> import ch5jax, jax, jax.numpy as jnp
      >>> stretch = lambda x: jnp.array([3.0, -4.0]) * x
      >>> round(float(ch5jax.diagnostics.jacobian_norm(stretch, jnp.ones(2), jax.random.key(0))), 4)
      4.0

    Source: the chapter, section 5.1.4; Pascanu, Mikolov and Bengio (2013), section 2.1: products of Jacobians over
    time; Pennington, Schoenholz and Ganguli, *Resurrecting the sigmoid in deep learning through dynamical isometry*
    (2017), over depth.
    """
    _trees.check_positive(iterations=iterations)
    vector, unravel = ravel(inputs)
    outputs, forward = jax.linearize(lambda v: ravel(function(unravel(v)))[0], vector)
    del outputs
    backward = jax.linear_transpose(forward, vector)
    diagonal, beside, _ = lanczos(lambda v: backward(forward(v))[0], vector, key, min(iterations, vector.size))
    largest = jnp.linalg.eigvalsh(jnp.diag(diagonal) + jnp.diag(beside[:-1], 1) + jnp.diag(beside[:-1], -1))[-1]
    return jnp.sqrt(jnp.maximum(largest, 0))
