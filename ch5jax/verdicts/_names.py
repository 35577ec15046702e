"""What the parts of a network are called: the paths of their parameters."""

from typing import NamedTuple

import jax

from ch5jax import _trees
from ch5jax._types import Hyperparameters
from ch5jax.diagnostics import activation_names, layer_names, matrix_names
from ch5jax.tapping import tap
from ch5jax.tasks import Task


class Names(NamedTuple):
    """The names of a network's parts; made by `names_of`."""

    matrices: tuple[str, ...] = ()  # as in `update_ratio` and `duplicate_units`
    layers: tuple[str, ...] = ()  # as in `layer_gradient_norms`
    activations: tuple[str, ...] = ()  # the layers with one behind them, as in `flat_units`


NO_NAMES = Names()


def names_of(task: Task, hyperparameters: Hyperparameters) -> Names:
    """What a task's weight matrices and layers are called; traced, never run.

    Args:
      task: the task.
      hyperparameters: one setting, arrays or their shapes.

    Returns:
      `Names`, empty where the task does not say what its parameters are.

    Raises:
      ValueError: as the task does.

    Example:
      >>> import ch5jax
      >>> ch5jax.verdicts.names_of(ch5jax.tasks.digits(), ch5jax.sgd(0.1)).activations
      ('[0].kernel',)
    """
    found = Names()

    def trace(hyperparameters: Hyperparameters) -> None:
        nonlocal found
        key = jax.random.key(0)
        assert task.params is not None
        state = task.init(key, hyperparameters)
        params = task.params(state)
        found = Names(matrix_names(params))
        if task.loss is not None and _trees.is_inexact(params):
            loss = task.loss
            sites = tap(lambda w: loss(key, hyperparameters, state, w), activations=True).trace(params).zeros()
            found = Names(found.matrices, layer_names(sites), activation_names(sites))

    if task.params is not None:
        jax.eval_shape(trace, hyperparameters)
    return found
