"""BatchNorm as one would write it down, for JAX to differentiate; in float64 it is right."""

import jax.numpy as jnp

from ch5jax import BatchNormState


def batch_norm(x, scale, bias, eps=1e-5, axes=None, mask=None):
    """y and the batch's mean and variance; features last unless `axes`, those of the batch, say otherwise."""
    axes = tuple(range(x.ndim - 1)) if axes is None else axes
    where = jnp.ones(x.shape, bool) if mask is None else jnp.broadcast_to(mask, x.shape)
    x = jnp.where(where, x, 0.0)
    count = jnp.sum(where, axes, keepdims=True)
    mean = jnp.sum(x, axes, keepdims=True) / count
    centered = jnp.where(where, x - mean, 0.0)
    var = jnp.sum(centered**2, axes, keepdims=True) / count
    y = centered / jnp.sqrt(var + eps) * jnp.reshape(scale, mean.shape) + jnp.reshape(bias, mean.shape)
    return jnp.where(where, y, 0.0), mean.reshape(jnp.shape(scale)), var.reshape(jnp.shape(scale))


def running(state, mean, var, momentum):
    """The state after a batch."""
    weight = 1 - momentum * (1 - state.weight)
    rate = (1 - momentum) / weight
    return BatchNormState(state.mean + rate * (mean - state.mean), state.var + rate * (var - state.var), weight)
