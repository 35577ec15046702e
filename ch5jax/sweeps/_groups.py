"""The trials of a sweep: groups of one structure, each a batch of hyperparameters times seeds."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from ch5jax import _trees
from ch5jax._types import Hyperparameters
from ch5jax.optimizers import Transformation
from ch5jax.tasks import Task


class Group(NamedTuple):
    """Trials that one program trains: they differ in numbers only."""

    name: str
    task: Task
    hyperparameters: Hyperparameters  # the batch as it was given, every leaf on the host
    settings: int  # how many
    seeds: np.ndarray  # shape (seeds,), uint32

    @property
    def trials(self) -> int:
        """Every setting with every seed; the seeds vary fastest."""
        return self.settings * len(self.seeds)

    def rows(self, trials: np.ndarray) -> tuple[Any, np.ndarray]:
        """The hyperparameters and the seeds of some trials, in the dtypes that a program takes."""
        chosen = jax.tree.map(
            lambda leaf: leaf[trials // len(self.seeds)].astype(jax.dtypes.canonicalize_dtype(leaf.dtype)),
            self.hyperparameters,
        )
        return chosen, self.seeds[trials % len(self.seeds)]

    def one(self, trial: int) -> tuple[Any, int]:
        """One trial's hyperparameters as they were given, and its seed."""
        setting, seed = divmod(trial, len(self.seeds))
        hyperparameters = jax.tree.map(lambda leaf: leaf[setting], self.hyperparameters)
        return jax.tree.map(lambda x: x.item() if x.dtype == np.float64 and not x.ndim else x, hyperparameters), int(
            self.seeds[seed]
        )

    def columns(self) -> dict[str, np.ndarray]:
        """The hyperparameters by name, each of shape (trials,); an array's elements are name[0] and so on."""
        columns = {}
        for path, leaf in jax.tree_util.tree_leaves_with_path(self.hyperparameters):
            name = jax.tree_util.keystr(path, simple=True, separator=".") or "value"
            values = np.repeat(leaf, len(self.seeds), axis=0)
            for index in np.ndindex(values.shape[1:]):
                suffix = f"[{','.join(map(str, index))}]" if index else ""
                columns[name + suffix] = values[(slice(None), *index)]
        return columns

    def digest(self) -> str:
        """A hash of what one setting is like: structure, dtypes and shapes."""
        digest = hashlib.sha256(str(jax.tree.structure(self.hyperparameters)).encode())
        for leaf in jax.tree.leaves(self.hyperparameters):
            digest.update(f"{leaf.dtype} {leaf.shape[1:]}".encode())
        return digest.hexdigest()

    def ids(self) -> np.ndarray:
        """What tells a trial from all others of the group, wherever it stands: shape (trials, 24), uint8.

        A hash of the setting's values, how often the same came before, and the seed.
        """
        leaves = [np.ascontiguousarray(leaf) for leaf in jax.tree.leaves(self.hyperparameters)]
        seen = Counter[bytes]()
        settings = []
        for row in range(self.settings):
            values = hashlib.sha256(b"".join(leaf[row].tobytes() for leaf in leaves)).digest()[:16]
            settings.append(values + seen[values].to_bytes(4))
            seen[values] += 1
        rows = np.frombuffer(b"".join(settings), np.uint8).reshape(-1, 20)
        seeds = np.ascontiguousarray(self.seeds, "<u4").view(np.uint8).reshape(-1, 4)
        return np.concatenate([np.repeat(rows, len(seeds), axis=0), np.tile(seeds, (len(rows), 1))], axis=1)


def locate(groups: tuple[Group, ...], number: int) -> tuple[int, int]:
    """Which group a trial of a sweep belongs to, and its row there."""
    for g, group in enumerate(groups):
        if number < group.trials:
            return g, number
        number -= group.trials
    raise IndexError(number)


def make_groups(
    task: Task | Mapping[str, Task], hyperparameters: Hyperparameters, seeds: int | Sequence[int]
) -> tuple[Group, ...]:
    """Sorts what a user gives into groups.

    A dict is a dict of named batches if each of its values is an optimizer, or each is a dict; otherwise it is itself
    one batch, some leaves of which happen to have names.

    Raises:
      ValueError: if a batch has no common leading axis, the seeds are none or not distinct, or names do not match.
    """
    numbers = listed_seeds(seeds)
    batches = dict(hyperparameters) if _is_groups(hyperparameters) else None
    if isinstance(task, Task):
        tasks = dict.fromkeys(batches or [_name(hyperparameters)], task)
    elif isinstance(task, Mapping) and task and all(isinstance(part, Task) for part in task.values()):
        tasks = dict(task)
    else:
        raise ValueError(f"task must be a ch5jax.Task, or a dict of them by name, got {task!r}")
    if batches is None:
        batches = dict.fromkeys(tasks, hyperparameters)
    if batches.keys() != tasks.keys():
        raise ValueError(f"task and hyperparameters must have the same names, got {[*tasks]} and {[*batches]}")
    return tuple(_group(name, tasks[name], batch, numbers) for name, batch in batches.items())


def _group(name: str, task: Task, batch: Any, seeds: np.ndarray) -> Group:
    _trees.check_data(batch, f"hyperparameters of {name!r}: ")
    settings = _trees.leading_axis(batch, f"hyperparameters of {name!r}: ")
    if settings < 1:
        raise ValueError(f"hyperparameters of {name!r} must hold at least one setting, got an empty batch")
    return Group(name, task, jax.tree.map(np.asarray, batch), settings, seeds)


def _is_groups(hyperparameters: Hyperparameters) -> bool:
    if not isinstance(hyperparameters, Mapping) or not hyperparameters:
        return False
    values = hyperparameters.values()
    return all(isinstance(v, Transformation) for v in values) or all(isinstance(v, Mapping) for v in values)


def _name(batch: Any) -> str:
    return batch._factory.__name__ if isinstance(batch, Transformation) else "trials"


def listed_seeds(seeds: int | Sequence[int]) -> np.ndarray:
    """How many seeds, or which, as uint32 of shape (seeds,); a ValueError if they are none, or not distinct."""
    listed = np.arange(seeds) if isinstance(seeds, int) else np.asarray(seeds)
    if (
        listed.ndim != 1
        or not len(listed)
        or listed.dtype.kind not in "iu"
        or listed.min() < 0
        or listed.max() >= 2**32
    ):
        raise ValueError(f"seeds must be how many (at least 1), or a list of integers from 0 to 2³² − 1, got {seeds!r}")
    if len(np.unique(listed)) != len(listed):
        raise ValueError(f"seeds must be distinct, or trials would be repeated, got {seeds!r}")
    return listed.astype(np.uint32)
