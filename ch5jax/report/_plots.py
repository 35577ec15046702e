"""A sweep's figures, one by one: `result.plot`."""

from ch5jax._extras import require
from ch5jax._types import PlotlyFigure
from ch5jax.report._chart import Chart
from ch5jax.report._course_charts import course_charts
from ch5jax.report._difficulty_chart import difficulty_chart
from ch5jax.report._effort_chart import effort_chart
from ch5jax.report._importance import importance_chart
from ch5jax.report._leaderboard import leaderboard
from ch5jax.report._numbers import label
from ch5jax.report._objective_chart import objective_chart
from ch5jax.report._plane_charts import heat_chart, parallel_chart
from ch5jax.report._plotly import GROUPS, Look
from ch5jax.report._settings import Settings, gather
from ch5jax.sweeps import SweepResult


class Plots:
    """The figures of a sweep's page as Plotly has them: shown in a notebook, changed and saved like any of its own.

    Example:
      >>> import ch5jax, jax
      >>> opts = ch5jax.grid(ch5jax.momentum, learning_rate=[0.01, 0.1, 1.0], decay=[0.5, 0.9])
      >>> result = ch5jax.sweep(ch5jax.tasks.digits(hidden=()), opts, steps=20, key=jax.random.key(0), seeds=2)
      >>> result.plot.score().layout.xaxis.type
      'log'
      >>> result.plot.heat("learning_rate", "decay").data[0].type
      'heatmap'
    """

    def __init__(self, result: SweepResult):
        self._result = result

    def __repr__(self) -> str:
        return "Plots: score(), effort(), importance(), heat(x, y), parallel(), curves(metric), difficulties()"

    def score(self) -> PlotlyFigure:
        """The objective against the learning rate, or the first other number that varies: mean and range over seeds."""
        return _shown(objective_chart(self._result, self._looks(), self._settings(), {}), "score")

    def effort(self) -> PlotlyFigure:
        """The expected best of so many settings, drawn at random.

        Raises:
          ValueError: where no group has two settings with a score.
        """
        return _shown(effort_chart(self._result, self._looks(), self._settings(), {}), "effort")

    def importance(self) -> PlotlyFigure:
        """How much the order of the trials hangs on each hyperparameter: see `report.importance`.

        Raises:
          ValueError: where nothing varies, or there are fewer than eight trials.
        """
        return _shown(importance_chart(self._result), "importance")

    def heat(self, x: str, y: str, *, median: bool = False) -> PlotlyFigure:
        """The objective over two columns of the table, the best in each cell.

        Args:
          x: a column, such as "learning_rate" or "group", or what groups differ in, such as "hidden".
          y: another.
          median: whether a cell has its trials' median instead.

        Returns:
          The figure.

        Raises:
          ValueError: if there is no such column.
        """
        return _shown(heat_chart(self._result, x, y, median), "heat")

    def parallel(self) -> PlotlyFigure:
        """Parallel coordinates of all that varies, and the objective. It takes WebGL to be seen."""
        return _shown(parallel_chart(self._result), "parallel")

    def curves(self, metric: str | None = None) -> PlotlyFigure:
        """The course of each group's best setting.

        Args:
          metric: the objective, by default, or "loss".

        Returns:
          The figure.

        Raises:
          ValueError: if it is neither, or every setting failed.
        """
        charts = course_charts(self._result, leaderboard(self._result), self._looks(), {})
        by_name = dict(zip(("loss", self._result.objective)[-len(charts) :], charts, strict=True)) if charts else {}
        name = metric or self._result.objective
        if by_name and name not in by_name:
            raise ValueError(f"metric must be {' or '.join(by_name)}, got {name!r}")
        return _shown(by_name.get(name), "curves")

    def difficulties(self) -> PlotlyFigure:
        """What each training met first, by the learning rate or the first other number that varies.

        Raises:
          ValueError: where the sweep took no signals, or no number varies.
        """
        return _shown(difficulty_chart(self._result, self._looks(), self._settings()), "difficulties")

    def _settings(self) -> dict[str, Settings]:
        return {group: gather(self._result, group) for group in self._result.groups}

    def _looks(self) -> dict[str, Look]:
        best = {row.group for row in leaderboard(self._result)[:GROUPS]}
        return {group: Look(group, i) for i, group in enumerate(self._result.groups) if group in best}


def _shown(chart: Chart | None, name: str) -> PlotlyFigure:
    if chart is None:
        raise ValueError(f"plot.{name} needs what this sweep has not: several settings, scores, or signals")
    objects = require("plotly.graph_objects", "sweep", "result.plot")
    figure = objects.Figure(chart.figure)
    return figure.update_layout(title={"text": label(chart.heading)}, margin={"t": 80}, template="plotly_white")
