"""A run's diagnosis: arrays inside the program, words outside it."""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np

from ch5jax.diagnostics import Curvature, Difficulty, Signals
from ch5jax.training import recorded_steps
from ch5jax.verdicts._judge import PRECEDENCE, Verdict
from ch5jax.verdicts._names import Names
from ch5jax.verdicts._summary import RunSummary
from ch5jax.verdicts._thresholds import Thresholds
from ch5jax.verdicts._words import describe, say, without_difficulty

NO_DIFFICULTY = (Difficulty.HEALTHY, Difficulty.UNKNOWN)


class Evidence(NamedTuple):
    """What speaks for a difficulty."""

    strength: float  # what was measured; see the sentence for what that is
    where: int | None  # the layer or the weight matrix, from 0
    step: int  # steps taken when it was first seen; of DIVERGED, the first lost step itself, from 0
    sentence: str


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Diagnosis:
    """Which difficulties a run met, and what they are told by; made by `diagnose`.

    It is a pytree: it comes out of `jit` and `vmap` like any array, and `jax.tree.map(lambda x: x[i], diagnoses)` is
    the i-th of a batch. Its words are made when they are asked for, of one run's.

    Attributes:
      verdict: codes and evidence as arrays, a `Verdict`.
      summary: what the loss, the steps and the noise did late in the run.
      signals: the run's `diagnostics.Signals`, a row for each probe.
      curvature: of the loss at the end, or None.
      thresholds: what the verdict was measured against.
      metrics: the step's, of the last step, and those of `evaluate`; none for a trial of a sweep, whose table has them.
      steps: how many steps there were.
      signals_every: how many lie between two probes.
      names: of the weight matrices, of the layers, and of those with an activation behind them.
    """

    verdict: Verdict
    summary: RunSummary
    signals: Signals
    curvature: Curvature | None
    thresholds: Thresholds
    metrics: dict[str, jax.Array]
    steps: int = dataclasses.field(metadata={"static": True})
    signals_every: int = dataclasses.field(metadata={"static": True})
    names: Names = dataclasses.field(metadata={"static": True})

    @property
    def probed_at(self) -> np.ndarray:
        """Steps taken at each row of `signals`."""
        return recorded_steps(self.steps, self.signals_every)

    @property
    def main(self) -> Difficulty:
        """The one that comes first: what is wrong from the start before what comes of it; else HEALTHY, or UNKNOWN."""
        self._check_one()
        return Difficulty(int(self.verdict.code))

    @property
    def difficulties(self) -> set[Difficulty]:
        """All that were found; empty where `main` is HEALTHY or UNKNOWN."""
        self._check_one()
        return {d for d in Difficulty if d not in NO_DIFFICULTY and self.verdict.found[d]}

    @property
    def evidence(self) -> dict[Difficulty, Evidence]:
        """What speaks for each of them, the main one first."""
        found = self.difficulties
        of = {}
        for difficulty in PRECEDENCE:
            if difficulty in found:
                one = jax.tree.map(lambda column, d=difficulty: np.asarray(column)[..., d], tuple(self.verdict[1:]))
                _, strength, where, step = one
                sentence = say(difficulty, float(strength), int(where), int(step), self)
                of[difficulty] = Evidence(float(strength), int(where) if where >= 0 else None, int(step), sentence)
        return of

    @property
    def descriptions(self) -> tuple[str, ...]:
        """Where the run ended and how far it came, in sentences that accuse nobody."""
        self._check_one()
        return tuple(describe(self))

    def __str__(self) -> str:
        lines = [f"{difficulty.name}: {evidence.sentence}" for difficulty, evidence in self.evidence.items()]
        return "\n".join([*(lines or [without_difficulty(self)]), *self.descriptions])

    def __repr__(self) -> str:
        shape = np.shape(self.verdict.code)
        return f"Diagnosis({'of ' + str(shape) if shape else self.main.name}, steps={self.steps})"

    def _check_one(self) -> None:
        if np.ndim(self.verdict.code):
            raise ValueError(
                f"a diagnosis in words must be of one run, got a batch of shape {np.shape(self.verdict.code)}: take "
                "one with jax.tree.map(lambda x: x[i], diagnosis)"
            )
