"""Which difficulties the trials of a sweep met, and where among the hyperparameters."""

from typing import NamedTuple

import numpy as np

from ch5jax._extras import require
from ch5jax.report._settings import Settings, gather
from ch5jax.sweeps import SweepResult


class Met(NamedTuple):
    """The trials of a group whose verdict is the same."""

    group: str
    verdict: str  # a `diagnostics.Difficulty`'s name in lower case
    trials: int
    where: dict[str, tuple[float, float]]  # each swept number, from and to; of settings most of whose seeds had it
    remedy: str  # what the table's `remedy` says of at least half of them, such as "learning_rate 0.03"; else ""


def difficulties(result: SweepResult) -> tuple[Met, ...]:
    """What the trials of each group met first, along the first of its swept numbers.

    Args:
      result: a sweep.

    Returns:
      A `Met` for each verdict that a group has, in the order of the groups and, within one, of where it lies on the
      average; nothing for a sweep without signals. Where siblings have seen to work the same for at least half of its
      trials, its `remedy` says so.

    Raises:
      ImportError: without pandas (`ch5jax[sweep]`).

    Example:
      >>> import ch5jax, ch5jax.report, jax
      >>> opts = ch5jax.grid(ch5jax.sgd, learning_rate=[1e-5, 0.3, 100.0])
      >>> result = ch5jax.sweep(ch5jax.tasks.digits(), opts, steps=300, key=jax.random.key(0), seeds=2)
      >>> [(met.verdict, met.trials) for met in ch5jax.report.difficulties(result)]
      [('slow', 2), ('healthy', 2), ('saturated', 2)]
    """
    if "verdict" not in result.columns:
        return ()
    return tuple(met for group in result.groups for met in _of_a_group(result, group))


def _of_a_group(result: SweepResult, group: str) -> list[Met]:
    settings = gather(result, group)
    mine = result.columns["group"] == group
    verdicts = result.columns["verdict"][mine]
    remedies = result.columns["remedy"][mine] if "remedy" in result.columns else np.full(len(verdicts), "")
    swept = settings.swept()
    found = []
    pandas = require("pandas", "sweep", "report.difficulties")
    for verdict, counts in pandas.crosstab(settings.of_trial, verdicts).items():
        seeds = counts.to_numpy()
        most = 2 * seeds >= settings.seeds
        rows = most if most.any() else seeds > 0
        where = {name: settings.hyperparameters[name][rows] for name in swept}
        spans = {n: (float(v.min()), float(v.max())) for n, v in where.items()}
        met = Met(group, str(verdict), int(seeds.sum()), spans, _most_frequent(remedies[verdicts == verdict]))
        found.append((_place(settings, swept, seeds), met))
    return [met for _, met in sorted(found, key=lambda pair: pair[0])]


def _most_frequent(remedies: np.ndarray) -> str:
    """What at least half of some trials have; nothing where none is so frequent."""
    words, counts = np.unique(remedies, return_counts=True)
    return str(words[counts.argmax()]) if 2 * counts.max() >= len(remedies) else ""


def _place(settings: Settings, swept: tuple[str, ...], seeds: np.ndarray) -> float:
    """Where a verdict lies on the average, by the rank of the first swept number."""
    if not swept:
        return -float(seeds.sum())
    _, rank = np.unique(settings.hyperparameters[swept[0]], return_inverse=True)
    return float(np.average(rank, weights=seeds))
