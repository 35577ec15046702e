"""A problem that trains in a moment."""

import jax.numpy as jnp
import numpy as np

import ch5jax
from ch5jax.networks import mlp

rng = np.random.default_rng(0)
inputs = rng.normal(size=(60, 2)).astype(np.float32)
numbers = (inputs[:, 0] - 2 * inputs[:, 1]).astype(np.float32)
labels = (numbers > 0).astype(int)


def _init(key):
    return {"w": jnp.zeros((2, 2)), "b": jnp.zeros(2)}


def _apply(params, x):
    return x @ params["w"] + params["b"]


def supervised(model=None, inputs=inputs, targets=labels, batch_size=8, **options):
    """Half of the examples train, a quarter each validates and tests."""
    if model is None:
        model = (_init, _apply) if targets is labels else mlp((2, 1))
    rows = slice(0, 30), slice(30, 45), slice(45, 60)
    parts = ((inputs[part], targets[part]) for part in rows)
    return ch5jax.tasks.supervised(model, *parts, batch_size=batch_size, **options)
