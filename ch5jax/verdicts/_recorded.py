"""States of `diagnostics.recorder` as a history."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax.diagnostics import RecorderState, Signals
from ch5jax.training import recorded_steps
from ch5jax.verdicts._intervals import PROBES


def recorder_states(given: Any) -> RecorderState | None:
    """The states in what was given, with a leading axis; None where it holds none.

    Raises:
      ValueError: if there are several that are no list, or none has seen an update.
    """

    def is_state(node: Any) -> bool:
        return isinstance(node, RecorderState)

    if isinstance(given, list):
        if not given or not all(map(is_state, given)):
            return None
        return _seen(jax.tree.map(lambda *x: np.stack([np.asarray(one) for one in x]), *given))
    if not isinstance(given, tuple):
        return None
    found = [node for node in jax.tree.leaves(given, is_leaf=is_state) if is_state(node)]
    if len(found) > 1:
        raise ValueError(
            f"losses must be one state of a recorder, or a list of them in time, got a tree with {len(found)}: "
            "give the one that sees the gradients"
        )
    if not found:
        return None
    return _seen(jax.tree.map(np.asarray if np.ndim(found[0].count) else lambda x: np.asarray(x)[None], found[0]))


def _seen(states: RecorderState) -> RecorderState:
    counts = np.asarray(states.count)
    if counts.ndim != 1 or not len(counts):
        raise ValueError(
            f"losses, the state of a recorder, must be of one training, got counts of shape {counts.shape}"
        )
    if counts[0] < 1 or np.any(np.diff(counts) < 1):
        raise ValueError(
            "losses, states of a recorder, must be of more and more updates of one training, one at least, got counts "
            f"{counts.tolist()[:8]}"
        )
    return states


def signals_of_states(states: RecorderState) -> tuple[Signals, np.ndarray]:
    """The signals of about fifty of them, and the updates that had been made at each.

    A state has a mean over all losses so far: that of an interval is a difference.
    """
    count = np.asarray(states.count)
    last = recorded_steps(len(count), max(1, len(count) // PROBES)) - 1
    begins = np.concatenate([[0], last[:-1] + 1])
    largest = np.asarray(states.largest_spike)
    risen = np.where(np.diff(largest, prepend=0) > 0, largest, np.asarray(states.update_spike))
    spike = np.maximum.reduceat(risen, begins)
    norm = np.asarray(states.update_norm)[last]
    if not np.asarray(states.watch.steps)[-1]:  # it was given no losses
        since = np.asarray(states.diverged_at)[last]
        watched = Signals(spike=jnp.asarray(spike), lost_since=jnp.asarray(since), gradient_norm=jnp.asarray(norm))
        return watched, count[last]
    averaged = np.asarray(states.watch.averaged)[last].astype(float)
    total = averaged * np.where(averaged > 0, np.asarray(states.watch.mean_loss)[last], 0)
    new = np.diff(averaged, prepend=0)
    mean = np.where(new > 0, np.diff(total, prepend=0) / np.maximum(new, 1), np.nan)
    columns = {
        "spike": spike,
        "alternation": np.asarray(states.watch.alternation)[last],
        "mean_loss": mean,
        "first_loss": np.asarray(states.watch.first_loss)[last],
        "lost_since": np.asarray(states.watch.lost_since)[last],
        "gradient_norm": norm,
    }
    return Signals(**{name: jnp.asarray(value) for name, value in columns.items()}), count[last]
