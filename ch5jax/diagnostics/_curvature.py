"""Saddles, basins and sharp minima: the ends of the Hessian's spectrum, by Lanczos, and its trace."""

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from ch5jax import _trees
from ch5jax._types import Params, Scalar
from ch5jax.diagnostics._cliff import norm
from ch5jax.diagnostics._vectors import dot, hessian_product, ravel


class Curvature(NamedTuple):
    """The Hessian of a loss at a point, as far as some products with it show; made by `curvature`."""

    smallest: jax.Array  # λ_min, shape (): an upper bound that tightens with the iterations
    largest: jax.Array  # λ_max, shape (): a lower bound that does
    negative: jax.Array  # shape (), int32: how many eigenvalues are negative, at least
    trace: jax.Array  # an unbiased estimate, shape ()
    trace_error: jax.Array  # its standard error, estimated, shape ()


def curvature(
    loss: Callable[[Params], Scalar],
    params: chex.ArrayTree,
    key: jax.Array,
    iterations: int = 20,
    tolerance: jax.typing.ArrayLike = 1e-4,
) -> Curvature:
    r"""The ends of the Hessian's spectrum, and its trace, by Lanczos with full reorthogonalisation.

    .. math:: H Q_k = Q_k T_k + \beta_k q_{k+1} e_k^\top, \qquad
       \lambda_{\min}(H) \le \lambda_{\min}(T_k), \quad \lambda_{\max}(T_k) \le \lambda_{\max}(H)

    Each iteration is one product of the Hessian with a vector, forward over reverse. T's eigenvalues interlace H's, so
    that as many of H's are negative as are of T's, at least. Where the vectors reached span an invariant subspace (a
    zero Hessian at the first step), it goes on from a new random direction: nothing is divided by zero, and repeated
    eigenvalues are counted.

    The first vector q is uniform on the sphere, so that n qᵀHq estimates the trace without bias, with variance
    2 (n‖H‖²_F − tr² H)/(n + 2), of which β₁ gives an estimate.

    Args:
      loss: a function of the parameters, real and scalar, twice differentiable.
      params: any pytree of floating or complex arrays, n real numbers altogether. Half-precision leaves are given to
        `loss` in float32.
      key: draws the first vector.
      iterations: products with the Hessian, ≥ 1; n are enough to be exact, and no more than n are taken.
      tolerance: an eigenvalue counts as negative below −tolerance × the largest magnitude; rounding of a float32
        Hessian stays below 1e-5.

    Returns:
      A `Curvature`: smallest, largest, negative, trace, trace_error. NaN where the loss is not finite.

    Raises:
      ValueError: if the loss is no real scalar, a parameter is not floating, or the iterations are not positive.

    Example:
      >>> import ch5jax, jax, jax.numpy as jnp
      >>> saddle = lambda w: w["x"] ** 2 - w["y"] ** 2
      >>> at = {"x": jnp.zeros(()), "y": jnp.zeros(())}
      >>> found = ch5jax.diagnostics.curvature(saddle, at, jax.random.key(0))
      >>> round(float(found.smallest), 4), round(float(found.largest), 4), int(found.negative)
      (-2.0, 2.0, 1)

    Source: the chapter, section 5.1.2; Lanczos (1950); Golub and Van Loan, *Matrix Computations*, chapter 10; of neural
    networks' Hessians, Ghorbani, Krishnan and Xiao, *An investigation into neural net optimization via Hessian
    eigenvalue density* (2019).
    """
    return curvature_and_downhill(loss, params, key, iterations, tolerance)[0]


def curvature_and_downhill(
    loss: Callable[[Params], Scalar],
    params: Params,
    key: jax.Array,
    iterations: int = 20,
    tolerance: jax.typing.ArrayLike = 1e-4,
) -> tuple[Curvature, Params]:
    r"""`curvature`, and the direction in which the loss curves down most.

    .. math:: v = Q_k s, \qquad T_k s = \lambda_{\min}(T_k) s, \qquad \|v\| = 1, \qquad v^\top H v = \lambda_{\min}(T_k)

    Args:
      loss: as in `curvature`.
      params: as in `curvature`.
      key: as in `curvature`.
      iterations: as in `curvature`.
      tolerance: as in `curvature`.

    Returns:
      The `Curvature`, and v, like the parameters: half-precision leaves in float32. Its sign says nothing.

    Raises:
      ValueError: as `curvature` does.

    Example:
      >>> import ch5jax, jax, jax.numpy as jnp
      >>> saddle = lambda w: w[0] ** 2 - w[1] ** 2
      >>> _, v = ch5jax.diagnostics.curvature_and_downhill(saddle, jnp.zeros(2), jax.random.key(0))
      >>> [round(abs(float(part)), 4) for part in v]
      [0.0, 1.0]

    Source: as of `curvature`.
    """
    _trees.check_positive(iterations=iterations)
    vector, product = hessian_product(loss, params)
    n = vector.size
    diagonal, beside, basis = lanczos(product, vector, key, min(iterations, n))
    ritz, vectors = jnp.linalg.eigh(jnp.diag(diagonal) + jnp.diag(beside[:-1], 1) + jnp.diag(beside[:-1], -1))
    limit = -jnp.asarray(tolerance, ritz.dtype) * jnp.maximum(jnp.abs(ritz[0]), jnp.abs(ritz[-1]))
    found = Curvature(
        smallest=ritz[0],
        largest=ritz[-1],
        negative=jnp.sum(ritz < limit, dtype=jnp.int32),
        trace=n * diagonal[0],
        trace_error=beside[0] * (2 * n) ** 0.5,  # β₁² = ‖Hq‖² − (qᵀHq)², whose mean is (n‖H‖²_F − tr² H)/n(n + 2)
    )
    return found, ravel(params)[1](dot(vectors[:, 0], basis))


def lanczos(
    product: Callable[[jax.Array], jax.Array], like: jax.Array, key: jax.Array, iterations: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The tridiagonal T of a symmetric matrix: its diagonal α, what stands beside it, β, and the vectors, row by row.

    The last β leads out of T. Every vector is orthogonalised against all before it, twice. Where the first pass leaves
    no more than rounding, the second one works on another vector, the first of all, rolled: rolls of a random vector
    are independent, and cost neither a draw nor passes of their own. Each pass is two products with one vector: with
    two of them side by side, ten vectors of 270,000 took 3.3 ms instead of 1.1.
    """
    first = jax.random.normal(key, like.shape, like.dtype)

    def length(v: jax.Array) -> jax.Array:
        return norm(v).astype(v.dtype)

    def step(carry: tuple[jax.Array, ...], i: jax.Array) -> tuple[Any, Any]:
        basis, q, scale = carry
        basis = basis.at[i].set(q)
        w = product(q)
        alpha = dot(q, w)
        w = w - dot(dot(basis, w), basis)
        left = length(w)
        scale = jnp.maximum(scale, jnp.maximum(jnp.abs(alpha), left))
        stuck = left <= 100 * jnp.finfo(left.dtype).eps * scale
        w = jnp.where(stuck, jnp.roll(first, i + 1), w)
        w = w - dot(dot(basis, w), basis)
        beta = length(w)
        return (basis, w / jnp.where(beta > 0, beta, 1), scale), (alpha, jnp.where(stuck, 0, beta))

    basis = jnp.zeros((iterations, like.size), like.dtype)
    carry = (basis, first / length(first), jnp.zeros((), like.dtype))
    (basis, _, _), (alpha, beta) = jax.lax.scan(step, carry, jnp.arange(iterations, dtype=jnp.int32))
    return alpha, beta, basis


class Estimate(NamedTuple):
    """A mean over random probes."""

    mean: jax.Array  # shape ()
    standard_error: jax.Array  # shape (): the probes' standard deviation over the root of their number


def hessian_trace(
    loss: Callable[[Params], Scalar], params: chex.ArrayTree, key: jax.Array, samples: int = 32
) -> Estimate:
    r"""The trace of the Hessian, by Hutchinson's estimator with its standard error.

    .. math:: \operatorname{tr} H = \mathbb{E}[v^\top H v], \qquad v_i = \pm 1

    Args:
      loss: as in `curvature`.
      params: as in `curvature`.
      key: draws the probes v.
      samples: how many, each one product with the Hessian, ≥ 2.

    Returns:
      An `Estimate`: mean and standard_error. Both are exact for a diagonal Hessian: v's signs cancel.

    Raises:
      ValueError: as `curvature`, or if there are fewer than two samples.

    Example:
      >>> import ch5jax, jax, jax.numpy as jnp
      >>> found = ch5jax.diagnostics.hessian_trace(lambda w: jnp.sum(w**2), jnp.ones(10), jax.random.key(0), samples=4)
      >>> float(found.mean), float(found.standard_error)
      (20.0, 0.0)

    Source: Hutchinson, *A stochastic estimator of the trace of the influence matrix* (1990).
    """
    _trees.check_positive(samples=samples)
    if samples < 2:
        raise ValueError(f"samples must be 2 or more, to have a standard error, got {samples}")
    vector, product = hessian_product(loss, params)

    def probe(key: jax.Array) -> jax.Array:
        v = jax.random.rademacher(key, vector.shape, vector.dtype)
        return dot(v, product(v))

    values = jax.lax.map(probe, jax.random.split(key, samples))
    return Estimate(jnp.mean(values), jnp.std(values, ddof=1) / samples**0.5)
