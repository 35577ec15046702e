"""The sweep: many trainings as one program for each group, kept as they come."""

import os
from collections.abc import Callable, Mapping, Sequence

import jax

from ch5jax._types import Hyperparameters
from ch5jax.diagnostics import nan_is_data
from ch5jax.sweeps._executor import Executor, Progress
from ch5jax.sweeps._folder import Folder
from ch5jax.sweeps._prepare import prepare
from ch5jax.sweeps._ray import Ray
from ch5jax.sweeps._result import SweepResult
from ch5jax.sweeps._rungs import Rungs
from ch5jax.sweeps._store import Memory
from ch5jax.tasks import Task


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
    engine: Ray | None = None,
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
      engine: who trains: `ch5jax.sweeps.Ray()` has a cluster do it; by default this process. Without rungs and kept
        states.

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
    if engine is not None and (keep_states or rungs is not None or not isinstance(engine, Ray)):
        raise ValueError(
            "engine must be a ch5jax.sweeps.Ray(), without rungs and keep_states, or None, "
            f"got {engine!r}, rungs={rungs!r} and keep_states={keep_states!r}"
        )
    prepared = prepare(
        task,
        hyperparameters,
        steps=steps,
        key=key,
        seeds=seeds,
        store=store,
        record_every=record_every,
        evaluate_every=evaluate_every,
        signals_every=signals_every,
        width=width,
        keep_states=keep_states,
        rungs=rungs,
    )
    with nan_is_data(), (Memory() if store is None else Folder(store)).held(prepared.manifest) as kept:
        race = prepared.race(kept)
        if engine is not None:
            with engine.connected():
                engine.run(prepared, race, kept, progress)
        while True:
            Executor(prepared, race, kept, progress, keep_states).run()
            going_on = race.go_on()
            if prepared.rungs.at:
                race.forget_states(all_of_them=not going_on)
            if not going_on:
                return race.result()
