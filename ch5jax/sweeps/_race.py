"""From stage to stage: who goes on at a rung, and what all stages found together."""

import dataclasses
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax.sweeps._apart import STEPS_TRAINED
from ch5jax.sweeps._assemble import assemble, filled, scores_of
from ch5jax.sweeps._curves import Curves
from ch5jax.sweeps._layout import Layout
from ch5jax.sweeps._outline import Outline
from ch5jax.sweeps._plan import Schedule
from ch5jax.sweeps._repeat import Again
from ch5jax.sweeps._result import SweepResult
from ch5jax.sweeps._rungs import ByGroup
from ch5jax.sweeps._stages import Stage
from ch5jax.sweeps._store import Store
from ch5jax.verdicts import Diagnosis


class Race:
    """A sweep's stages as far as they are known, and what those that are done have found."""

    def __init__(
        self,
        outlines: tuple[Outline, ...],
        layouts: tuple[Layout, ...],
        schedule: Schedule,
        rungs: ByGroup,
        objective: str,
        maximize: bool,
        store: Store,
        again: Again | None,
    ):
        self.outlines, self.schedule, self.objective, self.maximize = outlines, schedule, objective, maximize
        self.store, self.again, self.rungs = store, again, rungs
        first, *later = *schedule.rungs, schedule.steps
        laid_out = tuple(dataclasses.replace(layout, steps=first) for layout in layouts)
        self.stages = [Stage(schedule._replace(steps=first), laid_out, tuple(later))]
        self._found: list[SweepResult] = []  # by stage

    def go_on(self) -> bool:
        """Passes the rung after the last known stage; False if that is not done, or nobody goes on."""
        stage = self.stages[-1]
        if not stage.later or stage.missing(self.store):
            return False
        found = self._last
        score, gone = scores_of(found), found.columns["diverged_at"] >= 0
        rows = [found.columns["group"] == outline.name for outline in self.outlines]
        scores, lost = [score[row] for row in rows], [gone[row] for row in rows]
        settings = [
            layout.members // len(np.unique(outline.seeds))
            for outline, layout in zip(self.outlines, stage.layouts, strict=True)
        ]
        on = self.rungs.going_on(stage.schedule.steps, scores, lost, settings)
        leaving = sum(int((~one).sum()) for one in on)
        if leaving == stage.trials:
            return False
        steps, *later = stage.later
        layouts = tuple(
            layout.after_rung(steps, layout.members[one]) for layout, one in zip(stage.layouts, on, strict=True)
        )
        steps_left = stage.steps_left + leaving * stage.schedule.steps
        until = self.schedule._replace(steps=steps)
        self.stages.append(Stage(until, layouts, tuple(later), stage.trials_left + leaving, steps_left))
        return True

    @property
    def steps_due(self) -> int:
        """Configuration-steps of the whole sweep, if the shares go on that should at the rungs to come."""
        stage = self.stages[-1]
        members = [len(layout.members) for layout in stage.layouts]
        return stage.steps_left + self.rungs.steps_due(members, stage.schedule.steps, self.schedule.steps)

    def files(self) -> dict[str, str | None]:
        """What each file of the store has to be of; None for those of stages that are not known yet."""
        unknown = dict.fromkeys(self.store.names()) if self.stages[-1].later else {}
        known = (layout.files() for stage in self.stages for layout in stage.layouts)
        return dict(itertools.chain(unknown.items(), *(files.items() for files in known)))

    def forget_states(self, all_of_them: bool) -> None:
        """Those that nobody goes on from any more; all, or all but those before the last known stage."""
        for stage in self.stages if all_of_them else self.stages[:-2]:
            stage.forget_states(self.store)

    def result(self) -> SweepResult:
        """What all stages found."""
        last = self._last
        return self._joined() if self.schedule.rungs else last

    @property
    def _last(self) -> SweepResult:
        """What the last known stage, which is done, has found."""
        while len(self._found) < len(self.stages):
            stage = self.stages[len(self._found)]
            pairs = zip(self.outlines, stage.layouts, strict=True)
            here = [(outline.of(layout.members), layout) for outline, layout in pairs if len(layout.members)]
            outlines, layouts = zip(*here, strict=True)
            offsets = np.cumsum([0, *(outline.trials for outline in self.outlines)])
            numbers = np.concatenate([o + one.members for o, one in zip(offsets, stage.layouts, strict=False)])
            self._found.append(
                assemble(
                    *(outlines, layouts, numbers, stage.schedule),
                    *(self.objective, self.maximize, self.store, self.again),
                )
            )
        return self._found[-1]

    def _joined(self) -> SweepResult:
        """A row for each trial, as its last stage has it: what one has found is written over what those before had."""
        columns: dict[str, np.ndarray] = {}
        courses: dict[str, Any] = {}
        diagnoses: list[tuple[np.ndarray, Diagnosis]] = []
        for found, stage in zip(self._found, self.stages, strict=True):
            numbers = found.columns["trial"]
            new = {**found.columns, STEPS_TRAINED: np.full(len(numbers), stage.schedule.steps)}
            columns = {name: _over(columns.get(name), numbers, filled(new, name)) for name in columns or new}
            for outline, layout in zip(self.outlines, stage.layouts, strict=True):
                if len(layout.members):
                    course, rows = self._lengthened(found.curves[outline.name]), layout.members
                    if (before := courses.get(outline.name)) is not None:
                        course = jax.tree.map(lambda b, n, rows=rows: _over(b, rows, n), before, course)
                    courses[outline.name] = course
            diagnoses = [_without(numbers, *one) for one in diagnoses]
            diagnoses += found._diagnoses
        recorded, evaluated, probed = self._taken_at()
        curves = {
            name: Curves(recorded, metrics, evaluated, evaluations, probed, signals, self._found[0].curves[name].names)
            for name, (metrics, evaluations, signals) in courses.items()
        }
        steps, batches = self.schedule.steps, tuple(diagnoses)
        return dataclasses.replace(self._found[0], columns=columns, curves=curves, steps=steps, _diagnoses=batches)

    def _lengthened(self, curves: Curves) -> tuple[Any, Any, Any]:
        """Metrics, evaluations and signals, as long as those of trials that take all steps."""
        trees = curves.metrics, curves.evaluations, curves.signals
        lengths = [len(steps) for steps in self._taken_at()]
        return tuple(
            jax.tree.map(lambda values, n=length: _padded(values, n), tree)
            for tree, length in zip(trees, lengths, strict=True)
        )

    def _taken_at(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The steps of all records, evaluations and probes."""
        return self.schedule.recorded_at, self.schedule.evaluated_at, self.schedule.probes.taken_at()


def _over(before: np.ndarray | None, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """With some rows replaced; where nothing was before, they are all."""
    if before is None:
        return values
    found = before.astype(np.promote_types(before.dtype, values.dtype))
    found[rows] = values
    return found


def _without(others: np.ndarray, numbers: np.ndarray, batch: Diagnosis) -> tuple[np.ndarray, Diagnosis]:
    """A batch of diagnoses without those of others."""
    stay = ~np.isin(numbers, others)
    return numbers[stay], jax.tree.map(lambda values: values[stay], batch)


def _padded(values: np.ndarray, length: int) -> np.ndarray:
    """Filled up along the second axis: with NaN, and integers with their last value."""
    missing = length - values.shape[1]
    if jnp.issubdtype(values.dtype, jnp.inexact):
        more = np.full((len(values), missing, *values.shape[2:]), np.nan, values.dtype)
    else:
        more = np.repeat(values[:, -1:], missing, axis=1)
    return np.concatenate([values, more], axis=1)
