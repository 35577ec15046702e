"""All that a sweep is before anything is trained: checked, traced, and laid out."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from ch5jax import _trees
from ch5jax._forked import check_not_forked
from ch5jax._keys import one_key
from ch5jax._memory import check_memory
from ch5jax._types import Hyperparameters
from ch5jax.sweeps._apart import kept_apart
from ch5jax.sweeps._folder import Folder, begun_with
from ch5jax.sweeps._groups import Group, make_groups, one_optimizer_each
from ch5jax.sweeps._layout import lay_out
from ch5jax.sweeps._manifest import manifest_of, sweep_hash
from ch5jax.sweeps._outline import Outline, outlines
from ch5jax.sweeps._plan import Plan, Schedule, compiler
from ch5jax.sweeps._programs import Programs
from ch5jax.sweeps._race import Race
from ch5jax.sweeps._repeat import Again
from ch5jax.sweeps._rungs import ByGroup, Rungs, by_group
from ch5jax.sweeps._store import Memory
from ch5jax.sweeps._traced import Traced, trace_group
from ch5jax.sweeps._width import check_width, choose_width, free_memory
from ch5jax.tasks import Task, steps_of
from ch5jax.training import Probes

_BYTES_A_STOP = 200  # of where a segment ends, on the host
CURVES = 1 << 27  # bytes of all trials' records, where nobody says how many are kept


class Prepared(NamedTuple):
    """A sweep that is checked and traced."""

    groups: tuple[Group, ...]
    plan: Plan
    rungs: ByGroup
    known: tuple[Outline, ...]
    traced: list[Traced]
    compiled: list[Callable[[], Programs]]
    manifest: dict[str, Any]

    def race(self, kept: Memory | Folder) -> Race:
        """The sweep in its store, as far as that has come; what is known beforehand is written there.

        Raises:
          StoreError: if a file there is damaged, or of something else.
          OSError: if the store cannot be written.
        """
        layouts = tuple(
            lay_out(g, outline, group.ids(), self.plan.schedule, sweep_hash(self.manifest, g), kept)
            for g, (outline, group) in enumerate(zip(self.known, self.groups, strict=True))
        )
        first, again = self.groups[0].task, Again(self.groups, self.plan, self.compiled)
        schedule = self.plan.schedule
        race = Race(self.known, layouts, schedule, self.rungs, first.objective, first.maximize, kept, again)
        while race.go_on():
            pass
        kept.begin(self.manifest, race.files())
        for layout, outline in zip(layouts, self.known, strict=True):
            layout.write(outline, kept)
        return race


def prepare(
    task: Task | Mapping[str, Task],
    hyperparameters: Hyperparameters,
    *,
    steps: int | None,
    key: jax.Array,
    seeds: int | Sequence[int] = 1,
    store: str | os.PathLike[str] | None = None,
    record_every: int | None = None,
    evaluate_every: int | None = None,
    signals_every: int | None = None,
    width: int | None = None,
    keep_states: bool = False,
    rungs: Rungs | Mapping[str, Rungs | None] | None = None,
    workers: int = 1,
) -> Prepared:
    """Checks and traces a sweep: the arguments are `sweep`'s, and among how many workers its chunks are to be divided.

    Raises:
      ValueError: as `sweep`.
    """
    check_not_forked()
    groups = make_groups(task, hyperparameters, seeds)
    counts = {steps_of(group.task, steps) for group in groups}
    if len(counts) > 1:
        raise ValueError(f"steps must be the same for every group, and their tasks have {sorted(counts)}")
    steps = counts.pop()
    stopping = by_group(rungs, [group.name for group in groups])
    if stopping.at and keep_states:
        raise ValueError("keep_states must be False with rungs: such a sweep cannot be extended")
    _trees.check_positive(record_every=record_every, evaluate_every=evaluate_every, width=width)
    groups = _with_checked_tasks(groups, hyperparameters)
    key = one_key(key)
    devices = tuple(jax.local_devices())
    begun = begun_with(store)
    evaluate_every = evaluate_every or begun.get("evaluate_every") or steps
    probes = Probes.spaced(steps, begun.get("signals_every") if signals_every is None else signals_every)
    traced = [trace_group(group, key, probes) for group in groups]
    if record_every is None:
        record = sum(group.trials * one.metrics_bytes for group, one in zip(groups, traced, strict=True))
        record_every = begun.get("record_every") or _spacing(steps, record, stopping)
    for one in filter(None, stopping.of):
        one.check(steps, record_every=record_every, signals_every=probes.every)
    _check_curves(
        groups, traced, *(-(-steps // (every or steps)) for every in (record_every, evaluate_every, probes.every))
    )
    schedule = Schedule(steps, record_every, evaluate_every, probes, width or 1, stopping.at)
    memory = free_memory(devices)
    most = max(group.trials for group in groups)
    if width is None:
        width = begun.get("width") or choose_width(traced, schedule.length, most, devices * workers, memory)
    check_width(width, most, traced, schedule.length, memory)
    plan = Plan(key, schedule._replace(width=width), devices)
    known = outlines(groups, traced)
    compiled = [compiler(group, one, plan) for group, one in zip(groups, traced, strict=True)]
    return Prepared(groups, plan, stopping, known, traced, compiled, manifest_of(groups, known, traced, plan, stopping))


def _with_checked_tasks(groups: tuple[Group, ...], hyperparameters: Hyperparameters) -> tuple[Group, ...]:
    """The groups, whose tasks keep their promises, and have metrics of other names than the table's."""
    apart: dict[int, Task] = {}  # by the task as it was given: groups that share one still do
    for group in groups:
        with one_optimizer_each(hyperparameters):
            checked = kept_apart(group.task, group.rows(np.zeros((), int))[0])
        apart.setdefault(id(group.task), checked)
    return tuple(group._replace(task=apart[id(group.task)]) for group in groups)


def _check_curves(
    groups: Sequence[Group], traced: Sequence[Traced], records: int, evaluations: int, probes: int
) -> None:
    """Refuses courses that no machine like this one can hold: of so many records, evaluations and probes each."""
    trials = sum(group.trials for group in groups)
    kept = sum(
        group.trials * one.curve_bytes(records, evaluations, probes) for group, one in zip(groups, traced, strict=True)
    )
    check_memory(
        kept + _BYTES_A_STOP * evaluations,
        f"{records:,} records, {evaluations:,} evaluations and {probes:,} probes of {trials:,} trials (record_every, "
        "evaluate_every, signals_every)",
    )


def _spacing(steps: int, record: int, rungs: ByGroup) -> int:
    """A hundredth of the steps, or more where the records of all trials, of so many bytes each, would take too much.

    With rungs, the largest number up to that by which all of them can be divided.
    """
    common = math.gcd(*rungs.at)
    most = max(1, steps // 100, min(steps // 10, steps * record // CURVES))
    return next(every for every in range(most, 0, -1) if common % every == 0)
