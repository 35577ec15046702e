"""A recorder for loops of your own: it changes nothing, and holds its numbers in its state."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from ch5jax import _trees
from ch5jax.diagnostics._cliff import norm, relative, weight_matrices
from ch5jax.diagnostics._watch import Watch, watch_init, watch_update
from ch5jax.optimizers import Transformation, defined_by, make


class RecorderState(NamedTuple):
    """State of `recorder`; `optax.tree.get(opt_state, "update_norm")` finds a number wherever it is nested."""

    count: jax.Array  # (), int32: updates so far
    update_norm: jax.Array  # (): ‖u‖ of what passed through last, over all parameters
    update_ratio: jax.Array  # (matrices,): ‖u‖/‖w‖ of each weight matrix; −1 without params
    update_spike: jax.Array  # (): ‖u‖ over its running 0.99 quantile, at the last update
    largest_spike: jax.Array  # (): the largest of these so far
    spiked_at: jax.Array  # (), int32: the update at which that came, from 0; −1 before any
    diverged_at: jax.Array  # (), int32: the first update that was not finite, from 0; −1 while there was none
    watch: Watch  # of the norms, and of the losses if they are given as `value`


def _init(values: dict[str, Any], params: optax.Params) -> RecorderState:
    del values
    _trees.check_inexact(params, "params")
    zero, never = jnp.zeros((), _trees.default_float()), jnp.full((), -1, jnp.int32)
    ratios = jnp.zeros(len(weight_matrices(params)), zero.dtype)
    return RecorderState(jnp.zeros((), jnp.int32), zero, ratios, zero, zero, never, never, watch_init())


def _update(
    values: dict[str, Any],
    updates: optax.Updates,
    state: RecorderState,
    params: optax.Params | None,
    *,
    value: jax.typing.ArrayLike | None = None,
    **extra_args: Any,
) -> tuple[optax.Updates, RecorderState]:
    del values, extra_args
    size = norm(updates)
    watch = watch_update(state.watch._replace(spike=jnp.zeros_like(state.watch.spike)), value, size)
    ratios = jnp.full_like(state.update_ratio, -1)
    if params is not None and len(ratios):
        _trees.check_match(updates, params, "updates", "params")
        pairs = zip(weight_matrices(updates), weight_matrices(params), strict=True)
        ratios = jnp.stack([relative(u, w) for u, w in pairs]).astype(ratios.dtype)
    larger = watch.spike > state.largest_spike
    first = (state.diverged_at < 0) & ~jnp.isfinite(size)
    return updates, RecorderState(
        count=optax.safe_increment(state.count),
        update_norm=size,
        update_ratio=ratios,
        update_spike=watch.spike,
        largest_spike=jnp.maximum(state.largest_spike, watch.spike),
        spiked_at=jnp.where(larger, state.count, state.spiked_at),
        diverged_at=jnp.where(first, state.count, state.diverged_at),
        watch=watch,
    )


@defined_by(_init, _update)
def recorder() -> Transformation:
    r"""An identity that records what passes through it: norms, ratios to the weights, spikes, the first NaN.

    .. math:: u \mapsto u

    At the start of a chain it sees gradients, at its end the updates that the parameters get. Chained with ours it
    stays a pytree (`ch5jax.chain`); `optax.chain` takes it like any transformation. It keeps about 30 numbers,
    whatever the model's size, and costs one pass over the updates and one over the weight matrices.

    Returns:
      A `Transformation` whose state is a `RecorderState`. Give `update` the parameters for `update_ratio`, and the loss
      as `value=` for the share of steps at which it turned, `watch.alternation`.

    Raises:
      ValueError: in `init`, if a parameter is not floating; in `update`, if updates and parameters do not match.

    Example:
      >>> import ch5jax, jax.numpy as jnp, optax
      >>> opt = optax.chain(ch5jax.diagnostics.recorder(), ch5jax.sgd(0.1))
      >>> params = {"kernel": jnp.ones((2, 2))}
      >>> state = opt.init(params)
      >>> updates, state = opt.update({"kernel": jnp.full((2, 2), 3.0)}, state, params)
      >>> float(optax.tree.get(state, "update_norm"))
      6.0

    Source: ours.
    """
    return make(recorder)
