"""Which hyperparameters the score hangs on."""

from typing import NamedTuple

import numpy as np

from ch5jax._extras import require
from ch5jax.report._chart import Chart
from ch5jax.report._numbers import label
from ch5jax.report._plane_charts import objective_of
from ch5jax.report._plotly import figure, numbers, shown
from ch5jax.report._settings import distinct, is_numeric
from ch5jax.report._structure import parts, with_structure
from ch5jax.sweeps import SweepResult

TRIALS = 2000  # drawn from more
_BLUE, _GREY = "rgb(0, 114, 178)", "rgb(127, 127, 127)"


class Importance(NamedTuple):
    """How much of the order of the trials is lost when a column is shuffled."""

    name: str  # a hyperparameter, "group" or "seed"
    mean: float  # by how much R² falls
    std: float  # over the shuffles


def importance(result: SweepResult, group: str | None = None) -> tuple[Importance, ...]:
    """What decides which trial is better: scikit-learn's permutation importance of extremely randomised trees.

    The trees predict the rank of a trial's objective, so that no outlier decides; who diverged comes last. The seed is
    among the columns: what is as important as it is chance.

    Args:
      result: a sweep.
      group: one of its groups; None for all together, with the group as one more column, and what groups differ in,
        such as `hidden` of "adam, hidden=8-8", as columns of their own.

    Returns:
      An `Importance` for each of the columns that vary, the largest first; nothing for fewer than eight trials.

    Raises:
      ImportError: without scikit-learn (`ch5jax[sweep]`).

    Example:
      >>> import ch5jax, ch5jax.report, jax
      >>> opts = ch5jax.grid(ch5jax.momentum, learning_rate=[1e-3, 1e-2, 1e-1], decay=[0.5, 0.55])
      >>> result = ch5jax.sweep(ch5jax.tasks.digits(hidden=()), opts, steps=20, key=jax.random.key(0), seeds=2)
      >>> ch5jax.report.importance(result)[0].name
      'learning_rate'
    """
    ensemble, inspection = (require(f"sklearn.{m}", "sweep", "report.importance") for m in ("ensemble", "inspection"))
    rows = np.flatnonzero(result.columns["group"] == group) if group else np.arange(len(result))
    result = with_structure(result)
    names = [
        "group",
        *dict.fromkeys(n for g in ([group] if group else result.groups) for n in result.hyperparameters[g]),
    ]
    columns = {name: result.columns[name][rows] for name in [*names, "seed"]}
    columns["group"] = np.array([parts(str(one))[0] for one in columns["group"]])  # its choices are columns by now
    columns = {name: _as_numbers(values) for name, values in columns.items() if len(distinct(values)) > 1}
    score = objective_of(result)[rows] * (1 if result.maximize else -1)
    score = np.where(np.isnan(score), -np.inf, score)
    if len(rows) < 8 or not set(columns) - {"seed"} or len(np.unique(score)) < 2:
        return ()
    ranks = require("scipy.stats", "sweep", "report.importance").rankdata(score)
    x = np.stack(list(columns.values()), axis=1)
    if len(rows) > TRIALS:
        drawn = np.random.default_rng(0).choice(len(rows), TRIALS, replace=False)
        x, ranks = x[drawn], ranks[drawn]
    trees = ensemble.ExtraTreesRegressor(48, min_samples_leaf=2, random_state=0).fit(x, ranks)
    told = inspection.permutation_importance(trees, x, ranks, n_repeats=5, random_state=0)
    found = map(Importance, columns, told.importances_mean.tolist(), told.importances_std.tolist())
    return tuple(sorted(found, key=lambda one: -one.mean))


def _as_numbers(values: np.ndarray) -> np.ndarray:
    """Ranks, with −1 where a group has no such hyperparameter."""
    if is_numeric(values):
        ranks = np.unique(values, return_inverse=True)[1].astype(float)
        return np.where(np.isnan(values.astype(float)), -1.0, ranks)
    return np.unique(values.astype(str), return_inverse=True)[1].astype(float)


def importance_chart(result: SweepResult) -> Chart | None:
    """A bar for each column that varies; None where there is nothing to tell."""
    found = importance(result)
    if not found:
        return None
    names = [shown(label({"group": "optimizer"}.get(one.name, one.name))) for one in found]
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": names[::-1],
        "x": numbers(max(one.mean, 0) for one in found[::-1]),
        "error_x": {"array": numbers(one.std for one in found[::-1]), "thickness": 1},
        "marker": {
            "color": ["rgb(127, 127, 127)" if one.name == "seed" else "rgb(0, 114, 178)" for one in found[::-1]]
        },
        "hovertemplate": "%{y}: %{x:.3f}<extra></extra>",
    }
    xaxis = {"title": {"text": "fall of R² without it"}, "rangemode": "tozero"}
    caption = (
        "How much the order of the trainings hangs on each: permutation importance (scikit-learn) of extremely "
        "randomised trees. What is no more important than the seed is chance."
    )
    return Chart("Importance", caption, figure([bars], xaxis, {"automargin": True, "type": "category"}))
