"""Networks as pairs of pure functions on plain pytrees."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax import _trees

_he_normal = jax.nn.initializers.he_normal()


class Layer(NamedTuple):
    """A dense layer's parameters."""

    kernel: jax.Array  # shape (inputs, outputs)
    bias: jax.Array  # shape (outputs,)


class Network(NamedTuple):
    """A network as two pure functions."""

    init: Callable[..., tuple[Layer, ...]]  # (key, scale=1.0) -> params
    apply: Callable[..., jax.Array]  # (params, x, taps=None) -> outputs


def mlp(
    widths: Sequence[int],
    activation: Callable[[jax.Array], jax.Array] = jax.nn.relu,
    kernel_init: Callable[..., jax.Array] = _he_normal,
) -> Network:
    r"""A multilayer perceptron.

    .. math:: h_0 = x, \qquad h_l = \phi(h_{l-1} W_l + b_l) \quad\text{for } l < L, \qquad y = h_{L-1} W_L + b_L

    Args:
      widths: the number of inputs, of units in each hidden layer, and of outputs: two numbers at least.
      activation: φ, elementwise, after every layer but the last.
      kernel_init: an initialiser of JAX's signature (key, shape, dtype); biases start at 0.

    Returns:
      A `Network`:

      - `init(key, scale=1.0)` gives a tuple of `Layer(kernel, bias)`, float32 (float64 where x64 is enabled). Every
        kernel is multiplied by `scale`, a scalar, which may be traced, or one number for each layer.
      - `apply(params, x, taps=None)` maps x of shape (..., widths[0]) to (..., widths[-1]). `taps` are zeros added to
        the pre-activations, one array (or a scalar) a layer: the gradient with respect to them is ∂L/∂z at that layer.

    Raises:
      ValueError: if there are fewer than two widths, or one is not positive; in `apply`, if x has another width or
        params another number of layers.

    Example:
      >>> import ch5jax, jax
      >>> net = ch5jax.networks.mlp((64, 32, 10))
      >>> params = net.init(jax.random.key(0))
      >>> net.apply(params, jax.numpy.zeros((5, 64))).shape
      (5, 10)
    """
    widths = tuple(widths)
    if len(widths) < 2 or any(not isinstance(width, int | np.integer) or width < 1 for width in widths):
        raise ValueError(f"widths must be two or more positive integers, inputs first and outputs last, got {widths}")
    widths, depth = tuple(map(int, widths)), len(widths) - 1

    def init(key: jax.Array, scale: jax.typing.ArrayLike = 1.0) -> tuple[Layer, ...]:
        dtype = _trees.default_float()
        scales = jnp.broadcast_to(jnp.asarray(scale, dtype), (depth,))
        keys = jax.random.split(key, depth)
        return tuple(
            Layer(scales[i] * kernel_init(keys[i], (widths[i], widths[i + 1]), dtype), jnp.zeros(widths[i + 1], dtype))
            for i in range(depth)
        )

    def apply(params: Sequence[Layer], x: jax.Array, taps: Sequence[jax.Array] | None = None) -> jax.Array:
        if jnp.ndim(x) < 1 or jnp.shape(x)[-1] != widths[0]:
            raise ValueError(f"x must have shape (..., {widths[0]}), got {jnp.shape(x)}")
        if len(params) != depth:
            raise ValueError(f"params must hold {depth} layers, got {len(params)}")
        for i, (kernel, bias) in enumerate(params):
            x = x @ kernel
            x = x + jnp.broadcast_to(bias, x.shape)  # said outright, for those who have JAX refuse rank promotion
            if taps is not None:
                x = x + taps[i]
            if i < depth - 1:
                x = activation(x)
        return x

    return Network(init, apply)
