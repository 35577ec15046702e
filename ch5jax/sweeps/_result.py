"""What a sweep found: a table with a row a trial, curves, verdicts, and every trial once more on demand."""

import importlib
from dataclasses import dataclass, field
from typing import Any, Literal

import jax
import numpy as np

from ch5jax._extras import require
from ch5jax._types import DataFrame, Plots, PyTree
from ch5jax.sweeps._curves import Curves
from ch5jax.sweeps._repeat import Again
from ch5jax.sweeps._trial import Trial
from ch5jax.training import Run
from ch5jax.verdicts import Diagnosis, diagnose

Keep = Literal["last", "best"]


@dataclass(frozen=True)
class SweepResult:
    """A finished sweep.

    Attributes:
      columns: the table by columns, NumPy arrays of one length, a row a trial: `trial` (its number, which is its row
        where the sweep is finished), `group`, a column for each hyperparameter (NaN where a group has none of that
        name), `seed`, `diverged_at` (the step, from 0, at which the loss stopped being finite for good, or went over
        10⁶ times its first value to stay; −1 where neither happened), the last value of each metric of the step, the
        final value of each metric of `evaluate`, `best_<objective>` with `best_step`, the best evaluation and how
        many steps it came after, and, where signals were taken, `verdict`, the first difficulty that the trial met,
        `difficulties`, all of them (the names of `diagnostics.Difficulty`, but for saddles and local optima, which
        need curvature), and `remedy`, of who is not healthy: another value of one hyperparameter that its siblings
        have, with a better score at every seed. With rungs there is `steps_trained` too, how many steps a trial took
        before one stopped it.
      curves: the course of each group's trials, by group.
      hyperparameters: the names of the hyperparameters' columns in each group.
      objective: the metric that selects; `maximize` says which way.
      steps: how many steps each trial took that no rung stopped.
      width: how many trials ran side by side on a device.
    """

    columns: dict[str, np.ndarray]
    curves: dict[str, Curves]
    hyperparameters: dict[str, tuple[str, ...]]
    objective: str
    maximize: bool
    steps: int
    width: int
    _diagnoses: tuple[tuple[np.ndarray, Diagnosis], ...] = field(repr=False)  # batches, with their trials' numbers
    _again: Again | None = field(repr=False)  # None where the task is not at hand

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups' names, in order."""
        return tuple(self.curves)

    def __len__(self) -> int:
        return len(self.columns["trial"])

    def table(self) -> DataFrame:
        """The table as a pandas DataFrame, for `.to_csv`, `.to_parquet`, `.groupby`.

        Raises:
          ImportError: without pandas (`ch5jax[sweep]`).
        """
        return require("pandas", "sweep", "SweepResult.table").DataFrame(self.columns)

    @property
    def plot(self) -> Plots:
        """The figures of a sweep's page, for a notebook: `result.plot.score()`, and what `ch5jax.report.Plots` has.

        Raises:
          ImportError: when a figure is made without Plotly and pandas (`ch5jax[sweep]`).
        """
        return importlib.import_module("ch5jax.report").Plots(self)  # which stands below this

    def ranking(self) -> np.ndarray:
        """The trials' numbers, the best first; those that diverged come last, in the order of their divergence.

        Those that a rung stopped come behind those that went on.
        With them are those whose objective is no finite number, on whichever side: −∞ is no lowest loss.
        """
        score = self.columns[self.objective].astype(float)
        diverged = self.columns["diverged_at"]
        lost = (diverged >= 0) | ~np.isfinite(score)
        score = np.where(lost, np.inf, -score if self.maximize else score)
        return self.columns["trial"][np.lexsort((-diverged, score, np.where(lost, np.inf, -self.steps_trained)))]

    @property
    def steps_trained(self) -> np.ndarray:
        """How many steps each trial took, shape (trials,): all of them, or those to the rung that stopped it."""
        return self.columns.get("steps_trained", np.full(len(self), self.steps))

    def best(self, keep: Keep = "last") -> Trial:
        """The trial that comes first, with its parameters and state.

        Args:
          keep: "last" is the first of `ranking()`, as it was after the last step; "best" the trial with the best
            evaluation of all, as it was then; evaluations after a divergence do not count.

        Returns:
          A `Trial`; its `params` and `state` are made when they are asked for, by training it once more.

        Raises:
          ValueError: if the result was opened or unpickled, and the task is not at hand.
        """
        if keep == "last":
            return self.trial(int(self.ranking()[0]))
        values = self.columns[f"best_{self.objective}"].astype(float)
        score = np.where(np.isfinite(values), -values if self.maximize else values, np.inf)
        behind = np.where(np.isfinite(values), -self.steps_trained, np.inf)
        return self.trial(int(self.columns["trial"][np.lexsort((score, behind))[0]]), keep)

    def trial(self, number: int, keep: Keep = "last") -> Trial:
        """A trial: what it was given, to train it elsewhere, and its parameters and state.

        Args:
          number: its number, the table's column `trial`.
          keep: "last" or "best": whether its state is that of the last step or of its best evaluation.

        Returns:
          A `Trial`; its `params` and `state` are made when they are asked for, by training it once more.

        Raises:
          ValueError: if there is no such trial; if the result was opened or unpickled, and the task is not at hand.
        """
        if keep not in ("last", "best"):
            raise ValueError(f"keep must be 'last' or 'best', got {keep!r}")
        number, again = self._checked(number), self._source()
        steps = int((self.steps_trained if keep == "last" else self.columns["best_step"])[number])
        return Trial(number, *again.given(number), steps, again.task(number), again.rerun)

    def predict(self, number: int, inputs: PyTree, keep: Keep = "last") -> PyTree:
        """A trial's outputs for new inputs.

        Args:
          number: the trial.
          inputs: what the task's model takes, a row an example.
          keep: "last" or "best": by its parameters after the last step, or at its best evaluation.

        Returns:
          `trial(number, keep).predict(inputs)`.

        Raises:
          ValueError: if there is no such trial, the task is not at hand, or has no `predict`.
        """
        return self.trial(number, keep).predict(inputs)

    def rerun(self, number: int, steps: int | None = None) -> Run:
        """Trains one trial again: bit for bit the same, and all that the sweep did not keep.

        Args:
          number: the trial.
          steps: how many steps, from 1 to all of the sweep's; by default as many as it has trained.

        Returns:
          A `Run`: the state after these steps, every step's metrics, and the evaluations and signals on the way, at the
          sweep's spacings. Without an evaluation on the way its `evaluations` are empty.

        Raises:
          ValueError: if there is no such trial, or it had fewer steps; if the result was opened or unpickled, and the
            task is not at hand.
        """
        number, again = self._checked(number), self._source()
        steps = int(self.steps_trained[number]) if steps is None else steps
        if not 1 <= steps <= self.steps:
            raise ValueError(f"steps must be from 1 to the sweep's {self.steps}, got {steps}")
        return again.rerun(number, int(steps))

    def diagnosis(self, number: int) -> Diagnosis:
        """What a trial's verdict was told by, and in words: `print(result.diagnosis(7))`.

        A sweep takes no curvature, so that nothing is said of saddles and local optima, and does not go on from where a
        trial ended: `diagnose(number)` does.

        Args:
          number: the trial.

        Returns:
          A `Diagnosis`.

        Raises:
          ValueError: if there is no such trial, or the sweep took no signals.
        """
        number = self._checked(number)
        for numbers, batch in self._diagnoses:
            if number in numbers:
                row = int(np.searchsorted(numbers, number))
                return jax.tree.map(lambda values, row=row: values[row], batch)
        raise ValueError("a diagnosis needs signals, and this sweep took none (signals_every=0)")

    def diagnose(
        self,
        number: int,
        *,
        best: jax.typing.ArrayLike | None = None,
        iterations: int = 20,
        continuations: bool = True,
    ) -> Diagnosis:
        """Trains a trial once more by itself, and says what it met, by what a sweep does not take too.

        That is the curvature at its end, and six continuations from there: `print(result.diagnose(7))`.

        Args:
          number: the trial.
          best: the lowest loss known to be reachable; by default the task's `lowest`.
          iterations: products with the Hessian for the curvature, ≥ 0; 0 takes none.
          continuations: whether to go on from its last state in six ways.

        Returns:
          `ch5jax.diagnose` of the trial's task, hyperparameters, key and steps. Its last bits can differ from the
          sweep's, whose program is another.

        Raises:
          ValueError: if there is no such trial; if the result was opened or unpickled, and the task is not at hand.
        """
        trial = self.trial(number)
        return diagnose(
            trial.task,
            trial.hyperparameters,
            steps=trial.steps,
            key=trial.key,
            best=best,
            iterations=iterations,
            continuations=continuations,
        )

    def _source(self) -> Again:
        if self._again is None:
            raise ValueError(
                "the trial's task must be at hand, and this result was opened or unpickled without it: call "
                "ch5jax.sweep again with the same arguments and store, which trains nothing twice"
            )
        return self._again

    def __getstate__(self) -> dict[str, Any]:
        """All but the task and its programs, which no file can hold."""
        return {**self.__dict__, "_again": None}

    def _checked(self, number: int) -> int:
        whole, held = isinstance(number, int | np.integer) and not isinstance(number, bool), self.columns["trial"]
        if not whole or number not in held:
            of = "" if len(held) == held[-1] + 1 else f", and one of the {len(held):,} that are done"
            raise ValueError(f"trial must be an integer from 0 to {held[-1]}{of}, got {number!r}")
        return int(number)
