"""All five optimizers, for the tests that hold for every one of them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ch5jax
from tests.references import optimizers as references


class Case(NamedTuple):
    factory: Callable[..., ch5jax.Transformation]
    reference: Callable[..., Any]
    numbers: dict[str, float]  # every hyperparameter, none at its default
    flags: dict[str, bool]

    def make(self, **changes):
        return self.factory(**{**self.numbers, **self.flags, **changes})


CASES = {
    "sgd": Case(ch5jax.sgd, references.sgd, {"learning_rate": 0.125}, {}),
    "momentum": Case(ch5jax.momentum, references.momentum, {"learning_rate": 0.02, "decay": 0.8}, {}),
    "adagrad": Case(
        ch5jax.adagrad,
        references.adagrad,
        {"learning_rate": 0.3, "eps": 1e-3, "initial_accumulator_value": 0.01},
        {},
    ),
    "rmsprop": Case(
        ch5jax.rmsprop,
        references.rmsprop,
        {"learning_rate": 0.03, "decay": 0.95, "eps": 1e-3, "initial_scale": 0.01},
        {},
    ),
    "adam": Case(ch5jax.adam, references.adam, {"learning_rate": 0.03, "b1": 0.8, "b2": 0.99, "eps": 1e-3}, {}),
    "adam_uncorrected": Case(
        ch5jax.adam,
        references.adam,
        {"learning_rate": 0.03, "b1": 0.8, "b2": 0.99, "eps": 1e-3},
        {"bias_correction": False},
    ),
}

for_every_optimizer = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
for_every_hyperparameter = pytest.mark.parametrize(
    ("case", "name"),
    [pytest.param(case, name, id=f"{key}-{name}") for key, case in CASES.items() for name in case.numbers],
)


def params_like(dtype=jnp.float32):
    """A small tree of two shapes."""
    rng = np.random.default_rng(0)
    imaginary = 1j if jnp.issubdtype(dtype, jnp.complexfloating) else 0

    def draw(*shape):
        return jnp.asarray(rng.normal(size=shape) + imaginary * rng.normal(size=shape), dtype)

    return {"w": draw(2, 3), "b": {"c": draw(3)}}


def run(opt, gradients, params=None):
    """The updates of a sequence of gradients, stacked along a first axis of time, and the last state."""

    def step(state, gradient):
        updates, state = opt.update(gradient, state, params)
        return state, updates

    first = jax.tree.map(lambda g: g[0], gradients)
    state, updates = jax.lax.scan(step, opt.init(first if params is None else params), gradients)
    return updates, state


def train(opt, loss, params, steps):
    """The parameters after some steps down a loss."""

    def step(carry, _):
        params, state = carry
        updates, state = opt.update(jax.tree.map(jnp.conj, jax.grad(loss)(params)), state, params)
        return (optax.apply_updates(params, updates), state), None

    return jax.lax.scan(step, (params, opt.init(params)), None, steps)[0][0]


def counted(function):
    """The function, jitted, and a list that grows by one with each trace."""
    traces = []

    def counting(*args):
        traces.append(args)
        return function(*args)

    return jax.jit(counting), traces


def bowl(params):
    """A quadratic with its minimum at 1, whose curvature differs from leaf to leaf."""
    return sum((i + 1) * jnp.sum((p - 1) * (p - 1).conj()).real for i, p in enumerate(jax.tree.leaves(params)))
