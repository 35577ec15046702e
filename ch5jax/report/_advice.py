"""What to mind about an answer, and what to try next, in words."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ch5jax.diagnostics import Difficulty
from ch5jax.report._leaderboard import Row, Span, edge_in_words
from ch5jax.report._numbers import amount, is_share, label, number, with_spread
from ch5jax.report._settings import Settings, distinct
from ch5jax.sweeps import SweepResult
from ch5jax.verdicts.difficulties import RULES

RISING = 0.25  # the last share of the steps in which a training that has converged gains nothing to speak of


class Advice(NamedTuple):
    """What a sweep's answer suffers from, and what would help, in sentences."""

    warnings: list[str]
    next: list[str]


class _Said(NamedTuple):
    """A sentence about a group; nothing where it has no end, of all groups where it has no group."""

    group: str
    head: str = ""
    amount: str = ""  # what may be another for the next group, of which the rest is true too
    tail: str = ""


_Pair = tuple[_Said, _Said]  # a warning, and what to try
_NOTHING = _Said("")


def advice(result: SweepResult, rows: Sequence[Row], settings: dict[str, Settings]) -> Advice:
    """What to mind about the best settings, and what to try next.

    Args:
      result: the sweep.
      rows: its leaderboard.
      settings: each group's trials by setting.

    Returns:
      An `Advice`: of each best value on the edge of what was tried, each group that mostly diverged or failed, or no
      training of which was healthy, a best setting that met a difficulty, was still getting better at the end or whose
      seeds disagree, leaders that the seeds do not tell apart, and a single seed; where there is nothing to try, it
      says where to look more closely. What is true of several groups is said once.
    """
    pairs = [one for row in rows for one in _of_a_group(result, row, settings[row.group])]
    pairs += _of_the_leaders(result, [row for row in rows if row.metrics])
    if not any(tried != _NOTHING for _, tried in pairs):
        pairs += _closer(rows[0], settings[rows[0].group])
    warnings, tried = ([pair[side] for pair in pairs] for side in (0, 1))
    return Advice(_in_sentences(warnings), _in_sentences(tried))


def _in_sentences(said: Sequence[_Said]) -> list[str]:
    """What is the same of several groups in one sentence, in the order in which it was said first."""
    alike: dict[tuple[str, str], list[_Said]] = {}
    for one in said:
        if one != _NOTHING:
            alike.setdefault((one.head, one.tail), []).append(one)
    sentences = []
    for (head, tail), each in alike.items():
        groups = list(dict.fromkeys(one.group for one in each if one.group))
        amounts = [one.amount for one in each if one.amount]
        if len(set(amounts)) == 1:
            amounts = amounts[:1]
        elif len(amounts) > 4:  # as many as there are names
            amounts = [*amounts[:2], "so on"]
        who = f"{_listed(groups)}: " if groups else ""
        sentences.append(f"{who}{head}{_listed(amounts) if amounts else ''}{tail}")
    return sentences


def _of_a_group(result: SweepResult, row: Row, settings: Settings) -> Iterator[_Pair]:
    group = row.group
    for span in row.spans:
        if span.edge:
            yield _Said(group, edge_in_words(span)), _Said(group, _beyond(span))
    if not row.metrics:
        lost = f"{row.trials_diverged:,} of {row.trials_run:,} trials"
        yield _Said(group, "every setting failed, ", lost, " diverged"), _Said(group, "other ranges, or another start")
    if row.metrics and 2 * row.trials_diverged > row.trials_run:
        said = _Said(group, "", f"{row.trials_diverged:,} of {row.trials_run:,}", " trainings diverged")
        rates = [name for name in settings.swept() if name.rpartition(".")[2] == "learning_rate"]
        highest = max((settings.hyperparameters[name][~settings.failed()].max() for name in rates), default=None)
        yield said, _NOTHING if highest is None else _Said(group, f"no learning rate over {number(highest, 2)}")
    elif row.metrics:
        yield from _of_verdicts(result, row)
    if not row.metrics:
        return
    objective, mean, std = result.objective, *row.metrics[result.objective]
    if std > (0.02 if is_share(objective) else 0.1 * abs(mean)):
        spread = with_spread(objective, mean, std)
        yield _Said(group, "the seeds of the best setting disagree, ", spread), _Said(group, "more seeds")
    gained, steps = _gained_late(result, row), result.curves[row.group].evaluated_at[-1]
    if gained > max(0.0 if np.isnan(std) else std / 2, 0.005 if is_share(objective) else 0.02 * abs(mean)):
        how_much = amount(objective, gained) if is_share(objective) else number(gained, 2)
        head = f"the best setting has not converged yet, its {label(objective)} got better by "
        yield (
            _Said(group, head, how_much, " in the last quarter of the steps"),
            _Said(group, f"{2 * steps:,} steps instead of {steps:,}"),
        )


def _of_verdicts(result: SweepResult, row: Row) -> Iterator[_Pair]:
    """That nothing was healthy, so that the best of it says little; or that the best setting was not."""
    if "verdict" not in result.columns:
        return
    mine = result.columns["group"] == row.group
    verdicts = result.columns["verdict"][mine]
    of_best = verdicts[np.isin(result.columns["trial"][mine], row.trials)]
    healthy = (verdicts == "healthy").any()
    names, counts = np.unique(of_best if healthy else verdicts, return_counts=True)
    verdict, count = str(names[counts.argmax()]), int(counts.max())
    if verdict in ("healthy", "unknown") or 2 * count <= counts.sum():
        return
    if healthy:
        said = _Said(row.group, f"the best setting itself was not healthy: {label(verdict)}")
    else:
        said = _Said(row.group, "no training was healthy: ", f"{count:,} of {len(verdicts):,}", f" {label(verdict)}")
    remedies = RULES[Difficulty[verdict.upper()]].remedies
    yield said, _Said(row.group, remedies.removeprefix("Try ").removesuffix("."))


def _beyond(span: Span) -> str:
    """Values on the other side of the edge."""
    down = span.edge == "lowest"
    if span.lowest > 0 and span.highest >= 10 * span.lowest:
        ends = (span.lowest / 10, span.lowest) if down else (span.highest, 10 * span.highest)
    else:
        width = span.highest - span.lowest
        ends = (span.lowest - width, span.lowest) if down else (span.highest, span.highest + width)
    return f"{label(span.name)} from {number(ends[0], 3)} to {number(ends[1], 3)} too, if that makes sense"


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


def _of_the_leaders(result: SweepResult, rows: Sequence[Row]) -> Iterator[_Pair]:
    """What the seeds do not tell."""
    if not rows:
        return
    first, seeds = rows[0], len(rows[0].trials)
    if seeds == 1:
        yield (
            _Said("", "a single seed: small differences may be chance"),
            _Said("", "several seeds of the best settings"),
        )
        return
    mean, std = first.metrics[result.objective]
    near = []
    for row in rows[1:]:
        other, spread = row.metrics[result.objective]
        error = np.sqrt((np.nan_to_num(std) ** 2 + np.nan_to_num(spread) ** 2) / seeds)
        if abs(other - mean) < 2 * error:
            near.append(row.group)
    if near:
        few = f"{4 * seeds} seeds of these best settings, which halves the error"
        said = f"{seeds} seeds do not tell {first.group} from {_listed(near)}: they differ by less than two standard "
        yield _Said("", f"{said}errors"), _Said("", few)


def _listed(names: Sequence[str]) -> str:
    if len(names) > 4:
        names = [*names[:2], f"{len(names) - 2:,} more"]
    apart = "; " if any("," in name for name in names) else ", "  # a group may be called "adam, hidden=16"
    return names[0] if len(names) == 1 else f"{apart.join(names[:-1])} and {names[-1]}"


def _closer(row: Row, settings: Settings) -> Iterator[_Pair]:
    """Between the neighbours of the best."""
    for span in row.spans:
        tried = distinct(settings.hyperparameters[span.name])
        at = int(np.searchsorted(tried, span.best))
        if settings.is_grid() and 0 < at < len(tried) - 1:
            ends = f"{number(tried[at - 1], 3)} to {number(tried[at + 1], 3)}"
        else:
            ends = f"{number(span.low, 3)} to {number(span.high, 3)}"
        yield _NOTHING, _Said(row.group, f"{label(span.name)} more finely, from {ends}")
