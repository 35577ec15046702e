"""Vanishing and exploding gradients: the layer gradient ∂L/∂z over the depth of a network, or over time."""

from collections.abc import Sequence

import chex
import jax
import jax.numpy as jnp
import numpy as np

from ch5jax import _trees
from ch5jax.diagnostics._vectors import dot
from ch5jax.tapping import Site, counts, in_sequence, loops_of


def layer_gradient_norms(gradients: Sequence[Site | chex.Array]) -> jax.Array:
    r"""How large the gradient is at every layer.

    .. math:: \|\partial L / \partial z_l\| = \sqrt{\textstyle\sum_{i,j} (\partial L / \partial z_{l,ij})^2}

    over the examples i of the batch and the units j. Norms of weight gradients do not show it: in a 30-layer linear
    network of gain 1.5 the first over the last of those is 1.3, while the layer gradient grows by 1.5²⁹ = 1.3e5,
    because the layers' inputs shrink in the same measure as it grows.

    Args:
      gradients: the gradient of a tapped loss (`ch5jax.tap`) with respect to its zeros; arrays of any shape do as well,
        one a layer. Of a layer in a `scan`, each iteration counts.

    Returns:
      Norms, shape (layers,), the inputs' side first, in the order of `layer_names`; float32 at least. They neither
      overflow nor underflow before the layer gradient itself does.

    Raises:
      ValueError: if there is no layer, or one is not floating.

    Example:
      >>> import ch5jax, jax, jax.numpy as jnp
      >>> net = ch5jax.networks.mlp((8, 8, 8, 1), activation=jax.nn.sigmoid)
      >>> params, x = net.init(jax.random.key(0)), jnp.ones((4, 8))
      >>> tapped = ch5jax.tap(lambda params, x: net.apply(params, x).sum())
      >>> gradients = jax.grad(tapped, argnums=1)(params, tapped.zeros(params, x), x)
      >>> norms = ch5jax.diagnostics.layer_gradient_norms(gradients)
      >>> norms.shape, bool(norms[0] < norms[-1])
      ((3,), True)

    Source: the chapter, section 5.1.4; Glorot and Bengio, *Understanding the difficulty of training deep feedforward
    neural networks* (2010), section 4.2, which follows the same gradients over the layers.
    """
    if not isinstance(gradients, Sequence) or not gradients:
        raise ValueError(f"gradients must hold those of one layer at least, got {gradients!r}")
    _trees.check_inexact(gradients, "gradients")
    norms, first = [], [0]
    for gradient in gradients:
        z = jnp.asarray(gradient.z if isinstance(gradient, Site) else gradient)
        kept = [axis for axis, loop in enumerate(loops_of(gradient)) if counts(loop)]
        norms.append(_norm(z, tuple(axis for axis in range(z.ndim) if axis not in kept)))
        first.append(first[-1] + norms[-1].size)
    order = [
        first[i] + (int(np.ravel_multi_index(at, norms[i].shape)) if at else 0) for i, at in in_sequence(gradients)
    ]
    joined = jnp.concatenate([norm.reshape(-1) for norm in norms])
    return joined if order == sorted(order) else joined[np.array(order)]


def _norm(x: chex.Array, axes: tuple[int, ...]) -> jax.Array:
    """The Euclidean norm, scaled by the largest element so that squares stay in range."""
    size = jnp.abs(x).astype(_trees.accumulator_dtype(_trees.real_dtype(x.dtype)))
    largest = jnp.max(size, axis=axes, keepdims=True, initial=0.0)
    scale = jnp.where((largest > 0) & jnp.isfinite(largest), largest, 1)
    return jnp.sqrt(jnp.sum((size / scale) ** 2, axis=axes)) * scale.reshape(jnp.sum(size, axis=axes).shape)


def depth_slope(norms: chex.Array) -> jax.Array:
    r"""The slope of the layer gradient's logarithm over depth, from the inputs to the outputs.

    .. math:: \text{slope of } \log \|\partial L/\partial z_l\| \text{ over } l, \text{ by least squares}

    exp(−slope) is the factor that the layer gradient takes on at every layer on its way back: above 1 it explodes (a
    negative slope), below 1 it vanishes (a positive one).

    Args:
      norms: of `layer_gradient_norms`, shape (..., layers).

    Returns:
      Shape (...): nats a layer; 0 for one layer. A norm of 0 counts as the smallest normal number.

    Raises:
      ValueError: if `norms` is a scalar or has no layer.

    Example:
      >>> import ch5jax, jax.numpy as jnp
      >>> slope = ch5jax.diagnostics.depth_slope(0.5 ** jnp.arange(10.0))  # doubled at every layer on its way back
      >>> round(float(jnp.exp(-slope)), 4)
      2.0

    Source: the chapter, section 5.1.4; Bengio, Simard and Frasconi, *Learning long-term dependencies with gradient
    descent is difficult* (1994): products of Jacobians grow or shrink exponentially with their number.
    """
    norms = _checked(norms)
    layers = norms.shape[-1]
    logs = jnp.log(jnp.maximum(norms, jnp.finfo(norms.dtype).tiny))
    position = jnp.arange(layers, dtype=norms.dtype) - (layers - 1) / 2
    return dot(logs, position) / (max(layers * (layers**2 - 1), 6) / 12)


def first_over_last(norms: chex.Array) -> jax.Array:
    r"""The gradient at the first layer over that at the last: below 1e-3 it has vanished, above 1e3 exploded.

    .. math:: \|\partial L/\partial z_1\| \,/\, \|\partial L/\partial z_L\|

    Args:
      norms: of `layer_gradient_norms`, shape (..., layers).

    Returns:
      Shape (...); 1 where it is 0 at both ends.

    Raises:
      ValueError: if `norms` is a scalar or has no layer.

    Example:
      >>> import ch5jax, jax.numpy as jnp
      >>> float(ch5jax.diagnostics.first_over_last(jnp.array([8.0, 4.0, 2.0])))
      4.0

    Source: the chapter, section 5.1.4.
    """
    norms = _checked(norms)
    first, last = norms[..., 0], norms[..., -1]
    nothing = (first == 0) & (last == 0)
    return jnp.where(nothing, 1, first / jnp.where(nothing, 1, last))


def _checked(norms: chex.Array) -> jax.Array:
    norms = jnp.asarray(norms)
    if norms.ndim < 1 or norms.shape[-1] < 1:
        raise ValueError(f"norms must have shape (..., layers), got {norms.shape}")
    return norms.astype(_trees.accumulator_dtype(norms.dtype))
