"""A model as functions: a pair (init, apply), and ours."""

from collections.abc import Callable
from typing import Any

import jax

from ch5jax._types import Params, PyTree, State
from ch5jax.models._model import Model, Named
from ch5jax.models._signature import chosen, mode, parameters_of
from ch5jax.networks import Network

_KEYS = ("key", "rng", "rngs")


def functions(init: Callable[..., Any], apply: Callable[..., Any], named: Named) -> Model:
    """A pair: (key) or (key, inputs) → params, and (params, inputs) → outputs.

    If `apply` has a parameter `state`, `init` gives (params, state) and `apply` (outputs, state). What else they have a
    parameter for, they are told: `key` (or `rng`), `train` and its likes, hyperparameters.
    """
    of_init, of_apply = parameters_of(init), parameters_of(apply)
    takes_inputs = len([name for name in parameters_of(init, required=True) if name not in named]) > 1
    stateful = "state" in of_apply
    special = {"state", *_KEYS}
    data = [name for name in of_apply if name not in special][:2]  # params and inputs, however they are called
    others = [name for name in of_apply if name not in data]
    if len(data) < 2:
        raise ValueError(f"apply must have a parameter for params and one for the inputs, by name; got {of_apply}")

    def draw(key: jax.Array, inputs: PyTree, named: Named) -> tuple[Any, Any]:
        positional = (key, inputs) if takes_inputs else (key,)
        made = init(*positional, **chosen(named, of_init[len(positional) :]))
        return made if stateful else (made, ())

    def run(
        params: Params, state: State, inputs: PyTree, key: jax.Array | None, train: bool, named: Named
    ) -> tuple[Any, Any]:
        options = mode(others, train) | chosen(named, others) | dict.fromkeys((n for n in _KEYS if n in others), key)
        if stateful:
            options["state"] = state
        if [*of_apply[:2]] == data:
            outputs = apply(params, inputs, **options)
        else:
            outputs = apply(**dict(zip(data, (params, inputs), strict=True)), **options)
        return outputs if stateful else (outputs, state)

    return Model(draw, run, frozenset((*of_init[1:], *others)) - special)


def network(ours: Network) -> Model:
    """One of `ch5jax.networks`, with `initial_scale` and, where it has BatchNorm, its momentum and eps."""
    normalized = ours.apply_training is not None
    defaults = {"initial_scale": 1.0} | ({"batch_norm_momentum": 0.9, "batch_norm_eps": 1e-5} if normalized else {})

    def init(key: jax.Array, inputs: PyTree, named: Named) -> tuple[Any, Any]:
        del inputs
        return ours.init(key, named["initial_scale"]), ours.init_state()

    def apply(
        params: Params, state: State, inputs: PyTree, key: jax.Array | None, train: bool, named: Named
    ) -> tuple[Any, Any]:
        del key
        if ours.apply_training is None:
            return ours.apply(params, inputs), state
        eps = named["batch_norm_eps"]
        if train:
            return ours.apply_training(params, state, inputs, momentum=named["batch_norm_momentum"], eps=eps)
        return ours.apply(params, inputs, state=state, eps=eps), state

    return Model(init, apply, frozenset(defaults), defaults)
