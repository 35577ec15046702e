"""The sweep: many trainings as one program for each group, kept as they come."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from ch5jax import _trees
from ch5jax._forked import check_not_forked
from ch5jax._memory import check_memory
from ch5jax._types import Hyperparameters
from ch5jax.diagnostics import nan_is_data
from ch5jax.sweeps._apart import kept_apart
from ch5jax.sweeps._executor import Executor, Progress
from ch5jax.sweeps._groups import Group, make_groups, one_optimizer_each
from ch5jax.sweeps._layout import lay_out
from ch5jax.sweeps._manifest import manifest_of, sweep_hash
from ch5jax.sweeps._outline import outlines
from ch5jax.sweeps._plan import Plan, Schedule, compiler
from ch5jax.sweeps._race import Race
from ch5jax.sweeps._repeat import Again
from ch5jax.sweeps._result import SweepResult
from ch5jax.sweeps._rungs import ByGroup, Rungs, by_group
from ch5jax.sweeps._store import Folder, Memory, begun_with
from ch5jax.sweeps._traced import Traced, trace_group
from ch5jax.sweeps._width import check_width, choose_width, free_memory
from ch5jax.tasks import Task, steps_of
from ch5jax.training import Probes

_BYTES_A_STOP = 200  # of where a segment ends, on the host
CURVES = 1 << 27  # bytes of all trials' records, where nobody says how many are kept


def sweep(
    task: Task | Mapping[str, Task],
    hyperparameters: Hyperparameters,
    *,
    steps: int | None = None,
    key: jax.Array,
    seeds: int | Sequence[int] = 1,
    store: str | os.PathLike[str] | None = None,
    record_every: int | None = None,
    evaluate_every: int | None = None,
    signals_every: int | None = None,
    width: int | None = None,
    progress: Callable[[Progress], object] | None = None,
    keep_states: bool = False,
    rungs: Rungs | Mapping[str, Rungs | None] | None = None,
) -> SweepResult:
    """Trains every setting with every seed, as one vmapped program over all devices for each group.

    A trial is (hyperparameters, seed), and its key is `fold_in(key, seed)`: the same seeds serve every setting, so that
    settings differ by nothing but themselves. A trial's bits depend on its hyperparameters, its seed and the width: not
    on its neighbours, on the order, or on the number of devices. One that diverges is a row that says when.

    Args:
      task: a `Task`, or a dict of them by group.
      hyperparameters: a batch (from `ch5jax.grid` or `ch5jax.stack`, or any pytree whose leaves have the settings as
        their leading axis), or a dict of named batches of different structure, one program each. A dict counts as a
        dict of batches if all its values are optimizers, or all are dicts, or it has the names of a dict of tasks; else
        it is one batch. With a dict of tasks, one batch may serve all.
      steps: how many steps every trial takes, ≥ 1; may be left out for a task that has `steps`.
      key: the sweep's key.
      seeds: how many seeds, 0, 1, …, or a list of distinct ones from 0 to 2³² − 1.
      store: a folder to keep results in as they come. Called again with the same arguments, the sweep goes on where it
        was stopped, whatever stopped it, and ends with the same bits; finished chunks are not trained again. Called
        with more seeds, settings or groups, or, after `keep_states`, with more steps, it trains what is missing, and
        what was there keeps its bits. Width and spacings are the folder's, unless told. Without a folder, results are
        kept in memory.
      record_every: keep the step's metrics every so many steps. It costs memory, not time: by default there are a
        hundred records, and fewer, down to ten, where all trials' would take more than 128 MiB.
      evaluate_every: evaluate every so many steps; by default at the end only.
      signals_every: take every trial's signals of the difficulties (`diagnostics.Signals`) every so many steps, and at
        the last. A probe costs about three steps; by default there is one in a fiftieth of the steps, and in 25 at
        most, or eight probes where that is more: what a verdict needs. 0 takes none.
      width: trials side by side on each device, ≥ 1; by default what the cache of a CPU or the memory of a GPU holds.
        It is recorded in the store. Another width gives other last bits.
      progress: called with a `Progress` after every segment of steps.
      keep_states: whether the store keeps what each trial carries after its last step, so that a later call with more
        `steps` goes on from there. It takes as much room as all parameters and optimizers' states.
      rungs: when trials that are lost, and the settings that are worst, are stopped: see `Rungs` and `halving`. By
        default none is. A dict gives each group its own (`hyperband`), None for one of which all train to the end;
        groups whose rungs are the same are ranked together. The table then has `steps_trained`, curves are NaN where a
        trial was not trained any more, and its other columns and its verdict are those of its last step, beside all
        that came as far. A sweep with rungs cannot be extended.

    Returns:
      A `SweepResult`.

    Raises:
      ValueError: if an argument is not as above, or a task breaks a promise of `Task`. `StoreError`, a `ValueError`, if
        the folder is another sweep's or a file in it is damaged, and leaves it as it is.
      OSError: if the folder cannot be written; what it holds is whole, and the same call goes on from there.

    Example:
      >>> import ch5jax, jax
      >>> result = ch5jax.sweep(
      ...     ch5jax.tasks.digits(),
      ...     {"sgd": ch5jax.grid(ch5jax.sgd, learning_rate=[0.01, 0.1]),
      ...      "adam": ch5jax.grid(ch5jax.adam, learning_rate=[0.001, 0.01])},
      ...     steps=50, key=jax.random.key(0), seeds=2)
      >>> len(result), result.groups
      (8, ('sgd', 'adam'))
      >>> best = int(result.ranking()[0])
      >>> result.trial(best).hyperparameters
      adam(learning_rate=0.01, b1=0.9, b2=0.999, eps=1e-07, bias_correction=True)

    Note: on a CPU, JAX uses one device unless told before it starts:
    `jax.config.update("jax_num_cpu_devices", os.cpu_count())`. The command line does so. A sweep without progress for
    two minutes says so, and where, in the log `ch5jax.sweeps`.
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
    key = _checked_key(key)
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
        width = begun.get("width") or choose_width(traced, schedule.length, most, devices, memory)
    check_width(width, most, traced, schedule.length, memory)
    plan = Plan(key, schedule._replace(width=width), devices)
    known = outlines(groups, traced)
    manifest = manifest_of(groups, known, traced, plan, stopping)
    with nan_is_data(), (Memory() if store is None else Folder(store)).held(manifest) as kept:
        layouts = tuple(
            lay_out(g, outline, group.ids(), plan.schedule, sweep_hash(manifest, g), kept)
            for g, (outline, group) in enumerate(zip(known, groups, strict=True))
        )
        compiled = [compiler(group, one, plan) for group, one in zip(groups, traced, strict=True)]
        first, again = groups[0].task, Again(groups, plan, compiled)
        race = Race(known, layouts, plan.schedule, stopping, first.objective, first.maximize, kept, again)
        while race.go_on():  # as far as the store has come
            pass
        kept.begin(manifest, race.files())
        for layout, outline in zip(layouts, known, strict=True):
            layout.write(outline, kept)
        while True:
            Executor(groups, plan, race.stages, race.steps_due, kept, traced, compiled, progress, keep_states).run()
            going_on = race.go_on()
            if stopping.at:
                race.forget_states(all_of_them=not going_on)
            if not going_on:
                return race.result()


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


def _checked_key(key: Any) -> jax.Array:
    """A typed key of one element; a raw uint32 key is wrapped."""
    if isinstance(key, jax.Array) and jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key) and key.shape == ():
        return key
    if isinstance(key, (jax.Array, np.ndarray)) and key.dtype == np.uint32 and key.ndim == 1:
        return jax.random.wrap_key_data(key)
    raise ValueError(f"key must be one key, such as jax.random.key(0), got {key!r}")
