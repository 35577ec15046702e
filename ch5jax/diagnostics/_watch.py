"""A watch on every step's loss and gradient norm: a few numbers that a loop carries along."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ch5jax import _trees
from ch5jax.diagnostics._cliff import Spikes, spikes_init, spikes_update
from ch5jax.diagnostics._loss_course import lost
from ch5jax.diagnostics._nan import unknown, unmasked

MEMORY = 50  # steps over which the share of turns is averaged


class Watch(NamedTuple):
    """What a loop carries from step to step; made by `watch_init`."""

    spikes: Spikes  # of the gradient norm, or whatever is watched
    spike: jax.Array  # shape (): the largest one in this interval
    loss: jax.Array  # shape (): the last finite one
    difference: jax.Array  # shape (): from the one before to it
    steps: jax.Array  # shape (), int32: losses seen
    finite: jax.Array  # shape (), int32: how many of them were finite
    alternation: jax.Array  # shape (): of late, the share of steps at which the loss turned
    masked_first_loss: jax.Array  # shape (): `first_loss` as programs return it: −max where it is NaN
    masked_mean_loss: jax.Array  # shape (): `mean_loss`, likewise
    averaged: jax.Array  # shape (), int32: how many there are in it
    lost_since: jax.Array  # shape (), int32: what `diverged_at` says of the losses so far

    @property
    def first_loss(self) -> jax.Array:
        """The first finite loss; NaN before it. NumPy's, outside of programs."""
        return unmasked(self.masked_first_loss)

    @property
    def mean_loss(self) -> jax.Array:
        """The mean of this interval's finite losses, or NaN. NumPy's, outside of programs."""
        return unmasked(self.masked_mean_loss)


def watch_init() -> Watch:
    """A `Watch` that has seen no step.

    Returns:
      A `Watch`.

    Example:
      >>> import ch5jax
      >>> int(ch5jax.diagnostics.watch_init().steps)
      0
    """
    zero, none = jnp.zeros((), _trees.default_float()), jnp.zeros((), jnp.int32)
    nan = jnp.full((), unknown(zero.dtype), zero.dtype)
    return Watch(spikes_init(), zero, zero, zero, none, none, zero, nan, nan, none, none - 1)


def watch_reset(watch: Watch, now: jax.typing.ArrayLike = True) -> Watch:
    """Starts a new interval, over which the largest spike and the mean loss are taken.

    Args:
      watch: of `watch_init` or `watch_update`.
      now: whether to start one; where it is false, the watch stays as it is. It may be traced.

    Returns:
      The new `Watch`.

    Example:
      >>> import ch5jax
      >>> watch = ch5jax.diagnostics.watch_init()
      >>> for loss in (3.0, 1.0):
      ...     watch = ch5jax.diagnostics.watch_update(watch, loss, size=None)
      >>> float(watch.mean_loss), int(ch5jax.diagnostics.watch_reset(watch).averaged)
      (2.0, 0)
    """
    new = {"spike": 0, "masked_mean_loss": unknown(watch.loss.dtype), "averaged": 0}
    return watch._replace(**{name: jnp.where(now, value, getattr(watch, name)) for name, value in new.items()})


def watch_update(watch: Watch, loss: jax.typing.ArrayLike | None, size: jax.typing.ArrayLike | None) -> Watch:
    """Adds a step to what a `Watch` has seen.

    - `spike`: the largest s of `spikes_update` in this interval.
    - `mean_loss`: the mean of the interval's losses.
    - `alternation`: how often the loss has turned, averaged over some 50 steps (see `alternation`).
    - `lost_since`: what `diverged_at` says of all losses so far.

    A loss that is not finite, and passes, changes none of the others.

    Args:
      watch: of `watch_init`, or what the last call returned.
      loss: the step's loss, a scalar; None if there is none to watch.
      size: what spikes are looked for in, a scalar ≥ 0, such as the gradient's norm; None if there is none.

    Returns:
      The new `Watch`.

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
        finite = jnp.isfinite(loss)  # one that is not, and passes, leaves no trace in what follows
        difference = jnp.where(watch.finite > 0, loss - watch.loss, 0)
        turned = (difference * watch.difference < 0).astype(loss.dtype)
        share = 1 / jnp.clip(watch.finite - 1, 1, MEMORY).astype(loss.dtype)  # from the third loss on it can turn
        alternation = jnp.where(watch.finite > 1, watch.alternation + share * (turned - watch.alternation), 0)
        first = jnp.where(finite & (watch.finite == 0), loss, watch.masked_first_loss)
        mean = jnp.where(watch.averaged > 0, watch.masked_mean_loss, 0)
        mean = mean + (loss - mean) / (watch.averaged + 1).astype(loss.dtype)
        since = jnp.where(watch.lost_since < 0, watch.steps, watch.lost_since)
        new = {
            "loss": loss,
            "difference": difference,
            "finite": watch.finite + 1,
            "alternation": alternation,
            "masked_first_loss": first,
            "masked_mean_loss": mean,
            "averaged": watch.averaged + 1,
        }
        new = {name: jnp.where(finite, value, getattr(watch, name)) for name, value in new.items()}
        watch = watch._replace(
            **new, steps=watch.steps + 1, lost_since=jnp.where(lost(loss, first), since, jnp.int32(-1))
        )
    return watch
