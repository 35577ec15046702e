"""How large the inputs are, as a model's first layer sees them: initial weights are made for a scale of about 1."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax import _trees
from ch5jax._types import PyTree
from ch5jax.models import Model
from ch5jax.tapping import tap
from ch5jax.tasks._examples import on_device

LARGE = 10.0  # under it nobody asks, and the model is not looked at, which takes a program
LOOKED_AT, TAKEN = 1000, 64  # examples whose columns are measured; of those that the model is shown
WEIGHTINGS = 16  # at random, whose mean is taken: one of a single unit is a single normal number
AS_THEY_ARE = 0.3  # the share of their scale, but for chance, over which a model takes its inputs as they are


def input_scale(model: Model, defaults: dict[str, Any], inputs: PyTree) -> float | None:
    r"""The largest root mean square of a column of the inputs, as the first layer sees it.

    A model may scale its inputs by itself. So where a column is large, the inputs' scale is taken from the first
    layer's gradient too. With z = x W and outputs weighted at random,

    .. math:: \frac{\|\partial L / \partial W\|^2}{d \, \|\partial L / \partial z\|^2}

    is a weighted mean of the d inputs' squares over the examples, since ∂L/∂W = xᵀ ∂L/∂z and examples are weighted
    independently of each other. W is made small for it.

    Args:
      model: as functions.
      defaults: its hyperparameters.
      inputs: the training part's.

    Returns:
      None where there is nothing to tell: the inputs are not one array of floats or bytes, the model has statistics of
      its own (BatchNorm), or no gradient reaches a first layer.
    """
    if not isinstance(inputs, np.ndarray | jax.Array) or not inputs.ndim or not _measurable(inputs.dtype):
        return None
    every = -(-len(inputs) // LOOKED_AT)
    some = np.asarray(inputs[::every], np.float64)
    columns = np.sqrt(np.mean(np.square(some.reshape(-1, some.shape[-1] if some.ndim > 1 else 1)), axis=0))
    largest, mean = float(columns.max(initial=0.0)), float(np.sqrt(np.mean(columns**2)))
    if not largest > LARGE:
        return largest
    seen = _seen(model, defaults, inputs[: TAKEN * every : every], largest)
    if not math.isfinite(seen):
        return None
    return largest if seen > AS_THEY_ARE * mean else largest * seen / mean


def _measurable(dtype: Any) -> bool:
    """Floats, and bytes, which are pixels; larger whole numbers are tokens as a rule."""
    return bool(jnp.issubdtype(dtype, jnp.floating) or dtype == np.uint8)


def _seen(model: Model, defaults: dict[str, Any], inputs: Any, largest: float) -> float:
    """The root mean square of what goes into the first layer, by its gradient; NaN where that is not to be had."""
    with jax.ensure_compile_time_eval():  # a task may be made inside a program
        quickly = {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None
        squares = jax.jit(
            jax.vmap(lambda key: _by_gradient(model, defaults, on_device(inputs), largest, key)),
            compiler_options=quickly,
        )
        return float(np.sqrt(np.mean(squares(jax.random.split(jax.random.key(0), WEIGHTINGS)))))


def _by_gradient(
    model: Model, defaults: dict[str, Any], inputs: jax.Array, largest: float, key: jax.Array
) -> jax.Array:
    nan = jnp.full((), jnp.nan)
    params, state = model.init(jax.random.key(0), inputs[:1], defaults)
    normalises = any(jnp.issubdtype(jnp.result_type(leaf), jnp.floating) for leaf in jax.tree.leaves(state))
    if normalises or not _trees.is_inexact(params):
        return nan

    def weighted(params: Any) -> jax.Array:
        outputs = [
            jnp.real(one) for one in jax.tree.leaves(model.apply(params, state, inputs, None, False, defaults)[0])
        ]
        return sum((jnp.vdot(one, jax.random.normal(key, one.shape, one.dtype)) for one in outputs), jnp.zeros(()))

    traced = tap(weighted).trace(params)
    if not traced.names:
        return nan
    name = traced.names[0]
    small = jax.tree_util.tree_map_with_path(  # else an example with large inputs saturates, and is not seen
        lambda path, leaf: leaf / largest if jax.tree_util.keystr(path) == name else leaf, params
    )
    gradient, sites = jax.grad(traced, (0, 1))(small, traced.zeros())
    by_name = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(gradient)}
    site, weights = sites[0], by_name.get(name)
    if site.loops or weights is None:
        return nan
    fan_in = weights.size / math.prod(site.z.shape[axis] for axis in site.units)
    return jnp.vdot(weights, weights) / (fan_in * jnp.vdot(site.z, site.z))
