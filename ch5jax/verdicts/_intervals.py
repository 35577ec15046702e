"""A history of losses in intervals, and the signals of each: the same watch that `train` keeps."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax.diagnostics import Signals, Watch, watch_init, watch_reset, watch_update
from ch5jax.training import recorded_steps

PROBES = 50


class Intervals(NamedTuple):
    """Where a history is divided: a probe ends each interval, and they are evenly spaced in steps, as `judge` needs."""

    probed_at: np.ndarray  # (probes,), int32: the steps that end them
    last: np.ndarray  # (probes,), int32: the last record that is not after it
    empty: np.ndarray  # (probes,), bool: whether the interval holds no record
    share: np.ndarray  # (probes,): how far its end lies from the last record to the next one, from 0 to 1
    ends: np.ndarray  # (records,), bool: whether a record is the last of its interval
    length: int  # steps from probe to probe


def intervals(steps: np.ndarray) -> Intervals:
    """About fifty of them; of a short history, as many as there are records.

    Records that are evenly spaced (but for the last one) are counted, as `train` does. Others are divided by their
    steps, so that some intervals may hold none.

    Args:
      steps: of each record, increasing integers, shape (records,).
    """
    count, gaps = len(steps), np.diff(steps)
    if len(gaps) < 2 or (np.all(gaps[:-1] == gaps[0]) and gaps[-1] <= gaps[0]):
        every = max(1, count // PROBES)
        last = recorded_steps(count, every) - 1
        probed_at, length = steps[last], every * int(gaps[0] if len(gaps) else max(steps[0], 1))
    else:
        probes = min(count, PROBES)
        probed_at = steps[0] + np.arange(probes) * (steps[-1] - steps[0]) // (probes - 1)
        last = np.searchsorted(steps, probed_at, "right") - 1
        length = int((steps[-1] - steps[0]) // (probes - 1))
    following = np.minimum(last + 1, count - 1)
    gap = np.maximum(steps[following] - steps[last], 1)
    ends = np.zeros(count, bool)
    ends[last] = True
    return Intervals(
        probed_at=probed_at.astype(np.int32),
        last=last.astype(np.int32),
        empty=np.diff(last, prepend=-1) == 0,
        share=((probed_at - steps[last]) / gap).astype(np.float32),
        ends=ends,
        length=length,
    )


def signals_of(losses: jax.Array, norms: jax.Array | None, measured: jax.Array | None, divided: Intervals) -> Signals:
    """What a watch on every record says of each interval: a pure function that jits.

    Args:
      losses: shape (records,).
      norms: of the gradients, shape (records,); None where they are not known.
      measured: whether there is one at each record, shape (records,), bool.
      divided: the intervals.

    Returns:
      `Signals`: the five of the watch and the gradient norm, shape (probes,). The mean loss of an interval without
      records is interpolated between those about it; `lost_since` counts records, from 0.
    """

    def record(watch: Watch, this: tuple[Any, ...]) -> tuple[Watch, tuple[Any, ...]]:
        loss, size, seen, ends = this
        new = watch_update(watch, loss, size)
        if seen is not None:  # a norm that was not written down is none, and one that is not finite is data
            without = watch_update(watch, loss, None)
            new = jax.tree.map(lambda a, b: jnp.where(seen, a, b), new, without)
        seen_so_far = (new.spike, new.alternation, new.mean_loss, new.first_loss, new.lost_since)
        return watch_reset(new, ends), seen_so_far

    _, columns = jax.lax.scan(record, watch_init(), (losses, norms, measured, jnp.asarray(divided.ends)))
    spike, alternation, mean, first, since = (column[divided.last] for column in columns)
    share = jnp.asarray(divided.share, mean.dtype)
    before = losses[divided.last].astype(mean.dtype)
    after = losses[jnp.minimum(divided.last + 1, len(losses) - 1)].astype(mean.dtype)
    between = before * (1 - share) + after * share
    between = jnp.where(jnp.isfinite(after), between, before)
    between = jnp.where(jnp.isfinite(before), between, after)
    return Signals(
        spike=None if norms is None else jnp.where(divided.empty, 0, spike),
        alternation=alternation,
        mean_loss=jnp.where(divided.empty, between, mean),
        first_loss=first,
        lost_since=since,
        gradient_norm=None if norms is None else norms[divided.last],
    )
