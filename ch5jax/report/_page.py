"""A sweep's report: one HTML page that needs nothing beside it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from ch5jax.report._advice import advice
from ch5jax.report._beside import Beside
from ch5jax.report._difficulties import Met, difficulties
from ch5jax.report._document import document
from ch5jax.report._effort_chart import effort_chart
from ch5jax.report._importance import importance_chart
from ch5jax.report._leaderboard import Row, Span, leaderboard
from ch5jax.report._numbers import amount, better_with, label, number, with_spread
from ch5jax.report._objective_chart import objective_chart
from ch5jax.report._page_data import page_data
from ch5jax.report._plotly import GROUPS, Look
from ch5jax.report._settings import Settings, distinct, gather, metric_pairs
from ch5jax.report._whole import write_whole
from ch5jax.sweeps import SweepResult
from ch5jax.treatment import Treatment
from ch5jax.verdicts import Diagnosis

SCRIPTS = (
    *("basics", "data", "selection", "looks", "axes", "points", "parallel", "heat", "curves", "table", "training"),
    *("controls", "figures", "page"),
)


def write_page(
    result: SweepResult,
    path: str | os.PathLike[str],
    *,
    title: str,
    notes: Sequence[str] = (),
    settings: Mapping[str, object] | None = None,
    units: Mapping[str, str] | None = None,
    warnings: Sequence[str] = (),
    compared: Sequence[Beside] = (),
    diagnoses: Mapping[int, Diagnosis] | None = None,
    treatments: Mapping[int, Treatment] | None = None,
    watched: bool = False,
) -> Path:
    """Writes a sweep's report as one HTML page that works offline: to look at, to filter, and to send to others.

    It says which setting is best and what to mind about it, shows every trial by its hyperparameters, how its training
    went and which difficulty it met. What is selected in one chart is selected in all, and a click on a point shows
    that training. 5 MB of the page are Plotly's script; 1,000 trials take one more. Of very many, it keeps every
    trial's row, and of curves, signals and words those of the best and of an even choice of the others, and says so.

    Args:
      result: the sweep.
      path: where to write; the file appears whole or not at all.
      title: the page's title.
      notes: sentences to show, such as `Table.notes`.
      settings: what was run, as names and values.
      units: the units of metrics, such as {"loss": "nats"}.
      warnings: sentences to show at the top, such as `Table.warnings`.
      compared: scores to show below the leaderboard, of `beside`.
      diagnoses: what `result.diagnose` found for some of the trials, by their numbers: in place of what the sweep says
        of them, with the curvature.
      treatments: what `treat` found for some of the trials, likewise, and the diagnosis that it began with.
      watched: whether the page, where it is served, looks there for a newer one, as that of `ch5jax sweep --watch`.

    Returns:
      The path.

    Raises:
      ImportError: without Jinja2 and Plotly (`ch5jax[sweep]`).
      ValueError: if a diagnosis or treatment is of no trial of the sweep.
      OSError: if the file cannot be written.

    Example:
      >>> import ch5jax, ch5jax.report, jax, os, tempfile
      >>> opts = ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 1.0])
      >>> result = ch5jax.sweep(ch5jax.tasks.digits(hidden=()), opts, steps=10, key=jax.random.key(0))
      >>> page = ch5jax.report.write_page(result, os.path.join(tempfile.mkdtemp(), "page.html"), title="Two rates")
      >>> "<title>Two rates</title>" in page.read_text(encoding="utf-8")
      True
    """
    page = render(
        *(result, title, notes, settings or {}, dict(units or {}), warnings, compared),
        *(diagnoses or {}, treatments or {}, watched),
    )
    return write_whole(path, page.encode())


def render(
    result: SweepResult,
    title: str,
    notes: Sequence[str],
    settings: Mapping[str, object],
    units: dict[str, str],
    warnings: Sequence[str] = (),
    compared: Sequence[Beside] = (),
    diagnoses: Mapping[int, Diagnosis] = MappingProxyType({}),
    treatments: Mapping[int, Treatment] = MappingProxyType({}),
    watched: bool = False,
) -> str:
    """The page as text; everything that comes from outside is escaped, in the markup and in the charts' data."""
    rows = leaderboard(result)
    gathered = {group: gather(result, group) for group in result.groups}
    best = {row.group for row in rows[:GROUPS]}
    looks = {group: Look(group, i) for i, group in enumerate(result.groups) if group in best}
    advised = advice(result, rows, gathered)
    objective = objective_chart(result, looks, gathered, units)
    effort = effort_chart(result, looks, gathered, units)
    if effort is not None:
        effort.figure["layout"]["showlegend"] = False  # the chart beside it has the same colours
    charts = [one for one in (objective, effort) if one is not None]
    told = importance_chart(result)
    data = page_data(result, rows, units, diagnoses, treatments)
    data["figures"] = [chart.figure for chart in [*charts, *([told] if told else [])]]
    pairs = metric_pairs(result)
    metrics = [name for pair in pairs for name in pair if name]
    return document(
        "page.html",
        (*SCRIPTS, "watch") if watched else SCRIPTS,
        data,
        connects=watched,
        watched=watched,
        title=title,
        settings={str(name): str(value) for name, value in settings.items()},
        spaces=[(group, _space(gathered[group])) for group in result.groups],
        trials=len(result),
        diverged=int((result.columns["diverged_at"] >= 0).sum()),
        lead=_lead(result, rows[0]),
        warnings=[*warnings, *advised.warnings],
        next=advised.next,
        compared=[(one.name, [amount(*metric) for metric in one.metrics.items()]) for one in compared],
        scores=[label(name) for name in compared[0].metrics] if compared else [],
        notes=[
            *notes,
            *([f"The charts of the answer show the {GROUPS} best of {len(rows)} groups."] * (len(rows) > GROUPS)),
        ],
        metrics=[label(name) for name in metrics],
        ahead=len([name for name in pairs[0] if name]),
        leaders=[{"code": list(result.groups).index(row.group), **_leader(row, metrics)} for row in rows],
        met=_met(difficulties(result), gathered),
        charts=charts,
        importance=told,
        searched=any(column["varies"] for column in data["columns"] if column["part"] in ("hyperparameter", "group")),
        seeds=_range_in_words(np.concatenate([g.seeds for g in gathered.values()])),
    )


def _leader(row: Row, metrics: Sequence[str]) -> dict[str, Any]:
    """A row of the leaderboard, in words."""
    return {
        "group": row.group,
        "best": best_in_words(row),
        "values": [with_spread(name, *row.metrics[name]) if row.metrics else "–" for name in metrics],
        "good": [(f"{label(span.name)} " if len(row.spans) > 1 else "") + span_in_words(span) for span in row.spans],
        "diverged": f"{row.trials_diverged} of {row.trials_run}",
        "close": round(row.settings_close / row.settings, 4) if row.metrics and row.settings > 1 else None,
        "share": f"{100 * row.settings_close / row.settings:.0f} %",
    }


def _lead(result: SweepResult, row: Row) -> str:
    """The answer in a sentence."""
    if not row.metrics:
        return f"No setting has a finite {label(result.objective)} at every seed."
    scores = [f"{with_spread(name, *row.metrics[name])} {label(name)}" for name in metric_pairs(result)[0] if name]
    with_what = f" with {', '.join(best_in_words(row))}" if row.varying else ""
    return f"{row.group}{with_what} does best: {', '.join(scores)}."


def _met(met: Sequence[Met], settings: Mapping[str, Settings]) -> dict[str, Any]:
    """The difficulties as a table: a row a group, a column a verdict, in the order in which groups have them.

    Of several hyperparameters those are told that tell something: whose values are not all that were tried.
    """
    rows = {group: [one for one in met if one.group == group] for group in dict.fromkeys(one.group for one in met)}
    places: dict[str, list[int]] = {}
    for row in rows.values():
        for place, one in enumerate(row):
            places.setdefault(one.verdict, []).append(place)
    verdicts = sorted(places, key=lambda verdict: float(np.mean(places[verdict])))
    cells = {
        (one.group, one.verdict): [
            f"{one.trials:,}",
            *(_where(span) for span in one.where.items() if len(one.where) == 1 or _tells(span, settings[one.group])),
            *([better_with(one.remedy)] if one.remedy else []),
        ]
        for one in met
    }
    return {
        "names": [label(verdict) for verdict in verdicts],
        "rows": [(group, [cells.get((group, verdict), []) for verdict in verdicts]) for group in rows],
    }


def _tells(span: tuple[str, tuple[float, float]], settings: Settings) -> bool:
    tried = distinct(settings.hyperparameters[span[0]])
    return span[1] != (tried[0], tried[-1])


def _where(span: tuple[str, tuple[float, float]]) -> str:
    name, (low, high) = span
    return f"{label(name)} {number(low, 3)}" + ("" if low == high else f" to {number(high, 3)}")


def best_in_words(row: Row) -> list[str]:
    """The best setting: what was swept, or everything where nothing was."""
    if not row.metrics:
        return ["every setting failed"]
    names = row.varying or tuple(row.hyperparameters)
    return [f"{label(name)} {number(row.hyperparameters[name])}" for name in names]


def span_in_words(span: Span) -> str:
    """The range of values within 1 % of the best."""
    ends = number(span.low, 3) if span.low == span.high else f"{number(span.low, 3)} to {number(span.high, 3)}"
    return ends + ("" if span.contiguous else ", with gaps")


def _space(settings: Settings) -> str:
    """What a group's settings are, in words."""
    parts = []
    for name, values in settings.hyperparameters.items():
        tried = distinct(values)
        if len(tried) > 3:
            parts.append(f"{label(name)} {number(tried[0])} to {number(tried[-1])}, {len(tried)} values")
        elif len(tried):
            parts.append(f"{label(name)} {' or '.join(map(number, tried))}")
    return f"{len(settings)} settings: " + "; ".join(parts)


def _range_in_words(counts: np.ndarray) -> str:
    low, high = counts.min(), counts.max()
    return f"{low}" if low == high else f"{low} to {high}"
