"""What every part needs of trees and dtypes; argument checks that raise `ValueError`."""

from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from ch5jax._types import DType, Hyperparameters


def accumulator_dtype(dtype: DType) -> np.dtype:
    """The dtype to accumulate values of `dtype` in: itself, but float32 for float16 and bfloat16.

    Two bytes do not hold a slow average: in bfloat16 a second moment with b2 = 0.999 stands still at a
    third of its limit, because the last bit is worth more than the step.
    """
    dtype = jnp.dtype(dtype)  # not promote_types, which refuses under jax_numpy_dtype_promotion="strict"
    return dtype if jnp.issubdtype(dtype, jnp.inexact) and jnp.finfo(dtype).bits >= 32 else jnp.dtype(jnp.float32)


def real_dtype(dtype: DType) -> np.dtype:
    """The dtype of the real part: float32 for complex64, float64 for complex128, else `dtype` itself."""
    return jnp.finfo(dtype).dtype


def default_float() -> np.dtype:
    """float64 where x64 is enabled, float32 elsewhere."""
    return jax.dtypes.canonicalize_dtype(float)


def abs_sq(x: chex.Array) -> chex.Array:
    """|x|², real for complex x too."""
    return x.real**2 + x.imag**2 if jnp.iscomplexobj(x) else x * x


def is_array(leaf: Any) -> bool:
    """Whether JAX takes it for an array: one of its own, NumPy's, or a number."""
    return isinstance(leaf, jax.Array | np.ndarray | np.generic | bool | int | float | complex)


def is_inexact(tree: chex.ArrayTree) -> bool:
    """Whether all of a tree can be differentiated."""
    return all(jnp.issubdtype(jnp.result_type(leaf), jnp.inexact) for leaf in jax.tree.leaves(tree))


def check_inexact(tree: chex.ArrayTree, what: str) -> None:
    """Refuses a leaf that is neither floating nor complex."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if not is_array(leaf) and not hasattr(leaf, "dtype"):
            raise ValueError(
                f"{what}{jax.tree_util.keystr(path)} must be an array, got {leaf!r}; take the arrays of a model, as in "
                "equinox.filter(model, equinox.is_inexact_array) or flax.nnx.split(model, nnx.Param, ...)"
            )
        dtype = jnp.result_type(leaf)
        if not jnp.issubdtype(dtype, jnp.inexact):
            raise ValueError(
                f"{what}{jax.tree_util.keystr(path)} must be floating or complex, got dtype {dtype.name}; "
                "leave such leaves out with optax.masked"
            )


def check_match(
    tree: chex.ArrayTree, expected: chex.ArrayTree, what: str, whose: str, magnitudes: bool = False
) -> None:
    """Refuses a tree that differs from `expected` in structure or in a shape, or is complex where that is real.

    Args:
      tree: what came.
      expected: what it has to match; its dtypes only decide whether a leaf may be complex.
      what: what `tree` is, for the message ("updates").
      whose: what `expected` is, for the message ("the state's trace").
      magnitudes: whether `expected` holds magnitudes, which are real for complex leaves too.
    """
    came = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}
    due = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(expected)}
    for path in due.keys() - came.keys():
        raise ValueError(f"{what} must match {whose}: expected a leaf at {path or 'the root'}, got only {_paths(came)}")
    for path in came.keys() - due.keys():
        raise ValueError(f"{what} must match {whose}: got a leaf at {path or 'the root'}, expected only {_paths(due)}")
    for path, leaf in due.items():
        if jnp.shape(came[path]) != jnp.shape(leaf):
            raise ValueError(
                f"{what}{path} must have shape {jnp.shape(leaf)} like {whose}, got {jnp.shape(came[path])}"
            )
        if not magnitudes and jnp.iscomplexobj(came[path]) and not jnp.iscomplexobj(leaf):
            raise ValueError(f"{what}{path} must be real like {whose}, got dtype {jnp.result_type(came[path]).name}")
    if (got := jax.tree.structure(tree)) != (structure := jax.tree.structure(expected)):
        raise ValueError(f"{what} must match {whose}: expected the structure {structure}, got {got}")


def _paths(leaves: dict[str, Any]) -> str:
    """The first few paths, in words."""
    shown = ", ".join(sorted(path or "the root" for path in leaves)[:5]) or "no leaves"
    return shown + (f" and {len(leaves) - 5} more" if len(leaves) > 5 else "")


def leading_axis(tree: chex.ArrayTree, what: str) -> int:
    """The common length of every leaf's first axis: the size of a batch of pytrees."""
    sizes: dict[int, str] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if jnp.ndim(leaf) == 0:
            raise ValueError(
                f"{what}{jax.tree_util.keystr(path)} must have the batch as its leading axis, got a scalar; "
                "make a batch with ch5jax.grid or ch5jax.stack; of optimizers of several kinds, a dict of batches"
            )
        sizes.setdefault(jnp.shape(leaf)[0], jax.tree_util.keystr(path))
    if len(sizes) != 1:
        found = ", ".join(f"{size} at {path or 'the root'}" for size, path in sizes.items()) or "no leaves"
        raise ValueError(f"every leaf of {what} must have the same leading axis, got {found}")
    return next(iter(sizes))


MOST_STEPS = 2**31 - 1  # that an int32 can count


def check_positive(**numbers: Any) -> None:
    """Refuses what is no positive integer; None passes, for an argument that may be left out."""
    for name, value in numbers.items():
        if value is not None and (not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1):
            raise ValueError(f"{name} must be a positive integer, got {value!r}")


def check_data(hyperparameters: Hyperparameters, what: str) -> None:
    """Refuses hyperparameters with a function or words among their leaves, which no compiled program can take."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(hyperparameters):
        if callable(leaf):
            raise ValueError(
                f"{what}{jax.tree_util.keystr(path)} must be data, got the function {leaf!r}; make an Optax optimizer "
                "into data with ch5jax.lift(optax.adamw, learning_rate=...); what differs in structure, such as an "
                "activation, is a list in ch5jax.grid of a function that takes it, or a dict of tasks by name"
            )
        if (not is_array(leaf) and not hasattr(leaf, "dtype")) or getattr(leaf, "dtype", np.dtype(int)).kind in "USO":
            raise ValueError(f"{what}{jax.tree_util.keystr(path)} must be numbers, got {leaf!r}")
