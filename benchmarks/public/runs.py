"""What a run of the exam is, and how it becomes a task such as a user would make."""

import functools
import zlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.public.data import PROBLEMS, Data, is_classes, prepared
from benchmarks.public.networks import KERAS_LOSSES, Net, model_of, probability_accuracy
from ch5jax import Task, tasks
from ch5jax.diagnostics import Difficulty

OUR_OWN = "our own"
FURTHER = ("RATE_TOO_LARGE",)  # what a label may name though no verdict does
LABELS = {difficulty.name for difficulty in Difficulty} - {"UNKNOWN"} | {*FURTHER}


class Run(NamedTuple):
    """A training with what its source says of it."""

    name: str
    source: str  # whose run it is
    kind: str  # the fault in the source's words, or what was done to it
    label: tuple[str, ...]  # the verdicts that are right, the first of them the row in tables; () where nobody can say
    data: Data
    net: Net
    loss: str  # one of Keras's, or of `ch5jax.tasks`
    optimizer: Any
    steps: int
    batch: int | None  # None takes all examples
    epochs: bool = True  # batches in epochs, as Keras does, or drawn
    kernel_scale: float = 1.0  # of the initial weights
    bias_value: float = 0.0  # added to the hidden layers' initial biases
    note: str = ""  # what is other than in the source

    @property
    def half(self) -> str:
        """The half of the exam that it belongs to: its data set's."""
        return PROBLEMS[self.data.problem].half

    @property
    def training(self) -> str:
        """All that the training depends on, without what is said of it."""
        return repr(self._replace(source="", kind="", label=(), note=""))


def task_of(run: Run, tested: bool = False) -> Task:
    """The run's task; runs that differ in nothing but numbers share one, and so a program.

    With `tested`, every second validation example is for a test: what is chosen on one half is reported on the other. A
    problem that has no twenty of them has the same for both.
    """
    return _task(run.data, run.net, run.loss, run.batch, run.epochs, tested)


@functools.cache
def _task(data: Data, net: Net, loss: str, batch: int | None, epochs: bool, tested: bool) -> Task:
    split = prepared(data)
    targets, validation = split.targets, split.validation_targets
    keras = KERAS_LOSSES.get(loss)
    metrics: Any = None
    if is_classes(data.problem):
        if net.outputs > 1 and keras:
            rows = np.eye(net.outputs, dtype=np.float32)
            targets, validation = rows[targets], rows[validation]
            metrics = ["accuracy"]
        elif net.outputs == 1:
            targets, validation = targets.astype(np.float32), validation.astype(np.float32)
            metrics = {"accuracy": probability_accuracy} if keras else None
    elif keras:
        metrics = ["r2"]
    step = 2 if tested and len(validation) >= 20 else 1
    return tasks.supervised(
        model_of(net, split.inputs.shape[1]),
        (split.inputs, targets),
        (split.validation_inputs[::step], validation[::step]),
        (split.validation_inputs[step - 1 :: step], validation[step - 1 :: step]) if tested else None,
        loss=keras or loss,
        metrics=metrics,
        batch_size=batch or len(targets),
        epochs=epochs,
        hyperparameters=None if net.flax else {"kernel_scale": 1.0, "bias_value": 0.0},
    )


def setting_of(run: Run) -> dict[str, Any]:
    """The run's hyperparameters."""
    scales = {} if run.net.flax else {"kernel_scale": run.kernel_scale, "bias_value": run.bias_value}
    return {"optimizer": run.optimizer, **scales}


def keys_of(run: Run, seeds: int) -> jax.Array:
    """Keys that no other run has, shape (seeds,)."""
    return jax.random.split(jax.random.fold_in(jax.random.key(11), zlib.crc32(run.name.encode())), seeds)


def programs(runs: Iterable[Run]) -> list[list[Run]]:
    """Runs that one program can train side by side."""
    groups: dict[Any, list[Run]] = {}
    for run in runs:
        structure = jax.tree.structure(setting_of(run))
        groups.setdefault((task_of(run), structure, run.steps), []).append(run)
    return [*groups.values()]
