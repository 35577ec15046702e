"""Noisy gradients: how much of a mini-batch's gradient is the batch, and how much is the gradient."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from ch5jax import _trees
from ch5jax.diagnostics._cliff import square_norm


class Noise(NamedTuple):
    """Unbiased estimates of the two parts of a mini-batch gradient's mean square, E‖g‖² = squared_norm + noise.

    Average both over steps, and divide then: a mean of ratios is biased, a ratio of means is not.
    """

    noise: jax.Array  # tr Σ / B: the gradients' variance over batches of this size, summed over the parameters
    squared_norm: jax.Array  # ‖G‖², the squared norm of the expected gradient; an estimate near 0 may be negative


def noise_of_pair(first: chex.ArrayTree, second: chex.ArrayTree) -> Noise:
    r"""Noise and ‖G‖² from the gradients of two independent mini-batches at the same parameters.

    .. math:: \widehat{\operatorname{tr} \Sigma / B} = \tfrac12 \|g_1 - g_2\|^2, \qquad
       \widehat{\|G\|^2} = g_1 \cdot g_2

    It needs nothing but gradients: BatchNorm, dropout and shared weights are all in it. In units of the batch size,
    the noise scale is `noise / squared_norm`.

    Args:
      first: g₁, any pytree of gradients.
      second: g₂, of another mini-batch of the same size.

    Returns:
      A `Noise` of scalars.

    Raises:
      ValueError: if the trees do not match.

    Example:
      >>> import ch5jax, jax.numpy as jnp
      >>> ch5jax.diagnostics.noise_of_pair(jnp.array([1.0, 1.0]), jnp.array([1.0, -1.0]))
      Noise(noise=Array(2., dtype=float32), squared_norm=Array(0., dtype=float32))

    Source: the chapter, section 5.1.5; McCandlish, Kaplan, Amodei et al., *An empirical model of large-batch training*
    (2018), appendix A.1, from two batches of one size instead of two sizes.
    """
    _trees.check_match(second, first, "second", "first")
    difference = jax.tree.map(lambda a, b: a.astype(_wide(a)) - b.astype(_wide(b)), first, second)
    noise = square_norm(difference) / 2
    # g₁·g₂ = ½(‖g₁‖² + ‖g₂‖² − ‖g₁ − g₂‖²): three sums of squares, right for complex gradients too
    return Noise(noise, (square_norm(first) + square_norm(second)) / 2 - noise)


def noise_of_examples(example_square_norms: chex.Array, gradient: chex.ArrayTree) -> Noise:
    r"""Noise and ‖G‖² from the norms of one mini-batch's per-example gradients.

    .. math:: \widehat{\operatorname{tr} \Sigma / B} = \frac{\overline{\|g_i\|^2} - \|g\|^2}{B - 1}, \qquad
       \widehat{\|G\|^2} = \|g\|^2 - \widehat{\operatorname{tr} \Sigma / B}, \qquad g = \tfrac1B \textstyle\sum_i g_i

    Args:
      example_square_norms: ‖gᵢ‖², shape (B,), B ≥ 2, such as `example_square_norms` gives.
      gradient: g, any pytree: the mean over the same examples.

    Returns:
      A `Noise` of scalars.

    Raises:
      ValueError: if there are fewer than two examples.

    Example:
      >>> import ch5jax, jax.numpy as jnp
      >>> ch5jax.diagnostics.noise_of_examples(jnp.array([1.0, 9.0]), jnp.array([2.0]))  # gradients 1 and 3
      Noise(noise=Array(1., dtype=float32), squared_norm=Array(3., dtype=float32))

    Source: the chapter, section 5.1.5; McCandlish et al. (2018), appendix A.1, with batches of 1 and B.
    """
    norms = jnp.asarray(example_square_norms)
    if norms.ndim != 1 or len(norms) < 2:
        raise ValueError(f"example_square_norms must have shape (examples,), two at least, got {norms.shape}")
    whole = square_norm(gradient)
    noise = (jnp.mean(norms.astype(whole.dtype)) - whole) / (len(norms) - 1)
    return Noise(noise, whole - noise)


def noise_scale(noise: jax.typing.ArrayLike, squared_norm: jax.typing.ArrayLike) -> jax.Array:
    r"""The simple noise scale in units of the batch: over 10, a step is mostly noise.

    .. math:: \frac{\operatorname{tr} \Sigma / B}{\|G\|^2}

    Times B it is the batch size at which noise and ‖G‖² are equal. At a minimum it goes to infinity, since ‖G‖ goes
    to 0: it means trouble only where the loss has stalled above its best.

    Args:
      noise: tr Σ/B, averaged over steps.
      squared_norm: ‖G‖², averaged over the same steps.

    Returns:
      A ratio ≥ 0, of the arguments' common shape; inf where the estimate of ‖G‖² is not positive but there is noise,
      0 where there is neither.

    Example:
      >>> import ch5jax
      >>> float(ch5jax.diagnostics.noise_scale(noise=6.0, squared_norm=2.0))
      3.0

    Source: the chapter, section 5.1.5; McCandlish et al. (2018), equation 2.9.
    """
    noise, squared_norm = jnp.asarray(noise), jnp.asarray(squared_norm)
    lost = squared_norm <= 0
    return jnp.where(lost, jnp.where(noise > 0, jnp.inf, 0), noise / jnp.where(lost, 1, squared_norm))


def example_square_norms(
    inputs: Sequence[chex.Array], layer_gradients: Sequence[chex.Array], *, bias: bool = True
) -> jax.Array:
    r"""The squared norm of every example's gradient, from what a dense layer has at hand anyway.

    .. math:: \|g_i\|^2 = B^2 \sum_l (\|a_{l,i}\|^2 + 1)\, \|\partial L/\partial z_{l,i}\|^2

    where L is the mean of the examples' losses: a weight gradient of one example is the outer product of its input and
    its layer gradient, whose norm is the product of theirs. Exact, at the cost of two sums; it does not hold under
    BatchNorm, where one example's loss depends on the others.

    Weights shared over time have a gradient that is a sum of such products. There it is

    .. math:: \Big\|\sum_t a_{t,i}\, \delta_{t,i}^\top\Big\|^2
       = \sum_{t,s} (a_{t,i} \cdot a_{s,i})(\delta_{t,i} \cdot \delta_{s,i})

    Args:
      inputs: a layer's input a for each layer, shape (B, inputs), or (time, B, inputs) where its weights are shared
        over time.
      layer_gradients: ∂L/∂z for each layer, shape (B, units) or (time, B, units): as of `ch5jax.tap`.
      bias: whether the layers have a bias.

    Returns:
      ‖gᵢ‖², shape (B,), float32 at least.

    Raises:
      ValueError: if the layers differ in number, or a layer's arrays in their leading axes.

    Example:
      >>> import ch5jax, jax, jax.numpy as jnp
      >>> net = ch5jax.networks.mlp((3, 2))
      >>> params, x = net.init(jax.random.key(0)), jax.random.normal(jax.random.key(1), (4, 3))
      >>> tapped = ch5jax.tap(lambda params: jnp.mean(net.apply(params, x) ** 2))
      >>> (site,) = jax.grad(tapped, argnums=1)(params, tapped.zeros(params))
      >>> ch5jax.diagnostics.example_square_norms([x], [site.z]).shape
      (4,)

    Source: Goodfellow, *Efficient per-example gradient computations* (2015); over time, Li, Tramèr, Liang and
    Hashimoto, *Large language models can be strong differentially private learners* (2022), section 4.
    """
    if len(inputs) != len(layer_gradients) or not inputs:
        raise ValueError(
            f"inputs and layer_gradients must hold the same layers, got {len(inputs)} and {len(layer_gradients)}"
        )
    total: jax.Array | None = None
    for i, (a, delta) in enumerate(zip(inputs, layer_gradients, strict=True)):
        if jnp.shape(a)[:-1] != jnp.shape(delta)[:-1] or jnp.ndim(a) not in (2, 3):
            raise ValueError(
                f"inputs[{i}] and layer_gradients[{i}] must have shapes (B, inputs) and (B, units), or (time, B, …) "
                f"both, got {jnp.shape(a)} and {jnp.shape(delta)}"
            )
        squares = _layer_squares(a.astype(_wide(a)), delta.astype(_wide(delta)), float(bias))
        total = squares if total is None else total + squares
    assert total is not None
    return total * len(total) ** 2


def _layer_squares(a: jax.Array, delta: jax.Array, bias: float) -> jax.Array:
    """One layer's part, shape (B,)."""
    if a.ndim == 2:
        return (jnp.sum(_trees.abs_sq(a), axis=-1) + bias) * jnp.sum(_trees.abs_sq(delta), axis=-1)
    time, _, inputs = a.shape
    if time * (inputs + delta.shape[-1]) < inputs * delta.shape[-1]:  # as products of time × time, else as gradients
        alike = bias + _einsum("tbi,sbi->bts", a, a)
        return jnp.sum(alike * _einsum("tbo,sbo->bts", delta, delta), axis=(1, 2))
    kernels = _einsum("tbi,tbo->bio", a, delta)
    return jnp.sum(kernels**2, axis=(1, 2)) + bias * jnp.sum(jnp.sum(delta, axis=0) ** 2, axis=-1)


_einsum = functools.partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)


def _wide(x: chex.Array) -> jnp.dtype:
    return _trees.accumulator_dtype(x.dtype)
