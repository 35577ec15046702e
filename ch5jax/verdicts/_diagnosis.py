"""A run's diagnosis: arrays inside the program, words outside it."""

import dataclasses

import jax
import numpy as np

from ch5jax.diagnostics import Curvature, Difficulty, Signals, nan_is_data, unmasked
from ch5jax.training import recorded_steps
from ch5jax.verdicts._continuations import Continuations
from ch5jax.verdicts._finding import PRECEDENCE, Finding
from ch5jax.verdicts._names import Names
from ch5jax.verdicts._summary import RunSummary
from ch5jax.verdicts._thresholds import Thresholds
from ch5jax.verdicts._words import describe, say, without_difficulty

NO_DIFFICULTY = (Difficulty.HEALTHY, Difficulty.UNKNOWN)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Diagnosis:
    """Which difficulties a run met, and what they are told by; made by `diagnose`.

    It is a pytree: it comes out of `jit` and `vmap` like any array, and `jax.tree.map(lambda x: x[i], diagnoses)` is
    the i-th of a batch. Its words are made when they are asked for, of one run's.

    Attributes:
      findings: of every difficulty, a `Finding` with them along its last axis.
      masked: `summary` and `continuations` as programs return them: a number that is not known is −max of its dtype.
      signals: the run's `diagnostics.Signals`, a row for each probe.
      curvature: of the loss at the end, or None.
      thresholds: what they were measured against.
      metrics: the step's, of the last step, and those of `evaluate`; none for a trial of a sweep, whose table has them.
      steps: how many steps there were.
      signals_every: how many lie between two probes.
      names: of the weight matrices, of the layers, and of those with an activation behind them.
    """

    findings: Finding
    masked: tuple[RunSummary, Continuations | None]
    signals: Signals
    curvature: Curvature | None
    thresholds: Thresholds
    metrics: dict[str, jax.Array]
    steps: int = dataclasses.field(metadata={"static": True})
    signals_every: int = dataclasses.field(metadata={"static": True})
    names: Names = dataclasses.field(metadata={"static": True})

    @property
    def summary(self) -> RunSummary:
        """What the loss, the steps and the noise did late in the run; NaN for what is not known."""
        return unmasked(self.masked[0])

    @property
    def continuations(self) -> Continuations | None:
        """What lowers the loss from the last state on, or None; NaN for a way that is not to be had."""
        return unmasked(self.masked[1])

    @property
    def probed_at(self) -> np.ndarray:
        """Steps taken at each row of `signals`."""
        return recorded_steps(self.steps, self.signals_every)

    @property
    def code(self) -> jax.Array:
        """The number of `main`, as an array: for programs, and for batches."""
        return self.findings.code

    @property
    def main(self) -> Difficulty:
        """The one that comes first: what is wrong from the start before what comes of it; else HEALTHY, or UNKNOWN."""
        self._check_one()
        return Difficulty(int(self.code))

    @property
    def difficulties(self) -> set[Difficulty]:
        """All that were found; empty where `main` is HEALTHY or UNKNOWN."""
        return set(self.evidence)

    @property
    def evidence(self) -> dict[Difficulty, Finding]:
        """What speaks for each of them, the main one first: how strong, where, since which step."""
        self._check_one()
        found = [d for d in PRECEDENCE if d not in NO_DIFFICULTY and self.findings.found[d]]
        return {difficulty: self.findings.of(difficulty) for difficulty in found}

    @property
    @nan_is_data()
    def sentences(self) -> dict[Difficulty, str]:
        """The same in words, with what to try."""
        return {difficulty: say(difficulty, found, self) for difficulty, found in self.evidence.items()}

    @property
    @nan_is_data()
    def descriptions(self) -> tuple[str, ...]:
        """Where the run ended and how far it came, in sentences. None of them is a difficulty."""
        self._check_one()
        return tuple(describe(self))

    @nan_is_data()
    def __str__(self) -> str:
        lines = [f"{difficulty.name}: {sentence}" for difficulty, sentence in self.sentences.items()]
        return "\n".join([*(lines or [without_difficulty(self)]), *self.descriptions])

    def __repr__(self) -> str:
        shape = np.shape(self.code)
        return f"Diagnosis({'of ' + str(shape) if shape else self.main.name}, steps={self.steps})"

    def _check_one(self) -> None:
        if np.ndim(self.findings.found) > 1:
            raise ValueError(
                f"a diagnosis in words must be of one run, got a batch of shape {np.shape(self.code)}: take "
                "one with jax.tree.map(lambda x: x[i], diagnosis)"
            )
