"""What a sweep knows beyond each trial: its siblings at other rates are experiments that were made."""

import dataclasses

import numpy as np

from ch5jax.diagnostics import Difficulty
from ch5jax.verdicts import Diagnosis

RATE = "learning_rate"
TIED = 0.005  # of the best score: who comes so near is not accused
OF_THE_RATE = {Difficulty.SLOW: -1, Difficulty.OSCILLATING: 1, Difficulty.NOISE: 1}  # −1 for too small, 1 for too large


def with_siblings(
    diagnoses: Diagnosis, settings: dict[str, np.ndarray], seeds: np.ndarray, tied: np.ndarray, baseline: float | None
) -> Diagnosis:
    """A group's diagnoses, without what its other trials refute.

    - No rate is called too small whose family has its best loss at a smaller one, nor too large with the best at a
      larger one. A family is a setting with its seed, but for the learning rate.
    - Inputs are not called unscaled where the best trial has learned from them.
    - A trial whose score is tied with the best is not accused, but only if it has learned something, and only then
      healthy: the best of a sweep in which all failed has failed too.

    Args:
      diagnoses: of all trials of a group.
      settings: its hyperparameters by name, each of shape (trials,).
      seeds: shape (trials,).
      tied: shape (trials,), whether a trial's score is within `TIED` of the best.
      baseline: the task's; None where there is none.
    """
    found = np.array(diagnoses.findings.found)
    summary = diagnoses.summary
    end = np.where(np.isfinite(summary.end) & ~found[:, Difficulty.DIVERGED], summary.end, np.inf)
    wrong = _wrong_way(settings, seeds, end)
    for difficulty, direction in OF_THE_RATE.items():
        found[:, difficulty] &= ~(wrong == direction)
    none = [Difficulty.HEALTHY, Difficulty.UNKNOWN]
    kept = [*none, Difficulty.DIVERGED, Difficulty.OVERFITTING]
    accusing = np.array([difficulty not in kept for difficulty in Difficulty])
    start = np.asarray(summary.first) if baseline is None else np.full(len(end), baseline)
    earned = ~(np.asarray(summary.end) > (1 - np.asarray(diagnoses.thresholds.nothing)) * start)
    found[(tied & earned)[:, None] & accusing] = False
    halfway = (1 - np.asarray(diagnoses.thresholds.learned)) * start
    if (tied & (end <= halfway)).any():
        found[:, Difficulty.UNSCALED] = False
    near = tied | (np.asarray(summary.left) <= np.asarray(diagnoses.thresholds.above))
    nothing = ~np.delete(found, none, axis=1).any(axis=1)
    found[:, Difficulty.HEALTHY] = nothing & earned & near & np.asarray(summary.known)
    found[:, Difficulty.UNKNOWN] = nothing & ~found[:, Difficulty.HEALTHY]
    step = np.where(found, np.asarray(diagnoses.findings.step), -1)
    step[:, none] = np.where(found[:, none], diagnoses.steps, -1)
    findings = diagnoses.findings._replace(found=found, step=step.astype(np.int32))
    return dataclasses.replace(diagnoses, findings=findings)


def _wrong_way(settings: dict[str, np.ndarray], seeds: np.ndarray, end: np.ndarray) -> np.ndarray:
    """−1 where the best of a trial's family has a smaller rate, 1 where a larger one; 0 where neither, or not known."""
    rates = [name for name in settings if name.split(".")[-1] == RATE]
    if len(rates) != 1:
        return np.zeros(len(end), int)
    families = _alike([seeds, *(values for name, values in settings.items() if name != rates[0])])
    rate = settings[rates[0]]
    order = np.lexsort((end, families))  # each family together, its lowest loss first
    best = order[np.searchsorted(families[order], np.arange(families.max() + 1))][families]
    return np.where(np.isfinite(end[best]), np.sign(rate[best] - rate), 0).astype(int)


def _alike(columns: list[np.ndarray]) -> np.ndarray:
    """A number for each row, the same for rows that are alike in every column."""
    numbers = [np.unique(values, return_inverse=True)[1].ravel() for values in columns]
    return np.unique(np.stack(numbers), axis=1, return_inverse=True)[1].ravel()


def seen_to_work(settings: dict[str, np.ndarray], seeds: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """What another value of one hyperparameter is seen to have brought: each trial's remedy, in words, or nothing.

    A remedy is the best value that the setting's siblings have, those that differ in this hyperparameter alone, if it
    is better at every seed, and not tied. Of several hyperparameters, the one that brings most.

    Args:
      settings: a group's hyperparameters by name, each of shape (trials,).
      seeds: shape (trials,).
      scores: the larger the better; −∞ for who has diverged.
    """
    setting = _alike(list(settings.values())) if settings else np.zeros(len(seeds), int)
    _, first = np.unique(setting, return_index=True)
    # a row for each setting, a column for each seed; a seed that is not there was lost at a rung
    every_seed, column = np.unique(seeds, return_inverse=True)
    of = np.full((len(first), len(every_seed)), -np.inf)
    of[setting, column] = scores  # equal settings have equal scores
    least = TIED * np.abs(scores[np.isfinite(scores)]).max(initial=0.0)
    mean, found = np.full(len(first), -np.inf), np.full(len(first), "", object)
    for name, values in settings.items():
        others = [column[first] for other, column in settings.items() if other != name]
        families = _alike(others) if others else np.zeros(len(first), int)
        ranked = np.lexsort((-of.mean(1), families))
        best = ranked[np.searchsorted(families[ranked], np.arange(families.max() + 1))][families]
        with np.errstate(invalid="ignore"):  # of two that are lost
            better = (of[best] - of > least).all(axis=1) & (of[best].mean(1) > mean)
        chosen, which = np.unique(values[first][best[better]], return_inverse=True)
        number = np.issubdtype(chosen.dtype, np.number)
        words = np.array([f"{name} {value:.3g}" if number else f"{name} {value}" for value in chosen], object)
        found[better], mean[better] = words[which.ravel()], of[best[better]].mean(1)
    return found.astype(str)[setting]


def ties(scores: np.ndarray, best: float) -> np.ndarray:
    """Whose score, the larger the better, is within `TIED` of the best."""
    return np.isfinite(scores) & (scores >= best - TIED * abs(best))
