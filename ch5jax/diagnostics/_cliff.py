"""Cliffs: a gradient far above its own past, and a step that is large for the weights that take it."""

import functools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from ch5jax import _trees

BLOCK = 25  # values
BLOCKS = 4  # whole ones that are remembered, beside the one that fills
QUANTILE = 0.99
FEWEST = 10  # values that a quantile needs


class Spikes(NamedTuple):
    """What `spikes_update` keeps of the values so far; made by `spikes_init`.

    Of 25 values in a row only the two largest are kept, five times: a quantile of 0.99 needs no more, and a step costs
    as little whatever the window. With all hundred values and a search among them, a training on a surface of two
    variables took 18 times as long as without.
    """

    count: jax.Array  # shape (), int32: values taken in so far
    largest: tuple[jax.Array, ...]  # of the block of 25 values that fills, and of those before it, the latest first
    second: tuple[jax.Array, ...]  # and the second largest


def spikes_init() -> Spikes:
    """A `Spikes` that has seen no value.

    Returns:
      A `Spikes`, of float32 (float64 where x64 is enabled).

    Example:
      >>> import ch5jax
      >>> int(ch5jax.diagnostics.spikes_init().count)
      0
    """
    none = (jnp.zeros((), _trees.default_float()),) * (BLOCKS + 1)
    return Spikes(jnp.zeros((), jnp.int32), none, none)


def spikes_update(state: Spikes, value: jax.typing.ArrayLike) -> tuple[Spikes, jax.Array]:
    r"""Measures a value against the running quantile of those before it.

    .. math:: s_t = x_t \,/\, Q_{0.99}(x_{t-n}, \dots, x_{t-1}), \qquad 100 < n \le 125

    Of gradient norms, s > 10 is a cliff: the gradient is ten times what it was in all but the worst of recent steps.
    The quantile is the second largest of the past as soon as there are a hundred values; before, it lies between the
    largest and the second largest, as linear interpolation has it.

    Args:
      state: of `spikes_init`, or what the last call returned.
      value: x ≥ 0, a scalar.

    Returns:
      The new state, and s, shape (): 1 until ten values have been seen, inf for a value above a quantile of 0. A value
      that is not finite is measured, and not kept.

    Example:
      >>> import ch5jax
      >>> state = ch5jax.diagnostics.spikes_init()
      >>> for norm in [1.0] * 20 + [30.0]:
      ...     state, spike = ch5jax.diagnostics.spikes_update(state, norm)
      >>> float(spike)
      30.0

    Source: the chapter, section 5.1.3; Pascanu, Mikolov and Bengio, *On the difficulty of training recurrent neural
    networks* (2013), section 2.3, on cliffs; the measure is ours.
    """
    count, largest, second = state
    value = jnp.asarray(value).astype(largest[0].dtype)
    first, other = functools.reduce(_two_largest, zip(largest, second, strict=True))
    share = jnp.clip((1 - QUANTILE) * (count - 1).astype(value.dtype), 0, 1)
    usual = (1 - share) * first + share * other
    above = jnp.where(value > 0, value, 1) / usual  # 0/0 would stop who debugs NaN, in a loop that is not compiled
    spike = jnp.where(value > 0, above, jnp.where(value == 0, 0, value))
    spike = jnp.where(count < FEWEST, 1, spike)
    kept, full = jnp.isfinite(value), count % BLOCK == 0
    shifted = [
        tuple(jnp.where(full, older, old) for older, old in zip((jnp.zeros_like(value), *values), values, strict=False))
        for values in (largest, second)
    ]
    current = _two_largest((shifted[0][0], shifted[1][0]), (value, jnp.zeros_like(value)))
    new = Spikes(count + 1, *((one, *rest[1:]) for one, rest in zip(current, shifted, strict=True)))
    return jax.tree.map(lambda now, before: jnp.where(kept, now, before), new, state), spike


def _two_largest(one: tuple[jax.Array, jax.Array], other: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
    """Of two pairs, the larger first."""
    return jnp.maximum(one[0], other[0]), jnp.maximum(jnp.minimum(one[0], other[0]), jnp.maximum(one[1], other[1]))


def weight_matrices(params: chex.ArrayTree) -> list[jax.Array]:
    """The leaves with two axes or more, in order: weights, not biases."""
    return [leaf for leaf in jax.tree.leaves(params) if jnp.ndim(leaf) >= 2]


def update_ratio(updates: chex.ArrayTree, params: chex.ArrayTree) -> jax.Array:
    r"""The norm of each weight matrix's update, over the norm of the matrix.

    .. math:: \|u\| / \|w\|

    About 1e-3 is usual; over 0.1 the step leaves the neighbourhood in which the gradient means something. Biases, which
    start at zero, are left out: every leaf with two axes or more counts as a matrix.

    Args:
      updates: u, like the parameters.
      params: w before the update, any pytree.

    Returns:
      Ratios, shape (matrices,), in the order of the leaves (see `matrix_names`); 0 where both norms are 0, inf where
      only w is 0.

    Raises:
      ValueError: if the trees do not match, or there is no matrix.

    Example:
      >>> import ch5jax, jax.numpy as jnp
      >>> params = {"kernel": jnp.full((2, 2), 3.0), "bias": jnp.zeros(2)}
      >>> updates = {"kernel": jnp.full((2, 2), 0.3), "bias": jnp.ones(2)}
      >>> [round(float(ratio), 3) for ratio in ch5jax.diagnostics.update_ratio(updates, params)]
      [0.1]

    Source: the measure is folklore; You, Gitman and Ginsburg, *Large batch training of convolutional networks* (2017),
    base a learning rate on its inverse.
    """
    _trees.check_match(updates, params, "updates", "params")
    pairs = list(zip(weight_matrices(updates), weight_matrices(params), strict=True))
    if not pairs:
        raise ValueError("params must hold a weight matrix, a leaf of two axes or more, got none")
    return jnp.stack([relative(u, w) for u, w in pairs])


def matrix_names(params: chex.ArrayTree) -> tuple[str, ...]:
    """The paths of the weight matrices, in the order of `update_ratio` and of the other signals a matrix.

    Args:
      params: any pytree.

    Returns:
      A path for each leaf of two axes or more.

    Example:
      >>> import ch5jax, jax
      >>> params = ch5jax.networks.mlp((2, 3, 1)).init(jax.random.key(0))
      >>> ch5jax.diagnostics.matrix_names(params)
      ('[0].kernel', '[1].kernel')
    """
    return tuple(
        jax.tree_util.keystr(path) for path, leaf in jax.tree_util.tree_leaves_with_path(params) if jnp.ndim(leaf) >= 2
    )


def relative(difference: chex.ArrayTree, to: chex.ArrayTree) -> jax.Array:
    """‖a‖ / ‖b‖ of two pytrees; 0/0 is 0."""
    a, b = norm(difference), norm(to)
    nothing = (a == 0) & (b == 0)
    return jnp.where(nothing, 0, a / jnp.where(nothing, 1, b))


def norm(tree: chex.ArrayTree) -> jax.Array:
    r"""The Euclidean norm of a whole pytree.

    .. math:: \sqrt{\textstyle\sum_i |x_i|^2}

    Its slope at 0 counts as 0: the root's own is infinite there, and makes every hypergradient NaN (0 · inf) as soon as
    one gradient is exactly zero, even if nobody differentiates the norm.

    Args:
      tree: floating or complex arrays, such as a gradient.

    Returns:
      A scalar, float32 (float64 where x64 is enabled); 0 of a tree without leaves.

    Example:
      >>> import ch5jax, jax.numpy as jnp
      >>> float(ch5jax.diagnostics.norm({"a": jnp.array([3.0]), "b": jnp.array([[4.0]])}))
      5.0
    """
    square = square_norm(tree)
    at_zero = square == 0
    return jnp.where(at_zero, 0, jnp.sqrt(jnp.where(at_zero, 1, square)))


def square_norm(tree: chex.ArrayTree) -> jax.Array:
    """Its square; 0 of a tree without leaves."""
    squares = [_square_sum(jnp.asarray(leaf)) for leaf in jax.tree.leaves(tree)]
    return sum(squares, start=jnp.zeros((), _trees.default_float()))


def inner(a: chex.ArrayTree, b: chex.ArrayTree) -> jax.Array:
    """Σ aᵢ bᵢ over two pytrees alike, its real part: by how much a loss of gradient a rises, to first order, over b."""

    def product(x: jax.Array, y: jax.Array) -> jax.Array:
        wide = _trees.accumulator_dtype(x.dtype)
        return sum_of((x.astype(wide) * y.astype(wide)).real)

    products = jax.tree.leaves(jax.tree.map(product, a, b))
    return sum(products, start=jnp.zeros((), _trees.default_float()))


def _square_sum(x: jax.Array) -> jax.Array:
    """Σ|x|²."""
    return sum_of(_trees.abs_sq(x.astype(_trees.accumulator_dtype(x.dtype))))


def sum_of(terms: jax.Array) -> jax.Array:
    """The sum of an array, in 64 sums side by side.

    XLA on CPU adds a whole array up one element after the other: 200,000 took 0.088 ms, or 0.19 as a dot product, and
    64 at a time 0.039. It rounds less, too.
    """
    terms = terms.reshape(-1)
    whole = terms.size // 64 * 64
    parts = jnp.sum(terms[:whole].reshape(-1, 64), axis=0)
    return (jnp.sum(parts) + jnp.sum(terms[whole:])).astype(_trees.default_float())
