"""The multilayer perceptron."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax import _trees
from ch5jax._memory import check_memory
from ch5jax._types import Params, Scalar, State
from ch5jax.networks._network import Network
from ch5jax.normalization import (
    BatchNormParams,
    BatchNormState,
    batch_norm as normalize_batch,
    batch_norm_inference,
    batch_norm_init,
)

_he_normal = jax.nn.initializers.he_normal()


class Layer(NamedTuple):
    """A dense layer's parameters."""

    kernel: jax.Array  # shape (inputs, outputs)
    bias: jax.Array  # shape (outputs,)


class NormalizedLayer(NamedTuple):
    """The parameters of a dense layer with BatchNorm, which has no bias of its own: BatchNorm would take it away."""

    kernel: jax.Array  # shape (inputs, outputs)
    scale: jax.Array  # γ, shape (outputs,)
    bias: jax.Array  # β, shape (outputs,)


def mlp(
    widths: Sequence[int],
    activation: Callable[[jax.Array], jax.Array] = jax.nn.relu,
    kernel_init: Callable[..., jax.Array] = _he_normal,
    *,
    batch_norm: bool = False,
) -> Network:
    r"""A multilayer perceptron, with or without BatchNorm.

    .. math:: h_0 = x, \qquad h_l = \phi(z_l) \quad\text{for } l < L, \qquad y = z_L, \qquad z_l = h_{l-1} W_l + b_l

    and with BatchNorm, in the hidden layers,

    .. math:: z_l = \gamma_l\, \widehat{h_{l-1} W_l} + \beta_l

    Args:
      widths: the number of inputs, of units in each hidden layer, and of outputs: two numbers at least.
      activation: φ, elementwise, after every layer but the last.
      kernel_init: an initialiser of JAX's signature (key, shape, dtype); biases start at 0, scales at 1.
      batch_norm: whether the hidden layers are normalised, between the product and the activation.

    Returns:
      A `Network`:

      - `init(key, scale=1.0)` gives a tuple of `Layer(kernel, bias)`, with BatchNorm of `NormalizedLayer(kernel, scale,
        bias)` and a last `Layer`; float32 (float64 where x64 is enabled). Every kernel is multiplied by `scale`, a
        scalar, which may be traced, or one number for each layer.
      - `apply(params, x)` maps x of shape (..., widths[0]) to (..., widths[-1]).

      With BatchNorm, `apply` normalises with running statistics and needs them: `apply(params, x, *, state, eps=1e-5)`.
      For training there are two more (without BatchNorm they are `tuple` and None):

      - `init_state()` gives a `BatchNormState` for each hidden layer.
      - `apply_training(params, state, x, **options)` gives the outputs, normalised with the batch's own
        statistics, and the new state. The options are those of `batch_norm`: momentum, eps, mask (of shape (..., 1)),
        axis_name and unbiased.

    Raises:
      ValueError: if there are fewer than two widths, one is not positive, or the weights take more than half of the
        machine's memory; in `apply`, if x has another width or
        params or state another number of layers.

    Example:
      >>> import ch5jax, jax
      >>> net = ch5jax.networks.mlp((64, 32, 10))
      >>> params = net.init(jax.random.key(0))
      >>> net.apply(params, jax.numpy.zeros((5, 64))).shape
      (5, 10)
      >>> net = ch5jax.networks.mlp((64, 32, 10), batch_norm=True)
      >>> params, state = net.init(jax.random.key(0)), net.init_state()
      >>> logits, state = net.apply_training(params, state, jax.numpy.ones((5, 64)), momentum=0.99)
      >>> net.apply(params, jax.numpy.zeros((1, 64)), state=state).shape
      (1, 10)
    """
    widths = tuple(widths)
    if len(widths) < 2 or any(not isinstance(width, int | np.integer) or width < 1 for width in widths):
        raise ValueError(f"widths must be two or more positive integers, inputs first and outputs last, got {widths}")
    widths, depth = tuple(map(int, widths)), len(widths) - 1
    check_memory(4 * sum(map(math.prod, itertools.pairwise(widths))), f"a network of widths {widths}")

    def init(key: jax.Array, scale: jax.typing.ArrayLike = 1.0) -> tuple[Layer | NormalizedLayer, ...]:
        dtype = _trees.default_float()
        scales = jnp.broadcast_to(jnp.asarray(scale, dtype), (depth,))
        keys = jax.random.split(key, depth)
        layers: list[Layer | NormalizedLayer] = []
        for i in range(depth):
            kernel = scales[i] * kernel_init(keys[i], (widths[i], widths[i + 1]), dtype)
            ones, zeros = batch_norm_init(widths[i + 1])[0]
            layers.append(
                NormalizedLayer(kernel, ones, zeros) if batch_norm and i < depth - 1 else Layer(kernel, zeros)
            )
        return tuple(layers)

    def init_state() -> tuple[BatchNormState, ...]:
        return tuple(batch_norm_init(width)[1] for width in widths[1:-1])

    def forward(
        params: Params, x: jax.Array, normalize: Callable[[int, jax.Array, BatchNormParams], jax.Array]
    ) -> jax.Array:
        if jnp.ndim(x) < 1 or jnp.shape(x)[-1] != widths[0]:
            raise ValueError(f"x must have shape (..., {widths[0]}), got {jnp.shape(x)}")
        if len(params) != depth:
            raise ValueError(f"params must hold {depth} layers, got {len(params)}")
        for i, layer in enumerate(params):
            x = x @ layer.kernel
            if batch_norm and i < depth - 1:
                x = normalize(i, x, BatchNormParams(layer.scale, layer.bias))
            else:
                x = x + jnp.broadcast_to(layer.bias, x.shape)  # said outright, for those who refuse rank promotion
            x = activation(x) if i < depth - 1 else x
        return x

    def check_state(state: State) -> None:
        if len(state) != depth - 1:
            raise ValueError(
                f"state must hold the running statistics of {depth - 1} hidden layers, as init_state() does, "
                f"got {len(state)}"
            )

    def apply(params: Sequence[Layer], x: jax.Array) -> jax.Array:
        return forward(params, x, lambda i, z, norm: z)

    def apply_inference(
        params: Params, x: jax.Array, *, state: Sequence[BatchNormState], eps: Scalar = 1e-5
    ) -> jax.Array:
        check_state(state)
        return forward(params, x, lambda i, z, norm: batch_norm_inference(z, norm, state[i], eps=eps))

    def apply_training(
        params: Params, state: Sequence[BatchNormState], x: jax.Array, **options: Any
    ) -> tuple[jax.Array, tuple[BatchNormState, ...]]:
        check_state(state)
        after: list[BatchNormState] = []

        def normalize(i: int, z: jax.Array, norm: BatchNormParams) -> jax.Array:
            z, seen = normalize_batch(z, norm, state[i], **options)
            after.append(seen)
            return z

        outputs = forward(params, x, normalize)
        return outputs, tuple(after)

    def remade(**changes: Any) -> Network:
        as_it_is: dict[str, Any] = {"activation": activation, "kernel_init": kernel_init, "batch_norm": batch_norm}
        return mlp(widths, **(as_it_is | changes))

    if batch_norm:
        return Network(init, apply_inference, init_state, apply_training, remade)
    return Network(init, apply, remade=remade)
