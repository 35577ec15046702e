"""Many settings as one: stack, unstack and grid, of optimizers and of any pytree of hyperparameters."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings, strategies as st

import ch5jax
from tests.optimizers.registry import bowl, for_every_optimizer, params_like, train

FLOATS = st.floats(0.0, 0.99, allow_subnormal=False)


@for_every_optimizer
def test_unstack_gives_back_what_was_stacked(case):
    opts = [case.make(learning_rate=rate) for rate in (0.1, 0.2, 1 / 3)]
    batch = ch5jax.stack(opts)
    assert type(batch) is type(opts[0])
    assert ch5jax.unstack(batch) == opts
    assert type(ch5jax.unstack(batch)[0].learning_rate) is float  # with all its digits
    assert batch == ch5jax.stack(ch5jax.unstack(batch))
    assert all(np.shape(leaf) == (3,) for leaf in jax.tree.leaves(batch))
    assert len(batch) == 2  # a pair to Optax


@settings(derandomize=True, deadline=None, max_examples=50)
@given(values=st.lists(st.tuples(FLOATS, FLOATS, FLOATS), min_size=1, max_size=5))
def test_round_trips_of_any_values(values):
    trees = [
        {"opt": ch5jax.adam(ch5jax.linear_decay(rate, 0.0, 10), b1=b1), "width": (width, np.full((2, 1), width))}
        for rate, b1, width in values
    ]
    batch = ch5jax.stack(trees)
    back = ch5jax.unstack(batch)
    chex.assert_trees_all_equal(back, trees)
    assert [tree["opt"] for tree in back] == [tree["opt"] for tree in trees]
    assert batch["width"][1].shape == (len(values), 2, 1)


def test_stacks_arrays_on_their_devices_and_traced_values():
    assert isinstance(ch5jax.stack([ch5jax.sgd(jnp.float32(0.1)), ch5jax.sgd(0.2)]).learning_rate, jax.Array)
    assert isinstance(ch5jax.stack([ch5jax.sgd(0.1), ch5jax.sgd(0.2)]).learning_rate, np.ndarray)
    rates = jax.jit(lambda a, b: ch5jax.stack([ch5jax.sgd(a), ch5jax.sgd(b)]).learning_rate)(1.0, 2.0)
    assert rates.tolist() == [1, 2]


def test_stacks_compositions():
    opts = [
        ch5jax.chain(ch5jax.lift(optax.clip_by_global_norm, norm), ch5jax.master_weights(ch5jax.momentum(norm / 10)))
        for norm in (1.0, 2.0)
    ]
    batch = ch5jax.stack(opts)
    assert batch.transforms[0].max_norm.tolist() == [1, 2]
    assert batch.transforms[1].inner.learning_rate.tolist() == [0.1, 0.2]
    assert ch5jax.unstack(batch) == opts


def test_stack_refuses_what_is_not_alike():
    different = {
        "pytrees of one structure: .0. is sgd.*, but .1. is momentum": [ch5jax.sgd(0.1), ch5jax.momentum(0.1)],
        "pytrees of one structure": [ch5jax.sgd(0.1), ch5jax.sgd(ch5jax.constant(0.1))],
        "pytrees of one structure.*bias_correction=False": [ch5jax.adam(0.1), ch5jax.adam(0.1, bias_correction=False)],
        r"leaves of one shape: .learning_rate is \(\) in \[0\], but \(2,\) in \[1\]": [
            ch5jax.sgd(0.1),
            ch5jax.sgd(np.ones(2)),
        ],
        "at least one pytree, got none": [],
    }
    for match, trees in different.items():
        with pytest.raises(ValueError, match=match):
            ch5jax.stack(trees)


def test_unstack_refuses_what_is_no_batch():
    with pytest.raises(ValueError, match=r"batch.learning_rate must have the batch as its leading axis, got a scalar"):
        ch5jax.unstack(ch5jax.sgd(0.1))
    with pytest.raises(ValueError, match=r"same leading axis, got 2 at \['a'\], 3 at \['b'\]"):
        ch5jax.unstack({"a": np.ones(2), "b": np.ones(3)})
    with pytest.raises(ValueError, match="got no leaves"):
        ch5jax.unstack({})


def test_grid_is_the_product_with_the_last_keyword_fastest():
    opts = ch5jax.grid(ch5jax.adam, b1=[0.8, 0.9], learning_rate=np.array([1e-3, 1e-2, 1e-1]), b2=0.99)
    assert opts.b1.tolist() == [0.8, 0.8, 0.8, 0.9, 0.9, 0.9]
    assert opts.learning_rate.tolist() == [1e-3, 1e-2, 1e-1] * 2
    assert opts.b2.tolist() == [0.99] * 6
    assert opts.eps.tolist() == [1e-7] * 6
    assert ch5jax.unstack(opts)[4] == ch5jax.adam(1e-2, b1=0.9, b2=0.99)


def test_grid_equals_the_stacked_loop():
    opts = ch5jax.grid(ch5jax.momentum, learning_rate=[0.01, 0.02], decay=[0.5, 0.75, 1])
    loop = [ch5jax.momentum(rate, decay) for rate in (0.01, 0.02) for decay in (0.5, 0.75, 1)]
    assert opts == ch5jax.stack(loop)
    together = jax.jit(jax.vmap(lambda opt: train(opt, bowl, params_like(), 5)))(opts)
    one = jax.jit(lambda opt: train(opt, bowl, params_like(), 5))
    chex.assert_trees_all_close(together, ch5jax.stack([one(opt) for opt in loop]), rtol=1e-5, atol=1e-6)


def test_grid_of_schedules():
    schedules = [ch5jax.linear_decay(rate, rate / 10, 100) for rate in (0.1, 0.2)]
    opts = ch5jax.grid(ch5jax.adam, learning_rate=schedules, b1=[0.8, 0.9])
    assert opts.learning_rate.init_value.tolist() == [0.1, 0.1, 0.2, 0.2]
    assert opts.learning_rate.transition_steps.tolist() == [100] * 4
    assert opts.b1.tolist() == [0.8, 0.9, 0.8, 0.9]
    shared = ch5jax.grid(ch5jax.adam, learning_rate=schedules[0], b1=[0.8, 0.9])
    assert shared.learning_rate.init_value.tolist() == [0.1, 0.1]
    assert all(np.shape(leaf) == (2,) for leaf in jax.tree.leaves(shared))
    drops = ch5jax.grid(ch5jax.linear_decay, init_value=[0.1, 0.2], end_value=0.0, transition_steps=[10, 20])
    assert drops.transition_steps.tolist() == [10, 20, 10, 20]


def test_grid_of_any_pytree():
    def setting(rate, width, noise):
        return {"opt": ch5jax.sgd(rate), "std": noise * width, "width": width}

    batch = ch5jax.grid(setting, rate=[0.1, 0.2], width=2.0, noise=jnp.array([1.0, 3.0]))
    assert batch["opt"].learning_rate.tolist() == [0.1, 0.1, 0.2, 0.2]
    assert batch["std"].tolist() == [2, 6, 2, 6]
    assert batch["width"].tolist() == [2.0] * 4


def test_grid_of_lifted_factories_chains_and_flags():
    adamw = functools.partial(ch5jax.lift, optax.adamw)
    opts = ch5jax.grid(adamw, learning_rate=1e-3, weight_decay=[0.0, 1e-4], nesterov=True)
    assert opts.weight_decay.tolist() == [0, 1e-4]
    assert opts.nesterov is True
    opts = ch5jax.grid(ch5jax.adam, learning_rate=[0.1, 0.2], bias_correction=False)
    assert opts.bias_correction is False
    opts = ch5jax.grid(lambda rate: ch5jax.chain(ch5jax.sgd(rate)), rate=[1, 2])
    assert opts.transforms[0].learning_rate.tolist() == [1, 2]


@pytest.mark.parametrize(
    "values", [(0.1, 0.2), range(2), [0, 1], np.float32([0.1, 0.2]), jnp.array([0.5, 1], jnp.bfloat16)]
)
def test_grid_takes_any_sequence_of_numbers(values):
    opts = ch5jax.grid(ch5jax.sgd, learning_rate=values)
    np.testing.assert_array_equal(np.asarray(opts.learning_rate, float), np.asarray(values, float))
    assert jnp.issubdtype(opts.learning_rate.dtype, jnp.floating)


def test_grid_under_jit():
    @jax.jit
    def rates(values):
        return ch5jax.grid(ch5jax.momentum, learning_rate=values, decay=[0.5, values[0]]).decay

    np.testing.assert_allclose(rates(jnp.array([0.1, 0.2, 0.3])), [0.5, 0.1] * 3)


def test_grid_refuses_what_it_cannot_sweep():
    wrong = {
        "grid needs a list or an array of values to sweep": {"learning_rate": 0.1},
        "learning_rate must have at least one value to sweep, got none": {"learning_rate": []},
        "learning_rate must be a number or a schedule, ≥ 0, got 'a'": {"learning_rate": ["a", "b"]},
        "learning_rate must be a list of numbers": {"learning_rate": np.array(["a", "b"])},
        "bias_correction must be True or False, got None": {"learning_rate": 0.1, "bias_correction": [True, None]},
        "a grid of 1,000,000,000,000 settings would take": {"learning_rate": np.ones(10**6), "b1": np.ones(10**6) / 2},
        "learning_rate must be ≥ 0, got": {"learning_rate": [0.1, -0.1]},
        r"b1 must be in \[0, 1\), got": {"learning_rate": 0.1, "b1": [0.9, 1.0]},
    }
    for match, values in wrong.items():
        with pytest.raises(ValueError, match=match):
            ch5jax.grid(ch5jax.adam, **values)


def test_what_is_no_number_makes_groups():
    flags = ch5jax.grid(ch5jax.adam, bias_correction=[True, False], learning_rate=[0.1, 0.2])
    assert {name: (opt.bias_correction, opt.learning_rate.tolist()) for name, opt in flags.items()} == {
        "bias_correction=True": (True, [0.1, 0.2]),
        "bias_correction=False": (False, [0.1, 0.2]),
    }
    schedules = [optax.constant_schedule(0.1), optax.constant_schedule(0.2), ch5jax.constant(0.3), 0.4]
    made = ch5jax.grid(ch5jax.momentum, learning_rate=schedules, decay=[0.5, 0.9])
    names = ["learning_rate=<lambda>", "learning_rate=<lambda> (2)", "learning_rate=constant(value=0.3)"]
    assert [*made] == [*names, "learning_rate=0.4"]
    gradient = jax.numpy.ones(())
    rates = [
        -float(one.update(gradient, one.init(gradient))[0])
        for batch in made.values()
        for one in ch5jax.unstack(batch)[:1]
    ]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_activations_and_none_make_groups_of_data():
    made = ch5jax.grid(
        lambda activation, clip, rate: {"activation": activation, "clip": clip, "rate": rate},
        activation=[jax.nn.relu, jax.numpy.tanh],
        clip=[None, 1.0],
        rate=[0.1, 0.2, 0.3],
    )
    assert [*made] == [f"activation={name}, clip={clip}" for name in ("relu", "tanh") for clip in (None, 1.0)]
    last = made["activation=tanh, clip=1.0"]
    assert last["activation"](0.5) == pytest.approx(np.tanh(0.5))
    assert [leaf.tolist() for leaf in jax.tree.leaves(last)] == [[1.0] * 3, [0.1, 0.2, 0.3]]
    both = ch5jax.grid(lambda opt, rate: (opt, rate), opt=[ch5jax.sgd(0.1), ch5jax.adam(0.2)], rate=[1.0, 2.0])
    assert [batch[0].learning_rate.tolist() for batch in both.values()] == [[0.1, 0.1], [0.2, 0.2]]
