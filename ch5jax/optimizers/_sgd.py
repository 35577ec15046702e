"""Stochastic gradient descent."""

from typing import NamedTuple

import jax

from ch5jax._hyperparameters import NON_NEGATIVE, ScalarOrSchedule
from ch5jax.optimizers._transformation import Transformation, defined_by_rule, make


def _rule(g: jax.Array, *, learning_rate: jax.Array) -> tuple[jax.Array]:
    return (-learning_rate * g,)


class SgdState(NamedTuple):
    """State of `sgd`."""

    count: jax.Array  # shape (), int32: updates so far


@defined_by_rule(_rule, SgdState)
def sgd(learning_rate: ScalarOrSchedule) -> Transformation:
    r"""Stochastic gradient descent.

    .. math:: u = -\alpha\, g

    Args:
      learning_rate: α ≥ 0, a number or a schedule of the step count.

    Returns:
      A `Transformation`: an Optax transformation and a pytree of `learning_rate`. Its state is `SgdState(count)`; its
      updates have the gradient's dtype, and are computed in float32 at least.

    Raises:
      ValueError: if α is no number or is known and negative; in the update, if the gradients do not match the
        parameters.

    Example:
      >>> import ch5jax, jax.numpy as jnp, optax
      >>> opt = ch5jax.sgd(learning_rate=0.5)
      >>> params = {"w": jnp.array([1.0, -2.0])}
      >>> updates, state = opt.update(params, opt.init(params))
      >>> optax.apply_updates(params, updates)["w"].tolist()
      [0.5, -1.0]

    Source: the chapter, section 5.2, procedure no. 7; Goodfellow, Bengio and Courville, *Deep Learning* (2016),
    algorithm 8.1. Optax's `sgd` with `momentum=None` is the same rule.
    """
    return make(sgd, learning_rate=(learning_rate, NON_NEGATIVE))
