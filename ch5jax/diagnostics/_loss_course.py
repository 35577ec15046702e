"""What the course of a loss shows: oscillation, a rate too small, divergence."""

import chex
import jax
import jax.numpy as jnp
import numpy as np

from ch5jax import _trees
from ch5jax.diagnostics._vectors import dot

# A loss a million times its first value (or a million, where that is below 1) counts as diverged, as an infinite one
# does: Adam at a rate of 1e12 walks in steps of 1e12, and never overflows.
DIVERGENCE = 1e6


def alternation(losses: chex.Array) -> jax.Array:
    r"""How often the loss turns: the share of successive differences that have opposite signs.

    .. math:: \frac{1}{n-2} \sum_t \big[(L_{t+1} - L_t)(L_t - L_{t-1}) < 0\big]

    A rate beyond 2/λ_max jumps from wall to wall, and turns at every step: 1. A smooth descent: 0. Independent noise:
    2/3, since the middle one of three is the smallest or the largest that often; so noise alone accuses no rate.

    Args:
      losses: L, shape (..., n), n ≥ 3, at successive steps; give the last quarter of a run to judge its end.

    Returns:
      Shape (...), from 0 to 1; NaN does not count as turning.

    Raises:
      ValueError: if there are fewer than three losses.

    Example:
      >>> import ch5jax, jax.numpy as jnp
      >>> float(ch5jax.diagnostics.alternation(jnp.array([3.0, 1.0, 2.0, 0.5, 1.5])))
      1.0

    Source: the chapter, section 5.2 no. 6: too large a rate makes the learning curve oscillate.
    """
    losses = _losses(losses, 3)
    steps = jnp.sign(losses[..., 1:] - losses[..., :-1])
    return jnp.mean(steps[..., 1:] * steps[..., :-1] < 0, axis=-1, dtype=losses.dtype)


def descent(losses: chex.Array) -> tuple[jax.Array, jax.Array]:
    r"""How fast the loss falls in the second quarter of a run, and how fast in the last.

    Both are slopes of least-squares lines with their signs turned: positive where the loss falls. If the end
    falls as fast as the middle, the run was stopped too early, or its rate is too small.

    Args:
      losses: shape (..., n), n ≥ 8, at evenly spaced steps.

    Returns:
      Two arrays of shape (...), in units of loss a record: (second quarter, last quarter).

    Raises:
      ValueError: if there are fewer than eight losses.

    Example:
      >>> import ch5jax, jax.numpy as jnp
      >>> middle, end = ch5jax.diagnostics.descent(10 - 0.5 * jnp.arange(16.0))
      >>> float(middle), float(end)
      (0.5, 0.5)

    Source: the chapter, section 5.2 no. 6: too small a rate learns slowly.
    """
    losses = _losses(losses, 8)
    n = losses.shape[-1]
    return loss_slope(losses[..., n // 4 : n // 2])[0], loss_slope(losses[..., n - n // 4 :])[0]


def loss_slope(losses: chex.Array) -> tuple[jax.Array, jax.Array]:
    r"""How fast a loss falls, and how well that is known.

    .. math:: -\text{slope of } L_t \text{ over } t \text{ by least squares}, \qquad
       \sqrt{\textstyle\sum_t r_t^2 \,/\, (n - 2) \sum_t (t - \bar t)^2}

    Args:
      losses: shape (..., n), n ≥ 2, at evenly spaced steps.

    Returns:
      Two arrays of shape (...), in units of loss a record: the fall, positive where the loss falls, and its standard
      error from the residuals r, 0 for two losses. A fall within twice that is not to be told from chance.

    Raises:
      ValueError: if there are fewer than two losses.

    Example:
      >>> import ch5jax, jax.numpy as jnp
      >>> slope, error = ch5jax.diagnostics.loss_slope(jnp.array([9.0, 7.0, 5.0, 3.0]))
      >>> float(slope), float(error)
      (2.0, 0.0)

    Source: ordinary least squares.
    """
    losses = _losses(losses, 2)
    n = losses.shape[-1]
    position = jnp.arange(n, dtype=losses.dtype) - (n - 1) / 2
    square = n * (n**2 - 1) / 12
    # the mean is taken off first: a small slope on a large loss would drown in its rounding
    centred = losses - jnp.mean(losses, axis=-1, keepdims=True)
    slope = dot(centred, position) / square
    residuals = centred - slope[..., None] * position
    return -slope, jnp.sqrt(jnp.sum(residuals**2, axis=-1) / (max(n - 2, 1) * square))


def diverged_at(losses: chex.Array) -> jax.Array:
    r"""The first step from which on every loss is lost: not finite, or far beyond the first one.

    .. math:: |L_t| \le 10^6 \max(|L_0|, 1) \text{ holds at no later step}

    where L₀ is the first finite loss.

    Args:
      losses: shape (..., n), n ≥ 1, at successive steps.

    Returns:
      Indices from 0, int32, shape (...); −1 where the last loss is a good one: a bad batch that a run recovers from is
      no divergence.

    Raises:
      ValueError: if there is no loss.

    Example:
      >>> import ch5jax, jax.numpy as jnp
      >>> int(ch5jax.diagnostics.diverged_at(jnp.array([1.0, jnp.inf, 2.0, jnp.nan, jnp.nan])))
      3
    """
    losses = _losses(losses, 1)
    bad = lost(losses, first_finite(losses)[..., None])
    lasting = jnp.flip(jnp.cumprod(jnp.flip(bad, -1).astype(jnp.int32), axis=-1), -1)
    return jnp.where(lasting[..., -1] == 1, jnp.argmax(lasting, axis=-1).astype(jnp.int32), -1)


def lost(loss: chex.Array, first: chex.Array) -> chex.Array:
    r"""Whether a loss is not finite, or far beyond the first one: the one rule, in programs and on the host.

    .. math:: \text{not finite, or } |L_t| > 10^6 \max(|L_0|, 1)

    Args:
      loss: L_t, of any shape, JAX's or NumPy's.
      first: L₀, the first finite loss, of a shape that broadcasts to it; NaN where there is none yet.

    Returns:
      Truth values of the loss's shape, in NumPy where the loss is NumPy's.

    Example:
      >>> import ch5jax, numpy as np
      >>> ch5jax.diagnostics.lost(np.array([1.0, 3e6, np.inf]), np.array(2.0)).tolist()
      [False, True, True]
    """
    xp = np if isinstance(loss, np.ndarray) else jnp
    limit = DIVERGENCE * xp.maximum(xp.where(xp.isfinite(first), xp.abs(first), 1), 1)
    return ~(xp.isfinite(loss) & (xp.abs(loss) <= limit))


def first_finite(losses: chex.Array) -> chex.Array:
    """The first finite loss.

    Args:
      losses: shape (..., n), n ≥ 1, JAX's or NumPy's.

    Returns:
      Shape (...); NaN where there is none.

    Example:
      >>> import ch5jax, numpy as np
      >>> float(ch5jax.diagnostics.first_finite(np.array([np.inf, 3.0, 2.0])))
      3.0
    """
    xp = np if isinstance(losses, np.ndarray) else jnp
    finite = xp.isfinite(losses)
    at = xp.argmax(finite, axis=-1)[..., None]
    return xp.where(finite.any(axis=-1), xp.take_along_axis(losses, at, axis=-1)[..., 0], xp.nan)


def _losses(losses: chex.Array, fewest: int) -> jax.Array:
    losses = jnp.asarray(losses)
    if losses.ndim < 1 or losses.shape[-1] < fewest:
        raise ValueError(f"losses must have shape (..., n) with n ≥ {fewest}, got {losses.shape}")
    return losses.astype(_trees.accumulator_dtype(losses.dtype))
