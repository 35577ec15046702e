"""One training of a sweep, and what it comes to when it is trained once more."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax

from ch5jax._types import Hyperparameters, Params, PyTree, State
from ch5jax.tasks import Task
from ch5jax.training import Run


@dataclass(frozen=True)
class Trial:
    """One training of a sweep: what it was given, and, trained once more when they are asked for, its parameters.

    Attributes:
      number: its number, the table's column `trial`.
      hyperparameters: the pytree of this trial, of host numbers.
      key: the trial's key, `fold_in(the sweep's key, seed)`.
      steps: how many steps lie behind its state: all of them, or those to the best evaluation.
      task: its group's.
    """

    number: int
    hyperparameters: Hyperparameters
    key: jax.Array
    steps: int
    task: Task = field(repr=False)
    _rerun: Callable[[int, int], Run] = field(repr=False)

    @functools.cached_property
    def run(self) -> Run:
        """The training, done again to the last bit: see `SweepResult.rerun`."""
        return self._rerun(self.number, self.steps)

    @property
    def state(self) -> State:
        """The task's state after these steps."""
        return self.run.state

    @property
    def params(self) -> Params:
        """The parameters after these steps.

        Raises:
          ValueError: if the task does not say what its parameters are.
        """
        if self.task.params is None:
            raise ValueError("params must be known to the task (Task.params), and it has none; see state")
        return self.task.params(self.state)

    def __reduce__(self) -> Any:
        raise ValueError("a Trial has its task with it, which no file can hold: ch5jax.save its params or state")

    def predict(self, inputs: PyTree) -> PyTree:
        """The model's outputs for new inputs, in inference mode.

        Args:
          inputs: what the task's model takes, a row an example.

        Returns:
          The outputs, a row an example: logits, or numbers to predict in the units of the training targets.

        Raises:
          ValueError: if the task has no `predict`.
        """
        if self.task.predict is None:
            raise ValueError("predict needs a task that has it, such as one of ch5jax.tasks.supervised")
        hyperparameters = jax.tree.map(jax.numpy.asarray, self.hyperparameters)
        return jax.jit(self.task.predict)(hyperparameters, self.state, inputs)
