"""What was tried on a training, and what it brought."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ch5jax._extras import require
from ch5jax._types import DataFrame, Hyperparameters
from ch5jax.diagnostics import Difficulty
from ch5jax.tasks import Task
from ch5jax.verdicts import Diagnosis

AS_IT_WAS = "as it was"
SURE = 2.0  # standard errors of the mean difference from which a gain is no chance

Kind = Literal["untreated", "remedy", "random"]


@dataclass(frozen=True)
class Tried:
    """A setting that was trained over the seeds.

    Attributes:
      name: what was done: remedies' names, joined by " + "; "as it was", or "random: Adam at …".
      kind: "untreated", "remedy" or "random".
      round: from 1; a later one starts from what the one before chose.
      task: the task, with what was done to it.
      hyperparameters: with what was done to them.
      metrics: by name, the final value for each seed; shape (seeds,).
      verdicts: for each seed, the name of the first difficulty that it met.
      gain: by how much the objective is better than that of the untreated run, on average over the seeds, in the
        objective's unit; a training that is lost counts as the worst that was seen.
      error: the standard error of that average; 0 for one seed.
      better: whether the gain is beyond chance: over two standard errors, or no seed is worse and most are better.
      steps: how many each of its trainings took, where they were stopped early; None for all.
    """

    name: str
    kind: Kind
    round: int
    task: Task = dataclasses.field(repr=False)
    hyperparameters: Hyperparameters
    metrics: dict[str, np.ndarray]
    verdicts: tuple[str, ...]
    gain: float = 0.0
    error: float = 0.0
    better: bool = False
    steps: int | None = None

    @property
    def difficulty(self) -> Difficulty:
        """What most seeds met first; of as many, the first seed's."""
        return Difficulty[max(self.verdicts, key=self.verdicts.count).upper()]


def compared(tried: tuple[Tried, ...], objective: str, maximize: bool) -> tuple[Tried, ...]:
    """Each with its gain on the first, the untreated one, seed by seed."""
    scores = np.array([one.metrics[objective] for one in tried], float) * (1 if maximize else -1)
    finite = np.isfinite(scores)
    scores = np.where(finite, scores, scores.min(initial=np.inf, where=finite) if finite.any() else 0)
    gains = scores - scores[0]
    errors = gains.std(axis=1, ddof=1) / gains.shape[1] ** 0.5 if gains.shape[1] > 1 else np.zeros(len(tried))
    better = (gains.mean(axis=1) > SURE * errors) | (gains.min(axis=1) >= 0) & (np.median(gains, axis=1) > 0)
    return tuple(
        dataclasses.replace(one, gain=float(gain), error=float(error), better=bool(sure))
        for one, gain, error, sure in zip(tried, gains.mean(axis=1), errors, better, strict=True)
    )


def chosen_of(tried: tuple[Tried, ...]) -> Tried:
    """The better remedy with the largest gain; the run as it was, if no remedy is better."""
    better = [one for one in tried if one.kind == "remedy" and one.better]
    return max(better, key=lambda one: one.gain, default=tried[0])


@dataclass(frozen=True)
class Treatment:
    """What `treat` found.

    Attributes:
      diagnosis: of the run as it was.
      tried: all settings that were trained: the run as it was, remedies and random search, round by round.
      objective: the metric that chose.
      steps: how many each training took.
    """

    diagnosis: Diagnosis
    tried: tuple[Tried, ...]
    objective: str
    steps: int

    @property
    def untreated(self) -> Tried:
        """The run as it was, over the seeds."""
        return self.tried[0]

    @property
    def chosen(self) -> Tried:
        """The setting to go on with: of the remedies that are better, the best; or the run as it was."""
        return chosen_of(self.tried)

    @property
    def random(self) -> Tried | None:
        """The best of random search; None where the optimizer could not be replaced."""
        return max((one for one in self.tried if one.kind == "random"), key=lambda one: one.gain, default=None)

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """The table by columns, a row for each setting that was trained.

        `what`, `kind`, `round`, `seeds`, the objective's mean over the seeds and its deviation (`<objective>`,
        `<objective>_std`), `gain`, `error`, `better`, `verdict`, and `steps`: what it cost, all seeds together.
        """
        rows = [self._row(one) for one in self.tried]
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

    def _row(self, one: Tried) -> dict[str, Any]:
        scores = one.metrics[self.objective].astype(float)
        return {
            "what": one.name,
            "kind": one.kind,
            "round": one.round,
            "seeds": len(scores),
            self.objective: scores.mean(),
            f"{self.objective}_std": scores.std(ddof=1) if len(scores) > 1 else np.nan,
            "gain": one.gain,
            "error": one.error,
            "better": one.better,
            "verdict": one.difficulty.name.lower(),
            "steps": len(scores) * (one.steps or self.steps),
        }

    def table(self) -> DataFrame:
        """The table as a pandas DataFrame.

        Raises:
          ImportError: without pandas (`ch5jax[sweep]`).
        """
        return require("pandas", "sweep", "Treatment.table").DataFrame(self.columns)

    def __str__(self) -> str:
        width = max(len(one.name) for one in self.tried)
        lines = []
        for one, score in zip(self.tried, self.columns[self.objective], strict=True):
            gain = (
                f"{one.gain:+.3g} ± {one.error:.2g}{' better' if one.better else ''}" if one.kind != "untreated" else ""
            )
            lines.append(f"{one.name:{width}}  {score:<10.4g}{one.difficulty.name.lower():14}{gain}".rstrip())
        head = f"{'':{width}}  {self.objective}"
        return "\n".join([str(self.diagnosis).split("\n", maxsplit=1)[0], head, *lines, self.conclusion])

    @property
    def conclusion(self) -> str:
        """What to go on with, in a sentence."""
        chosen, random = self.chosen, self.random
        if chosen is self.untreated:
            return "No remedy was better beyond its error: the setting stays as it was."
        beside = "" if random is None else f"; the best of random search gained {random.gain:+.3g}"
        stopped = "" if chosen.steps is None else f", after {chosen.steps:,} steps"
        return f"Go on with: {chosen.name}{stopped}. It gained {chosen.gain:+.3g}{beside}."
