"""Sharp minima: how much worse the loss is close by."""

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp

from ch5jax._types import Params, Scalar
from ch5jax.diagnostics._vectors import ravel


def sharpness(
    loss: Callable[[Params], Scalar], params: chex.ArrayTree, radius: jax.typing.ArrayLike = 0.05
) -> jax.Array:
    r"""The rise of the loss at a distance ρ in the direction of the gradient: sharpness as SAM measures it.

    .. math:: L\Big(w + \rho \frac{\nabla L(w)}{\|\nabla L(w)\|}\Big) - L(w)

    To first order in ρ it is the largest rise within that distance, ρ‖∇L‖.

    Args:
      loss: a function of the parameters, real and scalar.
      params: w, any pytree of floating or complex arrays; half-precision leaves are given to `loss` in float32.
      radius: ρ ≥ 0, a distance in the space of all parameters.

    Returns:
      A scalar; 0 where the gradient is exactly 0. Close to a minimum it is about ρ²λ/2 with λ an eigenvalue that the
      gradient's direction picks out.

    Raises:
      ValueError: if a parameter is not floating.

    Example:
      >>> import ch5jax, jax.numpy as jnp
      >>> round(float(ch5jax.diagnostics.sharpness(lambda w: jnp.sum(w**2), jnp.ones(1), radius=0.1)), 3)
      0.21

    Source: the chapter, section 5.1.1; Foret, Kleiner, Mobahi and Neyshabur, *Sharpness-aware minimization for
    efficiently improving generalization* (2021), equation 2.
    """
    vector, unravel = ravel(params)
    value, gradient = jax.value_and_grad(lambda v: loss(unravel(v)))(vector)
    largest = jnp.max(jnp.abs(gradient))  # divided by it first, so that tiny gradients have a norm
    direction = gradient / jnp.where(largest > 0, largest, 1)
    length = jnp.where(largest > 0, jnp.linalg.norm(direction), 1)
    return loss(unravel(vector + jnp.asarray(radius, vector.dtype) * direction / length)) - value
