"""A thousand float64 steps equal independent NumPy loops, and PyTorch and Optax where their rules are the same."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ch5jax
from tests.optimizers.registry import CASES, for_every_optimizer, run
from tests.references import optimizers as references

STEPS = 1000
pytestmark = pytest.mark.usefixtures("x64")
compiled_run = jax.jit(run)


SCALES = np.logspace(-12, 12, 13)


def gradients_of_all_sizes(scales=SCALES):
    """From 1e-15 to 1e15, with exact zeros, both now and then and for the first steps."""
    rng = np.random.default_rng(1)
    gradients = rng.normal(size=(STEPS, len(scales))) * scales * 10 ** rng.uniform(-3, 3, size=(STEPS, 1))
    gradients[rng.random(gradients.shape) < 0.1] = 0
    gradients[:5, ::3] = 0
    return gradients


def assert_same(got, want):
    """To 1e-12 of each value; where a sum of both signs cancelled, of a thousandth of the largest in its column."""
    sizes = np.maximum(np.abs(want), 1e-3 * np.abs(want).max(0))
    np.testing.assert_array_less(np.abs(got - want), 1e-12 * sizes + 1e-300)


def assert_equals_reference(case, opt, gradients, values, **flags):
    updates, state = compiled_run(opt, jnp.asarray(gradients))
    expected, accumulators = case.reference(gradients, **values, **flags)
    assert_same(updates, expected)
    for got, want in zip(state[1:], accumulators, strict=False):
        assert_same(got, want)
    assert int(state.count) == STEPS


@for_every_optimizer
def test_equals_the_reference_with_constant_hyperparameters(case):
    values = {name: np.full(STEPS, value) for name, value in case.numbers.items()}
    assert_equals_reference(case, case.make(), gradients_of_all_sizes(), values, **case.flags)


@for_every_optimizer
def test_equals_the_reference_without_eps(case):
    numbers = {name: 0.0 if name == "eps" or "initial" in name else value for name, value in case.numbers.items()}
    values = {name: np.full(STEPS, value) for name, value in numbers.items()}
    assert_equals_reference(case, case.make(**numbers), gradients_of_all_sizes(), values, **case.flags)


@for_every_optimizer
def test_equals_the_reference_with_every_hyperparameter_under_a_schedule(case):
    ends = {name: (value, value / 3, 700.0) for name, value in case.numbers.items()}
    values = {name: references.linear_decay(*end, STEPS) for name, end in ends.items()}
    opt = case.make(**{name: ch5jax.linear_decay(*end) for name, end in ends.items()})
    assert_equals_reference(case, opt, gradients_of_all_sizes(), values, **case.flags)


@for_every_optimizer
def test_equals_the_reference_for_complex_gradients(case):
    gradients = gradients_of_all_sizes() + 1j * gradients_of_all_sizes()[::-1]
    values = {name: np.full(STEPS, value) for name, value in case.numbers.items()}
    assert_equals_reference(case, case.make(), gradients, values, **case.flags)


OPTAX = {  # the settings with which Optax has the chapter's rule
    "sgd": (optax.sgd, {}),
    "momentum": (optax.sgd, {"momentum": 0.8}),  # velocity without α in it: the same while α is constant
    "adagrad": (optax.adagrad, {"initial_accumulator_value": 0.01, "eps": 0.0}),  # its ε is inside the root
    "rmsprop": (optax.rmsprop, {"decay": 0.95, "initial_scale": 0.01, "eps": 1e-3, "eps_in_sqrt": False}),
    "adam": (optax.adam, {"b1": 0.8, "b2": 0.99, "eps": 1e-3}),
}


@pytest.mark.parametrize("name", OPTAX)
def test_equals_optax(name):
    factory, settings = OPTAX[name]
    opt = CASES[name].make(**({"eps": 0.0} if name == "adagrad" else {}))
    gradients = jnp.asarray(gradients_of_all_sizes())
    updates, _ = compiled_run(opt, gradients)
    expected, _ = jax.jit(lambda g: run(factory(opt.learning_rate, **settings), g))(gradients)
    assert_same(np.asarray(updates), np.asarray(expected))


@pytest.mark.parametrize("name", ["sgd", "rmsprop", "adam"])
def test_equals_optax_under_a_schedule_of_the_learning_rate(name):
    factory, settings = OPTAX[name]
    gradients = jnp.asarray(gradients_of_all_sizes())
    updates, _ = compiled_run(CASES[name].make(learning_rate=ch5jax.linear_decay(0.1, 0.01, 500)), gradients)
    schedule = optax.linear_schedule(0.1, 0.01, 500)  # float32 for the int32 count that Optax gives it
    expected, _ = jax.jit(lambda g: run(factory(lambda count: schedule(count.astype(float)), **settings), g))(gradients)
    assert_same(np.asarray(updates), np.asarray(expected))


def test_momentum_keeps_the_learning_rate_inside_its_velocity_unlike_optax():
    # gradients 1, 0 and rates 1, 0: v = -1, then v = 0.5·(-1) - 0 = -0.5, where Optax has -0·(0.5·1) = 0
    opt = ch5jax.momentum(ch5jax.linear_decay(1.0, 0.0, 1), decay=0.5)
    updates, _ = run(opt, jnp.array([1.0, 0.0]))
    assert updates.tolist() == [-1.0, -0.5]
    foreign, _ = run(optax.sgd(optax.linear_schedule(1.0, 0.0, 1), momentum=0.5), jnp.array([1.0, 0.0]))
    assert foreign.tolist() == [-1.0, 0.0]


PYTORCH = {  # the settings with which PyTorch has the chapter's rule; weight decay and lr_decay are 0 by default
    "sgd": ("SGD", {"lr": 0.125}),
    "momentum": ("SGD", {"lr": 0.02, "momentum": 0.8}),
    "adagrad": ("Adagrad", {"lr": 0.3, "eps": 1e-3, "initial_accumulator_value": 0.01}),
    "rmsprop": ("RMSprop", {"lr": 0.03, "alpha": 0.95, "eps": 1e-3}),  # starts at 0
    "adam": ("Adam", {"lr": 0.03, "betas": (0.8, 0.99), "eps": 1e-3}),
}


@pytest.mark.parametrize("name", PYTORCH)
def test_equals_pytorch(torch, name):
    kind, settings = PYTORCH[name]
    gradients = gradients_of_all_sizes(np.logspace(-6, 6, 13))
    weight = torch.nn.Parameter(torch.zeros(13, dtype=torch.float64))
    optimizer = getattr(torch.optim, kind)([weight], **settings)
    expected = []
    for gradient in gradients:
        weight.grad = torch.from_numpy(gradient)
        optimizer.step()
        expected.append(weight.detach().numpy().copy())
    opt = CASES[name].make(**({"initial_scale": 0.0} if name == "rmsprop" else {}))
    updates, _ = compiled_run(opt, jnp.asarray(gradients))
    expected = np.array(expected)
    np.testing.assert_allclose(np.cumsum(updates, 0), expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max())
