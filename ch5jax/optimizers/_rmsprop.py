"""RMSProp."""

from typing import NamedTuple

import jax
import optax

from ch5jax import _trees
from ch5jax._hyperparameters import DECAY, NON_NEGATIVE, ScalarOrSchedule
from ch5jax.optimizers._transformation import Accumulator, Transformation, defined_by_rule, make, over_root


def _rule(
    g: jax.Array, r: jax.Array, *, learning_rate: jax.Array, decay: jax.Array, eps: jax.Array, **_: jax.Array
) -> tuple[jax.Array, jax.Array]:
    r = decay * r + (1 - decay) * _trees.abs_sq(g)
    return -learning_rate * over_root(g, r, eps), r


class RmspropState(NamedTuple):
    """State of `rmsprop`."""

    count: jax.Array  # shape (), int32: updates so far
    nu: optax.Updates  # r, like the parameters, real, float32 at least


@defined_by_rule(_rule, RmspropState, nu=Accumulator(real=True, initial="initial_scale"))
def rmsprop(
    learning_rate: ScalarOrSchedule,
    decay: ScalarOrSchedule = 0.9,
    eps: ScalarOrSchedule = 1e-7,
    initial_scale: ScalarOrSchedule = 0.0,
) -> Transformation:
    r"""RMSProp: AdaGrad that forgets.

    .. math:: r \leftarrow \beta r + (1-\beta)\, g^2, \qquad u = -\alpha\, \frac{g}{\sqrt r + \delta}

    r is the chapter's `cache`. For complex parameters g² means |g|².

    Args:
      learning_rate: α ≥ 0, a number or a schedule of the step count.
      decay: β in [0, 1), the share of the average that is kept, a number or a schedule.
      eps: δ ≥ 0, outside the root, a number or a schedule. At 0, 0/0 counts as 0.
      initial_scale: r at the start, ≥ 0.

    Returns:
      A `Transformation`: an Optax transformation and a pytree of the four. Its state is `RmspropState(count, nu)`; its
      updates have the gradient's dtype.

    Raises:
      ValueError: if a hyperparameter is no number or is known and out of range; in the update, if the gradients do not
        match the state.

    Example:
      >>> import ch5jax, jax.numpy as jnp
      >>> opt = ch5jax.rmsprop(learning_rate=1.0, decay=0.75, eps=0.0)
      >>> update, state = opt.update(jnp.full((), 3.0), opt.init(jnp.zeros(())))
      >>> float(update)
      -2.0

    Source: the chapter, section 5.4 no. 3; Hinton, Srivastava and Swersky, lecture 6e (2012); Goodfellow, Bengio and
    Courville, *Deep Learning* (2016), algorithm 8.5. Optax's δ is 1e-8, inside the root unless `eps_in_sqrt=False`.
    """
    return make(
        rmsprop,
        learning_rate=(learning_rate, NON_NEGATIVE),
        decay=(decay, DECAY),
        eps=(eps, NON_NEGATIVE),
        initial_scale=(initial_scale, NON_NEGATIVE),
    )
