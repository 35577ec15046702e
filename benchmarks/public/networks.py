"""Networks, starting points and losses as Keras means them: for runs that were written in it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

Array = jax.Array
EPSILON = 1e-7  # what Keras clips probabilities at

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "linear": lambda z: z,
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "exponential": jnp.exp,
    "softmax": jax.nn.softmax,
    "elu": jax.nn.elu,
    "selu": jax.nn.selu,
    "rounded": lambda z: jnp.round(jax.nn.sigmoid(z)),  # without a slope: a mistake of its own
}


def _scaled(scale: float, mode: str, kind: str) -> Callable[..., Array]:
    return jax.nn.initializers.variance_scaling(scale, mode, kind)


def _uniform(key: Array, shape: tuple[int, ...]) -> Array:
    return jax.random.uniform(key, shape, minval=-0.05, maxval=0.05)


INITIALIZERS: dict[str, Callable[..., Array]] = {
    "zeros": lambda key, shape: jnp.zeros(shape),
    "ones": lambda key, shape: jnp.ones(shape),
    "glorot_uniform": _scaled(1.0, "fan_avg", "uniform"),
    "glorot_normal": _scaled(1.0, "fan_avg", "truncated_normal"),
    "he_uniform": _scaled(2.0, "fan_in", "uniform"),
    "lecun_normal": _scaled(1.0, "fan_in", "truncated_normal"),
    "random_uniform": _uniform,
    "normal_0.05": jax.nn.initializers.normal(0.05),
    "normal_1": jax.nn.initializers.normal(1.0),
}


class Net(NamedTuple):
    """A network of dense layers. A pair is the hidden layers' and the output's; a longer tuple has one for each."""

    hidden: tuple[int, ...]
    activation: str | tuple[str, ...]  # of the hidden layers
    outputs: int
    output_activation: str = "linear"
    kernel: str | tuple[str, ...] = "glorot_uniform"
    bias: str | tuple[str, ...] = "zeros"
    dropout: float = 0.0
    flax: bool = False  # a Linen module with BatchNorm, Flax's own starting point, and nothing of the four above


def _each(names: str | tuple[str, ...], layers: int) -> tuple[str, ...]:
    if isinstance(names, str):
        return (names,) * layers
    return names if len(names) == layers else (names[0],) * (layers - 1) + (names[1],)


def model_of(net: Net, inputs: int) -> Any:
    """The network as `ch5jax.tasks.supervised` takes it."""
    return _linen(net) if net.flax else _pair(net, inputs)


def _pair(net: Net, inputs: int) -> tuple[Callable[..., Any], Callable[..., Array]]:
    widths = (inputs, *net.hidden, net.outputs)
    layers = len(widths) - 1
    kernels, biases = _each(net.kernel, layers), _each(net.bias, layers)
    activations = [*_each(net.activation, layers - 1), net.output_activation]

    def one(key: Array, layer: int, kernel_scale: Any, bias_value: Any) -> dict[str, Array]:
        key_kernel, key_bias = jax.random.split(key)
        shape, bias = widths[layer : layer + 2], biases[layer]
        # Keras counts a bias's own length as both of its fans
        drawn = INITIALIZERS[bias](key_bias, (shape[1], shape[1]) if bias.startswith("glorot") else shape[1:])
        start = drawn[0] if drawn.ndim > 1 else drawn
        hidden = layer < layers - 1
        return {
            "kernel": INITIALIZERS[kernels[layer]](key_kernel, shape) * kernel_scale,
            "bias": start + bias_value if hidden else start,
        }

    def init(key: Array, kernel_scale: Any, bias_value: Any) -> list[dict[str, Array]]:
        keys = jax.random.split(key, layers)
        return [one(key, layer, kernel_scale, bias_value) for layer, key in enumerate(keys)]

    def apply(params: list[dict[str, Array]], x: Array, key: Array | None, train: bool) -> Array:
        for layer, (here, activation) in enumerate(zip(params, activations, strict=True)):
            x = ACTIVATIONS[activation](x @ here["kernel"] + here["bias"])
            if train and net.dropout and layer < layers - 1:
                kept = jax.random.bernoulli(jax.random.fold_in(key, layer), 1 - net.dropout, x.shape)
                x = jnp.where(kept, x / (1 - net.dropout), 0)
        return x

    return init, apply


def _linen(net: Net) -> Any:
    class Module(nn.Module):
        @nn.compact
        def __call__(self, x: Array, train: bool) -> Array:
            for width, activation in zip(net.hidden, _each(net.activation, len(net.hidden)), strict=True):
                x = nn.BatchNorm(use_running_average=not train)(nn.Dense(width)(x))
                x = ACTIVATIONS[activation](x)
            return nn.Dense(net.outputs)(x)

    return Module()


def binary_crossentropy(outputs: Array, targets: Array) -> Array:
    """Of one probability, clipped as Keras does."""
    p = jnp.clip(outputs[..., 0], EPSILON, 1 - EPSILON)
    return -(targets * jnp.log(p) + (1 - targets) * jnp.log(1 - p))


def categorical_crossentropy(outputs: Array, targets: Array) -> Array:
    """Of outputs that Keras takes for shares: divided by their sum, whatever they are, and clipped."""
    p = outputs / jnp.sum(outputs, axis=-1, keepdims=True)
    return -jnp.sum(targets * jnp.log(jnp.clip(p, EPSILON, 1 - EPSILON)), axis=-1)


def mean_squared_error(outputs: Array, targets: Array) -> Array:
    return jnp.mean((outputs - targets.reshape(outputs.shape)) ** 2, axis=-1)


def mean_absolute_error(outputs: Array, targets: Array) -> Array:
    return jnp.mean(jnp.abs(outputs - targets.reshape(outputs.shape)), axis=-1)


def probability_accuracy(outputs: Array, targets: Array) -> Array:
    """The share of right answers of one probability; what is not finite is wrong."""
    p = outputs[..., 0]
    return jnp.mean(((p > 0.5) == targets) & jnp.isfinite(p), dtype=jnp.float32)


KERAS_LOSSES = {
    "binary_crossentropy": binary_crossentropy,
    "categorical_crossentropy": categorical_crossentropy,
    "mean_squared_error": mean_squared_error,
    "mean_absolute_error": mean_absolute_error,
}
