"""AdaGrad."""

from typing import NamedTuple

import jax
import optax

from ch5jax import _trees
from ch5jax._hyperparameters import NON_NEGATIVE, ScalarOrSchedule
from ch5jax.optimizers._transformation import Accumulator, Transformation, defined_by_rule, make, over_root


def _rule(
    g: jax.Array, r: jax.Array, *, learning_rate: jax.Array, eps: jax.Array, **_: jax.Array
) -> tuple[jax.Array, jax.Array]:
    r = r + _trees.abs_sq(g)
    return -learning_rate * over_root(g, r, eps), r


class AdagradState(NamedTuple):
    """State of `adagrad`."""

    count: jax.Array  # shape (), int32: updates so far
    sum_of_squares: optax.Updates  # r, like the parameters, real, float32 at least


@defined_by_rule(_rule, AdagradState, sum_of_squares=Accumulator(real=True, initial="initial_accumulator_value"))
def adagrad(
    learning_rate: ScalarOrSchedule, eps: ScalarOrSchedule = 1e-7, initial_accumulator_value: ScalarOrSchedule = 0.0
) -> Transformation:
    r"""AdaGrad: every weight's rate shrinks with all the gradient that it has seen.

    .. math:: r \leftarrow r + g^2, \qquad u = -\alpha\, \frac{g}{\sqrt r + \delta}

    r is the chapter's `cache`. Under a constant gradient the t-th step is α/√t. For complex parameters g² means |g|².

    Args:
      learning_rate: α ≥ 0, a number or a schedule of the step count.
      eps: δ ≥ 0, outside the root, a number or a schedule. At 0, 0/0 counts as 0.
      initial_accumulator_value: r at the start, ≥ 0.

    Returns:
      A `Transformation`: an Optax transformation and a pytree of the three. Its state is
      `AdagradState(count, sum_of_squares)`; its updates have the gradient's dtype.

    Raises:
      ValueError: if a hyperparameter is no number or is known and out of range; in the update, if the gradients do not
        match the state.

    Example:
      >>> import ch5jax, jax.numpy as jnp
      >>> opt = ch5jax.adagrad(learning_rate=1.0, eps=0.0)
      >>> state = opt.init(jnp.zeros(()))
      >>> for _ in range(4):
      ...     update, state = opt.update(jnp.full((), 3.0), state)
      >>> float(update)
      -0.5

    Source: the chapter, section 5.4 no. 1; Duchi, Hazan and Singer (2011); Goodfellow, Bengio and Courville, *Deep
    Learning* (2016), algorithm 8.4. Optax starts r at 0.1 and has δ inside the root.
    """
    return make(
        adagrad,
        learning_rate=(learning_rate, NON_NEGATIVE),
        eps=(eps, NON_NEGATIVE),
        initial_accumulator_value=(initial_accumulator_value, NON_NEGATIVE),
    )
