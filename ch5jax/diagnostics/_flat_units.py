"""Saturated and dead units: those whose activation is flat wherever the batch meets it."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ch5jax import _trees
from ch5jax.networks import Tap, TapOverTime


def flat_units(gradients: Sequence[Any], tolerance: jax.typing.ArrayLike = 0.01) -> jax.Array:
    r"""The share of units, layer by layer, through which no example of the batch sends its signal on.

    .. math:: \text{unit } j \text{ is flat if } |\phi'(z_{ij})| \le \tau \text{ for every example } i,
       \qquad \phi'(z_{ij}) = \frac{\partial L/\partial z_{ij}}{\partial L/\partial h_{ij}}

    A ReLU is flat where z < 0: a unit that is so for all examples is dead. A sigmoid or tanh is flat where it is
    saturated; at τ = 0.01, beyond |z| = 4.6 and 3.0.

    Args:
      gradients: the gradient of a loss with respect to taps, as of `networks.mlp` or `rnn`. Layers whose tap has no
        `after`, such as an output layer, are left out. The batch is all axes but the last; for a `TapOverTime`, time
        too.
      tolerance: τ ≥ 0, how small a slope counts as flat, dimensionless.

    Returns:
      Shares from 0 to 1, shape (layers with an activation,), float32. A unit that no signal reaches at all (∂L/∂h = 0
      for every example) is not known to be flat, and counts as not flat.

    Raises:
      ValueError: if no tap has an `after`, or it has another shape than `before`.

    Example:
      >>> import ch5jax, jax, jax.numpy as jnp
      >>> net = ch5jax.networks.mlp((2, 4, 1))
      >>> params = net.init(jax.random.key(0))
      >>> dead = params[0]._replace(bias=jnp.array([0.0, 0.0, -9.0, -9.0]))  # two ReLUs that never open
      >>> x = jax.random.uniform(jax.random.key(1), (16, 2))
      >>> gradients = jax.grad(lambda taps: net.apply((dead, params[1]), x, taps).sum())(net.taps(x.shape))
      >>> bool(ch5jax.diagnostics.flat_units(gradients)[0] >= 0.5)
      True

    Source: the chapter, section 5.6 no. 3; Glorot and Bengio (2010), section 3, on saturation; Maas, Hannun and Ng,
    *Rectifier nonlinearities improve neural network acoustic models* (2013), on units that never activate.
    """
    _trees.check_inexact(gradients, "gradients")
    shares = []
    for i, gradient in enumerate(gradients):
        if not isinstance(gradient, Tap | TapOverTime) or gradient.after is None:
            continue
        z, h = jnp.abs(gradient.before), jnp.abs(gradient.after)
        if z.shape != h.shape or z.ndim < 1:
            raise ValueError(
                f"gradients[{i}] must have before and after of one shape (..., units), got {z.shape} and {h.shape}"
            )
        batch = tuple(range(z.ndim - 1))
        passes = jnp.any(z > jnp.asarray(tolerance, h.dtype) * h, axis=batch)
        reached = jnp.any(h > 0, axis=batch)
        shares.append(jnp.mean(reached & ~passes, dtype=jnp.float32))
    if not shares:
        raise ValueError("gradients must hold a Tap with `after` at least once: that of an activation's output")
    return jnp.stack(shares)
