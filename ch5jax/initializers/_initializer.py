"""The machinery that every initialiser shares: a function for networks, a pytree for JAX, a draw for each kind."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from ch5jax import _trees
from ch5jax._hyperparameters import Call, implementation_of
from ch5jax._types import DType


class Initializer(Call):
    """A function that draws parameters, and a pytree of its numbers.

    Each kind is implemented by a draw: (key, shape, dtype, **arguments) -> array of the accumulator's dtype for
    `dtype`, to which it is rounded.

    `jax.jit(f)(initializer)`, `jax.vmap(f)(initializers)` and `jax.grad(f)(initializer)` take it as they take an
    optimizer; `ch5jax.grid`, `stack` and `unstack` make batches of it and take them apart; `initializer.std` and
    `initializer.replace(std=...)` read and change it.
    """

    def __call__(self, key: jax.Array, shape: Sequence[int], dtype: DType = None) -> jax.Array:
        """Draws an array of this shape and dtype: floating or complex, float32 (float64 under x64) by default.

        All is computed in float32 at least and rounded once: float16 and bfloat16 get float32's numbers, to their
        precision.
        """
        dtype = (
            _trees.default_float() if dtype is None else jnp.zeros((), dtype).dtype
        )  # read, and warned of, as by JAX
        if not jnp.issubdtype(dtype, jnp.inexact):
            raise ValueError(f"dtype must be floating or complex, got {dtype.name}")
        return implementation_of(self._factory)(key, tuple(shape), dtype, **self._values).astype(dtype)
