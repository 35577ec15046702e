"""Full-precision copies of half-precision parameters."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from ch5jax import _trees
from ch5jax.optimizers._transformation import Transformation, check_state, defined_by, make


class MasterWeightsState(NamedTuple):
    """State of `master_weights`."""

    master: optax.Params  # float32 copies of the float16 and bfloat16 parameters; None where a parameter is wider
    inner_state: optax.OptState  # the wrapped transformation's state, for the parameters in full precision


def _is_half(leaf: Any) -> bool:
    return jnp.result_type(leaf) in (jnp.bfloat16, jnp.float16)


def _full_precision(params: optax.Params, master: optax.Params) -> optax.Params:
    return jax.tree.map(lambda p, m: p if m is None else m, params, master)


def _init(values: dict[str, Any], params: optax.Params) -> MasterWeightsState:
    _trees.check_inexact(params, "params")
    # full_like would not do: the copy must hold the values, and must not share a float32 parameter's buffer
    master = jax.tree.map(lambda p: p.astype(jnp.float32) if _is_half(p) else None, params)
    return MasterWeightsState(master, values["inner"].init(_full_precision(params, master)))


def _update(
    values: dict[str, Any],
    updates: optax.Updates,
    state: MasterWeightsState,
    params: optax.Params | None,
    **extra_args: Any,
) -> tuple[optax.Updates, MasterWeightsState]:
    check_state(state, MasterWeightsState, "master_weights")
    if params is None:
        raise ValueError("master_weights needs the parameters: opt.update(gradients, state, params)")
    _trees.check_match(updates, params, "updates", "params")
    inner = optax.with_extra_args_support(values["inner"])
    full = _full_precision(params, state.master)
    gradients = jax.tree.map(lambda g: g.astype(jnp.float32) if _is_half(g) else g, updates)
    updates, inner_state = inner.update(gradients, state.inner_state, full, **extra_args)
    master = jax.tree.map(lambda p, m, u: None if m is None else m + u, params, state.master, updates)
    updates = jax.tree.map(lambda p, m, u: u if m is None else m - p.astype(jnp.float32), params, master, updates)
    return updates, MasterWeightsState(master, inner_state)


@defined_by(_init, _update)
def master_weights(inner: optax.GradientTransformation) -> Transformation:
    r"""Keeps a float32 copy of float16 and bfloat16 parameters, and trains that.

    .. math:: m \leftarrow m + u(m), \qquad \text{update} = m - w \quad\text{in float32}

    Near 1, bfloat16 numbers lie 2⁻⁷ apart: a step of 1e-3 rounds to nothing, for ever. The copy m takes it, and
    `optax.apply_updates` leaves the parameter w at the copy's rounding, to within one float32 rounding of the old w.
    Parameters of float32 and wider pass straight through, and so do their updates.

    Args:
      inner: any transformation, of ch5jax or of Optax. It sees parameters and gradients in float32.

    Returns:
      A `Transformation` with the leaves of `inner`, if that is a pytree of ours. Its state is
      `MasterWeightsState(master, inner_state)`. Its updates for half-precision parameters are float32: the one
      exception to the rule that an update has its gradient's dtype. They pull parameters that were changed from outside
      back to their copy.

    Raises:
      ValueError: if `inner` is no transformation; in the update, if it is not given the parameters, or if the gradients
        do not match them.

    Example:
      >>> import ch5jax, jax.numpy as jnp, optax
      >>> opt = ch5jax.master_weights(ch5jax.sgd(learning_rate=1e-3))
      >>> params = jnp.ones((), jnp.bfloat16)
      >>> state = opt.init(params)
      >>> for _ in range(100):
      ...     updates, state = opt.update(jnp.ones((), jnp.bfloat16), state, params)
      ...     params = optax.apply_updates(params, updates)
      >>> float(params)
      0.8984375

    Source: Micikevicius et al., *Mixed Precision Training* (2018), section 3.1.
    """
    if not isinstance(inner, optax.GradientTransformation):
        raise ValueError(f"inner must be an optax.GradientTransformation, got {inner!r}")
    return make(master_weights, inner=inner)
