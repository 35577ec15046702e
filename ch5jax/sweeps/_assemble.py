"""From the store's chunks to a result."""

from typing import Any

import jax
import numpy as np

from ch5jax.sweeps._apart import OWN_COLUMNS
from ch5jax.sweeps._curves import Curves
from ch5jax.sweeps._history import Chunk
from ch5jax.sweeps._layout import Layout
from ch5jax.sweeps._outline import Outline
from ch5jax.sweeps._plan import Schedule, chunk_name
from ch5jax.sweeps._repeat import Again
from ch5jax.sweeps._result import SweepResult
from ch5jax.sweeps._store import Store
from ch5jax.sweeps._verdicts import diagnose_trials, verdict_columns


def assemble(
    outlines: tuple[Outline, ...],
    layouts: tuple[Layout, ...],
    numbers: np.ndarray,
    schedule: Schedule,
    objective: str,
    maximize: bool,
    store: Store,
    again: Again | None,
) -> SweepResult:
    """Joins what was stored of every group into columns and curves, of trials with these numbers."""
    tables, curves, names, diverged = [], {}, {}, {}
    probed_at = schedule.probes.taken_at()
    probed_at = probed_at[probed_at <= schedule.steps]  # up to the rung, of which these are
    for group, layout in zip(outlines, layouts, strict=True):
        chunk = _gathered(group, layout, store)
        at, last = schedule.evaluated_at, {name: values[:, -1] for name, values in chunk.metrics.items()}
        curves[group.name] = Curves(
            *(schedule.recorded_at, chunk.metrics, at, chunk.evaluations),
            *(probed_at, chunk.signals, group.names),
        )
        diverged[group.name] = chunk.diverged_at
        joined_names = [*last, *chunk.evaluations, f"best_{objective}"]
        settings = _named_apart(group.settings, {*OWN_COLUMNS, *joined_names})
        names[group.name] = tuple(settings)
        tables.append(
            {
                "group": np.full(group.trials, group.name),
                **settings,
                "seed": group.seeds,
                "diverged_at": chunk.diverged_at,
                **last,
                **{name: values[:, -1] for name, values in chunk.evaluations.items()},
                **_best(objective, maximize, chunk, at),
            }
        )
    scores = {
        name: _scores(curves[name].evaluations[objective][:, -1], maximize, lost) for name, lost in diverged.items()
    }
    diagnoses = diagnose_trials(outlines, curves, diverged, schedule.steps, schedule.probes.every, scores)
    if diagnoses:
        for table, group in zip(tables, outlines, strict=True):
            table.update(verdict_columns(diagnoses[group.name], group.settings, group.seeds, scores[group.name]))
    columns = {"trial": numbers, **_stacked(tables)}
    return SweepResult(
        *(columns, curves, names, objective, maximize, schedule.steps, schedule.width),
        *(tuple((numbers[columns["group"] == name], batch) for name, batch in diagnoses.items()), again),
    )


def _named_apart(settings: dict[str, np.ndarray], taken: set[str]) -> dict[str, np.ndarray]:
    """Hyperparameters' columns, renamed where a metric has the name."""
    return {f"hyperparameter {name}" if name in taken else name: values for name, values in settings.items()}


def scores_of(result: SweepResult) -> np.ndarray:
    """Each trial's last value of the objective, the larger the better; −∞ where it has diverged or is not finite."""
    return _scores(result.columns[result.objective], result.maximize, result.columns["diverged_at"])


def _scores(values: np.ndarray, maximize: bool, diverged: np.ndarray) -> np.ndarray:
    values = np.asarray(values, float)
    return np.where((diverged < 0) & np.isfinite(values), values if maximize else -values, -np.inf)


def _gathered(group: Outline, layout: Layout, store: Store) -> Chunk:
    """A group's trials from all of its chunks, each read into its place: there is never more than one beside them."""
    whole: Any = None
    for number in layout.chunks:
        name = chunk_name(layout.g, number)
        part = store.take(name, group.chunk, layout.of(name, number))
        rows = np.searchsorted(layout.members, layout.trials(number))
        if whole is None:
            whole = jax.tree.map(lambda values: np.empty((group.trials, *values.shape[1:]), values.dtype), part)
        jax.tree.map(lambda to, values, rows=rows: to.__setitem__(rows, values), whole, part)
    return whole


def _best(objective: str, maximize: bool, chunk: Chunk, at: np.ndarray) -> dict[str, np.ndarray]:
    """The best evaluation of each trial, and when it was; NaN, and the first, where none counts.

    What is not finite does not count, nor does what was taken after the trial had diverged: NaN has an accuracy too.
    """
    values = chunk.evaluations[objective].astype(float)
    lost = (chunk.diverged_at >= 0)[:, None] & (at > chunk.diverged_at[:, None])
    counts = np.isfinite(values) & ~lost
    score = np.where(counts, values if maximize else -values, -np.inf)
    first = np.argmax(score, axis=1)
    rows = np.arange(len(values))
    return {
        f"best_{objective}": np.where(counts.any(axis=1), values[rows, first], np.nan),
        "best_step": at[first],
    }


def _stacked(tables: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Tables one below the other: hyperparameters first; a column that one of them lacks is NaN there."""
    names = {name: None for table in tables for name in list(table)[: list(table).index("seed")]}
    names |= {name: None for table in tables for name in table}
    if len(tables) == 1:  # which need not be copied
        return {name: tables[0][name] for name in names}
    return {name: np.concatenate([filled(table, name) for table in tables]) for name in names}


def filled(table: dict[str, Any], name: str) -> np.ndarray:
    """A column of a table; NaN where it has none of that name."""
    return table[name] if name in table else np.full(len(table["group"]), np.nan)
