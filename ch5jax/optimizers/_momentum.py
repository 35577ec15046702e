"""Gradient descent with momentum."""

from typing import NamedTuple

import jax
import optax

from ch5jax._hyperparameters import DECAY_OR_ONE, NON_NEGATIVE, ScalarOrSchedule
from ch5jax.optimizers._transformation import Accumulator, Transformation, defined_by_rule, make


def _rule(g: jax.Array, v: jax.Array, *, learning_rate: jax.Array, decay: jax.Array) -> tuple[jax.Array, jax.Array]:
    v = decay * v - learning_rate * g
    return v, v


class MomentumState(NamedTuple):
    """State of `momentum`."""

    count: jax.Array  # shape (), int32: updates so far
    trace: optax.Updates  # v, like the parameters, float32 at least: the velocity, which holds the learning rate


@defined_by_rule(_rule, MomentumState, trace=Accumulator())
def momentum(learning_rate: ScalarOrSchedule, decay: ScalarOrSchedule = 0.9) -> Transformation:
    r"""Gradient descent with momentum: a velocity that forgets.

    .. math:: v \leftarrow \beta v - \alpha g, \qquad u = v

    Under a constant gradient the velocity's norm goes to α‖g‖/(1−β).

    Args:
      learning_rate: α ≥ 0, a number or a schedule of the step count.
      decay: β in [0, 1], the share of the velocity that is kept, a number or a schedule. At 1 nothing is forgotten.

    Returns:
      A `Transformation`: an Optax transformation and a pytree of `learning_rate` and `decay`. Its state is
      `MomentumState(count, trace)`; its updates have the gradient's dtype.

    Raises:
      ValueError: if a hyperparameter is no number or is known and out of range; in the update, if the gradients do not
        match the state.

    Example:
      >>> import ch5jax, jax.numpy as jnp
      >>> opt = ch5jax.momentum(learning_rate=1.0, decay=0.5)
      >>> state = opt.init(jnp.zeros(()))
      >>> for _ in range(3):
      ...     update, state = opt.update(jnp.ones(()), state)
      ...     print(float(update))
      -1.0
      -1.5
      -1.75

    Source: the chapter, section 5.3, procedure no. 2; Goodfellow, Bengio and Courville, *Deep Learning* (2016),
    algorithm 8.2. Optax's `sgd(momentum=...)` keeps α outside the velocity: the same updates for a constant α, others
    under a schedule.
    """
    return make(momentum, learning_rate=(learning_rate, NON_NEGATIVE), decay=(decay, DECAY_OR_ONE))
