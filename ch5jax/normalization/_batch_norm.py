"""BatchNorm: one function whose derivative is given in closed form, as a map that is linear in the tangents."""

import functools
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ch5jax import _hyperparameters
from ch5jax.normalization._layout import Layout, check_batch, check_features, check_mask, feature_layout, prepared
from ch5jax.normalization._state import BatchNormParams, BatchNormState, averaged, check_state


class _Batch(NamedTuple):
    """What is summed over. Static."""

    axes: tuple[int, ...]
    axis_name: str | tuple[str, ...] | None  # devices, or a named axis of `jax.vmap`

    def mean(self, values: jax.Array, count: jax.Array) -> jax.Array:
        """The mean over the batch, of all devices; its axes stay, with length 1."""
        return self.across(jnp.sum(values, self.axes, keepdims=True)) / count

    def across(self, values: jax.Array) -> jax.Array:
        """The sum over the devices."""
        return values if self.axis_name is None else lax.psum(values, self.axis_name)


class _Moments(NamedTuple):
    """A batch's mean, as the sum of two numbers so that nothing of it is lost, and its variance."""

    shift: jax.Array  # the mean, rounded; no derivative
    offset: jax.Array  # what it lacks
    var: jax.Array


def batch_norm(
    x: jax.Array,
    params: BatchNormParams | None,
    state: BatchNormState,
    *,
    axis: int | Sequence[int] = -1,
    momentum: jax.typing.ArrayLike | None = 0.9,
    eps: jax.typing.ArrayLike = 1e-5,
    mask: jax.typing.ArrayLike | None = None,
    axis_name: Hashable | Sequence[Hashable] | None = None,
    unbiased: bool = False,
) -> tuple[jax.Array, BatchNormState]:
    r"""Normalises a batch with its own statistics, and averages these for inference: BatchNorm in training.

    .. math::
       \mu = \frac1n \sum_i x_i, \quad \sigma^2 = \frac1n \sum_i (x_i - \mu)^2, \quad
       \hat x_i = \frac{x_i - \mu}{\sqrt{\sigma^2 + \epsilon}}, \quad y_i = \gamma \hat x_i + \beta

    separately for every feature, over all other axes. The running statistics become, with m the `momentum`,

    .. math::
       w' = 1 - m (1 - w), \qquad \mu' = \mu_\text{run} + \frac{1 - m}{w'} (\mu - \mu_\text{run}), \qquad
       \sigma'^2 \text{ likewise},

    which is the properly weighted average from the first batch on, and for w = 1 the plain recurrence.

    The derivative is the closed form

    .. math::
       \frac{\partial L}{\partial x_i} = \frac{\gamma}{\sqrt{\sigma^2 + \epsilon}}
       \left( g_i - \frac1n \sum_j g_j - \frac{\hat x_i}{n} \sum_j g_j \hat x_j \right), \qquad
       g_i = \frac{\partial L}{\partial y_i};

    for it, x itself is kept and a few numbers for each feature. Every derivative of every order works, forward and
    reverse, with respect to x, `params`, `state`, `eps` and `momentum`.

    Args:
      x: floating, any shape with a batch axis at least; with `axis_name` it may be one example, of the features only.
        Σ(x−μ)² has to be finite: a standard deviation below √(max/n), which is 1.8e19/√n in float32, in which bfloat16
        and float16 are summed too, and 1.3e154/√n in float64. Beyond it y is the bias and the gradient of x is 0; both
        are NaN where even Σx is not finite.
      params: `BatchNormParams(scale, bias)` of the features' shape; None, for it or in it, means no scale or bias.
      state: the running statistics, float32 or float64.
      axis: the feature axis, or several, which keep the order that they have in x; all others are the batch.
      momentum: the weight of the **old** statistics, a number in [0, 1]: at 1 the state stays as it is.
        None keeps the exact statistics of all samples seen, whatever the batches' sizes, and counts them in `weight`.
      eps: ε > 0, in the units of x².
      mask: boolean, of a shape that broadcasts to x: False is padding. Whatever stands there, NaN too, reaches neither
        statistics nor gradients, and y is 0 there.
      axis_name: the names of mapped axes (of `jax.vmap`, `jax.shard_map`) over which the batch is spread. Under a plain
        `jax.jit` with sharded inputs none is needed.
      unbiased: whether the running variance averages Σ(x−μ)²/(n−1). y always has the biased one.

    Returns:
      y, with the shape and dtype of x, and the new `BatchNormState`, with the structure and dtypes of the old. A single
      sample gives y = bias. A feature without a sample, or whose mean or variance is not finite, leaves its running
      statistics as they were, where PyTorch and Flax lose them for good to one batch. All is computed in float32 at
      least.

    Raises:
      ValueError: if x is empty, is not floating, or has no batch axis, its own or a mapped one; if an argument has the
        wrong shape; if momentum or eps is out of range where its value is known.

    Example:
      >>> import ch5jax, jax
      >>> x = 5 + 2 * jax.random.normal(jax.random.key(0), (256, 3))
      >>> params, state = ch5jax.batch_norm_init(3)
      >>> y, state = ch5jax.batch_norm(x, params, state)
      >>> bool(abs(y.mean()) < 1e-5), bool(abs(y.std() - 1) < 1e-5), bool(abs(state.mean - 5).max() < 0.5)
      (True, True, True)

    Note: on float32 data whose mean is 10⁴ times its standard deviation, y and the gradient are right to 2e-6;
    inference is not better than a float32 mean allows, which is 2e-3 there for a momentum of 0.9, and grows like
    1 / (1 − momentum). With `check_vma=False`, take gradients of
    parameters outside of the `jax.shard_map`: inside, each device would have its own share of them.

    Source: the chapter, section 5.7; Ioffe and Szegedy, 2015, algorithm 1.
    """
    layout = feature_layout("x", x, axis)
    check_batch("x", layout, axis_name is not None)
    check_state("state", state)
    check_features("state.mean", state.mean, layout)
    if momentum is not None:
        momentum = _hyperparameters.check_number("momentum", momentum, _hyperparameters.DECAY_OR_ONE)
    mask = check_mask(mask, layout)
    x = x if isinstance(x, jax.Array) else jnp.asarray(x)
    scale, bias, eps = prepared(params, eps, layout)
    names: Any = axis_name if axis_name is None or isinstance(axis_name, tuple | list) else (axis_name,)
    batch = _Batch(layout.batch, names and tuple(names))
    count = _count(batch, layout, mask)
    y, moments = _normalized(batch, x, scale, bias, eps, mask, jnp.maximum(count, 1))
    held = state.mean.dtype
    mean = moments.shift.astype(held) + moments.offset.astype(held)
    var, counts = moments.var.astype(held), count.astype(held) + jnp.zeros_like(mean)  # with the mean's sharding
    seen = BatchNormState(*map(layout.squeezed, (mean, var, counts)))
    return y, averaged(state, seen, momentum, unbiased)


def batch_norm_inference(
    x: jax.Array,
    params: BatchNormParams | None,
    state: BatchNormState,
    *,
    axis: int | Sequence[int] = -1,
    eps: jax.typing.ArrayLike = 1e-5,
    mask: jax.typing.ArrayLike | None = None,
) -> jax.Array:
    r"""Normalises with running statistics, an affine map: BatchNorm in inference, and in training with frozen ones.

    .. math:: y = \gamma \frac{x - \mu_\text{run}}{\sqrt{\sigma_\text{run}^2 + \epsilon}} + \beta

    Args:
      x: floating, any shape that has the feature axes.
      params: as in `batch_norm`.
      state: as in `batch_norm`; differentiable, too.
      axis: as in `batch_norm`.
      eps: as in `batch_norm`.
      mask: as in `batch_norm`; y is 0 in padding.

    Returns:
      y, with the shape and dtype of x, computed in float32 at least.

    Raises:
      ValueError: if x is not floating, an argument has the wrong shape, or eps is out of range where it is known.

    Example:
      >>> import ch5jax, jax.numpy as jnp
      >>> params, _ = ch5jax.batch_norm_init(1)
      >>> state = ch5jax.batch_norm_state([3.0], [4.0])
      >>> ch5jax.batch_norm_inference(jnp.array([[3.0], [5.0]]), params, state, eps=1e-9).tolist()
      [[0.0], [1.0]]

    Source: the chapter, section 5.7 no. 5; Ioffe and Szegedy, *Batch Normalization*, 2015, algorithm 2.
    """
    layout = feature_layout("x", x, axis)
    check_state("state", state)
    check_features("state.mean", state.mean, layout)
    mask = check_mask(mask, layout)
    x = x if isinstance(x, jax.Array) else jnp.asarray(x)
    scale, bias, eps = prepared(params, eps, layout)
    mean, var = (layout.along(leaf).astype(layout.dtype) for leaf in (state.mean, state.var))
    return _affine(x, mean, var, scale, bias, eps, mask)


@functools.partial(jax.checkpoint, prevent_cse=False)  # keeps x, where autodiff would keep x − μ in float32
def _affine(x: Any, mean: Any, var: Any, scale: Any, bias: Any, eps: Any, mask: Any) -> jax.Array:
    centered = _masked(mask, _masked(mask, x).astype(mean.dtype) - mean)
    return _masked(mask, centered * (scale * lax.rsqrt(var + eps)) + bias).astype(x.dtype)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _normalized(
    batch: _Batch, x: Any, scale: Any, bias: Any, eps: Any, mask: Any, count: Any
) -> tuple[jax.Array, _Moments]:
    """The outputs and the statistics of the batch; all that belongs to a feature keeps x's rank.

    The corrected two-pass form: the mean of what is left when the mean is subtracted is what rounding took from it.
    """
    values = _masked(mask, x).astype(scale.dtype)
    shift = batch.mean(values, count)
    left = _masked(mask, values - shift)
    offset = batch.mean(left, count)
    var = jnp.maximum(batch.mean(left * left, count) - offset * offset, 0)
    y = _masked(mask, (left - offset) * (scale * lax.rsqrt(var + eps)) + bias)
    return y.astype(x.dtype), _Moments(shift, offset, var)


def _derivative(batch: _Batch, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    x, scale, _, eps, mask, count = primals
    y, moments = _normalized(batch, *primals)
    inverse = lax.rsqrt(moments.var + eps)

    # Linear in the tangents, so that JAX transposes it: into the closed form, as y' is written as one sum that x̂
    # multiplies and one that nothing does. The checkpoint keeps x instead of x̂, which has 4 bytes where x has 2.
    @functools.partial(jax.checkpoint, prevent_cse=False)
    def linear(x: Any, shift: Any, offset: Any, inverse: Any, scale: Any, tangents: Any) -> tuple[Any, Any, Any]:
        x_dot, scale_dot, bias_dot, eps_dot = tangents
        values = _masked(mask, x).astype(scale.dtype)
        normalized = _masked(mask, (values - shift) - offset) * inverse
        x_dot = _masked(mask, x_dot).astype(scale.dtype)
        mean_dot = batch.mean(x_dot, count)
        half = batch.mean(normalized * x_dot, count)  # var' · inverse / 2
        gain = scale * inverse
        with_normalized = scale_dot - gain * half - scale * inverse**2 * eps_dot / 2
        alone = bias_dot - gain * mean_dot
        y_dot = gain * x_dot + normalized * with_normalized + alone
        return _masked(mask, y_dot).astype(x.dtype), mean_dot, 2 * half / inverse

    y_dot, mean_dot, var_dot = linear(x, moments.shift, moments.offset, inverse, scale, tangents[:4])
    return (y, moments), (y_dot, _Moments(jnp.zeros_like(moments.shift), mean_dot, var_dot))


_normalized.defjvp(_derivative)


def _masked(mask: jax.Array | None, values: jax.Array) -> jax.Array:
    return values if mask is None else jnp.where(mask, values, 0.0)


def _count(batch: _Batch, layout: Layout, mask: jax.Array | None) -> jax.Array:
    """How many samples every feature has, on all devices."""
    if mask is None:
        here = jnp.asarray(layout.samples, layout.dtype)
    else:
        shape = [layout.shape[axis] if axis in layout.batch else mask.shape[axis] for axis in range(mask.ndim)]
        # in integers: float32 cannot count beyond 2²⁴ one by one
        here = jnp.sum(jnp.broadcast_to(mask, shape), batch.axes, dtype=jnp.int32, keepdims=True).astype(layout.dtype)
    return batch.across(here)
