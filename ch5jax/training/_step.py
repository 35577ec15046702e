"""One step of a trial, and the keys that a trial draws with."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax.tasks import Task

# fold_in(key, i) is split(key)[i]: were the initial state drawn from the trial's key itself, its bits would be those of
# the first steps. No index reaches the last three uint32, and pretraining has the other one.
_INIT = np.uint32(2**32 - 1)
OTHER_BATCH = np.uint32(2**32 - 3)


def init_key(key: jax.Array) -> jax.Array:
    """The key that a trial's initial state is drawn with."""
    return jax.random.fold_in(key, _INIT)


def one_step(
    task: Task, hyperparameters: Any, key: jax.Array, index: jax.Array, state: Any
) -> tuple[Any, dict[str, Any]]:
    """One step of a trial, with the key that belongs to its index."""
    state, metrics = task.step(jax.random.fold_in(key, index), index, hyperparameters, state)
    return state, {name: jnp.asarray(value) for name, value in metrics.items()}
