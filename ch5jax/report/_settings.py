"""Trials gathered by setting: the same hyperparameters under several seeds are one row."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ch5jax._extras import require
from ch5jax.sweeps import SweepResult


class Spreads(NamedTuple):
    """A metric over the seeds of each setting; NaN where a seed diverged or the metric is not finite."""

    mean: np.ndarray  # shape (settings,)
    std: np.ndarray  # shape (settings,), with ddof = 1; NaN for a single seed
    low: np.ndarray  # shape (settings,)
    high: np.ndarray  # shape (settings,)


class Settings(NamedTuple):
    """A group's settings, in the order in which they first occur in the table."""

    hyperparameters: dict[str, np.ndarray]  # each of shape (settings,)
    of_trial: np.ndarray  # shape (trials of the group,), int: each trial's setting
    seeds: np.ndarray  # shape (settings,), int
    diverged: np.ndarray  # shape (settings,), int: how many of the seeds
    metrics: dict[str, Spreads]
    score: np.ndarray  # shape (settings,): the mean objective, less is better, inf where there is none
    tie: np.ndarray  # shape (settings,): what decides between equal scores, likewise
    steps: np.ndarray  # shape (settings,): how many it was trained for; less where a rung stopped it

    def __len__(self) -> int:
        return len(self.seeds)

    def order(self) -> np.ndarray:
        """The settings, the best first; those without an objective last, the fewest diverged seeds first.

        Those that a rung stopped come behind those that went on.
        """
        return np.lexsort((self.diverged, self.tie, self.score, np.where(self.failed(), np.inf, -self.steps)))

    def failed(self) -> np.ndarray:
        """Which settings have no objective: a seed diverged, or its value is not finite."""
        return np.isinf(self.score)

    def varying(self) -> tuple[str, ...]:
        """The hyperparameters that take several values."""
        return tuple(name for name, values in self.hyperparameters.items() if len(distinct(values)) > 1)

    def swept(self) -> tuple[str, ...]:
        """Those among the varying ones that are numbers."""
        return tuple(name for name in self.varying() if is_numeric(self.hyperparameters[name]))

    def is_grid(self) -> bool:
        """Whether the settings are all combinations of the values."""
        return len(self) == np.prod([len(distinct(self.hyperparameters[name])) for name in self.varying()])


def metric_pairs(result: SweepResult) -> tuple[tuple[str, str | None], ...]:
    """Validation metrics with their counterparts on the test part; the objective first, with None if it has none."""

    def on_test(name: str) -> str | None:
        test = "test_" + name.removeprefix("validation_")
        return test if name.startswith("validation_") and test in result.columns else None

    others = [name for name in result.columns if name != result.objective and on_test(name)]
    return tuple((name, on_test(name)) for name in (result.objective, *others))


def gather(result: SweepResult, group: str, metrics: Sequence[str] | None = None) -> Settings:
    """Gathers a group's trials by setting.

    Args:
      result: a sweep.
      group: one of its groups.
      metrics: what to average over the seeds, as `scored` has it; by default those of `metric_pairs`.

    Raises:
      ImportError: without pandas (`ch5jax[sweep]`).
    """
    if metrics is None:
        metrics = [name for pair in metric_pairs(result) for name in pair if name]
    pandas = require("pandas", "sweep", "report")
    rows = np.flatnonzero(result.columns["group"] == group)
    columns = {name: result.columns[name][rows] for name in result.hyperparameters[group]}
    # by number, and words by their rank: neither names nor words have to be such as pandas can hold
    alike = pandas.DataFrame({i: _ranked(values) for i, values in enumerate(columns.values())}, index=range(len(rows)))
    alike[-1] = 0  # which a setting has where it has no hyperparameters
    settings = alike.groupby([*alike], sort=False, dropna=False)
    of_trial = settings.ngroup()
    lost = pandas.Series(result.columns["diverged_at"][rows] >= 0)

    def spreads(name: str) -> Spreads:
        values = pandas.Series(scored(result, group, name))
        counts = np.isfinite(values) & ~lost
        whole = counts.groupby(of_trial).all()
        spread = values.where(counts).groupby(of_trial).agg(["mean", "std", "min", "max"]).where(whole, axis=0)
        return Spreads(*spread.to_numpy().T)

    gathered = {name: spreads(name) for name in metrics}
    objective = gathered[result.objective].mean if result.objective in gathered else spreads(result.objective).mean
    score = _to_minimise(-objective if result.maximize else objective)
    tie = np.zeros(len(score))
    if "validation_loss" in result.columns and result.objective != "validation_loss":
        tie = _to_minimise(spreads("validation_loss").mean)
    return Settings(
        hyperparameters={name: values[settings.head(1).index] for name, values in columns.items()},
        of_trial=of_trial.to_numpy(),
        seeds=settings.size().to_numpy(),
        diverged=lost.groupby(of_trial).sum().to_numpy(),
        metrics=gathered,
        score=score,
        tie=tie,
        steps=pandas.Series(result.steps_trained[rows]).groupby(of_trial).max().to_numpy(),
    )


def ranks_best(result: SweepResult) -> bool:
    """Whether leaderboards and pages take each trial as it was at its best evaluation: where there are several.

    Args:
      result: the sweep.

    Returns:
      Whether they do; otherwise a trial counts as it was after its last step.

    Example:
      >>> import ch5jax, ch5jax.report, jax
      >>> opts = ch5jax.grid(ch5jax.sgd, learning_rate=[0.1])
      >>> result = ch5jax.sweep(ch5jax.tasks.digits(hidden=()), opts, steps=4, key=jax.random.key(0), evaluate_every=2)
      >>> ch5jax.report.ranks_best(result)
      True
    """
    return "best_step" in result.columns and all(len(one.evaluated_at) > 1 for one in result.curves.values())


def scored(result: SweepResult, group: str, name: str) -> np.ndarray:
    """What counts of a metric, of each trial of a group: at its best evaluation, or at the end; shape (trials,)."""
    rows, curves = result.columns["group"] == group, result.curves[group]
    if not ranks_best(result) or name not in curves.evaluations:
        return result.columns[name][rows].astype(float)
    at = np.searchsorted(curves.evaluated_at, result.columns["best_step"][rows])
    values = np.asarray(curves.evaluations[name], float)[np.arange(len(at)), at]
    return np.where(np.isnan(result.columns[f"best_{result.objective}"][rows]), np.nan, values)


def is_numeric(values: np.ndarray) -> bool:
    """Whether these are numbers, with an order and distances."""
    return values.dtype.kind in "iuf"


def distinct(values: np.ndarray) -> np.ndarray:
    """The different values, sorted, without NaN: a hyperparameter that a setting does not have."""
    values = np.unique(_comparable(values))
    return values[~np.isnan(values)] if values.dtype.kind == "f" else values


def _comparable(values: np.ndarray) -> np.ndarray:
    return values if values.dtype.kind != "O" else values.astype(str)


def _ranked(values: np.ndarray) -> np.ndarray:
    return values if is_numeric(values) else np.unique(_comparable(values), return_inverse=True)[1]


def _to_minimise(mean: np.ndarray) -> np.ndarray:
    """Six significant digits: the same share of right answers, averaged in another order, is no better."""
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = 10.0 ** (np.floor(np.log10(np.abs(mean))) - 5)
        rounded = np.round(mean / unit) * unit
    return np.where(np.isnan(mean), np.inf, np.where(mean == 0, 0.0, rounded))
