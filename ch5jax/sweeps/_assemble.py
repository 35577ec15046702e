"""From the store's chunks to a result."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ch5jax.diagnostics import Signals
from ch5jax.sweeps._groups import Group
from ch5jax.sweeps._plan import Plan, chunk_name
from ch5jax.sweeps._result import Curves, Rerun, SweepResult, Trial
from ch5jax.sweeps._store import Store
from ch5jax.sweeps._verdicts import diagnoser, judge_trials, verdict_columns
from ch5jax.training import recorded_steps

OWN_COLUMNS = ("trial", "group", "seed", "diverged_at", "best_step", "verdict", "difficulties")


def assemble(
    groups: tuple[Group, ...],
    plan: Plan,
    store: Store,
    trial: Callable[[int], Trial],
    rerun: Callable[[int], Rerun],
) -> SweepResult:
    """Joins what was stored of every group into columns and curves."""
    tables, curves, names, diverged = [], {}, {}, {}
    task = groups[0].task
    for g, group in enumerate(groups):
        parts = [store.read(chunk_name(g, chunk)) for chunk in range(-(-group.trials // plan.width))]
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        kinds: dict[str, dict[str, np.ndarray]] = {"metrics": {}, "evaluations": {}, "last": {}, "signals": {}}
        for name, array in joined.items():
            kind, _, metric = name.partition("/")
            if metric:
                kinds[kind][metric] = array
        joined_names = [*kinds["last"], *kinds["evaluations"], f"best_{task.objective}"]
        at = np.array(sorted(plan.evaluated))
        looked_at = recorded_steps(plan.steps, plan.signals_every) if plan.signals_every else np.zeros(0, int)
        signals = Signals(**kinds["signals"]) if kinds["signals"] else None
        curves[group.name] = Curves(
            recorded_steps(plan.steps, plan.every), kinds["metrics"], at, kinds["evaluations"], looked_at, signals
        )
        diverged[group.name] = joined["diverged_at"]
        settings = _named_apart(group.columns(), {*OWN_COLUMNS, *joined_names})
        names[group.name] = tuple(settings)
        tables.append(
            {
                "group": np.full(group.trials, group.name),
                **settings,
                "seed": np.tile(group.seeds, group.settings).astype(np.int64),
                "diverged_at": joined["diverged_at"],
                **kinds["last"],
                **{name: values[:, -1] for name, values in kinds["evaluations"].items()},
                **_best(task.objective, task.maximize, kinds["evaluations"], at),
            }
        )
    judged = judge_trials(groups, curves, diverged)
    if judged:
        for table, group in zip(tables, groups, strict=True):
            table.update(verdict_columns(judged[group.name].verdict))
    columns = {"trial": np.arange(sum(group.trials for group in groups)), **_stacked(tables)}
    return SweepResult(
        columns,
        curves,
        names,
        task.objective,
        task.maximize,
        plan.steps,
        plan.width,
        trial,
        rerun,
        diagnoser(groups, judged, plan),
    )


def _named_apart(settings: dict[str, np.ndarray], taken: set[str]) -> dict[str, np.ndarray]:
    """Hyperparameters' columns, renamed where a metric has the name."""
    return {f"hyperparameter {name}" if name in taken else name: values for name, values in settings.items()}


def _best(objective: str, maximize: bool, evaluations: dict[str, np.ndarray], at: np.ndarray) -> dict[str, np.ndarray]:
    """The best evaluation of each trial, and when it was; what is not finite is never the best of several."""
    values = evaluations[objective].astype(float)
    score = np.where(np.isfinite(values), values if maximize else -values, -np.inf)
    first = np.argmax(score, axis=1)
    return {f"best_{objective}": values[np.arange(len(values)), first], "best_step": at[first]}


def _stacked(tables: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Tables one below the other: hyperparameters first; a column that one of them lacks is NaN there."""
    names = {name: None for table in tables for name in list(table)[: list(table).index("seed")]}
    names |= {name: None for table in tables for name in table}
    return {name: np.concatenate([_column(table, name) for table in tables]) for name in names}


def _column(table: dict[str, Any], name: str) -> np.ndarray:
    return table[name] if name in table else np.full(len(table["group"]), np.nan)
