"""Hyperparameters are data: an optimizer goes through jit, vmap and scan as an argument."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ch5jax
from tests.optimizers.registry import (
    bowl,
    counted,
    for_every_hyperparameter,
    for_every_optimizer,
    params_like,
    run,
    train,
)

pytestmark = [pytest.mark.smoke, pytest.mark.usefixtures("compiled_quickly")]


def train_bowl(opt):
    return train(opt, bowl, params_like(), 10)


compiled_train_bowl = jax.jit(train_bowl)


@for_every_optimizer
def test_one_trace_for_all_values_of_one_leaf_type(case):
    compiled, traces = counted(train_bowl)
    for scale in (1.0, 0.5, 0.25):
        got = compiled(case.make(**{name: scale * value for name, value in case.numbers.items()}))
    assert len(traces) == 1
    chex.assert_trees_all_close(got, jax.jit(lambda: train_bowl(case.make(**quarter(case))))(), rtol=1e-6)
    for scale in (1.0, 0.5):
        compiled(case.make(**{name: jnp.float32(scale * value) for name, value in case.numbers.items()}))
    assert len(traces) == 2  # arrays are another leaf type than Python floats


def quarter(case):
    return {name: 0.25 * value for name, value in case.numbers.items()}


@for_every_optimizer
def test_one_trace_for_all_schedules_of_one_kind(case):
    compiled, traces = counted(train_bowl)
    for steps in (5, 10.0, np.int64(20)):
        compiled(case.make(learning_rate=ch5jax.linear_decay(0.1, 0.01, steps)))
    assert len(traces) == 1


@for_every_optimizer
def test_state_does_not_retrace_the_update(case):
    opt = case.make()
    params = params_like()
    update, traces = counted(opt.update)
    state = opt.init(params)
    for _ in range(3):
        _, state = update(params, state, params)
    assert len(traces) == 1


def test_another_flag_is_another_program():
    compiled, traces = counted(train_bowl)
    compiled(ch5jax.adam(0.1))
    compiled(ch5jax.adam(0.1, bias_correction=False))
    assert len(traces) == 2


@for_every_hyperparameter
def test_vmap_over_a_hyperparameter_equals_the_loop(case, name):
    values = case.numbers[name] * jnp.array([1.0, 0.5, 0.1])
    together = jax.jit(jax.vmap(lambda value: train_bowl(case.make(**{name: value}))))(values)
    alone = [compiled_train_bowl(case.make(**{name: value})) for value in values]
    chex.assert_trees_all_close(together, jax.tree.map(lambda *leaves: jnp.stack(leaves), *alone), rtol=1e-5, atol=1e-6)
    assert not np.allclose(alone[0]["w"], alone[2]["w"], rtol=1e-5)  # the hyperparameter has an effect at all


@for_every_optimizer
def test_vmap_over_a_batch_of_optimizers_with_schedules_equals_the_loop(case):
    opts = [case.make(learning_rate=ch5jax.linear_decay(rate, 0.01, 5)) for rate in (0.1, 0.05, 0.02)]
    together = jax.jit(jax.vmap(train_bowl))(ch5jax.stack(opts))
    alone = ch5jax.stack([compiled_train_bowl(opt) for opt in opts])
    chex.assert_trees_all_close(together, alone, rtol=1e-5, atol=1e-6)


@for_every_optimizer
def test_vmap_over_parameters_shares_the_optimizer(case):
    params = jnp.array([[1.0, 2.0], [3.0, -4.0]])
    one = jax.jit(lambda p: train(case.make(), bowl, p, 5))
    alone = jnp.stack([one(p) for p in params])
    chex.assert_trees_all_close(jax.jit(jax.vmap(one))(params), alone, rtol=1e-5, atol=1e-6)


@for_every_optimizer
def test_scan_equals_a_python_loop_of_eager_updates(case):
    opt = case.make()
    gradients = jnp.array([[1.0, -2.0], [0.0, 0.5], [3.0, 0.0]])
    scanned, last = jax.jit(run)(opt, gradients)
    state = opt.init(gradients[0])
    for gradient, expected in zip(gradients, scanned, strict=True):
        update, state = opt.update(gradient, state)
        chex.assert_trees_all_close(update, expected, rtol=1e-6)
    chex.assert_trees_all_close(state, last, rtol=1e-6)


@for_every_optimizer
def test_an_optimizer_passes_through_a_program(case):
    opt = case.make()
    assert jax.jit(lambda o: o)(opt) == jax.tree.map(jnp.float32, opt)
    halved = jax.jit(lambda o: jax.tree.map(lambda leaf: leaf / 2, o))(opt)
    assert type(halved) is type(opt)
    np.testing.assert_allclose(halved.learning_rate, opt.learning_rate / 2)


@for_every_optimizer
def test_unflattening_takes_whatever_jax_passes(case):
    structure = jax.tree.structure(case.make())
    sentinel = object()
    assert structure.unflatten([sentinel] * structure.num_leaves).learning_rate is sentinel
    assert jax.tree.structure(jax.tree.map(lambda _: "text", case.make())) == structure


@for_every_optimizer
def test_leaves_are_the_numbers_by_name(case):
    paths = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(case.make())}
    assert paths == {f".{name}": value for name, value in case.numbers.items()}
