"""What to mind about an answer, and what to try next, in words."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ch5jax.report._leaderboard import Row, Span
from ch5jax.report._numbers import amount, is_share, label, number, with_spread
from ch5jax.report._settings import Settings, distinct
from ch5jax.sweeps import SweepResult

RISING = 0.25  # the last share of the steps in which a training that has converged gains nothing to speak of


class Advice(NamedTuple):
    """What a sweep's answer suffers from, and what would help."""

    warning: str  # nothing where there is only something to try
    next: str  # nothing where there is nothing to do about it


def advice(result: SweepResult, rows: Sequence[Row], settings: dict[str, Settings]) -> tuple[Advice, ...]:
    """What to mind about the best settings, and what to try next.

    Args:
      result: the sweep.
      rows: its leaderboard.
      settings: each group's trials by setting.

    Returns:
      An `Advice` for each best value on the edge of what was tried, each group that mostly diverged or failed, a best
      setting that was still getting better at the end or whose seeds disagree, leaders that the seeds do not tell
      apart, and a single seed; where there is none of these, one that says where to look more closely.
    """
    found = [one for row in rows for one in _of_a_group(result, row, settings[row.group])]
    found += _of_the_leaders(result, [row for row in rows if row.metrics])
    if not any(one.next for one in found):
        found += _closer(rows[0], settings[rows[0].group])
    return tuple(found)


def _of_a_group(result: SweepResult, row: Row, settings: Settings) -> Iterator[Advice]:
    edges = [span for span in row.spans if span.edge]
    tried = [_beyond(row.group, span) for span in edges] or [f"{row.group}: other ranges, or another start"]
    yield from map(Advice, row.warnings, tried)
    if row.metrics and 2 * row.trials_diverged > row.trials_run:
        said = f"{row.group}: {row.trials_diverged:,} of {row.trials_run:,} trainings diverged"
        rates = [name for name in settings.swept() if name.rpartition(".")[2] == "learning_rate"]
        highest = max((settings.hyperparameters[name][~settings.failed()].max() for name in rates), default=None)
        lower = f"{row.group}: no learning rate over {number(highest, 2)}" if highest is not None else ""
        yield Advice(said, lower)
    if not row.metrics:
        return
    objective, mean, std = result.objective, *row.metrics[result.objective]
    if std > (0.02 if is_share(objective) else 0.1 * abs(mean)):
        spread = with_spread(objective, mean, std)
        yield Advice(f"{row.group}: the seeds of the best setting disagree, {spread}", f"{row.group}: more seeds")
    gained, steps = _gained_late(result, row), result.curves[row.group].evaluated_at[-1]
    if gained > max(0.0 if np.isnan(std) else std / 2, 0.005 if is_share(objective) else 0.02 * abs(mean)):
        how_much = amount(objective, gained) if is_share(objective) else number(gained, 2)
        yield Advice(
            f"{row.group}: the best setting has not converged yet, its {label(objective)} got better by {how_much} in "
            "the last quarter of the steps",
            f"{row.group}: {2 * steps:,} steps instead of {steps:,}",
        )


def _beyond(group: str, span: Span) -> str:
    """Values on the other side of the edge."""
    down = span.edge == "lowest"
    if span.lowest > 0 and span.highest >= 10 * span.lowest:
        ends = (span.lowest / 10, span.lowest) if down else (span.highest, 10 * span.highest)
    else:
        width = span.highest - span.lowest
        ends = (span.lowest - width, span.lowest) if down else (span.highest, span.highest + width)
    return f"{group}: {label(span.name)} from {number(ends[0], 3)} to {number(ends[1], 3)} too, if that makes sense"


def _gained_late(result: SweepResult, row: Row) -> float:
    """By how much the objective of the best setting's trials got better in the last quarter; 0 if that is not known."""
    curves = result.curves[row.group]
    at = curves.evaluated_at
    if len(at) < 4:
        return 0.0
    mine = np.flatnonzero(np.isin(result.columns["trial"][result.columns["group"] == row.group], row.trials))
    values = np.asarray(curves.evaluations[result.objective], float)[mine] * (1 if result.maximize else -1)
    before = values[:, at <= (1 - RISING) * at[-1]].max(axis=1)
    return float((values[:, at > (1 - RISING) * at[-1]].max(axis=1) - before).mean())


def _of_the_leaders(result: SweepResult, rows: Sequence[Row]) -> Iterator[Advice]:
    """What the seeds do not tell."""
    if not rows:
        return
    first, seeds = rows[0], len(rows[0].trials)
    if seeds == 1:
        yield Advice("a single seed: small differences may be chance", "several seeds of the best settings")
        return
    mean, std = first.metrics[result.objective]
    near = []
    for row in rows[1:]:
        other, spread = row.metrics[result.objective]
        error = np.sqrt((np.nan_to_num(std) ** 2 + np.nan_to_num(spread) ** 2) / seeds)
        if abs(other - mean) < 2 * error:
            near.append(row.group)
    if near:
        yield Advice(
            f"{seeds} seeds do not tell {first.group} from {_listed(near)}: they differ by less than two standard "
            "errors",
            f"{4 * seeds} seeds of the best settings of {_listed([first.group, *near])}, which halves the error",
        )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _closer(row: Row, settings: Settings) -> Iterator[Advice]:
    """Between the neighbours of the best."""
    for span in row.spans:
        tried = distinct(settings.hyperparameters[span.name])
        at = int(np.searchsorted(tried, span.best))
        if settings.is_grid() and 0 < at < len(tried) - 1:
            ends = f"{number(tried[at - 1], 3)} to {number(tried[at + 1], 3)}"
        else:
            ends = f"{number(span.low, 3)} to {number(span.high, 3)}"
        yield Advice("", f"{row.group}: {label(span.name)} more finely, from {ends}")
