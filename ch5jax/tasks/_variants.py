"""The same training with one thing otherwise: what its own numbers cannot change."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax._types import Params, PyTree, State
from ch5jax.models import Model, Named
from ch5jax.networks import Network
from ch5jax.tasks._examples import Parts, size
from ch5jax.tasks._task import Once, Variant

ADAPTED = jax.nn.initializers.variance_scaling(2.0, "fan_avg", "truncated_normal")  # whichever axis is the inputs'
LARGER, SMALLER = 8, 4  # times the mini-batch


def variants(remake: functools.partial[Any], model: Any, own: Model, parts: Parts) -> tuple[Variant, ...]:
    """What a supervised task can be made again with, by name.

    Args:
      remake: makes the task again, as it was but for what it is called with.
      model: the model as it was given.
      own: the same, as functions.
      parts: the examples.
    """
    model_of_numbers = adjustable(own, parts)
    # one task, and so one program, whose inputs have the scale that its hyperparameters say
    of_numbers = Once(lambda: remake(model=model_of_numbers)._replace(input_scale=None))
    numbers = [name for name in model_of_numbers.defaults if name not in own.defaults]
    found = [Variant(name.replace("_", " "), of_numbers, name) for name in numbers]
    remade = model.remade if isinstance(model, Network) else None
    if remade is not None:
        found.append(Variant("BatchNorm", lambda: remake(model=remade(batch_norm=True))))
        found.append(Variant("ReLU", lambda: remake(model=remade(activation=jax.nn.relu))))
    batch_size = remake.keywords["batch_size"]
    larger, smaller = min(LARGER * batch_size, size(parts.train)), batch_size // SMALLER
    if larger > batch_size:
        found.append(Variant("larger batches", lambda: remake(batch_size=larger)))
    if smaller:
        found.append(Variant("smaller batches", lambda: remake(batch_size=smaller)))
    return tuple(found)


def adjustable(own: Model, parts: Parts) -> Model:
    """The model with numbers that say what is done to it: each 1, or 0 for not at all, which changes no bit.

    - `weights_drawn_anew`: matrices start with normal weights of He's variance, with the mean of their two sizes for
      that of the inputs, since frameworks differ in which comes first; vectors that are not 1 all over start at 0.
    - `standardised_inputs`, `standardised_targets`: it sees inputs with a mean of 0 and a deviation of 1 over the
      training part, and what it gives is brought from deviations of the targets to their own units; where they are
      floating rows, and not so already.
    """
    inputs, targets = _scale(parts.train.inputs), _scale(parts.train.targets)
    defaults = {"weights_drawn_anew": 0.0}
    defaults |= {"standardised_inputs": 0.0} if inputs else {}
    defaults |= {"standardised_targets": 0.0} if targets else {}

    def scaled(given: PyTree, named: Named) -> PyTree:
        if inputs is None:
            return given
        mean, deviation = (jnp.where(named["standardised_inputs"], inputs[i], i) for i in (0, 1))
        return (given - mean) / deviation

    def init(key: jax.Array, given: PyTree, named: Named) -> tuple[Params, State]:
        params, state = own.init(key, scaled(given, named), named)
        leaves, tree = jax.tree.flatten(params)
        keys = jax.random.split(jax.random.fold_in(key, len(leaves)), len(leaves))
        anew = (_anew(k, leaf) for k, leaf in zip(keys, leaves, strict=True))
        chosen = [
            leaf if one is None else jnp.where(named["weights_drawn_anew"], one, leaf)
            for one, leaf in zip(anew, leaves, strict=True)
        ]
        return tree.unflatten(chosen), state

    def apply(
        params: Params, state: State, given: PyTree, key: jax.Array | None, train: bool, named: Named
    ) -> tuple[PyTree, State]:
        outputs, after = own.apply(params, state, scaled(given, named), key, train, named)
        if targets is None:
            return outputs, after
        mean, deviation = (jnp.where(named["standardised_targets"], targets[i], i) for i in (0, 1))
        return mean + deviation * outputs, after

    return Model(init, apply, own.takes | {*defaults}, {**own.defaults, **defaults})


def _anew(key: jax.Array, leaf: Any) -> Any:
    """Another start for a leaf; None for a number, and for what is not floating."""
    if not jnp.issubdtype(jnp.result_type(leaf), jnp.floating) or jnp.ndim(leaf) < 1:
        return None
    if jnp.ndim(leaf) == 1:
        return jnp.where(jnp.all(leaf == 1), leaf, jnp.zeros_like(leaf))
    return ADAPTED(key, leaf.shape, leaf.dtype)


def _scale(data: PyTree) -> tuple[np.ndarray, np.ndarray] | None:
    """Mean and deviation of the columns of floating rows; None where there are no such columns, or they are so."""
    if not isinstance(data, np.ndarray) or data.dtype.kind != "f" or data.ndim != 2:
        return None
    if np.all((data == 0) | (data == 1)):  # classes as rows, and answers of yes and no
        return None
    mean, deviation = data.mean(axis=0, dtype=np.float64), data.std(axis=0, dtype=np.float64)
    deviation = np.where(deviation > 0, deviation, 1)
    if np.abs(mean / deviation).max() < 0.01 and np.abs(np.log(deviation)).max() < 0.01:
        return None
    return mean.astype(np.float32), deviation.astype(np.float32)
