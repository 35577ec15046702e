"""Hyperparameters leaf by leaf, named as a sweep's table names them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax._types import Hyperparameters
from ch5jax.optimizers import Scale

Perturb: TypeAlias = Sequence[str] | Mapping[str, Scale | None]


class Perturbed(NamedTuple):
    """The leaves that are perturbed, by their numbers in the tree, and the range that each stays in."""

    which: tuple[int, ...]
    low: tuple[jax.typing.ArrayLike, ...]
    high: tuple[jax.typing.ArrayLike, ...]


def named(hyperparameters: Hyperparameters) -> dict[str, Any]:
    """The leaves by name, in the tree's order."""
    leaves = jax.tree_util.tree_leaves_with_path(hyperparameters)
    return {jax.tree_util.keystr(path, simple=True, separator=".") or "value": leaf for path, leaf in leaves}


def perturbed(hyperparameters: Hyperparameters, perturb: Perturb | None) -> Perturbed:
    """Which leaves of a population are perturbed, and within which range.

    Raises:
      ValueError: naming the leaf, if there is none of that name, it is not floating, its scale is none of numbers that
        a factor leads to, or nobody knows which leaves vary.
    """
    leaves = named(hyperparameters)
    if perturb is None:
        chosen: dict[str, Scale | None] = dict.fromkeys(
            name for name, leaf in leaves.items() if _is_floating(leaf) and _varies(name, leaf)
        )
    elif isinstance(perturb, str) or not isinstance(perturb, Sequence | Mapping):
        raise ValueError(f"perturb must be a list of names, or a dict of scales by name, got {perturb!r}")
    else:
        chosen = dict(perturb) if isinstance(perturb, Mapping) else dict.fromkeys(perturb)
    numbers = {name: number for number, name in enumerate(leaves)}
    for name, scale in chosen.items():
        if name not in leaves:
            raise ValueError(f"perturb must name hyperparameters, {', '.join(leaves)}, got {name!r}")
        if not _is_floating(leaves[name]):
            raise ValueError(f"perturb must name floating hyperparameters, and {name} is {_dtype(leaves[name])}")
        if scale is not None and (not isinstance(scale, Scale) or scale.kind not in ("linear", "log")):
            raise ValueError(f"perturb[{name!r}] must be ch5jax.linear, ch5jax.log or None, got {scale!r}")
    ranges = [_range(leaves[name], scale) for name, scale in chosen.items()]
    low, high = zip(*ranges, strict=True) if ranges else ((), ())
    return Perturbed(tuple(numbers[name] for name in chosen), low, high)


def _range(leaf: Any, scale: Scale | None) -> tuple[Any, Any]:
    """A scale's, or that of the population: what a factory allows is an interval, so that every value in it is."""
    dtype = _dtype(leaf)
    if scale is not None:
        return np.asarray(scale.low, dtype), np.asarray(scale.high, dtype)
    values = jnp.asarray(leaf)
    return values.min(axis=0), values.max(axis=0)


def _varies(name: str, leaf: Any) -> bool:
    if isinstance(leaf, jax.core.Tracer):
        raise ValueError(
            f"perturb must name what is perturbed where hyperparameters are traced: {name} may or may not vary"
        )
    values = np.asarray(leaf)
    return bool((values != values[:1]).any())


def _dtype(leaf: Any) -> np.dtype:
    return jax.dtypes.canonicalize_dtype(jnp.result_type(leaf))


def _is_floating(leaf: Any) -> bool:
    return bool(jnp.issubdtype(_dtype(leaf), jnp.floating))
