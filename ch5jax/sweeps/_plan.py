"""What every chunk of a sweep needs to know."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from ch5jax.sweeps._groups import Group
from ch5jax.sweeps._programs import Fingerprint, Programs, Stretch, compile_programs
from ch5jax.training import recorded_steps


class Plan(NamedTuple):
    """How every group of a sweep trains."""

    key: jax.Array
    steps: int
    every: int
    stops: tuple[int, ...]  # where a stretch ends: at evaluations, and where it would grow too long
    evaluated: frozenset[int]
    signals_every: int  # 0 for never
    width: int
    devices: tuple[jax.Device, ...]

    @property
    def stretch(self) -> Stretch:
        """What the programs need to know of a stretch."""
        return Stretch(int(max(np.diff([0, *self.stops]))), self.signals_every, self.steps)

    def looks(self, begin: int, end: int) -> np.ndarray:
        """The rows of a stretch's record of signals that are whole by its end."""
        if not self.signals_every:
            return np.zeros(0, int)
        looked = recorded_steps(self.steps, self.signals_every)
        inside = looked[(looked > begin) & (looked <= end)]
        return (inside - 1) // self.signals_every - begin // self.signals_every


_KEPT: dict[tuple[Any, ...], Programs] = {}
_MOST_KEPT = 32


def compiler(group: Group, mark: Fingerprint, plan: Plan) -> Callable[[], Programs]:
    """A function that compiles a group's programs when it is first called.

    They are kept for the next sweep in the same process: a finer grid around the best compiles nothing. What was
    lowered is part of the key, so that a changed function, data set or setting of JAX's never meets an old program.
    """
    shapes = tuple((leaf.shape[1:], leaf.dtype) for leaf in jax.tree.leaves(group.hyperparameters))
    kind = (mark, jax.tree.structure(group.hyperparameters), shapes, plan.width, plan.stretch, plan.devices)

    def programs() -> Programs:
        if kind not in _KEPT:
            while len(_KEPT) >= _MOST_KEPT:
                del _KEPT[next(iter(_KEPT))]
            _KEPT[kind] = compile_programs(group, plan.key, plan.width, plan.stretch, list(plan.devices))
        return _KEPT[kind]

    return programs


STATE = "-state"


def chunk_name(g: int, chunk: int) -> str:
    """Where a finished chunk is kept."""
    return f"group{g:03}-chunk{chunk:06}"


def state_name(g: int, chunk: int) -> str:
    """Where the state of a chunk in training is kept."""
    return f"{chunk_name(g, chunk)}{STATE}"
