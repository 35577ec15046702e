"""BatchNorm one operation at a time, forward and backward, as one derives it by hand."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ch5jax.normalization._layout import check_batch, check_features, feature_layout, prepared
from ch5jax.normalization._state import BatchNormParams


class ForwardStages(NamedTuple):
    """What each of the nine forward stages computes; what belongs to a feature has the features' shape.

    The chapter's names beside these:

    | stage | chapter | here    |
    |-------|---------|---------|
    | 1     | mu      | mu      |
    | 2     | xmu     | xmu     |
    | 3     | carre   | sq      |
    | 4     | var     | var     |
    | 5     | sqrtvar | sqrtvar |
    | 6     | invvar  | ivar    |
    | 7     | va2     | xhat    |
    | 8     | va3     | gammax  |
    | 9     | out     | out     |
    """

    mu: jax.Array  # 1. μ = mean of x over the batch
    xmu: jax.Array  # 2. x − μ
    sq: jax.Array  # 3. (x − μ)²
    var: jax.Array  # 4. σ² = mean of (x − μ)²
    sqrtvar: jax.Array  # 5. √(σ² + ε)
    ivar: jax.Array  # 6. 1 / √(σ² + ε)
    xhat: jax.Array  # 7. x̂ = (x − μ) / √(σ² + ε)
    gammax: jax.Array  # 8. γ x̂
    out: jax.Array  # 9. y = γ x̂ + β


class BackwardStages(NamedTuple):
    """What each of the nine backward stages computes, ∂L/∂ of what the name says, from the last stage to the first.

    The chapter's names beside these; its `dxmu`, the sum of both parts, and its `dx1` are one array, and its dmu/m has
    no name there:

    | stage | chapter  | here     |
    |-------|----------|----------|
    | 9     | dbeta    | dbeta    |
    | 9     | dva3     | dgammax  |
    | 8     | dva2     | dxhat    |
    | 8     | dgamma   | dgamma   |
    | 7     | dxmu1    | dxmu1    |
    | 7     | dinvvar  | divar    |
    | 6     | dsqrtvar | dsqrtvar |
    | 5     | dvar     | dvar     |
    | 4     | dcarre   | dsq      |
    | 3     | dxmu2    | dxmu2    |
    | 3     | dxmu     | dx1      |
    | 2     | dx1      | dx1      |
    | 2     | dmu      | dmu      |
    | 1     | dmu/m    | dx2      |
    | 1     | dx       | dx       |
    """

    dbeta: jax.Array  # 9. from y = γ x̂ + β: ∂L/∂β
    dgammax: jax.Array  # 9. and ∂L/∂(γ x̂)
    dgamma: jax.Array  # 8. from γ x̂: ∂L/∂γ
    dxhat: jax.Array  # 8. and ∂L/∂x̂
    divar: jax.Array  # 7. from x̂ = (x − μ) · ivar: ∂L/∂ivar
    dxmu1: jax.Array  # 7. and the first part of ∂L/∂(x − μ)
    dsqrtvar: jax.Array  # 6. from ivar = 1 / sqrtvar
    dvar: jax.Array  # 5. from sqrtvar = √(σ² + ε)
    dsq: jax.Array  # 4. from σ² = mean of sq
    dxmu2: jax.Array  # 3. from sq = (x − μ)²: the second part of ∂L/∂(x − μ)
    dx1: jax.Array  # 2. from x − μ: the first part of ∂L/∂x
    dmu: jax.Array  # 2. and ∂L/∂μ
    dx2: jax.Array  # 1. from μ = mean of x: the second part of ∂L/∂x
    dx: jax.Array  # ∂L/∂x = dx1 + dx2


def batch_norm_forward_stages(
    x: jax.Array,
    params: BatchNormParams | None,
    *,
    axis: int | Sequence[int] = -1,
    eps: jax.typing.ArrayLike = 1e-5,
) -> ForwardStages:
    r"""BatchNorm's forward pass in nine operations, with every intermediate: to read, to teach, to check against.

    .. math::
       \mu = \tfrac1n \sum x, \quad x - \mu, \quad (x - \mu)^2, \quad \sigma^2 = \tfrac1n \sum (x - \mu)^2, \quad
       \sqrt{\sigma^2 + \epsilon}, \quad 1 / \sqrt{\sigma^2 + \epsilon}, \quad \hat x, \quad \gamma \hat x, \quad
       y = \gamma \hat x + \beta

    For work use `batch_norm`, which is faster and more accurate, and equals this.

    Args:
      x: floating, any shape with a batch axis at least.
      params: as in `batch_norm`.
      axis: as in `batch_norm`.
      eps: as in `batch_norm`.

    Returns:
      `ForwardStages`, computed in float32 at least; `out` is y.

    Raises:
      ValueError: as in `batch_norm`.

    Example:
      >>> import ch5jax, jax.numpy as jnp
      >>> params, _ = ch5jax.batch_norm_init(1)
      >>> stages = ch5jax.batch_norm_forward_stages(jnp.array([[1.0], [5.0]]), params)
      >>> stages.mu.tolist(), stages.xmu.tolist(), stages.var.tolist()
      ([3.0], [[-2.0], [2.0]], [4.0])

    Source: the chapter, section 5.7 no. 6, the forward pass; `ForwardStages` has a table of its names.
    """
    layout = feature_layout("x", x, axis)
    check_batch("x", layout)
    x = jnp.asarray(x).astype(layout.dtype)
    scale, bias, eps = prepared(params, eps, layout)
    mu = jnp.mean(x, layout.batch, keepdims=True)
    xmu = x - mu
    sq = xmu**2
    var = jnp.mean(sq, layout.batch, keepdims=True)
    sqrtvar = jnp.sqrt(var + eps)
    ivar = 1 / sqrtvar
    xhat = xmu * ivar
    gammax = scale * xhat
    out = gammax + bias
    mu, var, sqrtvar, ivar = map(layout.squeezed, (mu, var, sqrtvar, ivar))
    return ForwardStages(mu, xmu, sq, var, sqrtvar, ivar, xhat, gammax, out)


def batch_norm_backward_stages(
    dout: jax.Array,
    stages: ForwardStages,
    params: BatchNormParams | None,
    *,
    axis: int | Sequence[int] = -1,
) -> BackwardStages:
    r"""BatchNorm's backward pass through the nine stages, from the last to the first, with every intermediate.

    Each stage is the chain rule for one operation. Where a forward stage went two ways (x − μ into its square and into
    x̂, x into its mean and into x − μ), the two parts of the derivative are added.

    Args:
      dout: ∂L/∂y, floating, with the shape of x.
      stages: what `batch_norm_forward_stages` returned.
      params: the same as there.
      axis: the same as there.

    Returns:
      `BackwardStages`; `dx`, `dgamma` and `dbeta` are the gradients.

    Raises:
      ValueError: if dout has not the shape of x, or as in `batch_norm`.

    Example:
      >>> import ch5jax, jax.numpy as jnp
      >>> params, _ = ch5jax.batch_norm_init(1)
      >>> stages = ch5jax.batch_norm_forward_stages(jnp.array([[1.0], [2.0], [6.0]]), params)
      >>> back = ch5jax.batch_norm_backward_stages(jnp.ones((3, 1)), stages, params)
      >>> back.dbeta.tolist(), bool(abs(back.dx).max() < 1e-6)  # moving all of y together moves no x
      ([3.0], True)

    Source: the chapter, section 5.7 no. 6, the backward pass; `BackwardStages` has a table of its names.
    """
    layout = feature_layout("dout", dout, axis)
    if layout.shape != stages.out.shape:
        raise ValueError(f"dout must have the shape of y, {stages.out.shape}, got {layout.shape}")
    check_features("stages.mu", stages.mu, layout)
    dout = jnp.asarray(dout).astype(stages.out.dtype)
    scale, _, _ = prepared(params, 1.0, layout)
    sqrtvar, ivar = layout.along(stages.sqrtvar), layout.along(stages.ivar)

    def summed(values: jax.Array) -> jax.Array:
        return jnp.sum(values, layout.batch, keepdims=True)

    dbeta, dgammax = summed(dout), dout  # 9
    dgamma, dxhat = summed(dgammax * stages.xhat), dgammax * scale  # 8
    divar, dxmu1 = summed(dxhat * stages.xmu), dxhat * ivar  # 7
    dsqrtvar = -divar / sqrtvar**2  # 6
    dvar = dsqrtvar / (2 * sqrtvar)  # 5
    dsq = jnp.broadcast_to(dvar / layout.samples, layout.shape)  # 4
    dxmu2 = 2 * stages.xmu * dsq  # 3
    dx1, dmu = dxmu1 + dxmu2, -summed(dxmu1 + dxmu2)  # 2
    dx2 = jnp.broadcast_to(dmu / layout.samples, layout.shape)  # 1
    dbeta, dgamma, divar, dsqrtvar, dvar, dmu = map(layout.squeezed, (dbeta, dgamma, divar, dsqrtvar, dvar, dmu))
    return BackwardStages(
        dbeta, dgammax, dgamma, dxhat, divar, dxmu1, dsqrtvar, dvar, dsq, dxmu2, dx1, dmu, dx2, dx1 + dx2
    )
