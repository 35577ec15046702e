"""What a page's script draws from: every trial's row, the curves and signals of as many as there is room for."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ch5jax.diagnostics import Difficulty
from ch5jax.report._difficulty_chart import verdict_look
from ch5jax.report._leaderboard import Row
from ch5jax.report._numbers import is_share, label
from ch5jax.report._packed import pack_numbers, pack_sentences, pack_words
from ch5jax.report._plotly import is_logarithmic, look_of
from ch5jax.report._settings import distinct, is_numeric, metric_pairs, ranks_best, scored
from ch5jax.report._structure import with_structure
from ch5jax.sweeps import Curves, SweepResult
from ch5jax.treatment import Treatment
from ch5jax.verdicts import Diagnosis

POINTS = 100  # of a curve
CURVES, SIGNALS = 500_000, 250_000  # numbers, in all curves and signals together: 2.7 and 1.3 MB of a page
WORDS = 2000  # trials whose diagnosis is put in words, which takes 1 ms for each


def page_data(
    result: SweepResult,
    rows: tuple[Row, ...],
    units: dict[str, str],
    diagnoses: Mapping[int, Diagnosis],
    treatments: Mapping[int, Treatment],
) -> dict[str, Any]:
    """A sweep as a page's script takes it.

    Its trials are rows here; the column `trial` has their numbers, which are others in a sweep that is not finished.

    Args:
      result: the sweep.
      rows: its leaderboard.
      units: the units of metrics, where they have one.
      diagnoses: of some of the trials by themselves, by their numbers.
      treatments: what was tried on some of the trials, likewise.
    """
    result = with_structure(result)
    numbers = result.columns["trial"]
    ranks = np.empty(len(result), int)
    ranks[np.searchsorted(result.columns["trial"], result.ranking())] = np.arange(len(result))
    told = np.isin(numbers, np.concatenate([[], *(of for of, _ in result._diagnoses)]))  # those of a run with signals
    words = {int(i): result.diagnosis(int(numbers[i])) for i in _shown_first(result, ranks, WORDS) if told[i]}
    alone = {**{number: one.diagnosis for number, one in treatments.items()}, **diagnoses}
    diagnosed = {int(np.searchsorted(numbers, result._checked(number))): one for number, one in alone.items()}
    return {
        "trials": len(result),
        "objective": result.objective,
        "maximize": result.maximize,
        "best": {row.group: np.searchsorted(numbers, row.trials).tolist() for row in rows},
        "columns": _columns(result, units),
        "looks": [look_of(i) for i in range(len(result.groups))],
        "verdicts": {one.name.lower(): {"label": label(one.name.lower()), **verdict_look(one)} for one in Difficulty},
        "curves": _courses(result, ranks, units),
        "signals": _signals(result, ranks),
        "words": pack_sentences({row: str(one).splitlines() for row, one in (words | diagnosed).items()}),
        "diagnosed": [*diagnosed],
        "treatments": {str(number): _tried(treatment) for number, treatment in treatments.items()},
    }


def _columns(result: SweepResult, units: dict[str, str]) -> list[dict[str, Any]]:
    """The table, each column with its part in it."""
    hyperparameters = dict.fromkeys(name for names in result.hyperparameters.values() for name in names)
    metrics = [name for pair in metric_pairs(result) for name in pair if name]
    others = [n for n in result.columns if n not in {"trial", "group", "seed", "verdict", "difficulties", "remedy",
                                                     "best_step", f"best_{result.objective}", "diverged_at",
                                                     "steps_trained", *hyperparameters, *metrics}]  # fmt: skip
    parts = {"trial": "trial", "group": "group", **dict.fromkeys(hyperparameters, "hyperparameter"), "seed": "seed"}
    parts |= dict.fromkeys([*metrics, *others], "metric")
    parts |= {
        n: n for n in ("verdict", "difficulties", "remedy", "diverged_at", "steps_trained") if n in result.columns
    }
    steps = {name for curves in result.curves.values() for name in curves.metrics}  # of the last mini-batch
    found: list[dict[str, Any]] = []
    for name, part in parts.items():
        values = result.columns[name] if part != "metric" else _metric(result, name)
        tried = distinct(values)
        shown = "optimizer" if name == "group" else f"training {label(name)}" if name in steps else label(name)
        column: dict[str, Any] = {"name": name, "label": shown, "part": part}
        column |= {"varies": len(tried) > 1, "share": is_share(name), "unit": units.get(name, "")}
        if is_numeric(values):
            log = (
                bool(is_logarithmic(tried)) if part == "hyperparameter" else part == "metric" and _spans_decades(values)
            )
            column |= {"log": log, "tried": len(tried), "values": pack_numbers(values)}
        else:
            column |= {"values": pack_words(values)}
        found.append(column)
    return found


def _metric(result: SweepResult, name: str) -> np.ndarray:
    """A metric as it counts in the leaderboard; none of who has diverged, if it is one that is evaluated."""
    values = np.asarray(result.columns[name], float).copy()
    for group, curves in result.curves.items():
        if ranks_best(result) and name in curves.evaluations:
            values[result.columns["group"] == group] = scored(result, group, name)
    return np.where(np.isfinite(values) & (result.columns["diverged_at"] < 0), values, np.nan)


def _spans_decades(values: np.ndarray) -> bool:
    values = values[np.isfinite(values)]
    return bool(len(values) and values.min() > 0 and np.quantile(values, 0.9) > 20 * np.quantile(values, 0.1))


def _shown_first(result: SweepResult, ranks: np.ndarray, room: int) -> np.ndarray:
    """Of too many trials, half by rank from the best on, half evenly over all ranks: so every verdict is among them."""
    if room >= len(ranks):
        return np.arange(len(ranks))
    spread = np.linspace(0, len(ranks) - 1, room - room // 2).round().astype(int)
    by_rank = np.argsort(ranks)
    return np.union1d(by_rank[: room // 2], by_rank[spread])


def _picked(length: int, points: int) -> np.ndarray:
    return np.unique(np.linspace(0, length - 1, min(length, points)).round().astype(int))


def _courses(result: SweepResult, ranks: np.ndarray, units: dict[str, str]) -> dict[str, Any]:
    """The curves of the step's metrics and of those of `evaluate`, thinned along steps, and then by trials."""
    kinds: dict[str, bool] = {}
    for curves in result.curves.values():
        kinds |= dict.fromkeys(curves.metrics, False) | dict.fromkeys(curves.evaluations, True)
    points = POINTS
    while (per_trial := _numbers_of_a_trial(result, points)) * len(result) > CURVES and points > 25:
        points //= 2
    rows = _shown_first(result, ranks, max(20, CURVES // max(per_trial, 1)))
    first = [result.objective, "loss"]
    order = sorted(kinds, key=lambda name: first.index(name) if name in first else len(first))
    found = []
    for name in order:
        parts = []
        for group, curves in result.curves.items():
            evaluated = name in curves.evaluations
            values = (curves.evaluations if evaluated else curves.metrics).get(name)
            at = curves.evaluated_at if evaluated else curves.steps
            if values is None or not len(at):
                continue
            trials, own = _own(result, group, rows)
            picks = _picked(len(at), points)
            part = {"trials": pack_numbers(trials), "steps": at[picks].tolist()}
            parts.append(part | {"values": pack_numbers(np.asarray(values[own][:, picks], np.float32))})
        shown = label(name) if kinds[name] else f"training {label(name)}"
        found.append({"name": name, "label": shown, "share": is_share(name), "unit": units.get(name, ""), "of": parts})
    return {"metrics": found, "kept": len(rows)}


def _numbers_of_a_trial(result: SweepResult, points: int) -> int:
    return max(
        min(points, len(c.steps)) * len(c.metrics) + min(points, len(c.evaluated_at)) * len(c.evaluations)
        for c in result.curves.values()
    )


def _own(result: SweepResult, group: str, trials: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of some trials are a group's, and their rows in its curves."""
    numbers = np.flatnonzero(result.columns["group"] == group)
    rows = np.flatnonzero(np.isin(numbers, trials))
    return numbers[rows], rows


# what of the signals is shown, and what to call it
_OF_LAYERS = {
    "layer_gradient_norms": "gradient at each layer, ‖∂L/∂z‖",
    "flat_units": "share of units that are flat over a batch",
    "update_ratio": "update to weight, ‖u‖/‖w‖",
}
_ALONE = {"gradient_norm": "gradient norm", "spike": "largest gradient norm, over its usual 0.99 quantile"}


def _signals(result: SweepResult, ranks: np.ndarray) -> dict[str, Any]:
    """The signals of the difficulties, by layer and step."""
    sizes = [len(_picked(len(c.probed_at), 40)) * _signal_width(c) for c in result.curves.values()]
    rows = _shown_first(result, ranks, max(20, SIGNALS // max(1, *sizes, 1)))
    found = []
    for group, curves in result.curves.items():
        if curves.signals is None:
            continue
        trials, own = _own(result, group, rows)
        picks = _picked(len(curves.probed_at), 40)
        signals: dict[str, Any] = {}
        columns = curves.signal_columns()
        for name, title in {**_OF_LAYERS, **_ALONE}.items():
            values = getattr(curves.signals, name)
            if values is None:
                continue
            names = [one.removeprefix(f"signals.{name}") for one in columns if one.startswith(f"signals.{name}")]
            if name == "gradient_norm":
                names = [""]
            values = np.asarray(values[own][:, picks], np.float32).reshape(len(own), len(picks), -1)
            signals[name] = {"label": title, "names": names, "values": pack_numbers(values)}
        steps = curves.probed_at[picks].tolist()
        found.append({"trials": pack_numbers(trials), "steps": steps, "signals": signals})
    return {"of": found, "kept": len(rows) if found else 0}


def _signal_width(curves: Curves) -> int:
    signals = curves.signals
    if signals is None:
        return 0
    kept = [getattr(signals, name) for name in (*_OF_LAYERS, *_ALONE)]
    return sum(int(np.prod(one.shape[2:])) for one in kept if one is not None)


def _tried(treatment: Treatment) -> list[dict[str, Any]]:
    """What was tried on a trial, and what it brought."""
    columns = treatment.columns
    return [
        {
            "what": str(columns["what"][i]),
            "score": _finite(columns[treatment.objective][i]),
            "gain": _finite(columns["gain"][i]),
            "error": _finite(columns["error"][i]),
            "better": bool(columns["better"][i]),
            "verdict": str(columns["verdict"][i]),
            "chosen": str(columns["what"][i]) == treatment.chosen.name,
        }
        for i in range(len(columns["what"]))
    ]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
