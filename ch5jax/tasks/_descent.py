"""A step of descent: what all ready tasks have in common."""

from collections.abc import Callable
from typing import Any

import jax
import optax

from ch5jax._types import Params, State
from ch5jax.diagnostics import norm


def descend(
    loss: Callable[[Any], tuple[jax.Array, Any]],
    optimizer: optax.GradientTransformationExtraArgs,
    params: Params,
    opt_state: State,
) -> tuple[Any, Any, Any, dict[str, jax.Array]]:
    """One step down a mini-batch's loss.

    Args:
      loss: parameters -> (loss, what else comes of it).
      optimizer: it is told the loss as `value`.
      params: the parameters.
      opt_state: the optimizer's state.

    Returns:
      The new parameters, the optimizer's new state, what else came of the loss, and the metrics `loss` and
      `gradient_norm`, both from before the step.
    """
    (value, aux), gradients = jax.value_and_grad(loss, has_aux=True)(params)
    updates, opt_state = optimizer.update(gradients, opt_state, params, value=value)
    params = optax.apply_updates(params, updates)
    return params, opt_state, aux, {"loss": value, "gradient_norm": norm(gradients)}
