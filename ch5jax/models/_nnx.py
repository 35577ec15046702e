"""A module of Flax's NNX, or a function of `rngs` that makes one."""

import importlib
from collections.abc import Callable
from typing import Any

import jax

from ch5jax._types import Params, PyTree, State
from ch5jax.models._model import Model, Named
from ch5jax.models._signature import chosen, mode, parameters_of


def nnx(make: Callable[..., Any] | Any, named: Named) -> Model:
    """The parameters are what is an `nnx.Param`; all other variables are the state.

    An instance starts every trial with its own weights; a function of `rngs` draws them with the trial's key.
    """
    framework = importlib.import_module("flax.nnx")
    is_module = isinstance(make, framework.Module)
    asked = () if is_module else parameters_of(make)

    def build(key: Any, named: Named) -> Any:
        return make if is_module else make(rngs=framework.Rngs(key), **chosen(named, asked))

    def split(module: Any) -> tuple[Any, Any, Any]:
        return framework.split(module, framework.Param, ...)

    def init(key: jax.Array, inputs: PyTree, named: Named) -> tuple[Any, Any]:
        del inputs
        _, params, state = split(build(key, named))
        return framework.to_pure_dict(params), framework.to_pure_dict(state)

    def apply(
        params: Params, state: State, inputs: PyTree, key: jax.Array | None, train: bool, named: Named
    ) -> tuple[Any, Any]:
        outline, *empty = split(framework.eval_shape(lambda: build(jax.random.key(0), named)))
        for part, values in zip(empty, (params, state), strict=True):
            framework.replace_by_pure_dict(part, values)
        module = framework.merge(outline, *empty)
        (module.train if train else module.eval)()
        if key is not None:
            streams = (node for _, node in framework.iter_graph(module) if isinstance(node, framework.RngStream))
            framework.reseed(module, **dict.fromkeys((stream.key.tag for stream in streams), key))
        names = parameters_of(type(module).__call__)[2:]
        outputs = module(inputs, **mode(names, train), **chosen(named, names))
        _, _, after = split(module)
        return outputs, framework.to_pure_dict(after)

    module = framework.eval_shape(lambda: build(jax.random.key(0), named))
    return Model(init, apply, frozenset(asked) | frozenset(parameters_of(type(module).__call__)[2:]))
