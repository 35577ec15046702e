"""What a training gives."""

from typing import NamedTuple

from ch5jax._types import Metrics, State
from ch5jax.diagnostics import Signals


class Run(NamedTuple):
    """A training, done: what `train` returns, and `SweepResult.rerun`."""

    state: State  # the final one, as the task's `step` gave it
    metrics: Metrics  # the step's, shape (records,) each, in the order of `recorded_steps(steps, record_every)`
    evaluations: Metrics  # those of `evaluate`, shape (evaluations,) each, the last after the last step
    signals: Signals | None  # with a leading axis, in the order of `recorded_steps(steps, signals_every)`; None if none

    def last(self) -> Metrics:
        """The last value of every metric, of the step's and of `evaluate`'s: arrays of shape ()."""
        return {name: values[-1] for name, values in (self.metrics | self.evaluations).items()}
