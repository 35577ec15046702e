"""What is kept of a chunk's trials while they train."""

from typing import Any

import jax
import numpy as np

from ch5jax.diagnostics import first_finite, lost
from ch5jax.training import recorded_steps


class Course:
    """The records, evaluations and divergence of the trials of one chunk, rows being trials."""

    def __init__(self, steps: int, every: int, kept: dict[str, np.ndarray] | None = None):
        self._recorded = recorded_steps(steps, every)
        self._arrays: dict[str, list[np.ndarray]] = {}
        self._steps = steps
        for name, array in (kept or {}).items():
            self._arrays[name] = [array]

    def add_metrics(self, metrics: dict[str, np.ndarray], start: int, stop: int) -> None:
        """Takes in every step's metrics of a stretch, each of shape (trials, stop − start)."""
        inside = self._recorded[(self._recorded > start) & (self._recorded <= stop)]
        for name, values in metrics.items():
            self._append(f"metrics/{name}", values[:, inside - 1 - start])
            if stop == self._steps:
                self._arrays[f"last/{name}"] = [values[:, -1]]
        for name in ("loss",) if "loss" in metrics else metrics:
            self._follow(name, metrics[name], start)

    def _follow(self, name: str, loss: np.ndarray, start: int) -> None:
        """What `diverged_at` says of all losses so far, stretch by stretch."""
        if not np.issubdtype(loss.dtype, np.inexact):
            return
        loss = loss.astype(np.float64)
        first = self._arrays.get(f"first/{name}", [np.full(len(loss), np.nan)])[0]
        first = np.where(np.isnan(first), first_finite(loss), first)
        self._arrays[f"first/{name}"] = [first]
        good = ~lost(loss, first[:, None])
        last_good = np.where(good.any(axis=1), good.shape[1] - 1 - np.argmax(good[:, ::-1], axis=1), -1)
        before = self._arrays.get(f"since/{name}", [np.full(len(loss), -1)])[0]
        since = np.where((last_good < 0) & (before >= 0), before, start + last_good + 1)
        self._arrays[f"since/{name}"] = [np.where(good[:, -1], -1, since)]

    def add_signals(self, signals: Any, trials: slice, rows: np.ndarray) -> None:
        """Takes in a stretch's record of signals, of which some rows are whole; None if none are taken."""
        for name, values in (signals._asdict() if signals is not None else {}).items():
            if values is not None:
                self._append(f"signals/{name}", values[trials][:, rows])

    def add_evaluation(self, metrics: dict[str, np.ndarray], finite: np.ndarray) -> None:
        """Takes in an evaluation, each metric of shape (trials,), and whether the parameters are finite."""
        for name, values in metrics.items():
            self._append(f"evaluations/{name}", values[:, None])
        self._arrays["finite"] = [finite]

    def _append(self, name: str, values: np.ndarray) -> None:
        self._arrays.setdefault(name, []).append(values)

    def arrays(self) -> dict[str, np.ndarray]:
        """All that is known so far: what `kept` takes to go on."""
        return {
            name: np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0] for name, parts in self._arrays.items()
        }

    def finished(self) -> dict[str, np.ndarray]:
        """What a finished chunk is stored as: records, evaluations, last values, and the step of divergence or −1."""
        arrays = self.arrays()
        since = [values for name, values in arrays.items() if name.startswith("since/")]
        first = np.full(len(arrays["finite"]), -1) if not since else _earliest(np.stack(since))
        diverged = np.where((first < 0) & ~arrays["finite"], self._steps - 1, first)
        shown = {k: v for k, v in arrays.items() if k.split("/")[0] in ("metrics", "evaluations", "last", "signals")}
        return {**shown, "diverged_at": diverged.astype(np.int64)}


def _earliest(since: np.ndarray) -> np.ndarray:
    earliest = np.where(since < 0, np.iinfo(np.int64).max, since).min(axis=0)
    return np.where((since < 0).all(axis=0), -1, earliest)


def to_host(tree: Any) -> list[np.ndarray]:
    """A state's leaves as arrays that a file can hold: key arrays as their data, bfloat16 as its bits."""
    return [_plain(leaf) for leaf in jax.tree.leaves(tree)]


def _plain(leaf: Any) -> np.ndarray:
    array = np.asarray(jax.random.key_data(leaf) if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf)
    return array if array.dtype.isbuiltin == 1 else array.view(f"u{array.dtype.itemsize}")


def from_host(arrays: list[np.ndarray], like: Any) -> Any:
    """The state again, of the structure and dtypes of `like`, which is a state too."""
    leaves, structure = jax.tree.flatten(like)
    return structure.unflatten([_restored(array, leaf) for array, leaf in zip(arrays, leaves, strict=True)])


def _restored(array: np.ndarray, leaf: Any) -> Any:
    if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(array, impl=jax.random.key_impl(leaf))
    return array if array.dtype == leaf.dtype else array.view(leaf.dtype)
