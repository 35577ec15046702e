"""Runs that are made to meet a known difficulty, or none: what verdicts are tried on.

Each case is a task, a setting and the difficulty it was built for; what makes it so is in the comment beside it. Seeds
vary the initial weights or the starting point, the mini-batches and the noise.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import ch5jax
from ch5jax import Task, problems, tasks
from ch5jax.diagnostics import Difficulty

CHOSEN_ON = range(8)  # the seeds that thresholds were chosen on
REPORTED_ON = range(8, 16)  # and those that the figures are of


class Case(NamedTuple):
    """A run with a label."""

    label: Difficulty
    name: str
    task: Task
    hyperparameters: Any
    steps: int


def diagnosis(case: Case, seed: Any, continuations: bool = True) -> ch5jax.Diagnosis:
    """The case with one seed."""
    key, task = jax.random.fold_in(jax.random.key(7), seed), case.task
    return ch5jax.diagnose(task, case.hyperparameters, steps=case.steps, key=key, continuations=continuations)


def diagnoses(case: Case, seeds: Any) -> ch5jax.Diagnosis:
    """The case with every seed, as one program."""
    return jax.jit(jax.vmap(lambda seed: diagnosis(case, seed)))(jnp.asarray(list(seeds), jnp.uint32))


_digits = functools.cache(tasks.digits)  # one task, one program, whatever the rate


def _linear(z: jax.Array) -> jax.Array:
    return z


def _equal(key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    del key
    return jnp.full(shape, 0.1, dtype)


def _kink() -> problems.Problem:
    """Walls of slope 1 on a floor a thousandth wide: a rate of 0.3 jumps from one to the other."""

    def function(x: Any) -> jax.Array:
        return jnp.sum(jnp.sqrt(jnp.asarray(x) ** 2 + 1e-6))

    return problems.Problem("kink", function, np.full(2, 1.03), np.array([[-2.0] * 2, [2.0] * 2]), (), 2e-3)


def cases() -> tuple[Case, ...]:
    """All of them, in the order of their labels."""
    return (*_healthy(), *_of_the_network(), *_of_the_landscape(), *_of_the_steps(), *_of_the_data())


def _healthy() -> list[Case]:
    digits, surface = _digits, tasks.surface
    relu = {"hidden": (32,)}
    runs = [
        ("digits, SGD", digits(**relu), ch5jax.sgd(0.3), 600),
        ("digits, Adam", digits(**relu), ch5jax.adam(3e-3), 600),
        ("digits, AdaGrad", digits(**relu), ch5jax.adagrad(0.1), 600),
        ("digits, RMSProp", digits(**relu), ch5jax.rmsprop(3e-3), 600),
        ("digits, two tanh layers, momentum", digits(hidden=(32, 32), activation=jnp.tanh), ch5jax.momentum(0.05), 600),
        ("digits, 5 ReLU layers, Adam", digits(hidden=(32,) * 5), ch5jax.adam(2e-3), 800),
        (
            "digits, 6 sigmoid layers with BatchNorm",
            digits(hidden=(32,) * 6, activation=jax.nn.sigmoid, batch_norm=True),
            ch5jax.sgd(0.3),
            800,
        ),
        ("digits, batches of 16", digits(batch_size=16), ch5jax.sgd(0.1), 800),
        ("adding over 6 steps, Adam", tasks.adding(time=6, hidden=16), ch5jax.adam(1e-2), 1000),
        ("Beale, Adam", surface(problems.beale(), start_spread=0.1), ch5jax.adam(0.05), 800),
        ("Rosenbrock, Adam", surface(problems.rosenbrock(2), start_spread=0.1), ch5jax.adam(0.05), 1500),
        (
            "Styblinski-Tang from the best basin",
            surface(problems.styblinski_tang(2), start=[-2.0, -2.0], start_spread=0.3),
            ch5jax.sgd(0.01),
            300,
        ),
        ("quadratic, SGD", surface(problems.quadratic(10), start_spread=0.3), ch5jax.sgd(0.1), 300),
        (
            "noisy quadratic, a rate that decays",
            surface(problems.quadratic(10), noise=1.0, start_spread=0.3),
            ch5jax.sgd(ch5jax.linear_decay(0.1, 0.001, 400)),
            600,
        ),
        ("deep linear, momentum", surface(problems.deep_linear(), start_spread=0.1), ch5jax.momentum(0.02), 600),
        ("DeepOBS's quadratic", tasks.quadratic_deep(), ch5jax.sgd(0.01), 600),
    ]
    return [Case(Difficulty.HEALTHY, *run) for run in runs]


def _of_the_network() -> list[Case]:
    digits, adding = _digits, tasks.adding
    deep = {"hidden": (32,) * 10, "activation": jax.nn.sigmoid}
    linear = {"hidden": (32,) * 12, "activation": _linear, "kernel_init": jax.nn.initializers.lecun_normal()}
    clip = ch5jax.lift(optax.clip_by_global_norm, max_norm=1.0)
    long = {"time": 40, "hidden": 16}
    vanishing = [  # σ' ≤ 1/4 a layer; a gain below 1; a recurrence that contracts
        ("10 sigmoid layers, SGD", digits(**deep), ch5jax.sgd(0.3), 400),
        ("10 sigmoid layers, Adam", digits(**deep), ch5jax.adam(1e-3), 400),
        ("12 linear layers of gain 0.5", digits(**linear, initial_scale=0.5), ch5jax.sgd(0.1), 400),
        ("adding, recurrent gain 0.7", adding(**long, initial_scale=np.array([1, 0.7, 1])), ch5jax.sgd(0.05), 300),
    ]
    exploding = [  # gains above 1, with steps so small that nothing diverges
        ("12 linear layers of gain 2", digits(**linear, initial_scale=2.0), ch5jax.adam(1e-5), 400),
        (
            "12 ReLU layers, 2.2 times He's weights",
            digits(hidden=(32,) * 12, initial_scale=2.2),
            ch5jax.chain(clip, ch5jax.sgd(1e-3)),
            400,
        ),
        (
            "adding, linear, recurrent gain 1.3",
            adding(**long, activation=_linear, initial_scale=np.array([1, 1.3, 1])),
            ch5jax.chain(clip, ch5jax.sgd(1e-4)),
            300,
        ),
    ]
    saturated = [  # one step kills the ReLUs; weights so large that no example meets a slope
        ("ReLU, a rate of 10", digits(hidden=(32, 32)), ch5jax.sgd(10.0), 400),
        (
            "tanh, 3,000 times the weights",
            digits(hidden=(32, 32), activation=jnp.tanh, initial_scale=3e3),
            ch5jax.sgd(0.01),
            400,
        ),
        (
            "sigmoid, 5,000 times the weights",
            digits(hidden=(32, 32), activation=jax.nn.sigmoid, initial_scale=5e3),
            ch5jax.adam(1e-3),
            400,
        ),
    ]
    symmetry = [  # all weights of a layer are one number
        ("equal weights, ReLU, momentum", digits(hidden=(32,), kernel_init=_equal), ch5jax.momentum(0.05), 400),
        (
            "equal weights, tanh, Adam",
            digits(hidden=(16, 16), activation=jnp.tanh, kernel_init=_equal),
            ch5jax.adam(3e-3),
            400,
        ),
        ("equal weights, tanh, SGD", digits(activation=jnp.tanh, kernel_init=_equal), ch5jax.sgd(0.3), 400),
    ]
    return [
        Case(label, *run)
        for label, runs in (
            (Difficulty.VANISHING, vanishing),
            (Difficulty.EXPLODING, exploding),
            (Difficulty.SATURATED, saturated),
            (Difficulty.SYMMETRY, symmetry),
        )
        for run in runs
    ]


def _of_the_landscape() -> list[Case]:
    surface, styblinski_tang = tasks.surface, problems.styblinski_tang
    cliff = surface(problems.rnn_cliff(), start_spread=0.02)
    on_the_ridge = {"start": [1.0, 0.0], "start_spread": 1e-7}  # (1 + 2α)ᵗ has not brought it far yet
    runs = {
        Difficulty.CLIFF: [
            ("a one-unit RNN, SGD", cliff, ch5jax.sgd(0.01), 600),
            ("a one-unit RNN, momentum", cliff, ch5jax.momentum(0.002), 600),
        ],
        Difficulty.SADDLE: [
            ("x² − y² from the ridge, SGD", surface(problems.saddle(), **on_the_ridge), ch5jax.sgd(0.01), 400),
            ("5x² − y², momentum", surface(problems.steep_saddle(), **on_the_ridge), ch5jax.momentum(0.001), 500),
            (
                "two linear layers from near 0",
                surface(problems.deep_linear(2), start=[0.0, 0.0], start_spread=1e-6),
                ch5jax.sgd(0.01),
                400,
            ),
        ],
        Difficulty.LOCAL_OPTIMUM: [
            (
                "Styblinski-Tang, both coordinates wrong",
                surface(styblinski_tang(2), start=[2.0, 2.0], start_spread=0.3),
                ch5jax.sgd(0.01),
                300,
            ),
            (
                "Styblinski-Tang, one of ten wrong, Adam",
                surface(styblinski_tang(10), start=[2.0] + [-2.0] * 9, start_spread=0.3),
                ch5jax.adam(0.05),
                600,
            ),
            (
                "Styblinski-Tang under noise",
                surface(styblinski_tang(2), start=[2.0, -2.0], noise=1.0, start_spread=0.3),
                ch5jax.sgd(0.005),
                600,
            ),
        ],
    }
    return [Case(label, *run) for label, some in runs.items() for run in some]


def _of_the_steps() -> list[Case]:
    digits, surface = _digits, tasks.surface
    bowl = surface(problems.quadratic(10), start_spread=0.3)
    styblinski_tang = surface(problems.styblinski_tang(2), start=[-2.0, -2.0], start_spread=0.3)
    short = tasks.adding(time=6, hidden=16)
    noisy = surface(problems.quadratic(10, 100), noise=1.0)
    runs = {
        Difficulty.NOISE: [
            ("quadratic under noise", noisy, ch5jax.sgd(0.02), 1500),
            ("digits one by one, SGD", digits(batch_size=1), ch5jax.sgd(0.2), 1500),
            ("digits in pairs, Adam", digits(hidden=(32, 32), batch_size=2), ch5jax.adam(0.02), 1500),
        ],
        Difficulty.OSCILLATING: [
            ("a kink, SGD", surface(_kink(), start_spread=0.1), ch5jax.sgd(0.3), 400),
            ("Styblinski-Tang, SGD", styblinski_tang, ch5jax.sgd(0.08), 400),
            ("Himmelblau, SGD", surface(problems.himmelblau(), start_spread=0.1), ch5jax.sgd(0.03), 400),
            ("quadratic, RMSProp", bowl, ch5jax.rmsprop(1.0), 400),
        ],
        Difficulty.SLOW: [
            ("digits, SGD at 0.001", digits(hidden=(32,)), ch5jax.sgd(1e-3), 600),
            ("digits, Adam at 1e-5", digits(hidden=(32,)), ch5jax.adam(1e-5), 600),
            ("digits, SGD at 1e-6", digits(hidden=(32,)), ch5jax.sgd(1e-6), 600),
            ("quadratic, SGD at 3e-5", bowl, ch5jax.sgd(3e-5), 600),
            ("adding, Adam at 2e-5", short, ch5jax.adam(2e-5), 600),
        ],
        Difficulty.DIVERGED: [
            ("quadratic, a rate of 3/λ", bowl, ch5jax.sgd(0.3), 400),
            ("Rosenbrock, SGD", surface(problems.rosenbrock(2), start_spread=0.1), ch5jax.sgd(0.02), 400),
            (
                "adding, linear, a rate of 3",
                tasks.adding(time=20, hidden=16, activation=_linear),
                ch5jax.sgd(3.0),
                300,
            ),
        ],
    }
    return [Case(label, *run) for label, some in runs.items() for run in some]


def _of_the_data() -> list[Case]:
    rng = np.random.default_rng(5)
    inputs = rng.normal(size=(400, 8)).astype(np.float32)
    numbers, classes = inputs[:, :1] ** 2, rng.integers(0, 3, 60)

    def init(key: jax.Array) -> jax.Array:
        return jax.random.normal(key, (8, 1))

    def rounded(w: jax.Array, x: jax.Array) -> jax.Array:
        return jnp.round(x @ w)  # its derivative is zero everywhere

    def one_softmax(w: jax.Array, x: jax.Array) -> jax.Array:
        return jax.nn.softmax(x @ w)  # of one unit: 1, whatever the weights

    network = ch5jax.networks.mlp((8, 64, 3))
    few = tasks.supervised(network, (inputs[:60], classes), 0.3, None, batch_size=16)  # labels that mean nothing

    def unscaled(scale: Any) -> Task:  # tanh units that no step brings back
        model = ch5jax.networks.mlp((8, 16, 1), jnp.tanh)
        return tasks.supervised(model, (inputs * np.array(scale, np.float32), numbers))

    large = [
        ("inputs times 1,000, SGD", 1000, ch5jax.sgd(0.1)),
        ("one input in eight times 10,000, Adam", [1] * 7 + [1e4], ch5jax.adam(1e-3)),
    ]
    runs = [
        (Difficulty.NO_GRADIENT, "rounded outputs, SGD", (init, rounded), ch5jax.sgd(0.1)),
        (Difficulty.NO_GRADIENT, "one softmax unit, Adam", (init, one_softmax), ch5jax.adam(1e-2)),
    ]
    return [
        *(Case(label, name, tasks.supervised(model, (inputs, numbers)), opt, 200) for label, name, model, opt in runs),
        *(Case(Difficulty.UNSCALED, name, unscaled(scale), opt, 200) for name, scale, opt in large),
        Case(Difficulty.OVERFITTING, "60 examples with labels at random, Adam", few, ch5jax.adam(1e-2), 400),
        Case(Difficulty.OVERFITTING, "60 examples with labels at random, momentum", few, ch5jax.momentum(0.1), 400),
    ]
