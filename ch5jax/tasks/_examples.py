"""A data set, checked and divided."""

from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax import _trees
from ch5jax._types import PyTree

Pair: TypeAlias = tuple[PyTree, PyTree]  # inputs and targets


class Examples(NamedTuple):
    """Part of a data set, on the host."""

    inputs: PyTree  # arrays with a row an example
    targets: PyTree  # likewise


class Parts(NamedTuple):
    """A data set, divided."""

    train: Examples
    validation: Examples
    test: Examples | None


def size(examples: Examples) -> int:
    """How many there are."""
    return len(jax.tree.leaves(examples)[0])


def take(examples: Examples, rows: np.ndarray | slice) -> Examples:
    """Some of them."""
    return jax.tree.map(lambda array: array[rows], examples)


def on_device(data: PyTree, rows: jax.Array | slice = slice(None)) -> PyTree:
    """Rows of host arrays inside a program: floating ones in the default dtype, all others as they are."""

    def one(array: np.ndarray) -> jax.Array:
        chosen = jnp.asarray(array)[rows]
        return chosen.astype(_trees.default_float()) if array.dtype in (np.float32, np.float64) else chosen

    return jax.tree.map(one, data)


def split(inputs: np.ndarray, targets: np.ndarray, key: jax.Array) -> Parts:
    """Divides a data set at random into 60 % for training, 20 % for validation and 20 % for the test."""
    whole = Examples(np.asarray(inputs, np.float32), np.asarray(targets, np.float32))
    return Parts(*(take(whole, rows) for rows in part_rows(len(inputs), key)))


def part_rows(examples: int, key: jax.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rows of the training, validation and test parts: disjoint, and all rows together."""
    if examples < 5:
        raise ValueError(f"a data set needs 5 examples at least, to have some in every part, got {examples}")
    order = _shuffled(key, examples)
    held_out = examples // 5
    return order[2 * held_out :], order[:held_out], order[held_out : 2 * held_out]


def divide(train: Pair, validation: float | Pair, test: float | Pair | None, key: jax.Array) -> Parts:
    """A user's arrays, divided as they ask.

    Args:
      train: a pair (inputs, targets) of arrays, or of pytrees of them.
      validation: such a pair, or a share of `train`'s examples, which are taken out of it.
      test: likewise, or None.
      key: what shares are drawn with. Of classes (integers, or one-hot rows) each gives its share.
    """
    given = {"train": _checked(train, "train")}
    shares = {}
    for name, part in (("validation", validation), ("test", test)):
        if isinstance(part, tuple | list):
            given[name] = _checked(part, name)
        elif part is not None:
            if isinstance(part, bool) or not isinstance(part, int | float | np.number) or not 0 < part < 1:
                raise ValueError(f"{name} must be a pair (inputs, targets) or a share from 0 to 1, got {part!r}")
            shares[name] = float(part)
    if validation is None:
        raise ValueError("validation must be a pair (inputs, targets) or a share from 0 to 1, got None")
    if sum(shares.values()) >= 1:
        raise ValueError(f"validation and test must leave something to train on, got shares {shares}")
    for name in given.keys() - {"train"}:
        _check_alike(given[name], given["train"], name)
    for name, rows in _drawn(given["train"], shares, key).items():
        given[name] = take(given["train"], rows)
    return Parts(given["train"], given["validation"], given.get("test"))


def _drawn(examples: Examples, shares: dict[str, float], key: jax.Array) -> dict[str, np.ndarray]:
    """The rows of the parts that are shares, and of what they leave."""
    if not shares:
        return {}
    count = size(examples)
    left = _shuffled(key, count)
    labels = _classes(examples.targets)
    if labels is not None:
        left = left[np.argsort(labels[left], kind="stable")]  # class by class, of which each k-th is taken
    rows, remaining = {}, 1.0
    for name, share in shares.items():
        steps = np.floor(np.arange(len(left) + 1) * (share / remaining) + 0.5)
        taken = np.diff(steps) > 0
        rows[name], left, remaining = left[taken], left[~taken], remaining - share
    rows["train"] = left[_shuffled(jax.random.fold_in(key, 1), len(left))]
    for name, chosen in rows.items():
        if not len(chosen):
            raise ValueError(f"{name} must have an example at least, got none of {count} with shares {shares}")
    return rows


def _classes(targets: PyTree) -> np.ndarray | None:
    """Each example's class, of whole numbers or one-hot rows; None of anything else."""
    if not isinstance(targets, np.ndarray):
        return None
    if targets.ndim == 1 and targets.dtype.kind in "iub":
        return targets
    if targets.ndim == 2 and np.isin(targets, (0, 1)).all() and (np.count_nonzero(targets, axis=1) == 1).all():
        return targets.argmax(axis=1)
    return None


def _shuffled(key: jax.Array, count: int) -> np.ndarray:
    """The numbers up to a count in random order."""
    return np.asarray(jax.random.permutation(key, count))


def _checked(pair: Any, name: str) -> Examples:
    """A pair of pytrees of arrays with a row an example."""
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise ValueError(f"{name} must be a pair (inputs, targets), got {_short(pair)}")
    inputs, targets = (np.asarray(part) if isinstance(part, list) else part for part in pair)
    examples = Examples(
        jax.tree_util.tree_map_with_path(_array(f"{name} inputs"), inputs),
        jax.tree_util.tree_map_with_path(_array(f"{name} targets"), targets),
    )
    sizes = {len(leaf) for leaf in jax.tree.leaves(examples)}
    if not jax.tree.leaves(examples.inputs) or not jax.tree.leaves(examples.targets) or len(sizes) != 1 or 0 in sizes:
        shapes = jax.tree.map(np.shape, tuple(examples))
        raise ValueError(f"{name} must hold inputs and targets with a row an example, as many of both, got {shapes}")
    return examples


def _array(name: str) -> Any:
    def checked(path: Any, leaf: Any) -> np.ndarray:
        array, where = np.asarray(leaf), name + jax.tree_util.keystr(path)
        if not (jnp.issubdtype(array.dtype, jnp.number) or array.dtype == np.bool_):
            raise ValueError(
                f"{where} must be numbers, got dtype {array.dtype}; classes are whole numbers from 0: "
                "np.unique(labels, return_inverse=True)[1]"
            )
        if not array.ndim:
            raise ValueError(f"{where} must have a row an example, got a number")
        if jnp.issubdtype(array.dtype, jnp.floating) and (
            bad := int((~np.isfinite(array.astype(jax.dtypes.canonicalize_dtype(np.float64)))).sum())
        ):
            raise ValueError(f"{where} must be finite, got {bad:,} of {array.size:,} that are not")
        narrow = array.astype(jax.dtypes.canonicalize_dtype(array.dtype))
        if array.dtype.kind in "iu" and (narrow != array).any():
            raise ValueError(
                f"{where} must fit {narrow.dtype}, got {array.min():,} to {array.max():,}; jax_enable_x64 holds them"
            )
        return narrow

    return checked


def _check_alike(part: Examples, train: Examples, name: str) -> None:
    """A part of the user's own has examples like those for training."""
    if jax.tree.structure(part) != jax.tree.structure(train):
        raise ValueError(f"{name} must have the structure of train, got {jax.tree.structure(part)}")
    for (path, one), other in zip(jax.tree_util.tree_leaves_with_path(part), jax.tree.leaves(train), strict=True):
        if one.shape[1:] != other.shape[1:]:
            where = f"{name}{jax.tree_util.keystr(path)}"
            raise ValueError(f"{where} must have rows of shape {other.shape[1:]} as train has, got {one.shape[1:]}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
