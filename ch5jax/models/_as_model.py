"""Which framework a model is of."""

import sys
from typing import Any

from ch5jax.models._equinox import equinox
from ch5jax.models._functions import functions, network
from ch5jax.models._linen import linen
from ch5jax.models._model import Model, ModelLike, Named
from ch5jax.models._nnx import nnx
from ch5jax.models._signature import parameters_of
from ch5jax.networks import Network

_ALLOWED = (
    "a network of ch5jax.networks, a Flax Linen module, a Flax NNX module or a function of rngs that makes one, an "
    "Equinox module or a function of key that makes one, or a pair of functions (init, apply)"
)


def as_model(model: ModelLike, named: Named | None = None) -> Model:
    """A model of any framework as pure functions. No framework is imported that the model is not of.

    Args:
      model: one of

        - a `Network`, such as `networks.mlp(...)`;
        - a Flax Linen module: a hyperparameter is told to its `__call__`, or takes the place of a field;
        - a Flax NNX module, or a function of `rngs` (and hyperparameters) that makes one, such as its class;
        - an Equinox module of one example, or a function of `key` that makes one; either with an `eqx.nn.State`;
        - a pair (init, apply) of functions, (key) or (key, inputs) → params and (params, inputs) → outputs, with
          `state` among apply's parameters if there is one.

        What tells training from inference is recognised by name: train, training, is_training, deterministic,
        inference, use_running_average. In inference there is no key, so that a model must not need one there. What
        `sow` gathers is dropped. A number that an NNX module stores when it is made belongs to its structure, and
        cannot be swept: give it to `__call__`.
      named: hyperparameters, for a function that cannot make a module without them.

    Returns:
      A `Model`.

    Raises:
      ValueError: if it is none of these.

    Example:
      >>> import ch5jax, jax, jax.numpy as jnp
      >>> model = ch5jax.models.as_model((lambda key: jax.random.normal(key, (3, 1)), lambda w, x: x @ w))
      >>> params, state = model.init(jax.random.key(0), jnp.ones((5, 3)), {})
      >>> outputs, state = model.apply(params, state, jnp.ones((5, 3)), None, False, {})
      >>> outputs.shape
      (5, 1)
    """
    named = named or {}
    if isinstance(model, Model):
        return model
    if isinstance(model, Network):
        return network(model)
    if _is_instance(model, "flax.linen", "Module"):
        return linen(model)
    if _is_instance(model, "flax.nnx", "Module"):
        return nnx(model, named)
    first = model[0] if isinstance(model, tuple) and len(model) == 2 else model
    if _is_instance(first, "equinox", "Module"):
        return equinox(model, named)
    if isinstance(model, tuple | list) and len(model) == 2 and all(map(callable, model)):
        return functions(model[0], model[1], named)
    if callable(model) and "rngs" in parameters_of(model):
        return nnx(model, named)
    if callable(model) and "key" in parameters_of(model):
        return equinox(model, named)
    raise ValueError(f"model must be {_ALLOWED}; got {model!r}")


def _is_instance(model: Any, module: str, name: str) -> bool:
    """Whether it is of a class of a framework that has been imported, as it must have been to make it."""
    return module in sys.modules and isinstance(model, getattr(sys.modules[module], name))
