"""What a sweep found: a table with a row a trial, curves, and every trial again on demand."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import numpy as np

from ch5jax._extras import require
from ch5jax.diagnostics import Signals
from ch5jax.verdicts import Diagnosis


class Trial(NamedTuple):
    """One training of a sweep: what it was given."""

    hyperparameters: Any  # the pytree of this trial, of host numbers
    key: jax.Array  # the trial's key, fold_in(the sweep's key, seed)


class Rerun(NamedTuple):
    """One training of a sweep, done again: the same bits, and all that the sweep did not keep."""

    state: Any  # the final state, arrays
    metrics: dict[str, np.ndarray]  # every step's metrics, shape (steps,)
    evaluations: dict[str, np.ndarray]  # the metrics of `evaluate`, shape (evaluations,)
    signals: Signals | None  # at the sweep's spacing, shape (looks, ...); None if it took none


class Curves(NamedTuple):
    """The course of a group's trials; row i belongs to the group's i-th row in the table."""

    steps: np.ndarray  # shape (records,): steps taken at each record of `metrics`
    metrics: dict[str, np.ndarray]  # the step's metrics, shape (trials, records)
    evaluated_at: np.ndarray  # shape (evaluations,): steps taken at each evaluation
    evaluations: dict[str, np.ndarray]  # the metrics of `evaluate`, shape (trials, evaluations)
    looked_at: np.ndarray = np.zeros(0, int)  # shape (looks,): steps taken, the one looked at too, at each of `signals`
    signals: Signals | None = None  # of the difficulties, shape (trials, looks, ...); None if none were taken

    def signal_columns(self) -> dict[str, np.ndarray]:
        """The signals as columns of shape (trials, looks): `signals.noise`, `signals.update_ratio[0]` and so on."""
        columns = {}
        for name, values in (self.signals._asdict() if self.signals is not None else {}).items():
            for index in np.ndindex(() if values is None else values.shape[2:]):
                if values is not None:
                    columns[f"signals.{name}" + "".join(f"[{i}]" for i in index)] = values[
                        (slice(None), slice(None), *index)
                    ]
        return columns


@dataclass(frozen=True)
class SweepResult:
    """A finished sweep.

    Attributes:
      columns: the table by columns, NumPy arrays of one length, a row a trial: `trial` (its number), `group`, a column
        for each hyperparameter (NaN where a group has none of that name), `seed`, `diverged_at` (the step, from 0, at
        which the loss stopped being finite for good, or went over 10⁶ times its first value to stay; −1 where neither
        happened), the last value of each metric of the step, the final value of each metric of `evaluate`,
        `best_<objective>` with `best_step`, the best evaluation and how many steps it came after, and, where signals
        were taken, `verdict`, the first difficulty that the trial met, and `difficulties`, all of them: the names of
        `diagnostics.Difficulty`, but for saddles and local optima, which need curvature.
      curves: the course of each group's trials, by group.
      hyperparameters: the names of the hyperparameters' columns in each group.
      objective: the metric that selects; `maximize` says which way.
      steps: how many steps each trial took.
      width: how many trials ran side by side on a device.
    """

    columns: dict[str, np.ndarray]
    curves: dict[str, Curves]
    hyperparameters: dict[str, tuple[str, ...]]
    objective: str
    maximize: bool
    steps: int
    width: int
    _trial: Callable[[int], Trial] = field(repr=False)
    _rerun: Callable[[int], Rerun] = field(repr=False)
    _diagnosis: Callable[[int], Diagnosis] = field(repr=False)

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups' names, in order."""
        return tuple(self.curves)

    def __len__(self) -> int:
        return len(self.columns["trial"])

    def table(self) -> Any:
        """The table as a pandas DataFrame, for `.to_csv`, `.to_parquet`, `.groupby`.

        Raises:
          ImportError: without pandas (`ch5jax[sweep]`).
        """
        return require("pandas", "sweep", "SweepResult.table").DataFrame(self.columns)

    def ranking(self) -> np.ndarray:
        """The trials' numbers, the best first; those that diverged come last, in the order of their divergence.

        With them are those whose objective is no finite number, on whichever side: −∞ is no lowest loss.
        """
        score = self.columns[self.objective].astype(float)
        diverged = self.columns["diverged_at"]
        score = np.where((diverged >= 0) | ~np.isfinite(score), np.inf, -score if self.maximize else score)
        return np.lexsort((-diverged, score))

    def trial(self, number: int) -> Trial:
        """A trial's hyperparameters and key, to train it elsewhere or to look at it.

        Raises:
          ValueError: if there is no such trial.
        """
        return self._trial(self._checked(number))

    def rerun(self, number: int) -> Rerun:
        """Trains one trial again: bit for bit the same, with the metrics of every step and the final state.

        Raises:
          ValueError: if there is no such trial.
        """
        return self._rerun(self._checked(number))

    def diagnosis(self, number: int) -> Diagnosis:
        """What a trial's verdict was told by, and in words: `print(result.diagnosis(7))`.

        A sweep takes no curvature, so that nothing is said of saddles and local optima: `diagnose` with what
        `trial(number)` gives does.

        Raises:
          ValueError: if there is no such trial, or the sweep took no signals.
        """
        return self._diagnosis(self._checked(number))

    def _checked(self, number: int) -> int:
        if not 0 <= number < len(self):
            raise ValueError(f"trial must be from 0 to {len(self) - 1}, got {number}")
        return int(number)
