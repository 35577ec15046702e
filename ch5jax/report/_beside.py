"""What stands beside a table's leaderboard: who has not learnt anything, and gradient boosting."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ch5jax._extras import require
from ch5jax.report._leaderboard import Row
from ch5jax.tasks import Table

ROWS = 10_000  # for boosting, above which scikit-learn's defaults would stop early
_WORK = 20_000_000  # rows × features × classes, for boosting


class Beside(NamedTuple):
    """Scores to compare."""

    name: str
    metrics: dict[str, float]  # under the names that `evaluate` of the table's task has


def beside(table: Table, rows: tuple[Row, ...] = ()) -> tuple[Beside, ...]:
    """What a network's scores on a table are worth: beside it, the majority class or the mean, and gradient boosting.

    Boosting is scikit-learn's `HistGradientBoostingClassifier` or `HistGradientBoostingRegressor` with its defaults, on
    the same inputs, of 10,000 training rows at most, and fewer where features and classes are many; its name says so.

    Args:
      table: the table.
      rows: a leaderboard, whose first row is put in front.

    Returns:
      A `Beside` each, with validation and test of accuracy (and balanced accuracy where `Table.skewed`), or of R² and
      the root of the mean squared error in the target's own unit.

    Raises:
      ImportError: without scikit-learn (`ch5jax[sweep]`).

    Example:
      >>> import ch5jax, ch5jax.report, pandas
      >>> data = pandas.DataFrame({"petal": [1.4, 4.7, 1.5, 4.5] * 20, "species": ["setosa", "versicolor"] * 40})
      >>> majority, boosting = ch5jax.report.beside(ch5jax.tasks.read_table(data, "species"))
      >>> majority.metrics["test_accuracy"], boosting.metrics["test_accuracy"]
      (0.5, 1.0)
    """
    most = int(table.parts.train.targets.sum(axis=0).argmax())  # 0 in regression, the standardised target's mean
    constant = f"always {table.classes[most]!r}" if table.classes else "always the mean"
    found = [Beside(constant, _scores(table, lambda inputs: np.full(len(inputs), most))), _boosting(table)]
    if rows and rows[0].metrics:
        best = {name: rows[0].metrics[name].mean for name in found[0].metrics}
        found.insert(0, Beside(f"{rows[0].group}, the best", best))
    return tuple(found)


def _boosting(table: Table) -> Beside:
    ensemble = require("sklearn.ensemble", "sweep", "a leaderboard of a table")
    inputs, targets = table.parts.train
    affordable = _WORK // (inputs.shape[1] * max(1, len(table.classes)))
    chosen = np.linspace(0, len(inputs) - 1, min(len(inputs), ROWS, max(100, affordable))).astype(int)
    if table.kind == "classification":
        model = ensemble.HistGradientBoostingClassifier(random_state=0).fit(inputs[chosen], targets[chosen].argmax(1))
    else:
        model = ensemble.HistGradientBoostingRegressor(random_state=0).fit(inputs[chosen], targets[chosen, 0])
    few = f", of {len(chosen):,} rows" if len(chosen) < len(inputs) else ""
    return Beside(f"gradient boosting{few}", _scores(table, model.predict))


def _scores(table: Table, predict: Any) -> dict[str, float]:
    """The task's metrics of predictions: classes, or numbers of the standardised target."""
    outputs = {}
    for name in ("validation", "test"):
        answers = predict(getattr(table.parts, name).inputs)
        outputs[name] = np.eye(len(table.classes))[answers.astype(int)] if table.classes else answers[:, None]
    return {
        f"{name}_{metric}": float(score(jnp.float32(own), jnp.asarray(getattr(table.parts, name).targets)))
        for metric, score in table.metrics.items()
        for name, own in outputs.items()
    }
