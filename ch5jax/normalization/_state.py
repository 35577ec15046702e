"""Parameters and running statistics, and how statistics are averaged."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ch5jax import _hyperparameters, _trees
from ch5jax._types import Scalar, State

_ODD = tuple(map(np.uint32, (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)))  # multipliers that mix bits


class BatchNormParams(NamedTuple):
    """What is learnt: y = x̂·scale + bias. Either may be None, which stands for ones or zeros."""

    scale: jax.Array | None  # γ, shape (features,), floating
    bias: jax.Array | None  # β, shape (features,), floating


class BatchNormState(NamedTuple):
    """Running statistics: at every step properly weighted averages of what was seen, ready to be used.

    float32 or float64, and never another dtype than at the start.
    """

    mean: jax.Array  # shape (features,)
    var: jax.Array  # shape (features,), ≥ 0
    weight: jax.Array  # shape (features,): the sum of the batches' weights, 0 to 1; samples seen for momentum=None


def batch_norm_init(
    features: int | Sequence[int], dtype: jax.typing.DTypeLike | None = None
) -> tuple[BatchNormParams, BatchNormState]:
    r"""Parameters and running statistics of a BatchNorm that has seen nothing.

    .. math:: \gamma = 1, \quad \beta = 0, \quad \mu = 0, \quad \sigma^2 = 1, \quad \text{weight} = 0

    so that inference before any training is the affine map :math:`y = x / \sqrt{1 + \epsilon}`.

    Args:
      features: how many features, or the lengths of several feature axes in the order in which x has them.
      dtype: of the parameters; float32 by default, float64 where x64 is enabled. Statistics are float32 at least.

    Returns:
      `BatchNormParams(scale, bias)` and `BatchNormState(mean, var, weight)`, every array of the features' shape.

    Raises:
      ValueError: if a length is no positive integer, or the dtype is not floating.

    Example:
      >>> import ch5jax
      >>> params, state = ch5jax.batch_norm_init(3)
      >>> params.scale.tolist(), state.weight.tolist()
      ([1.0, 1.0, 1.0], [0.0, 0.0, 0.0])

    Source: the chapter, section 5.7; Ioffe and Szegedy, *Batch Normalization*, 2015, algorithms 1 and 2.
    """
    shape = tuple(features) if isinstance(features, Sequence | np.ndarray) else (features,)
    if not shape or any(not isinstance(n, int | np.integer) or isinstance(n, bool) or n < 1 for n in shape):
        raise ValueError(f"features must be a positive integer, or several, got {features!r}")
    dtype = _trees.default_float() if dtype is None else jnp.dtype(dtype)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(f"dtype must be floating, got {dtype.name}")
    held = _trees.accumulator_dtype(dtype)
    params = BatchNormParams(jnp.ones(shape, dtype), jnp.zeros(shape, dtype))
    return params, BatchNormState(jnp.zeros(shape, held), jnp.ones(shape, held), jnp.zeros(shape, held))


def batch_norm_state(mean: jax.typing.ArrayLike, var: jax.typing.ArrayLike, weight: Scalar = 1.0) -> BatchNormState:
    """Running statistics that come from elsewhere: another framework, a file, a whole data set.

    With the default weight of 1 they go on by the plain recurrence mean ← m·mean + (1−m)·batch mean, as in other
    frameworks. For `momentum=None`, say in `weight` how many samples they were computed from.

    Args:
      mean: the means, an array (JAX, NumPy or what NumPy makes one of) of the features' shape.
      var: the variances, of the same shape, ≥ 0.
      weight: the sum of the weights behind them, ≥ 0: a number, or one for each feature.

    Returns:
      A `BatchNormState`, float32 or, where a float64 came and x64 is enabled, float64.

    Raises:
      ValueError: if shapes differ, or a variance or weight is negative or NaN where its value is known.

    Example:
      >>> import ch5jax, numpy as np
      >>> running_mean, running_var = np.array([0.5, -2.0]), np.array([1.0, 4.0])  # say, of a torch.nn.BatchNorm1d
      >>> ch5jax.batch_norm_state(running_mean, running_var).weight.tolist()
      [1.0, 1.0]

    Note: PyTorch's momentum is 1 − ours, and it averages the unbiased variance (`unbiased=True` here).
    """
    arrays = {"mean": mean, "var": var, "weight": weight}
    for name, value in arrays.items():
        array = value if isinstance(value, jax.Array) else np.asarray(value)
        if not (jnp.issubdtype(array.dtype, jnp.floating) or jnp.issubdtype(array.dtype, jnp.integer)):
            raise ValueError(f"{name} must hold real numbers, got dtype {array.dtype.name}")
        if name != "mean" and isinstance(array, np.ndarray) and not bool(np.all(array >= 0)):
            raise ValueError(f"{name} must be ≥ 0, got {array.min()} among its values")
        arrays[name] = array
    mean, var, weight = arrays.values()
    if var.shape != mean.shape:
        raise ValueError(f"var must have mean's shape {mean.shape}, got {var.shape}")
    if weight.shape not in {(), mean.shape}:
        raise ValueError(f"weight must be a number or have mean's shape {mean.shape}, got {weight.shape}")
    dtype = _trees.default_float() if np.float64 in (mean.dtype, var.dtype) else np.dtype(np.float32)
    return BatchNormState(
        jnp.array(mean, dtype),  # a copy: JAX would share the memory of a framework that trains on
        jnp.array(var, dtype),
        jnp.broadcast_to(jnp.array(weight, dtype), mean.shape),
    )


def batch_norm_merge(state: BatchNormState, other: BatchNormState, *, unbiased: bool = False) -> BatchNormState:
    r"""The statistics of two bodies of data together, each weighted as its `weight` says.

    .. math:: w = w_a + w_b, \qquad \mu = \frac{w_a \mu_a + w_b \mu_b}{w}, \qquad
       \sigma^2 = \frac{w_a \sigma_a^2 + w_b \sigma_b^2}{w} + \frac{w_a w_b}{w^2} (\mu_b - \mu_a)^2

    For states that were kept with `momentum=None` this is as if one had seen both.

    Args:
      state: running statistics.
      other: running statistics of the same shape.
      unbiased: whether the variances are unbiased estimates, as `batch_norm(..., momentum=None, unbiased=True)` keeps;
        then the weights must be counts, as a single sample has no such variance.

    Returns:
      A `BatchNormState` with the dtype of `state`. A side of weight 0 changes nothing.

    Raises:
      ValueError: if one is no `BatchNormState`, or their shapes differ.

    Example:
      >>> import ch5jax
      >>> one = ch5jax.batch_norm_state([0.0], [1.0], weight=3)
      >>> two = ch5jax.batch_norm_state([4.0], [1.0], weight=1)
      >>> [leaf.tolist() for leaf in ch5jax.batch_norm_merge(one, two)]
      [[1.0], [4.0], [4.0]]

    Source: Chan, Golub and LeVeque, *Updating Formulae and a Pairwise Algorithm for Computing Sample Variances*, 1979.
    """
    check_state("state", state)
    check_state("other", other)
    if state.mean.shape != other.mean.shape:
        raise ValueError(f"other must have state's shape {state.mean.shape}, got {other.mean.shape}")
    other = BatchNormState(*(leaf.astype(state.mean.dtype) for leaf in other))
    return _chan(state, other, unbiased)


def averaged(state: BatchNormState, seen: BatchNormState, momentum: Scalar, unbiased: bool) -> BatchNormState:
    """The running statistics after a batch, whose `weight` is its count and whose variance is biased.

    A feature of which nothing was seen stays as it was, and so does one whose statistics are not finite: a single batch
    would spoil them for good.
    """
    finite = jnp.isfinite(seen.mean) & jnp.isfinite(seen.var)
    seen = BatchNormState(*(jnp.where(finite, leaf, 0) for leaf in seen))
    var = seen.var * unbiasing(seen.weight) if unbiased else seen.var
    if momentum is None:
        return _chan(state, seen._replace(var=var), unbiased)
    momentum = _hyperparameters.scalar("momentum", momentum, state.mean.dtype)
    before = jnp.minimum(state.weight, 1)  # a count of samples, by momentum=None, stands for statistics that are known
    weight = 1 - momentum * (1 - before)
    rate = (1 - momentum) / _divisor(weight)

    # By increments, which leave a mean of 1e4 ten times closer in float32 than m·old + (1−m)·new. But the initial state
    # has to drop out exactly, or a variance of 1e-10 would be lost beside its 1.
    def moved(old: jax.Array, new: jax.Array) -> jax.Array:
        return jnp.where(before > 0, old + rate * (new - old), new)

    after = BatchNormState(moved(state.mean, seen.mean), moved(state.var, var), weight)
    counts = (seen.weight > 0) & (weight > 0)  # a momentum that float32 rounds to 1 gives no batch a weight
    return BatchNormState(*(jnp.where(counts, a, b) for a, b in zip(after, state, strict=True)))


def unbiasing(count: jax.Array) -> jax.Array:
    """The factor n / (n−1), and 1 for a single sample, whose variance is 0."""
    return jnp.where(count > 1, count, 1) / jnp.where(count > 1, count - 1, 1)


def check_state(what: str, state: State) -> None:
    """Refuses what is no running statistics, or such as a half-precision average, which would stand still."""
    if not isinstance(state, BatchNormState):
        raise ValueError(f"{what} must be a BatchNormState, as batch_norm_init makes it, got {type(state).__name__}")
    for name, leaf in state._asdict().items():
        if not isinstance(leaf, (jax.Array, np.ndarray)):
            raise ValueError(f"{what}.{name} must be an array, got {type(leaf).__name__}")
        dtype = jnp.result_type(leaf)
        if not jnp.issubdtype(dtype, jnp.floating) or jnp.finfo(dtype).bits < 32:
            raise ValueError(
                f"{what}.{name} must be float32 or float64, got {dtype.name}; a slow average stands still in less"
            )
        if dtype != state.mean.dtype:
            raise ValueError(f"{what}.{name} must have {what}.mean's dtype {state.mean.dtype.name}, got {dtype.name}")
        if jnp.shape(leaf) != jnp.shape(state.mean):
            raise ValueError(f"{what}.{name} must have {what}.mean's shape {state.mean.shape}, got {jnp.shape(leaf)}")


def _chan(a: BatchNormState, b: BatchNormState, unbiased: bool) -> BatchNormState:
    weight = a.weight + b.weight
    share_a, share_b = a.weight / _divisor(weight), b.weight / _divisor(weight)
    var_a, var_b = a.var, b.var
    if unbiased:
        var_a, var_b = (s.var * (jnp.maximum(s.weight - 1, 0) / _divisor(s.weight)) for s in (a, b))
    mean, apart = share_a * a.mean + share_b * b.mean, b.mean - a.mean
    var = share_a * var_a + share_b * var_b + (share_a * apart) * (share_b * apart)  # 0, not 0·∞, for one side
    if unbiased:
        var = var * unbiasing(weight)
    merged = BatchNormState(mean, var, _counted(a, b))
    return BatchNormState(*(jnp.where(b.weight > 0, new, old) for new, old in zip(merged, a, strict=True)))


def _divisor(weight: jax.Array) -> jax.Array:
    return jnp.where(weight > 0, weight, 1)


def _counted(a: BatchNormState, b: BatchNormState) -> jax.Array:
    """The sum of the weights, rounded at random where float32 cannot hold it.

    2²⁴ + 1 is 2²⁴ to the nearest: a count of single samples would stand still there. Rounded up as often as the part
    that is lost says, by bits of the statistics, it is right on average and exact below 2²⁴. Bits of all features
    together, so that one which is always 0 is counted, too.
    """
    total = a.weight + b.weight
    if total.dtype != jnp.float32:
        return total
    a, b = lax.stop_gradient((a, b))
    rounded = a.weight + b.weight
    lost = jnp.minimum(a.weight, b.weight) - (rounded - jnp.maximum(a.weight, b.weight))  # exactly
    step = jnp.nextafter(rounded, jnp.where(lost > 0, jnp.inf, -jnp.inf).astype(rounded.dtype)) - rounded
    bits = sum(  # of the hash, any: only that they differ from batch to batch
        lax.bitcast_convert_type(leaf, jnp.uint32) * odd
        for leaf, odd in zip((a.mean, b.mean, b.var), _ODD, strict=True)
    )
    bits = bits + jnp.sum(bits, dtype=jnp.uint32)
    uniform = ((bits ^ (bits >> 15)) * _ODD[0] >> 8).astype(total.dtype) * 2.0**-24
    return total + jnp.where(uniform * jnp.abs(step) < jnp.abs(lost), step, 0.0)
