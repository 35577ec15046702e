"""The sweep: many trainings as one program for each group, kept as they come."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jaxlib.version
import numpy as np

from ch5jax import _trees
from ch5jax.sweeps._assemble import OWN_COLUMNS, assemble
from ch5jax.sweeps._groups import Group, make_groups
from ch5jax.sweeps._plan import Plan, compiler
from ch5jax.sweeps._programs import STRETCH, Fingerprint, fingerprint
from ch5jax.sweeps._rerun import again
from ch5jax.sweeps._result import SweepResult
from ch5jax.sweeps._run import Progress, Run
from ch5jax.sweeps._store import Folder, Memory, Store, read_width
from ch5jax.sweeps._width import choose_width
from ch5jax.tasks import Task, check_promises
from ch5jax.training import signal_spacing

FORMAT = 4


def sweep(
    task: Task | Mapping[str, Task],
    hyperparameters: Any,
    *,
    steps: int,
    key: jax.Array,
    seeds: int | Sequence[int] = 1,
    store: str | os.PathLike[str] | None = None,
    every: int | None = None,
    evaluate_every: int | None = None,
    signals_every: int | None = None,
    width: int | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> SweepResult:
    """Trains every setting with every seed, as one vmapped program over all devices for each group.

    A trial is (hyperparameters, seed), and its key is `fold_in(key, seed)`: the same seeds serve every setting, so that
    settings differ by nothing but themselves. A trial's bits depend on its hyperparameters, its seed and the width: not
    on its neighbours, on the order, or on the number of devices. One that diverges is a row that says when.

    Args:
      task: a `Task`, or a dict of them by group.
      hyperparameters: a batch (from `ch5jax.grid` or `ch5jax.stack`, or any pytree whose leaves have the settings as
        their leading axis), or a dict of named batches of different structure, one program each. A dict counts as a
        dict of batches if all its values are optimizers, or all are dicts; else it is one batch. With a dict of tasks,
        one batch may serve all.
      steps: how many steps every trial takes, ≥ 1.
      key: the sweep's key.
      seeds: how many seeds, 0, 1, …, or a list of distinct ones from 0 to 2³² − 1.
      store: a folder to keep results in as they come. Called again with the same arguments, the sweep goes on where it
        was stopped, whatever stopped it, and ends with the same bits; finished chunks are not trained again. Without a
        folder, results are kept in memory.
      every: keep the step's metrics every so many steps; a hundredth of `steps` by default. Costs memory, not time.
      evaluate_every: evaluate every so many steps; by default at the end only.
      signals_every: take every trial's signals of the difficulties (`diagnostics.Signals`) every so many steps, and at
        the last. A look costs three to four steps; by default there is one in a fiftieth of the steps, and in 25 at
        most, or eight looks where that is more: what a verdict needs. 0 takes none.
      width: trials side by side on each device, ≥ 1; by default what the cache of a CPU or the memory of a GPU holds.
        It is recorded in the store. Another width gives other last bits.
      progress: called with a `Progress` after every stretch of steps.

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
    groups = make_groups(task, hyperparameters, seeds)
    _trees.check_positive(steps=steps, every=every, evaluate_every=evaluate_every, width=width)
    for group in groups:
        check_promises(group.task, group.rows(np.zeros((), int))[0], OWN_COLUMNS)
    key = _checked_key(key)
    devices = tuple(jax.local_devices())
    ends = {*range(evaluate_every or steps, steps, evaluate_every or steps), steps}
    stops = tuple(sorted({*ends, *range(STRETCH, steps, STRETCH)}))
    looks = signal_spacing(steps, signals_every)
    plan = Plan(key, steps, every or max(1, steps // 100), stops, frozenset(ends), looks, width or 1, devices)
    marks = [fingerprint(group, key, plan.stretch) for group in groups]
    if width is None:
        width = read_width(store) or choose_width(
            max(mark.state_bytes for mark in marks), max(group.trials for group in groups), devices
        )
    plan = plan._replace(width=width)
    manifest = _manifest(groups, marks, plan, evaluate_every)
    kept: Store = Memory() if store is None else Folder(store, manifest)
    compiled = [compiler(group, mark, plan) for group, mark in zip(groups, marks, strict=True)]
    Run(groups, plan, kept, compiled, progress).run()
    trial, rerun = again(groups, plan, compiled)
    return assemble(groups, plan, kept, trial, rerun)


def _manifest(
    groups: tuple[Group, ...], marks: list[Fingerprint], plan: Plan, evaluate_every: int | None
) -> dict[str, Any]:
    """All that the sweep is: what differs from it is another sweep."""
    return {
        "format": FORMAT,
        "steps": plan.steps,
        "every": plan.every,
        "evaluate_every": evaluate_every,
        "signals_every": plan.signals_every,
        "width": plan.width,
        "key": np.asarray(jax.random.key_data(plan.key)).tolist(),
        "seeds": groups[0].seeds.tolist(),
        "groups": [
            {
                "name": group.name,
                "settings": group.settings,
                "hyperparameters": group.digest(),
                "program": mark.program,
                "data": mark.data,
                "objective": group.task.objective,
                "maximize": group.task.maximize,
            }
            for group, mark in zip(groups, marks, strict=True)
        ],
        "versions": {"jax": jax.__version__, "jaxlib": jaxlib.version.__version__},
        "device": f"{plan.devices[0].platform} {plan.devices[0].device_kind}",
    }


def _checked_key(key: Any) -> jax.Array:
    """A typed key of one element; a raw uint32 key is wrapped."""
    if isinstance(key, jax.Array) and jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key) and key.shape == ():
        return key
    if isinstance(key, (jax.Array, np.ndarray)) and key.dtype == np.uint32 and key.ndim == 1:
        return jax.random.wrap_key_data(key)
    raise ValueError(f"key must be one key, such as jax.random.key(0), got {key!r}")
