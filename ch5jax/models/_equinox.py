"""A module of Equinox's, or a function of `key` that makes one, with or without an `eqx.nn.State`."""

import importlib
from collections.abc import Callable
from typing import Any

import jax

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

    def outline(named: Named) -> Any:
        """What of the module is no array."""
        module, _ = eqx.filter_eval_shape(build, jax.random.key(0), dict(named))
        return eqx.partition(module, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct) or eqx.is_array(leaf))[1]

    def init(key: jax.Array, inputs: PyTree, named: Named) -> tuple[Any, Any]:
        del inputs
        module, state = build(key, named)
        params, rest = eqx.partition(module, eqx.is_inexact_array)
        return params, (eqx.filter(rest, eqx.is_array), state)

    def apply(
        params: Params, state: State, inputs: PyTree, key: jax.Array | None, train: bool, named: Named
    ) -> tuple[Any, Any]:
        buffers, memory = state
        module = eqx.combine(params, buffers, outline(named))
        module = module if train else eqx.nn.inference_mode(module)
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

    module, _ = eqx.filter_eval_shape(build, jax.random.key(0), dict(named))
    return Model(init, apply, frozenset(asked) | frozenset(parameters_of(type(module).__call__)[2:]))


def _axis_name(module: Any) -> str | None:
    """What the module's BatchNorm calls the batch."""
    parts = jax.tree.leaves(module, is_leaf=lambda part: hasattr(part, "axis_name"))
    names = [part.axis_name for part in parts if isinstance(getattr(part, "axis_name", None), str)]
    return names[0] if names else None
