"""What every chunk of a sweep needs to know."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from ch5jax.sweeps._groups import Group
from ch5jax.sweeps._programs import SEGMENT, Programs, compile_programs
from ch5jax.sweeps._traced import Traced
from ch5jax.training import Probes, recorded_steps


class Schedule(NamedTuple):
    """When what happens in every training of a sweep, and how many run side by side."""

    steps: int
    record_every: int
    evaluate_every: int
    probes: Probes
    width: int
    rungs: tuple[int, ...] = ()  # steps after which trials are ranked, and some leave

    @property
    def recorded_at(self) -> np.ndarray:
        """Steps taken at each record of the metrics."""
        return recorded_steps(self.steps, self.record_every)

    @property
    def evaluated_at(self) -> np.ndarray:
        """Steps taken at each evaluation."""
        rungs = np.array([rung for rung in self.rungs if rung < self.steps], int)
        return np.union1d(recorded_steps(self.steps, self.evaluate_every), rungs)

    @property
    def stops(self) -> list[int]:
        """Where a segment ends: at evaluations, and where it would grow too long."""
        return sorted({*self.evaluated_at.tolist(), *range(SEGMENT, self.steps, SEGMENT)})

    @property
    def length(self) -> int:
        """The longest segment's."""
        return int(max(np.diff([0, *self.stops])))

    def recorded(self, begin: int, end: int) -> np.ndarray:
        """Which steps of a segment have their metrics kept, from 0."""
        steps = self.recorded_at
        return steps[(steps > begin) & (steps <= end)] - 1 - begin


class Plan(NamedTuple):
    """How every group of a sweep trains."""

    key: jax.Array
    schedule: Schedule
    devices: tuple[jax.Device, ...]


KEPT: dict[tuple[Any, ...], Programs] = {}
_MOST_KEPT = 32


def compiler(group: Group, traced: Traced, plan: Plan) -> Callable[[], Programs]:
    """A function that compiles a group's programs when it is first called.

    They are kept for the next sweep in the same process: a finer grid around the best compiles nothing. What was
    lowered is part of the key, so that a changed function, data set or setting of JAX's never meets an old program.
    """
    shapes = tuple((leaf.shape[1:], leaf.dtype) for leaf in jax.tree.leaves(group.hyperparameters))
    what = traced.program, traced.data, jax.tree.structure(group.hyperparameters), shapes
    schedule = plan.schedule
    kind = (*what, len(group.seeds), schedule.width, schedule.length, schedule.probes, plan.devices)

    def programs() -> Programs:
        if kind not in KEPT:
            while len(KEPT) >= _MOST_KEPT:
                del KEPT[next(iter(KEPT))]
            KEPT[kind] = compile_programs(traced, group, plan.key, schedule.length, schedule.width, plan.devices)
        return KEPT[kind]

    return programs


STATE, END = "-state", "-end"


def group_name(g: int) -> str:
    """Where what is known of a group beforehand is kept."""
    return f"group{g:03}"


def chunk_name(g: int, chunk: int) -> str:
    """Where a finished chunk is kept."""
    return f"group{g:03}-chunk{chunk:06}"


def state_name(g: int, chunk: int) -> str:
    """Where the state of a chunk in training is kept."""
    return f"{chunk_name(g, chunk)}{STATE}"


def end_name(g: int, chunk: int) -> str:
    """Where the state of a finished chunk is kept, to go on from."""
    return f"{chunk_name(g, chunk)}{END}"
