"""Many settings as one: batches of pytrees of hyperparameters."""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.tree_util import Partial

from ch5jax import _trees
from ch5jax._hyperparameters import is_node, shown
from ch5jax._memory import check_memory
from ch5jax.optimizers._scale import Scale

Tree = TypeVar("Tree")


def stack(trees: Sequence[Tree]) -> Tree:
    """Makes one batch of several pytrees of one kind: every leaf gets the batch as its leading axis.

    Args:
      trees: optimizers, or any pytrees of hyperparameters, alike in structure and in their leaves' shapes. Host numbers
        stay on the host, as NumPy arrays, with all their digits.

    Returns:
      A pytree of the same structure with arrays of shape (len(trees), ...), ready for `jax.vmap` and `ch5jax.sweep`. A
      batch of optimizers is still a pair to Optax: `len` and indexing are the tuple's; `unstack` gives the list back.

    Raises:
      ValueError: if there is nothing to stack, or the trees differ in structure (an Adam and an SGD, with and without a
        schedule) or in a leaf's shape.

    Example:
      >>> import ch5jax
      >>> ch5jax.stack([ch5jax.sgd(0.1), ch5jax.sgd(0.2)]).learning_rate.tolist()
      [0.1, 0.2]
    """
    trees = list(trees)
    if not trees:
        raise ValueError("stack needs at least one pytree, got none")
    structure = jax.tree.structure(trees[0])
    for position, tree in enumerate(trees):
        if jax.tree.structure(tree) != structure:
            raise ValueError(
                f"stack needs pytrees of one structure: [0] is {trees[0]!r}, but [{position}] is {tree!r}; "
                "sweep different kinds as a dict of batches"
            )
        for (path, first), leaf in zip(
            jax.tree_util.tree_leaves_with_path(trees[0]), jax.tree.leaves(tree), strict=True
        ):
            if jnp.shape(leaf) != jnp.shape(first):
                raise ValueError(
                    f"stack needs leaves of one shape: {jax.tree_util.keystr(path)} is {jnp.shape(first)} in [0], "
                    f"but {jnp.shape(leaf)} in [{position}]"
                )
    return jax.tree.map(_stack, *trees)


def _stack(*leaves: Any) -> Any:
    return (jnp if any(isinstance(leaf, jax.Array) for leaf in leaves) else np).stack(leaves)


def unstack(batch: Tree) -> list[Tree]:
    """Takes a batch of pytrees apart: the list that `stack` was given.

    Args:
      batch: a pytree, every leaf of which has the batch as its leading axis.

    Returns:
      The pytrees one by one.

    Raises:
      ValueError: if a leaf is a scalar, or the leading axes differ.

    Example:
      >>> import ch5jax
      >>> ch5jax.unstack(ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 0.2]))
      [sgd(learning_rate=0.1), sgd(learning_rate=0.2)]
    """
    return [jax.tree.map(lambda leaf: _item(leaf[i]), batch) for i in range(_trees.leading_axis(batch, "batch"))]


def _item(value: Any) -> Any:
    """A Python float for a float64 on the host, which is what was stacked."""
    return value.item() if isinstance(value, np.float64) else value


def grid(factory: Callable[..., Tree], /, **values: Any) -> Tree:
    """Makes the batch of all combinations of some values.

    Args:
      factory: `ch5jax.adam`, or any function that makes a pytree of hyperparameters out of arrays. It is called once,
        with every swept argument as an array of shape (batch,).
      **values: for each argument either a list or an array, whose elements are swept, or a scalar, a schedule or a
        flag, which all share. A list may hold schedules of one kind. The last keyword varies fastest. What is no number
        (flags, None, functions such as activations and Optax's schedules, words, pytrees of several kinds) differs in
        structure: a list of such makes groups.

    Returns:
      What the factory makes, every leaf with the batch as its leading axis: a scalar leaf is repeated, and a leaf with
      the length of the batch as its first axis is taken for swept. The batch is the product of the lengths. A function
      among the leaves becomes a `jax.tree_util.Partial`, which is called like it. Where lists make groups, a dict of
      such batches by name ("bias_correction=True"), as `ch5jax.sweep` takes it, one program each.

    Raises:
      ValueError: if nothing is swept, a list is empty, a value is out of the factory's range, or the batch takes more
        than half of the machine's memory.

    Example:
      >>> import ch5jax
      >>> opts = ch5jax.grid(ch5jax.adam, learning_rate=[1e-3, 1e-2], b1=[0.8, 0.9])
      >>> opts.learning_rate.tolist(), opts.b1.tolist(), opts.b2.tolist()
      ([0.001, 0.001, 0.01, 0.01], [0.8, 0.9, 0.8, 0.9], [0.999, 0.999, 0.999, 0.999])
    """
    if ranges := [name for name, value in values.items() if isinstance(value, Scale)]:
        raise ValueError(f"{ranges[0]} is a range to draw from: ch5jax.sample does, or give grid a list of values")
    if not any(map(is_swept, values.values())):
        raise ValueError(f"grid needs a list or an array of values to sweep, got {values!r}")
    kinds = {name: value for name, value in values.items() if is_swept(value) and is_categorical(value)}
    if not kinds:
        return _grid(factory, values)
    batches: Any = Batches()
    for choice in itertools.product(*kinds.values()):
        fixed = dict(zip(kinds, choice, strict=True))
        batches[named_apart(", ".join(f"{name}={shown(value)}" for name, value in fixed.items()), batches)] = _grid(
            factory, {**values, **fixed}
        )
    return batches


class Batches(dict[str, Any]):
    """Batches of different structure by name, one program each in a sweep."""


def named_apart(name: str, taken: Iterable[str]) -> str:
    """The name, numbered where it is taken: functions of one name may be different ones.

    Args:
      name: of a group.
      taken: the names that there are.

    Returns:
      The name, or "name (2)" and so on.

    Example:
      >>> import ch5jax
      >>> ch5jax.optimizers.named_apart("relu", ["relu"])
      'relu (2)'
    """
    names = itertools.chain([name], (f"{name} ({number})" for number in itertools.count(2)))
    return next(one for one in names if one not in taken)


def _grid(factory: Callable[..., Tree], values: dict[str, Any]) -> Tree:
    """The batch of all combinations of numbers, or of pytrees of one kind."""
    swept = {name: _elements(name, value) for name, value in values.items() if is_swept(value)}
    sizes = [_trees.leading_axis(elements, name) for name, elements in swept.items()]
    count = math.prod(sizes)
    check_memory(8 * count * len(values), f"a grid of {count:,} settings")
    picks = np.unravel_index(np.arange(count), sizes) if sizes else ()
    chosen = {
        name: jax.tree.map(lambda leaf, pick=pick: leaf[pick], elements)
        for (name, elements), pick in zip(swept.items(), picks, strict=True)
    }
    return batch_of(factory, {**values, **chosen}, count)


def batch_of(factory: Callable[..., Tree], values: dict[str, Any], count: int) -> Tree:
    """What a factory makes of arrays of that length and of what all share, as a batch."""
    made = factory(**values)
    return jax.tree.map(lambda leaf: Partial(leaf) if callable(leaf) else _repeated(leaf, count), made)


def is_categorical(value: Any) -> bool:
    """Whether its elements are flags, functions, None, words, or pytrees of several kinds: a program for each."""
    if isinstance(value, (np.ndarray, jax.Array, range)):
        return getattr(value, "dtype", np.dtype(int)).kind == "b"
    if all(type(element) in (float, int) for element in value):
        return False
    structures = {jax.tree.structure(element) for element in value}
    return len(structures) > 1 or any(
        isinstance(v, bool | np.bool_ | str) or (callable(v) and not is_node(v)) for v in value
    )


def is_swept(value: object) -> bool:
    """Whether an argument of `grid` is swept: a list, a tuple, a range, or an array with an axis.

    Args:
      value: anything. An optimizer is a tuple too, and is one value.

    Returns:
      True for many values, False for one.

    Example:
      >>> import ch5jax
      >>> ch5jax.optimizers.is_swept([0.1, 0.2]), ch5jax.optimizers.is_swept(ch5jax.sgd(0.1))
      (True, False)
    """
    if isinstance(value, optax.GradientTransformation):  # a tuple too
        return False
    return isinstance(value, (list, tuple, range)) or (isinstance(value, (np.ndarray, jax.Array)) and value.ndim > 0)


def _elements(name: str, value: Any) -> Any:
    """The values of one axis, as a batch: on the host, where the factory can check them, unless they are traced."""
    if len(value) == 0:
        raise ValueError(f"{name} must have at least one value to sweep, got none")
    numbers = hasattr(value, "dtype") and value.dtype.kind != "O"
    listed = () if numbers else value  # an array is not looked through
    if any(is_node(element) for element in listed):
        return stack(value)
    traced = any(isinstance(v, jax.core.Tracer) for v in (value, *listed))
    elements = jnp.asarray(value) if traced else np.asarray(value)
    if elements.dtype.kind not in "iuf" and not jnp.issubdtype(elements.dtype, jnp.floating):
        raise ValueError(f"{name} must be a list of numbers or of pytrees of one kind, got {value!r}")
    return elements


def _repeated(leaf: Any, count: int) -> Any:
    if jnp.ndim(leaf) and jnp.shape(leaf)[0] == count:
        return leaf
    return (jnp if isinstance(leaf, jax.Array) else np).broadcast_to(leaf, (count, *jnp.shape(leaf)))
