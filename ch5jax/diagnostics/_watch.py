"""A watch on every step's loss and gradient norm: a few numbers that a loop carries along."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ch5jax import _trees
from ch5jax.diagnostics._cliff import Spikes, spikes_init, spikes_update

MEMORY = 50  # steps over which the share of turns is averaged


class Watch(NamedTuple):
    """What a loop carries from step to step; made by `watch_init`."""

    spikes: Spikes  # of the gradient norm, or whatever is watched
    spike: jax.Array  # shape (): the largest one since the last reset
    loss: jax.Array  # shape (): the last one
    difference: jax.Array  # shape (): from the one before to it
    steps: jax.Array  # shape (), int32: losses seen
    alternation: jax.Array  # shape (): of late, the share of steps at which the loss turned


def watch_init() -> Watch:
    """Nothing seen yet.

    Args:
      None.

    Returns:
      A `Watch`.

    Raises:
      ValueError: never.

    Example:
      >>> import ch5jax
      >>> int(ch5jax.diagnostics.watch_init().steps)
      0
    """
    zero = jnp.zeros((), _trees.default_float())
    return Watch(spikes_init(), zero, zero, zero, jnp.zeros((), jnp.int32), zero)


def watch_update(watch: Watch, loss: jax.typing.ArrayLike | None, size: jax.typing.ArrayLike | None) -> Watch:
    """Takes in a step.

    `spike` becomes the largest s of `spikes_update` so far, and `alternation` an average, over some 50 steps, of
    whether the loss has turned (see `alternation`).

    Args:
      watch: of `watch_init`, or what the last call returned.
      loss: the step's loss, a scalar; None if there is none to watch.
      size: what spikes are looked for in, a scalar ≥ 0, such as the gradient's norm; None if there is none.

    Returns:
      The new `Watch`. `watch._replace(spike=0 * watch.spike)` starts a new interval.

    Raises:
      ValueError: never.

    Example:
      >>> import ch5jax
      >>> watch = ch5jax.diagnostics.watch_init()
      >>> for step in range(60):  # a rate that jumps from wall to wall
      ...     watch = ch5jax.diagnostics.watch_update(watch, loss=1.0 + step % 2, size=1.0)
      >>> float(watch.alternation), float(watch.spike)
      (1.0, 1.0)
    """
    if size is not None:
        spikes, spike = spikes_update(watch.spikes, size)
        watch = watch._replace(spikes=spikes, spike=jnp.maximum(watch.spike, spike.astype(watch.spike.dtype)))
    if loss is not None:
        loss = jnp.asarray(loss).astype(watch.loss.dtype)
        difference = jnp.where(watch.steps > 0, loss - watch.loss, 0)
        turned = (difference * watch.difference < 0).astype(loss.dtype)
        share = 1 / jnp.clip(watch.steps - 1, 1, MEMORY).astype(loss.dtype)  # from the third loss on it can turn
        alternation = jnp.where(watch.steps > 1, watch.alternation + share * (turned - watch.alternation), 0)
        watch = watch._replace(loss=loss, difference=difference, steps=watch.steps + 1, alternation=alternation)
    return watch
