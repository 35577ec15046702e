"""Trying the remedies of what was found, on the training itself."""

import itertools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ch5jax import _keys, _trees
from ch5jax._types import Hyperparameters
from ch5jax.diagnostics import Difficulty
from ch5jax.optimizers import stack
from ch5jax.sweeps import Progress, SweepResult, Trial, kept_apart, listed_seeds, sweep
from ch5jax.tasks import Task, steps_of
from ch5jax.training import recorded_steps, train
from ch5jax.treatment._remedies import EARLY, JOINED, REMEDIES, Case, adam_at, treated, with_optimizer
from ch5jax.treatment._treatment import AS_IT_WAS, Kind, Treatment, Tried, chosen_of, compared
from ch5jax.verdicts import NO_DIFFICULTY, diagnose
from ch5jax.verdicts.difficulties import ANEW, RULES

OF_NO_DIFFICULTY = (ANEW, "rate ÷ 10", "Adam at 0.01")  # where it is not known what is wrong
EVALUATIONS = 20  # of which the best says when to stop
RANDOM_RATES = (1e-4, 1.0)  # of Adam, between which random search draws, evenly in their logarithm


def treat(
    task: Task | Trial,
    hyperparameters: Hyperparameters = None,
    *,
    steps: int | None = None,
    key: jax.Array | None = None,
    seeds: int | Sequence[int] = 3,
    tries: int = 3,
    rounds: int = 1,
    remedies: Sequence[str] | None = None,
    best: jax.typing.ArrayLike | None = None,
    store: str | os.PathLike[str] | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> Treatment:
    """Diagnoses a training, tries the remedies of what was found, and says which of them made it better.

    The run is diagnosed as by `diagnose(task, hyperparameters, steps=steps, key=key)`. Then it is trained again as it
    was and with each remedy, over the seeds, as one sweep: what differs in numbers is one program, what differs in
    structure (another optimizer, BatchNorm) a program of its own. Random search, with as many settings, is beside it:
    Adam at rates drawn between 1e-4 and 1, evenly in their logarithm.

    Args:
      task: a `Task`, or a `Trial` of a sweep, `result.trial(i)`, which has all but the seeds with it.
      hyperparameters: what the task takes. Learning rates are found by their name, the optimizer where the
        hyperparameters are one or have one by the name of `optimizer`; what else can be tried is `task.variants`.
      steps: how many steps each training takes; may be left out for a task that has `steps`.
      key: the key: of the diagnosed run itself; the trainings' keys are `fold_in(key, seed)`.
      seeds: how many seeds, or a list of them, as for `sweep`.
      tries: how many remedies are tried in a round, ≥ 1, the first of what the main difficulty names. A round costs
        that many trainings for each seed, and random search as many.
      rounds: how many rounds at most, ≥ 1: a second difficulty may lie under the first. The next round treats what the
        last one chose, and is left out if that is healthy or was not better.
      remedies: names among `treatment.REMEDIES` to try instead, in the first round; several at once are joined by
        " + ". Where several are joined, those that the task does not have or need are left out.
      best: as for `diagnose`.
      store: a folder to keep each round's trainings in as they come, `round1-100steps` and so on, each as `sweep` has
        it: called again with the same arguments, what was stopped goes on, and what is done is read.
      progress: as for `sweep`.

    Returns:
      A `Treatment`: `table()`, `chosen` (the task and the hyperparameters to go on with), and what `print` shows.

    Raises:
      ValueError: if an argument is not as above, or as `diagnose` and `sweep` do.

    Example:
      >>> import ch5jax, jax
      >>> task = ch5jax.tasks.digits(hidden=(16,))
      >>> found = ch5jax.treat(task, ch5jax.sgd(1e-4), steps=100, key=jax.random.key(0), seeds=2)
      >>> found.diagnosis.main.name, found.chosen.kind
      ('SLOW', 'remedy')

    Source: the remedies are the chapter's; which are tried for what, and in which order, was chosen on half of the
    public runs (`benchmarks/treatments.py`) and is reported on the other half.
    """
    case, steps, key = _given(task, hyperparameters, steps, key)
    _trees.check_positive(tries=tries, rounds=rounds)
    listed_seeds(seeds)
    if remedies is not None:
        _check_names(remedies)
    diagnosis = diagnose(case.task, case.hyperparameters, steps=steps, key=key, best=best)
    case = case._replace(task=kept_apart(case.task, case.hyperparameters))  # whose metrics are columns below
    cases = {AS_IT_WAS: case}
    tried: tuple[Tried, ...] = ()
    start, difficulty = AS_IT_WAS, diagnosis.main
    for number in range(1, rounds + 1):
        asked = remedies if number == 1 else None
        names = asked or remedies_of(difficulty)
        looked_at = _with_best_step(cases[start], names, steps, key)
        new = _possible(looked_at, start, names, len(asked) if asked else tries)
        random = _random_settings(case, key, sum(one.kind == "random" for one in tried), len(new))
        due = ({} if tried else {AS_IT_WAS: case}) | new | random
        if not due:
            break
        cases |= new
        where = None if store is None else Path(store).expanduser() / f"round{number}"
        found = _trained(due, steps, key, seeds, where, progress)
        kinds: dict[str, Kind] = {name: "remedy" if name in new else "random" for name in (*new, *random)}
        tried += tuple(
            Tried(name, kinds.get(name, "untreated"), number, *case.realised(), *found[name], steps=case.steps)
            for name, case in due.items()
        )
        tried = compared(tried, case.task.objective, case.task.maximize)
        chosen = chosen_of(tried)
        if chosen.name == start or chosen.difficulty in NO_DIFFICULTY:
            break
        start, difficulty = chosen.name, chosen.difficulty
    return Treatment(diagnosis, tried, case.task.objective, steps)


def _given(
    task: Task | Trial, hyperparameters: Hyperparameters, steps: int | None, key: jax.Array | None
) -> tuple[Case, int, jax.Array]:
    """The training, how many steps it takes, and its key; of a trial, its own."""
    if isinstance(task, Trial):
        if hyperparameters is not None or key is not None:
            raise ValueError("hyperparameters and key must be left out with a Trial, which has its own")
        return Case(task.task, task.hyperparameters), steps or task.steps, task.key
    if not isinstance(task, Task):
        raise ValueError(f"task must be a ch5jax.Task, or a trial of a sweep, got {task!r}")
    if key is None:
        raise ValueError("key must be given, such as jax.random.key(0)")
    return Case(task, hyperparameters), steps_of(task, steps), key


def _check_names(remedies: Sequence[str]) -> None:
    if isinstance(remedies, str) or not remedies:
        raise ValueError(f"remedies must be a list of names, got {remedies!r}")
    for name in remedies:
        if unknown := [part for part in name.split(JOINED) if part not in REMEDIES]:
            raise ValueError(
                f"remedies must be among {', '.join(REMEDIES)}, several joined by {JOINED!r}, got {unknown[0]!r}"
            )


def remedies_of(difficulty: Difficulty) -> tuple[str, ...]:
    """Those of a difficulty, in the order in which they are tried."""
    if difficulty is Difficulty.HEALTHY:
        return ()
    return RULES[difficulty].treatments if difficulty in RULES else OF_NO_DIFFICULTY


def _with_best_step(case: Case, names: Sequence[str], steps: int, key: jax.Array) -> Case:
    """The case with the step at which its evaluation was best, where a remedy asks for it: the run, trained again."""
    if case.steps is not None or not any(EARLY in name.split(JOINED) for name in names):
        return case
    task, hyperparameters = case.realised()
    every = max(1, steps // EVALUATIONS)
    spacing = {"record_every": every, "evaluate_every": every, "signals_every": 0}
    values = np.asarray(train(task, hyperparameters, key, steps, **spacing).evaluations[task.objective], float)
    scores = np.where(np.isfinite(values), values if task.maximize else -values, -np.inf)
    best = int(recorded_steps(steps, every)[scores.argmax()])
    return case._replace(best_step=best if best < steps else None)


def _possible(case: Case, done: str, names: Sequence[str], most: int) -> dict[str, Case]:
    """The first of the remedies that can be had, by what has been done altogether."""
    before = "" if done == AS_IT_WAS else done + JOINED
    found = {before + one[0]: one[1] for name in names if (one := treated(case, name)) is not None}
    return dict(itertools.islice(found.items(), most))


def _random_settings(case: Case, key: jax.Array, before: int, count: int) -> dict[str, Case]:
    """So many settings of random search, after those that it has had: Adam at rates that are drawn."""
    low, high = np.log10(RANDOM_RATES)
    keys = (jax.random.fold_in(jax.random.fold_in(key, _keys.RANDOM_SEARCH), before + i) for i in range(count))
    rates = [float(10 ** jax.random.uniform(key, minval=low, maxval=high)) for key in keys]
    found = {f"random: Adam at {rate:.3g}": with_optimizer(adam_at(rate), case) for rate in rates}
    return {name: one for name, one in found.items() if one is not None}


def _trained(
    due: dict[str, Case],
    steps: int,
    key: jax.Array,
    seeds: int | Sequence[int],
    store: Path | None,
    progress: Callable[[Progress], object] | None,
) -> dict[str, tuple[dict[str, np.ndarray], tuple[str, ...]]]:
    """Trains settings over the seeds, those of as many steps as one sweep: each one's metrics and verdicts by seed."""
    sweeps: dict[int, dict[Any, dict[str, Any]]] = {}  # of one number of steps: batches of one structure, by name
    for name, case in due.items():
        task, hyperparameters = case.realised()
        shapes = [np.shape(leaf) for leaf in jax.tree.leaves(hyperparameters)]
        batches = sweeps.setdefault(case.steps or steps, {})
        batches.setdefault((task, jax.tree.structure(hyperparameters), str(shapes)), {})[name] = hyperparameters
    found: dict[str, tuple[dict[str, np.ndarray], tuple[str, ...]]] = {}
    for count, batches in sweeps.items():
        result = sweep(
            {str(g): task for g, (task, *_) in enumerate(batches)},
            {str(g): stack(list(settings.values())) for g, settings in enumerate(batches.values())},
            steps=count,
            key=key,
            seeds=seeds,
            store=store and store.with_name(f"{store.name}-{count}steps"),
            progress=progress,
        )
        names = [name for settings in batches.values() for name in settings]
        rows = np.arange(len(result)).reshape(len(names), -1)
        found |= {name: _of_rows(result, row) for name, row in zip(names, rows, strict=True)}
    return found


def _of_rows(result: SweepResult, rows: np.ndarray) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Some trials' final metrics and verdicts."""
    curves = result.curves[str(result.columns["group"][rows[0]])]
    metrics = {name: result.columns[name][rows] for name in (*curves.metrics, *curves.evaluations)}
    return metrics, tuple(result.columns["verdict"][rows].tolist())
