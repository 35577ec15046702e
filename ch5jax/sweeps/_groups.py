"""The trials of a sweep: groups of one structure, each a batch of hyperparameters times seeds."""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from ch5jax import _trees
from ch5jax._memory import check_memory
from ch5jax._types import Hyperparameters
from ch5jax.optimizers import Batches, Transformation
from ch5jax.tasks import Task

BYTES_A_TRIAL = 500  # of its place in the store, its row in the table and a short curve, on the host: at least


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
        leaves = (np.ascontiguousarray(leaf) for leaf in jax.tree.leaves(self.hyperparameters) if leaf.size)
        parts = [leaf.reshape(len(leaf), -1).view(np.uint8) for leaf in leaves]
        values = np.concatenate([np.zeros((self.settings, 0), np.uint8), *parts], axis=1)
        size, together = values.shape[1], values.tobytes()  # cut where they are: one hash of a million takes 2 µs
        hashes = (hashlib.sha256(together[i * size : (i + 1) * size]).digest()[:16] for i in range(self.settings))
        settings = np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, 16)
        before = _same_before(settings.view("S16")[:, 0]).astype(">u4").view(np.uint8).reshape(-1, 4)
        seeds = np.ascontiguousarray(self.seeds, "<u4").view(np.uint8).reshape(-1, 4)
        rows = np.repeat(np.concatenate([settings, before], axis=1), len(seeds), axis=0)
        return np.concatenate([rows, np.tile(seeds, (len(settings), 1))], axis=1)


def _same_before(values: np.ndarray) -> np.ndarray:
    """How many of the values before each one are the same."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    order = np.argsort(which, kind="stable")
    before = np.empty(len(values), int)
    before[order] = np.arange(len(values)) - np.repeat(np.cumsum(counts) - counts, counts)
    return before


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
    by_task = isinstance(task, Mapping) and isinstance(hyperparameters, Mapping) and {*task} == {*hyperparameters}
    batches = dict(hyperparameters) if by_task or _is_groups(hyperparameters) else None
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
    by_grid = isinstance(hyperparameters, Batches)
    return tuple(_group(name, tasks[name], batch, numbers, by_grid) for name, batch in batches.items())


def _group(name: str, task: Task, batch: Any, seeds: np.ndarray, by_grid: bool) -> Group:
    _trees.check_data(batch, f"hyperparameters of {name!r}: ")
    if jax.tree.leaves(batch):
        settings = _trees.leading_axis(batch, f"hyperparameters of {name!r}: ")
    elif by_grid:
        settings = 1  # of what is no number, such as one of Optax's schedules
    else:
        raise ValueError(
            f"hyperparameters of {name!r} must hold numbers to sweep, and hold none: make an Optax factory into one of "
            "data with functools.partial(ch5jax.lift, optax.adamw), and a schedule with one of ours, such as "
            "ch5jax.linear_decay"
        )
    if settings < 1:
        raise ValueError(f"hyperparameters of {name!r} must hold at least one setting, got an empty batch")
    group = Group(name, task, jax.tree.map(np.asarray, batch), settings, seeds)
    check_memory(BYTES_A_TRIAL * group.trials, f"{settings:,} settings × {len(seeds):,} seeds of {name!r}")
    return group


def _is_groups(hyperparameters: Hyperparameters) -> bool:
    if not isinstance(hyperparameters, Mapping) or not hyperparameters:
        return False
    if isinstance(hyperparameters, Batches):
        return True
    values = hyperparameters.values()
    return all(isinstance(v, Transformation) for v in values) or all(isinstance(v, Mapping) for v in values)


@contextlib.contextmanager
def one_optimizer_each(hyperparameters: Hyperparameters) -> Iterator[None]:
    """Says what a dict of optimizers was taken for, where a task then fails that may have wanted all of them.

    Raises:
      ValueError: with what the task's failure was.
    """
    try:
        yield
    except (TypeError, KeyError, AttributeError) as error:
        if isinstance(hyperparameters, Batches) or not _is_groups(hyperparameters):
            raise
        if not all(isinstance(batch, Transformation) for batch in hyperparameters.values()):
            raise
        names = ", ".join(map(repr, hyperparameters))
        raise ValueError(
            f"the task fails with one optimizer as its hyperparameters ({error}). hyperparameters is a dict of "
            f"optimizers, {names}, and so a group each; for one setting with all of them, name that: "
            '{"all": {' + names.split(",")[0] + ": ..., ...}}"
        ) from error


def _name(batch: Any) -> str:
    return batch._factory.__name__ if isinstance(batch, Transformation) else "trials"


def listed_seeds(seeds: int | Sequence[int]) -> np.ndarray:
    """The seeds of a sweep one by one.

    Args:
      seeds: how many, from 1 to 2³², or which: distinct integers from 0 to 2³² − 1. There are no more keys than that.

    Returns:
      uint32, shape (seeds,).

    Raises:
      ValueError: if there are none, they are not distinct or out of range, or the machine could not hold so many.

    Example:
      >>> import ch5jax
      >>> ch5jax.sweeps.listed_seeds(3).tolist(), ch5jax.sweeps.listed_seeds([7, 5]).tolist()
      ([0, 1, 2], [7, 5])
    """
    wrong = f"seeds must be how many (1 to 2³²), or a list of integers from 0 to 2³² − 1, got {seeds!r}"
    listed = np.asarray(seeds)
    if listed.ndim == 0 and listed.dtype.kind in "iu" and 1 <= listed <= 2**32:
        check_memory(BYTES_A_TRIAL * int(listed), f"{int(listed):,} seeds")
        listed = np.arange(int(listed))
    if listed.ndim != 1 or not len(listed) or listed.dtype.kind not in "iu":
        raise ValueError(wrong)
    if listed.min() < 0 or listed.max() >= 2**32:
        raise ValueError(wrong)
    if len(np.unique(listed)) != len(listed):
        raise ValueError(f"seeds must be distinct, or trials would be repeated, got {seeds!r}")
    return listed.astype(np.uint32)
