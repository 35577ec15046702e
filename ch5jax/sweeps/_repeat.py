"""A sweep's trials once more: what each was given, and the same bits on demand."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from ch5jax.diagnostics import nan_is_data
from ch5jax.sweeps._groups import Group, locate
from ch5jax.sweeps._plan import Plan
from ch5jax.sweeps._programs import Programs
from ch5jax.tasks import Task
from ch5jax.training import Run


class Again(NamedTuple):
    """How a trial of a result is looked up, and done again."""

    groups: tuple[Group, ...]
    plan: Plan
    compiled: list[Callable[[], Programs]]

    def task(self, number: int) -> Task:
        """A trial's task."""
        return self.groups[locate(self.groups, number)[0]].task

    def given(self, number: int) -> tuple[Any, jax.Array]:
        """A trial's hyperparameters, and its key."""
        g, row = locate(self.groups, number)
        hyperparameters, seed = self.groups[g].one(row)
        return hyperparameters, jax.random.fold_in(self.plan.key, seed)

    @nan_is_data()
    def rerun(self, number: int, steps: int) -> Run:
        """The same programs at the same width, every lane the same trial, every step's metrics kept."""
        schedule, (g, row) = self.plan.schedule, locate(self.groups, number)
        programs = self.compiled[g]()
        lanes = np.full(schedule.width * len(self.plan.devices), row)
        key, evaluated = self.plan.key, {*schedule.evaluated_at.tolist()}
        hyperparameters, seeds = jax.device_put(self.groups[g].rows(lanes), programs.sharding)
        carried, origin = programs.init(hyperparameters, seeds, key)
        metrics, signals, evaluations, begin = [], [], [], 0
        for end in sorted({steps, *(stop for stop in schedule.stops if stop < steps)}):
            span = np.int32(begin), np.int32(end)
            carried, record = programs.advance(
                hyperparameters, seeds, self.groups[g].seeds, key, carried, origin, *span
            )
            metrics.append(jax.tree.map(lambda m, n=end - begin: np.asarray(m)[:n, 0], record.metrics))
            rows = schedule.probes.whole_rows(begin, end)
            signals.append(jax.tree.map(lambda s, rows=rows: np.asarray(s)[rows, 0], record.signals))
            if end in evaluated:
                evaluation = programs.evaluate(hyperparameters, carried.state).metrics
                evaluations.append(jax.tree.map(lambda e: np.asarray(e)[:1], evaluation))
            begin = end
        state = jax.tree.map(lambda leaf: leaf[0], carried.state)
        return Run(state, _joined(metrics), _joined(evaluations) if evaluations else {}, _joined(signals))


def _joined(parts: list[Any]) -> Any:
    return jax.tree.map(lambda *values: np.concatenate(values), *parts)
