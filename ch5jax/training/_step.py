"""One step of a trial, and the keys that a trial draws with."""

from typing import Any

import jax
import jax.numpy as jnp

from ch5jax import _keys
from ch5jax.tasks import Task


def init_key(key: jax.Array) -> jax.Array:
    """The key that a trial's initial state is drawn with."""
    return jax.random.fold_in(key, _keys.INIT)


def one_step(
    task: Task, hyperparameters: Any, key: jax.Array, index: jax.Array, state: Any
) -> tuple[Any, dict[str, Any]]:
    """One step of a trial, with the key that belongs to its index."""
    state, metrics = task.step(jax.random.fold_in(key, index), index, hyperparameters, state)
    return state, {name: jnp.asarray(value) for name, value in metrics.items()}
