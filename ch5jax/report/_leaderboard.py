"""The best setting of each group: selected on validation, reported on the test part."""

from typing import NamedTuple

import numpy as np

from ch5jax.report._numbers import is_share, label, number
from ch5jax.report._settings import Settings, distinct, gather, metric_pairs
from ch5jax.sweeps import SweepResult


class Spread(NamedTuple):
    """A metric over the seeds of a setting."""

    mean: float
    std: float  # with ddof = 1; NaN for a single seed


class Span(NamedTuple):
    """How a group depends on one of its swept hyperparameters."""

    name: str
    best: float
    low: float  # the range of values whose mean is within 1 % of the best, whatever the other hyperparameters
    high: float
    contiguous: bool  # whether all values tried in that range are within 1 %
    lowest: float  # of the values tried
    highest: float
    values: int  # how many were tried
    edge: str  # "lowest" or "highest" where the best lies on the edge of what was tried, else ""


class Row(NamedTuple):
    """A group in the leaderboard."""

    group: str
    hyperparameters: dict[str, object]  # of the best setting; empty where there is none
    varying: tuple[str, ...]  # those of them that differ between the group's settings
    metrics: dict[str, Spread]  # of the best setting: the objective, and every pair of validation and test metrics
    trials: tuple[int, ...]  # the numbers of the best setting's trials, one a seed
    settings: int  # how many were tried
    settings_failed: int  # how many have a diverged seed, or an objective that is not finite
    trials_run: int
    trials_diverged: int
    settings_close: int  # within 1 % of the best
    spans: tuple[Span, ...]
    warnings: tuple[str, ...]


def leaderboard(result: SweepResult) -> tuple[Row, ...]:
    """Ranks the groups of a sweep by their best settings.

    The best setting of a group is the one with the best mean over its seeds of the objective, a validation metric;
    equal means (to six digits) are decided by the mean `validation_loss`, if there is one, and then by the order in the
    table. Where a sweep evaluates on the way, every metric of a trial is that of its best evaluation, at `best_step`;
    otherwise of the last step. A setting that a rung stopped ranks behind those that went on, and one with a diverged
    seed, or with an objective that is not finite, behind all others. Values within 1 % of the best are those with an
    accuracy at most 0.01 below it, or another objective at most 1 % worse.

    Args:
      result: a sweep.

    Returns:
      A `Row` for each group, the best first; a group in which every setting failed has no hyperparameters and no
      metrics, and a warning that says so.

    Raises:
      ImportError: without pandas (`ch5jax[sweep]`).

    Example:
      >>> import ch5jax, ch5jax.report, jax
      >>> opts = ch5jax.grid(ch5jax.sgd, learning_rate=[0.01, 0.1, 1.0])
      >>> result = ch5jax.sweep(ch5jax.tasks.digits(hidden=()), opts, steps=20, key=jax.random.key(0), seeds=2)
      >>> (best,) = ch5jax.report.leaderboard(result)
      >>> best.settings, best.trials_run, best.spans[0].name
      (3, 6, 'learning_rate')
    """
    rows = []
    for position, group in enumerate(result.groups):
        settings = gather(result, group)
        best = settings.order()[0]
        key = (settings.failed()[best], -settings.steps[best], settings.score[best], settings.tie[best], position)
        rows.append((key, _row(result, group, settings, int(best))))
    return tuple(row for _, row in sorted(rows, key=lambda pair: pair[0]))


def _row(result: SweepResult, group: str, settings: Settings, best: int) -> Row:
    failed = settings.failed()
    numbers = result.columns["trial"][result.columns["group"] == group]
    row = Row(
        group=group,
        hyperparameters={},
        varying=settings.varying(),
        metrics={},
        trials=(),
        settings=len(settings),
        settings_failed=int(failed.sum()),
        trials_run=int(settings.seeds.sum()),
        trials_diverged=int(settings.diverged.sum()),
        settings_close=0,
        spans=(),
        warnings=(
            f"{group}: every setting failed, {settings.diverged.sum()} of {settings.seeds.sum()} trials diverged",
        ),
    )
    if failed[best]:
        return row
    metrics = [name for pair in metric_pairs(result) for name in pair if name]
    close = _within_one_percent(result.objective, settings.metrics[result.objective].mean, best, result.maximize)
    spans = tuple(_span(name, settings.hyperparameters[name], best, close) for name in settings.swept())
    return row._replace(
        hyperparameters={name: values[best].item() for name, values in settings.hyperparameters.items()},
        metrics={
            m: Spread(float(settings.metrics[m].mean[best]), float(settings.metrics[m].std[best])) for m in metrics
        },
        trials=tuple(numbers[settings.of_trial == best].tolist()),
        settings_close=int(close.sum()),
        spans=spans,
        warnings=tuple(f"{group}: {edge_in_words(span)}" for span in spans if span.edge),
    )


def _within_one_percent(objective: str, means: np.ndarray, best: int, maximize: bool) -> np.ndarray:
    tolerance = 0.01 if is_share(objective) else 0.01 * abs(means[best])
    behind = means[best] - means if maximize else means - means[best]
    return behind <= tolerance * (1 + 1e-6)  # NaN compares as not close


def _span(name: str, values: np.ndarray, best: int, close: np.ndarray) -> Span:
    tried, good = distinct(values), distinct(values[close])
    between = tried[(tried >= good[0]) & (tried <= good[-1])]
    edge = {tried[0]: "lowest", tried[-1]: "highest"}.get(values[best], "")
    ends = (good[0], good[-1])
    return Span(
        name=name,
        best=values[best].item(),
        low=ends[0].item(),
        high=ends[1].item(),
        contiguous=len(between) == len(good),
        lowest=tried[0].item(),
        highest=tried[-1].item(),
        values=len(tried),
        edge=edge,
    )


def edge_in_words(span: Span) -> str:
    """That the best value lies on the edge of what was tried."""
    beyond = "below" if span.edge == "lowest" else "above"
    return (
        f"the best {label(span.name)}, {number(span.best)}, is the {span.edge} of the {span.values} tried; "
        f"a better one may lie {beyond} it"
    )
