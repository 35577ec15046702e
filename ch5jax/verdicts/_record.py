"""What a diagnosis is made of."""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np

from ch5jax.diagnostics import Curvature, Signals
from ch5jax.training import recorded_steps
from ch5jax.verdicts._course import Course
from ch5jax.verdicts._judge import Verdict
from ch5jax.verdicts._thresholds import Thresholds


class Names(NamedTuple):
    """What the parts of a network are called: the paths of their parameters."""

    matrices: tuple[str, ...] = ()  # as in `update_ratio` and `equal_units`
    layers: tuple[str, ...] = ()  # as in `signal_norms`
    activations: tuple[str, ...] = ()  # the layers with one behind them, as in `flat_units`


@dataclasses.dataclass(frozen=True)
class Record:
    """A run as a verdict saw it; `Diagnosis` says what its fields are."""

    verdict: Verdict
    course: Course
    signals: Signals
    curvature: Curvature | None
    thresholds: Thresholds
    metrics: dict[str, jax.Array]
    steps: int = dataclasses.field(metadata={"static": True})
    signals_every: int = dataclasses.field(metadata={"static": True})
    names: Names = dataclasses.field(metadata={"static": True})

    @property
    def looked_at(self) -> np.ndarray:
        """Steps taken at each row of `signals`."""
        return recorded_steps(self.steps, self.signals_every)
