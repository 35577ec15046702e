"""A search: rounds of settings that an Optuna study asks for, each trained as one sweep."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ch5jax import _keys, _trees
from ch5jax._extras import require
from ch5jax._types import Hyperparameters, Sampler, Study
from ch5jax.searches._space import Space, space_of
from ch5jax.sweeps import Progress, SweepResult, listed_seeds, sweep
from ch5jax.tasks import Task, check_promises, steps_of
from ch5jax.training import Probes

PLAN = "ch5jax"  # the study's attribute that says what is searched
ROUND = "round"  # a trial's, that says in which it was asked for


@dataclass(frozen=True)
class Search:
    """A search of `ch5jax.search`, done.

    Attributes:
      study: Optuna's: `study.best_trial`, `study.trials_dataframe()`, its dashboard, plots and importances. Each trial
        has the attributes `round`, `steps`, `seeds`, and by seed `scores`, `verdicts` (where signals were taken) and
        `diverged_at`; every other metric of `evaluate` and of the step is its mean over the seeds.
    """

    study: Study
    _train: Callable[[list[Any], str | None], tuple[SweepResult, np.ndarray]] = field(repr=False)

    def again(self, number: int | None = None) -> SweepResult:
        """Trains the setting of a trial once more, with every seed: to the same bits, for all that a study cannot keep.

        Args:
          number: the trial's number in the study; by default that of its best.

        Returns:
          A `SweepResult` with a row a seed: `best().params`, `diagnosis(0)`, `predict(0, inputs)`.

        Raises:
          ValueError: if there is no such trial, or none is the best, since all have diverged.
        """
        trials = self.study.get_trials(deepcopy=False)
        if number is None:
            if not any(trial.state.name == "COMPLETE" for trial in trials):
                raise ValueError(
                    f"number must be given: none of the {len(trials)} trials is the best, all have diverged"
                )
            number = self.study.best_trial.number
        searched = [trial.number for trial in trials if ROUND in trial.user_attrs]
        if isinstance(number, bool) or number not in searched:
            raise ValueError(f"number must be that of a trial of this search, got {number!r}")
        return self._train([trials[number]], None)[0]


def search(
    task: Task,
    factory: Callable[..., Hyperparameters],
    study: Study,
    /,
    *,
    count: int,
    per_round: int,
    steps: int | None = None,
    key: jax.Array,
    seeds: int | Sequence[int] = 1,
    sampler: Callable[..., Sampler] | None = None,
    store: str | os.PathLike[str] | None = None,
    signals_every: int | None = None,
    progress: Callable[[Progress], object] | None = None,
    **values: Any,
) -> Search:
    """Has a sampler of Optuna's choose settings, and trains each round of them as one sweep.

    A round asks the study for `per_round` settings, trains them with every seed side by side, and tells it the mean of
    the task's objective over the seeds. All rounds run one compiled program. A setting that diverged at any seed, or
    whose objective is not finite, is told as pruned: TPE takes that for worse than all that ended, while a failed trial
    teaches no sampler anything. (CMA-ES, GP and importances leave pruned trials out.)

    Args:
      task: a `Task`.
      factory: `ch5jax.adam`, or any function that makes a pytree of hyperparameters, called with one setting's values.
      study: of `optuna.create_study`, with one objective, in the direction of the task's. Its storage keeps the search:
        called again with the same arguments, after whatever stopped it, the search goes on. One process at a time works
        on a study: trials that are found running were left by one that is gone. Those that were asked for here are
        trained, to the same bits, and others told as failed.
      count: how many trials the study has at the end that did not fail, ≥ 1, those that it has already among them.
      per_round: settings in a round, ≥ 1. More fill the machine better, and a sampler learns less often.
      steps: how many steps every trial takes, ≥ 1; may be left out for a task that has `steps`.
      key: the search's key: a trial's is `fold_in(key, seed)`, as in a sweep.
      seeds: how many seeds each setting is trained with, or a list of them.
      sampler: a class of `optuna.samplers`, or a function that makes one, called by `sampler(seed=...)` before every
        trial with how many were before it. A search that was stopped then asks for what it would have asked for. By
        default the study's own sampler is used: if that has a seed, it begins with its first draws again in a new
        process.
      store: a folder for the rounds' sweeps, each in one of its own, to go on in the middle of a round.
      signals_every: as in `sweep`: spacing of the signals that verdicts need; 0 takes none.
      progress: called with a `Progress` after every segment of a round's steps.
      **values: as in `ch5jax.sample`: for each argument of the factory a scale (`ch5jax.linear`, `ch5jax.log`,
        `ch5jax.integer`), a list of which one element is drawn, or what all settings share. A list of what is no number
        (flags, functions, None, words) makes a program for each element.

    Returns:
      A `Search`: the `study`, and `again()`, the best setting trained once more.

    Raises:
      ValueError: if an argument is not as above, the study is another search's, or the task breaks a promise of `Task`.
      ImportError: without Optuna (`ch5jax[optuna]`).

    Example:
      >>> import ch5jax, jax, optuna
      >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
      >>> task = ch5jax.tasks.surface(ch5jax.problems.beale())
      >>> found = ch5jax.search(
      ...     task, ch5jax.sgd, optuna.create_study(), count=16, per_round=8, steps=100, key=jax.random.key(0),
      ...     sampler=optuna.samplers.TPESampler, learning_rate=ch5jax.log(1e-4, 1.0))
      >>> len(found.study.trials), len(found.again())
      (16, 1)

    Source: Akiba et al., "Optuna: a next-generation hyperparameter optimization framework" (2019); its samplers are
    used as they are, by ask and tell.
    """
    optuna = require("optuna", "optuna", "search")
    if not isinstance(task, Task):
        raise ValueError(f"task must be a ch5jax.Task, such as ch5jax.tasks.digits(), got {task!r}")
    steps = steps_of(task, steps)
    _check_study(optuna, study, task)
    for name, number in (("count", count), ("per_round", per_round)):
        if number is None:
            raise ValueError(f"{name} must be a positive integer, got None")
    _trees.check_positive(count=count, per_round=per_round)
    if sampler is not None and not callable(sampler):
        raise ValueError(f"sampler must be a class of optuna.samplers or a function of seed, got {sampler!r}")
    space, key = space_of(factory, values), _keys.one_key(key)
    Probes.spaced(steps, signals_every)
    for params in space.ends():  # nothing is asked for that cannot be trained
        check_promises(task, space.setting(params))
    plan = {
        "objective": task.objective,
        "steps": steps,
        "seeds": listed_seeds(seeds).tolist(),
        "key": np.asarray(jax.random.key_data(key)).tolist(),
        "per_round": int(per_round),
        "space": space.words(),
    }
    _check_plan(study, plan)

    def train(trials: list[Any], folder: str | None) -> tuple[SweepResult, np.ndarray]:
        """A sweep of some trials, and where each is in it."""
        batch, place = space.batch([trial.params for trial in trials])
        result = sweep(
            task,
            batch,
            steps=steps,
            key=key,
            seeds=seeds,
            store=None if store is None or folder is None else Path(store, folder),
            signals_every=signals_every,
            width=study.user_attrs[PLAN].get("width"),
            progress=progress,
        )
        if "width" not in study.user_attrs[PLAN]:  # which the bits depend on
            study.set_user_attr(PLAN, plan | {"width": result.width})
        return result, place

    if PLAN not in study.user_attrs:
        study.set_user_attr(PLAN, plan)
    asking = _Asking(optuna, study, space, sampler)
    asking.fail_what_nobody_asked_for()
    while members := asking.round(int(count), int(per_round)):
        result, place = train(members, f"round{members[0].user_attrs[ROUND]:06}")
        for trial, setting in zip(members, place, strict=True):
            if not trial.state.is_finished():
                _tell(optuna, study, trial, result, int(setting))
    return Search(study, train)


class _Asking:
    """Rounds of trials, as the study has them and as they are asked for."""

    def __init__(self, optuna: Any, study: Any, space: Space, sampler: Callable[..., Any] | None):
        self.optuna, self.study, self.sampler = optuna, study, sampler
        self.distributions = space.distributions(optuna)

    def fail_what_nobody_asked_for(self) -> None:
        """Trials that run, and were not asked for here to the end."""
        for trial in self._trials():
            if trial.state.name == "RUNNING" and not self._is_whole(trial):
                self.study.tell(trial.number, state=type(trial.state).FAIL)

    def round(self, count: int, most: int) -> list[Any]:
        """The next round's trials, those left behind first; none where all are done."""
        trials = self._trials()
        running = [trial for trial in trials if trial.state.name == "RUNNING"]
        finished = [trial for trial in trials if trial.state.is_finished()]
        number = running[0].user_attrs[ROUND] if running else len(finished)
        members = [trial.number for trial in trials if trial.user_attrs.get(ROUND) == number]
        if len(members) == sum(trial.user_attrs[ROUND] == number for trial in running):  # else all were asked for
            members += [
                self._ask(number, len(finished) + place)
                for place in range(len(members), min(most, count - len(finished)))
            ]
        everyone = self.study.get_trials(deepcopy=False)
        return [everyone[i] for i in members]

    def _ask(self, number: int, before: int) -> int:
        if self.sampler is not None:
            sampler = self.sampler(seed=before)
            if not isinstance(sampler, self.optuna.samplers.BaseSampler):
                raise ValueError(f"sampler must make one of optuna.samplers, got {sampler!r}")
            self.study.sampler = sampler
        trial = self.study.ask(self.distributions)
        trial.set_user_attr(ROUND, number)
        return int(trial.number)

    def _trials(self) -> list[Any]:
        """Those that have not failed, and were begun."""
        return [t for t in self.study.get_trials(deepcopy=False) if t.state.name not in ("FAIL", "WAITING")]

    def _is_whole(self, trial: Any) -> bool:
        return ROUND in trial.user_attrs and self.distributions.keys() <= trial.params.keys()


def _tell(optuna: Any, study: Any, trial: Any, result: SweepResult, setting: int) -> None:
    """Tells the study what a trial came to, and keeps beside it what else is known."""
    seeds = len(study.user_attrs[PLAN]["seeds"])
    rows = slice(setting * seeds, (setting + 1) * seeds)
    columns = {name: values[rows] for name, values in result.columns.items()}
    scores, gone = columns[result.objective].astype(float), columns["diverged_at"]
    told: dict[str, Any] = {
        "steps": result.steps,
        "seeds": columns["seed"].tolist(),
        "scores": [_json(score) for score in scores],
        "diverged_at": gone.tolist(),
    }
    if "verdict" in columns:
        told["verdicts"] = columns["verdict"].tolist()
    curves = result.curves[str(columns["group"][0])]
    others = {*curves.metrics, *curves.evaluations} - {result.objective, *told, ROUND}
    told |= {name: _json(columns[name].astype(float).mean()) for name in sorted(others)}
    running = optuna.trial.Trial(study, trial._trial_id)  # a trial to write to: after a restart there is no other way
    for name, value in told.items():
        running.set_user_attr(name, value)
    lost = (gone >= 0).any() or not np.isfinite(scores).all()
    states = optuna.trial.TrialState
    study.tell(trial.number, None if lost else float(scores.mean()), states.PRUNED if lost else states.COMPLETE)


def _json(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _check_study(optuna: Any, study: Any, task: Task) -> None:
    if not isinstance(study, optuna.Study):
        raise ValueError(f"study must be an Optuna study, such as optuna.create_study(), got {study!r}")
    if len(study.directions) != 1:
        raise ValueError(f"study must have one objective, got {len(study.directions)}")
    due = "maximize" if task.maximize else "minimize"
    if study.direction.name.lower() != due:
        raise ValueError(
            f"study must {due} {task.objective}, as the task says, got a study to {study.direction.name.lower()}: "
            f"optuna.create_study(direction={due!r})"
        )


def _check_plan(study: Any, plan: dict[str, Any]) -> None:
    """Refuses a study of another search."""
    before = study.user_attrs.get(PLAN, plan)
    for name, value in plan.items():
        if before.get(name) != value:
            raise ValueError(
                f"study {study.study_name!r} must be this search's, and was begun with {name} = {before.get(name)!r}, "
                f"got {value!r}"
            )
