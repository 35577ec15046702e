"""Several sweeps as one, to compare them."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from ch5jax.sweeps import SweepResult


def together(results: Mapping[str, SweepResult]) -> SweepResult:
    """Sweeps side by side: each group under the name of its sweep, as in "wide: adam".

    Args:
      results: the sweeps by name; one alone is given back as it is.

    Returns:
      A `SweepResult` with all trials, numbered anew, of which none can be trained again. Where a sweep lacks a column
      of another's it is NaN, and nothing where it has words. Of sweeps of different steps none ranks behind another
      for having fewer.

    Raises:
      ValueError: if there are none, or they do not have the same objective.

    Example:
      >>> import ch5jax, ch5jax.report, jax
      >>> task, opts = ch5jax.tasks.digits(hidden=()), ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 1.0])
      >>> runs = {str(steps): ch5jax.sweep(task, opts, steps=steps, key=jax.random.key(0)) for steps in (5, 10)}
      >>> ch5jax.report.together(runs).groups
      ('5: sgd', '10: sgd')
    """
    if not results:
        raise ValueError("results must be sweeps by name, got none")
    first, *others = results.values()
    if not others:
        return first
    aims = {name: (one.objective, one.maximize) for name, one in results.items()}
    if len(set(aims.values())) > 1:
        shown = ", ".join(
            f"{name} {'the highest' if most else 'the lowest'} {what}" for name, (what, most) in aims.items()
        )
        raise ValueError(f"results must have the same objective to be compared, got {shown}")
    steps = max(one.steps for one in results.values())
    parts = [_under(name, one, steps) for name, one in results.items()]
    offsets = np.cumsum([0, *(len(one) for one in parts)])[:-1]
    names = dict.fromkeys(name for one in parts for name in one.columns)
    columns = {name: np.concatenate([_column(one, name) for one in parts]) for name in names}
    columns["trial"] = np.arange(sum(map(len, parts)))
    return dataclasses.replace(
        first,
        columns=columns,
        curves={group: curves for one in parts for group, curves in one.curves.items()},
        hyperparameters={group: names for one in parts for group, names in one.hyperparameters.items()},
        steps=steps,
        _diagnoses=tuple(
            (np.searchsorted(one.columns["trial"], numbers) + offset, batch)
            for offset, one in zip(offsets, parts, strict=True)
            for numbers, batch in one._diagnoses
        ),
        _again=None,
    )


def _under(name: str, result: SweepResult, steps: int) -> SweepResult:
    """With the sweep's name before each of its groups; who took all of its steps counts as if these were the most."""
    groups = np.array([f"{name}: {group}" for group in result.columns["group"]])
    trained = np.where(result.steps_trained == result.steps, steps, result.steps_trained)
    columns = {**result.columns, "group": groups, "steps_trained": trained}
    return dataclasses.replace(
        result,
        columns=columns,
        curves={f"{name}: {group}": curves for group, curves in result.curves.items()},
        hyperparameters={f"{name}: {group}": names for group, names in result.hyperparameters.items()},
    )


def _column(result: SweepResult, name: str) -> np.ndarray:
    if name in result.columns:
        return result.columns[name]
    words = name in ("verdict", "difficulties", "remedy")
    return np.full(len(result), "unknown" if name == "verdict" else "") if words else np.full(len(result), np.nan)
