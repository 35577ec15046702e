"""A module of Equinox's, or a function of `key` that makes one, with or without an `eqx.nn.State`."""

import importlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax._types import Params, PyTree, State
from ch5jax.models._model import Model, Named
from ch5jax.models._signature import chosen, mode, parameters_of


def equinox(make: Callable[..., Any] | Any, named: Named) -> Model:
    """The parameters are the floating arrays; other arrays and an `eqx.nn.State` are the state.

    By Equinox's convention the module takes one example, and is mapped over a batch. An instance starts every trial
    with its own weights; a function of `key` draws them with the trial's key.
    """
    eqx = importlib.import_module("equinox")
    ready = isinstance(make, eqx.Module | tuple)
    asked = () if ready else parameters_of(make)

    def build(key: Any, named: Named) -> tuple[Any, Any]:
        made = make if ready else make(key=key, **chosen(named, asked))
        return made if isinstance(made, tuple) else (made, None)

    # what is no array where numbers are numbers is no parameter where they are traced: a rate or a slope, say
    reference, _ = eqx.filter_eval_shape(build, jax.random.key(0), dict(named))

    def split(module: Any) -> tuple[Any, Any, Any]:
        """Parameters, other arrays, and all else."""
        arrays = jax.tree.map(_is_array, reference)
        floating = jax.tree.map(lambda leaf: _is_array(leaf) and jnp.issubdtype(leaf.dtype, jnp.inexact), reference)
        held, rest = eqx.partition(module, arrays)
        return *eqx.partition(held, floating), rest

    def init(key: jax.Array, inputs: PyTree, named: Named) -> tuple[Any, Any]:
        del inputs
        module, state = build(key, named)
        params, buffers, _ = split(module)
        return params, (buffers, state)

    def apply(
        params: Params, state: State, inputs: PyTree, key: jax.Array | None, train: bool, named: Named
    ) -> tuple[Any, Any]:
        buffers, memory = state
        rest = split(build(jax.random.key(0), named)[0])[2]  # its weights are drawn for nothing, and XLA sees that
        module = eqx.combine(params, buffers, rest)
        module = eqx.nn.inference_mode(module, value=not train)
        names = parameters_of(type(module).__call__)[2:]
        options = mode(names, train) | chosen(named, names)
        axes: dict[str, int | None] = {}
        given: dict[str, Any] = {}
        if key is not None and "key" in names:
            given["key"], axes["key"] = jax.random.split(key, len(jax.tree.leaves(inputs)[0])), 0
        if "state" in names:
            given["state"], axes["state"] = memory, None

        def one(x: Any, given: dict[str, Any]) -> Any:
            return module(x, **given, **options)

        over = (0, axes) if given else (0, None)
        mapped = jax.vmap(one, over, (0, None) if "state" in names else 0, axis_name=_axis_name(module))
        outputs = mapped(inputs, given)
        return (outputs[0], (buffers, outputs[1])) if "state" in names else (outputs, state)

    return Model(init, apply, frozenset(asked) | frozenset(parameters_of(type(reference).__call__)[2:]))


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.ShapeDtypeStruct | jax.Array | np.ndarray)


def _axis_name(module: Any) -> str | None:
    """What the module's BatchNorm calls the batch."""
    parts = jax.tree.leaves(module, is_leaf=lambda part: hasattr(part, "axis_name"))
    names = [part.axis_name for part in parts if isinstance(getattr(part, "axis_name", None), str)]
    return names[0] if names else None
