"""A module of Flax's Linen."""

import dataclasses
import importlib
from typing import Any

import jax
import jax.numpy as jnp

from ch5jax import _keys
from ch5jax._types import Params, PyTree, State
from ch5jax.models._model import Model, Named
from ch5jax.models._signature import chosen, mode, parameters_of

_PASSING = ("intermediates", "perturbations")  # collections that no step hands on to the next; others that grow, too


def linen(module: Any) -> Model:
    """The parameters are the collection "params"; all other collections are the state."""
    names = parameters_of(type(module).__call__)[2:]  # after itself and the inputs
    fields = {field.name for field in dataclasses.fields(module)} - {"parent", "name"}

    def call(run: Any, named: Named, train: bool) -> Any:
        own = {name: value for name, value in chosen(named, fields).items() if name not in names}
        options = mode(names, train) | chosen(named, names)
        with importlib.import_module("flax.linen").intercept_methods(_dropout):
            return run(module.clone(**own) if own else module, options)

    def init(key: jax.Array, inputs: PyTree, named: Named) -> tuple[Any, Any]:
        keys = {"params": key, "dropout": jax.random.fold_in(key, _keys.DROPOUT)}
        variables = dict(call(lambda module, options: module.init(keys, inputs, **options), named, train=True))
        params = variables.pop("params", {})
        state = {name: value for name, value in variables.items() if name not in _PASSING}
        after = jax.eval_shape(lambda: apply(params, state, inputs, key, True, named)[1])
        return params, {name: state[name] for name in state if _alike(state[name], after[name])}

    def apply(
        params: Params, state: State, inputs: PyTree, key: jax.Array | None, train: bool, named: Named
    ) -> tuple[Any, Any]:
        keys = {} if key is None else {"dropout": key, "params": jax.random.fold_in(key, _keys.DROPOUT)}
        changing = [*state] if train else []
        outputs, new = call(
            lambda module, options: module.apply(
                {"params": params, **state}, inputs, rngs=keys, mutable=changing, **options
            ),
            named,
            train,
        )
        return outputs, state | dict(new)

    return Model(init, apply, frozenset(names) | fields)


def _alike(one: Any, other: Any) -> bool:
    """Whether two collections have the same structure and shapes; one that `sow` writes to grows."""
    shapes = [jax.tree.map(jnp.shape, tree) for tree in (one, other)]
    return jax.tree.structure(one) == jax.tree.structure(other) and shapes[0] == shapes[1]


def _dropout(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
    """Dropout whose rate is traced, which Linen's own cannot have; everything else as it is."""
    module = context.module
    dropout = importlib.import_module("flax.linen").Dropout
    traced = isinstance(module, dropout) and isinstance(module.rate, jax.core.Tracer)
    if not traced or context.method_name != "__call__":
        return call(*args, **kwargs)
    inputs, deterministic = _dropout_arguments(module, *args, **kwargs)
    if deterministic:
        return inputs
    shape = [1 if axis in module.broadcast_dims else size for axis, size in enumerate(inputs.shape)]
    keep = 1 - jnp.asarray(module.rate, jnp.result_type(float))
    kept = jax.random.bernoulli(module.make_rng(module.rng_collection), keep, shape)
    return jnp.where(kept, inputs / jnp.where(keep > 0, keep, 1).astype(inputs.dtype), 0)


def _dropout_arguments(
    module: Any, inputs: PyTree, deterministic: bool | None = None, rng: Any = None
) -> tuple[Any, bool]:
    del rng
    return inputs, bool(module.deterministic if deterministic is None else deterministic)
