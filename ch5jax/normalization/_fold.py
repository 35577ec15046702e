"""A trained BatchNorm as a part of the layer before it."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ch5jax.normalization._layout import check_features, feature_layout, prepared
from ch5jax.normalization._state import BatchNormParams, BatchNormState, check_state


def batch_norm_fold(
    params: BatchNormParams | None,
    state: BatchNormState,
    kernel: jax.Array,
    bias: jax.Array | None = None,
    *,
    axis: int | Sequence[int] = -1,
    eps: jax.typing.ArrayLike = 1e-5,
) -> tuple[jax.Array, jax.Array]:
    r"""Folds BatchNorm with running statistics into the dense or convolution layer whose outputs it normalises.

    .. math::
       s = \frac{\gamma}{\sqrt{\sigma_\text{run}^2 + \epsilon}}, \qquad W' = W s, \qquad
       b' = (b - \mu_\text{run}) s + \beta

    so that :math:`x W' + b'` is the inference of BatchNorm on :math:`x W + b`, at no cost.

    Args:
      params: as in `batch_norm`.
      state: as in `batch_norm`.
      kernel: the layer's weights: (inputs, outputs), (height, width, inputs, outputs), any floating array.
      bias: the layer's bias, of the features' shape; None is no bias.
      axis: the kernel's axis of outputs, or several; 0 for PyTorch's kernels.
      eps: as in `batch_norm`.

    Returns:
      A kernel and a bias, each with the dtype of the old (the bias that of the kernel, if there was none).

    Raises:
      ValueError: if the kernel's axis has another length than there are features, it is not floating, or eps is out of
        range where it is known.

    Example:
      >>> import ch5jax, jax.numpy as jnp
      >>> params, _ = ch5jax.batch_norm_init(2)
      >>> state = ch5jax.batch_norm_state([1.0, 2.0], [3.0, 15.0])
      >>> kernel, bias = ch5jax.batch_norm_fold(params, state, jnp.ones((4, 2)), eps=1.0)
      >>> kernel[0].tolist(), bias.tolist()
      ([0.5, 0.25], [-0.5, -0.5])

    Source: Jacob et al., *Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
    Inference*, 2018, section 3.2.
    """
    layout = feature_layout("kernel", kernel, axis)
    check_state("state", state)
    check_features("state.mean", state.mean, layout)
    if bias is not None:
        check_features("bias", bias, layout)
    scale, shift, eps = prepared(params, eps, layout)
    gain = scale * lax.rsqrt(layout.along(state.var).astype(layout.dtype) + eps)
    before: Any = 0.0 if bias is None else layout.along(jnp.asarray(bias)).astype(layout.dtype)
    after = layout.squeezed((before - layout.along(state.mean).astype(layout.dtype)) * gain + shift)
    kernel = jnp.asarray(kernel)
    return (kernel.astype(layout.dtype) * gain).astype(kernel.dtype), after.astype(
        kernel.dtype if bias is None else bias.dtype
    )
