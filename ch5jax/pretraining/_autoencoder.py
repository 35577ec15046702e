"""The denoising autoencoder that one layer is trained as."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from ch5jax.networks import Layer


class Loss(NamedTuple):
    """How a reconstruction is scored."""

    score: Callable[[jax.Array, jax.Array], jax.Array]  # (z, x) -> elementwise
    output: Callable[[jax.Array], jax.Array]  # z -> the reconstruction


LOSSES = {
    "cross_entropy": Loss(optax.sigmoid_binary_cross_entropy, jax.nn.sigmoid),
    "squared_error": Loss(lambda z, x: (z - x) ** 2, lambda z: z),
}


class Design(NamedTuple):
    """What belongs to the program."""

    activation: Callable[[jax.Array], jax.Array]
    loss: str
    tied: bool
    batch_size: int
    steps: int


class Autoencoder(NamedTuple):
    """The parameters."""

    kernel: jax.Array  # W, shape (inputs, units)
    bias: jax.Array  # b, shape (units,)
    decoder_kernel: jax.Array | None  # shape (units, inputs); None where it is W's transpose
    decoder_bias: jax.Array  # c, shape (inputs,)


class Trained(NamedTuple):
    """A layer after its training."""

    layer: Layer
    hidden: jax.Array  # what it makes of its inputs, shape (examples, units)
    losses: jax.Array  # shape (steps,)
    error_before: jax.Array  # shape ()
    error_after: jax.Array  # shape ()


def train_layer(
    layer: Layer,
    inputs: jax.Array,
    optimizer: optax.GradientTransformation,
    key: jax.Array,
    corruption: jax.Array,
    design: Design,
) -> Trained:
    """Trains one layer to restore its inputs, shape (examples, width), as `pretrain_layerwise` says."""
    optimizer = optax.with_extra_args_support(optimizer)
    loss = LOSSES[design.loss]

    def denoising_loss(autoencoder: Autoencoder, x: jax.Array, hidden_from_it: jax.Array) -> jax.Array:
        corrupted = jnp.where(hidden_from_it, jnp.zeros_like(x), x)
        z = _decoded(autoencoder, _encoded(autoencoder, corrupted, design))
        return jnp.mean(jnp.sum(loss.score(z, x), axis=-1))

    def step(carry: Any, index: jax.Array) -> tuple[Any, jax.Array]:
        autoencoder, state = carry
        key_batch, key_corruption = jax.random.split(jax.random.fold_in(key, index))
        x = inputs[jax.random.randint(key_batch, (design.batch_size,), 0, len(inputs))]
        corrupt = jax.random.uniform(key_corruption, x.shape, corruption.dtype) < corruption
        value, slope = jax.value_and_grad(denoising_loss)(autoencoder, x, corrupt)
        updates, state = optimizer.update(slope, state, autoencoder, value=value)
        return (optax.apply_updates(autoencoder, updates), state), value

    def error(autoencoder: Autoencoder) -> jax.Array:
        z = _decoded(autoencoder, _encoded(autoencoder, inputs, design))
        return jnp.mean((loss.output(z) - inputs) ** 2)

    kernel, bias = layer
    start = Autoencoder(kernel, bias, None if design.tied else kernel.T, jnp.zeros_like(kernel[:, 0]))
    indices = jnp.arange(design.steps, dtype=jnp.int32)
    (end, _), losses = jax.lax.scan(step, (start, optimizer.init(start)), indices)
    hidden = _encoded(end, inputs, design)
    return Trained(Layer(end.kernel, end.bias), hidden, losses, error(start), error(end))


def _encoded(autoencoder: Autoencoder, x: jax.Array, design: Design) -> jax.Array:
    return design.activation(_affine(x, autoencoder.kernel, autoencoder.bias))


def _decoded(autoencoder: Autoencoder, h: jax.Array) -> jax.Array:
    kernel = autoencoder.kernel.T if autoencoder.decoder_kernel is None else autoencoder.decoder_kernel
    return _affine(h, kernel, autoencoder.decoder_bias)


def _affine(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    z = x @ kernel
    return z + jnp.broadcast_to(bias, z.shape)  # said outright, for those who refuse rank promotion
