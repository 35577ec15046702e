"""Which examples make a mini-batch."""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Batches(NamedTuple):
    """Mini-batches of a data set's rows: drawn with replacement, or, in epochs, each once before any comes again."""

    examples: int
    size: int
    epochs: bool

    def first_order(self) -> jax.Array:
        """What a training carries before its first epoch, int32: shape (examples,); (0,) where batches are drawn."""
        return jnp.arange(self.examples if self.epochs else 0, dtype=jnp.int32)

    def drawn(self, key: jax.Array) -> jax.Array:
        """The rows of one mini-batch, drawn with replacement, shape (size,)."""
        return jax.random.randint(key, (self.size,), 0, self.examples)

    def of_step(self, key: jax.Array, index: jax.Array, order: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The rows of a step's mini-batch, and the order to carry on; an epoch's last, incomplete one is left out."""
        if not self.epochs:
            return self.drawn(key), order
        position = index % (self.examples // self.size)
        order = jax.lax.cond(
            position == 0, lambda: jax.random.permutation(key, self.examples).astype(jnp.int32), lambda: order
        )
        return jax.lax.dynamic_slice_in_dim(order, position * self.size, self.size), order
