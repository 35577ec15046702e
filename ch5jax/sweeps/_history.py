"""What is known of a chunk's trials: while they train, and when they are done. All that a store's files hold."""

from typing import Any, NamedTuple

import jax
import numpy as np

from ch5jax._types import PyTree
from ch5jax.diagnostics import Signals, first_finite, lost


class Chunk(NamedTuple):
    """A chunk that is done."""

    metrics: dict[str, np.ndarray]  # the step's, shape (trials, records)
    evaluations: dict[str, np.ndarray]  # those of `evaluate`, shape (trials, evaluations)
    signals: Signals | None  # shape (trials, probes, ...)
    diverged_at: np.ndarray  # shape (trials,), int64: −1 where no trial did


class History(NamedTuple):
    """A chunk in training."""

    metrics: dict[str, np.ndarray]  # as in `Chunk`, so far
    evaluations: dict[str, np.ndarray]
    signals: Signals | None
    first: dict[str, np.ndarray]  # by loss, shape (trials,): the first finite one, NaN before it
    since: dict[str, np.ndarray]  # by loss, shape (trials,): the step since which it is lost, −1 where it is not
    finite: np.ndarray  # shape (trials,): whether the parameters are, at the last evaluation

    @classmethod
    def empty(cls, trials: int, metrics: Any, evaluations: Any, signals: Any) -> "History":
        """Nothing seen yet of some trials.

        Args:
          trials: how many.
          metrics: the step's, as shapes: what matters is names and dtypes.
          evaluations: likewise.
          signals: `Signals` of a probe, likewise; None if none are taken.
        """

        def none(like: PyTree) -> np.ndarray:
            return np.zeros((trials, 0, *like.shape), like.dtype)

        losses = [name for name in (("loss",) if "loss" in metrics else metrics) if _is_inexact(metrics[name])]
        return cls(
            {name: np.zeros((trials, 0), like.dtype) for name, like in metrics.items()},
            {name: np.zeros((trials, 0), like.dtype) for name, like in evaluations.items()},
            jax.tree.map(none, signals),
            {name: np.full(trials, np.nan) for name in losses},
            {name: np.full(trials, -1) for name in losses},
            np.ones(trials, bool),
        )

    def after_steps(self, metrics: dict[str, np.ndarray], recorded: np.ndarray, begin: int, signals: Any) -> "History":
        """With a segment of steps.

        Args:
          metrics: every step's, shape (trials, steps of the segment).
          recorded: which of them are kept, indices into the second axis.
          begin: how many steps came before.
          signals: the rows that became whole, shape (trials, rows, ...).
        """
        first, since = {}, {}
        for name in self.first:
            loss = metrics[name].astype(np.float64)
            first[name] = np.where(np.isnan(self.first[name]), first_finite(loss), self.first[name])
            good = ~lost(loss, first[name][:, None])
            last_good = np.where(good.any(axis=1), good.shape[1] - 1 - np.argmax(good[:, ::-1], axis=1), -1)
            new = np.where((last_good < 0) & (self.since[name] >= 0), self.since[name], begin + last_good + 1)
            since[name] = np.where(good[:, -1], -1, new)
        return self._replace(
            metrics=_longer(self.metrics, {name: values[:, recorded] for name, values in metrics.items()}),
            signals=_longer(self.signals, signals),
            first=first,
            since=since,
        )

    def after_evaluation(self, metrics: dict[str, np.ndarray], finite: np.ndarray) -> "History":
        """With an evaluation, each metric of shape (trials,), and whether the parameters are finite."""
        new = {name: values[:, None] for name, values in metrics.items()}
        return self._replace(evaluations=_longer(self.evaluations, new), finite=np.array(finite))

    def done(self, steps: int) -> Chunk:
        """After the last step: what is kept, and the step of divergence.

        That is where the first of the losses was lost; the last step, if the parameters alone are not finite.
        """
        none = np.iinfo(np.int64).max
        since = [np.where(one < 0, none, one) for one in self.since.values()]
        first = np.min([np.full(len(self.finite), none), *since], axis=0)
        diverged = np.where(first < none, first, np.where(self.finite, -1, steps - 1))
        return Chunk(self.metrics, self.evaluations, self.signals, diverged.astype(np.int64))


class Paused(NamedTuple):
    """A chunk in training, to go on from."""

    step: np.ndarray  # how many have been taken
    carried: list[np.ndarray]  # the leaves of what its trials carry, as `to_host` gives them
    history: History


def _is_inexact(like: PyTree) -> bool:
    return bool(np.issubdtype(like.dtype, np.inexact)) or jax.numpy.issubdtype(like.dtype, jax.numpy.inexact)


def _longer(before: Any, new: Any) -> Any:
    """Joined along the second axis."""
    return jax.tree.map(lambda one, other: np.concatenate([one, other], axis=1), before, new)


def to_host(tree: PyTree) -> list[np.ndarray]:
    """A state's leaves as arrays that a file can hold: key arrays as their data, bfloat16 as its bits."""
    return [_plain(leaf) for leaf in jax.tree.leaves(tree)]


def _plain(leaf: Any) -> np.ndarray:
    array = np.asarray(jax.random.key_data(leaf) if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf)
    return array if array.dtype.kind in "biufc" else array.view(f"u{array.dtype.itemsize}")


def from_host(arrays: list[np.ndarray], like: PyTree) -> Any:
    """The state again, of the structure and dtypes of `like`, which is a state too."""
    leaves, structure = jax.tree.flatten(like)
    return structure.unflatten([_restored(array, leaf) for array, leaf in zip(arrays, leaves, strict=True)])


def _restored(array: np.ndarray, leaf: Any) -> Any:
    if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(array, impl=jax.random.key_impl(leaf))
    return array if array.dtype == leaf.dtype else array.view(leaf.dtype)
