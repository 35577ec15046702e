"""Schedules are functions of the count and pytrees of their numbers."""

import copy
import pickle

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings, strategies as st

import ch5jax
from tests.references.optimizers import linear_decay as reference

FINITE = st.floats(-1e3, 1e3)


def test_the_line_by_hand():
    # from 1 to 0.2 in 4 steps: (1 - i/4)·1 + (i/4)·0.2
    schedule = ch5jax.linear_decay(1.0, 0.2, 4)
    np.testing.assert_allclose([schedule(i) for i in range(7)], [1, 0.8, 0.6, 0.4, 0.2, 0.2, 0.2], rtol=1e-6)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(first=FINITE, last=FINITE, steps=st.integers(1, 10_000))
def test_both_ends_are_exact_and_nothing_lies_beyond(first, last, steps):
    schedule = ch5jax.linear_decay(first, last, steps)
    assert schedule(0) == np.float32(first)
    for count in (steps, steps + 1, 2**31 - 1):
        assert schedule(count) == np.float32(last)
    inside = schedule(steps // 2)
    assert min(first, last) - 1e-4 * abs(inside) <= inside <= max(first, last) + 1e-4 * abs(inside)


def test_equals_the_reference_and_optax(x64):
    for first, last, steps in ((0.1, 0.001, 100), (1e-5, 1.0, 7), (3.0, 3.0, 1), (0.5, -0.5, 33)):
        counts = jnp.arange(201)
        got = jax.vmap(ch5jax.linear_decay(first, last, steps))(counts)
        np.testing.assert_allclose(got, reference(first, last, steps, len(counts)), rtol=1e-14, atol=1e-16)
        foreign = optax.linear_schedule(first, last, steps)(counts.astype(float))
        np.testing.assert_allclose(got, foreign, rtol=1e-13, atol=1e-15)


def test_a_traced_number_of_steps():
    value = jax.jit(lambda steps, count: ch5jax.linear_decay(1.0, 0.0, steps)(count))
    assert [float(value(4, 1)), float(value(2.0, 1)), float(value(2.5, 5))] == [0.75, 0.5, 0.0]
    assert value._cache_size() == 2  # one for an integer, one for a float
    with pytest.raises(jax.errors.ConcretizationTypeError):
        jax.jit(lambda steps: optax.linear_schedule(1.0, 0.0, steps)(1))(4)


def test_is_a_pytree_that_vmaps_and_stacks():
    schedules = [ch5jax.linear_decay(rate, rate / 2, steps) for rate, steps in ((1.0, 4), (2.0, 8), (0.1, 1))]
    batch = ch5jax.stack(schedules)
    counts = jnp.arange(10)
    got = jax.vmap(lambda schedule: jax.vmap(schedule)(counts))(batch)
    np.testing.assert_array_equal(got, [jax.vmap(schedule)(counts) for schedule in schedules])
    assert ch5jax.unstack(batch) == schedules
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(schedules[0])]
    assert paths == [".init_value", ".end_value", ".transition_steps"]


def test_differentiates_in_all_its_numbers(x64):
    # at i = 3 of k = 10: dα/dα₀ = 1 - i/k, dα/db = i/k, dα/dk = (α₀ - b) i/k²
    slopes = jax.grad(lambda schedule: schedule(3))(ch5jax.linear_decay(0.9, 0.1, 10))
    np.testing.assert_allclose(jax.tree.leaves(slopes), [0.7, 0.3, 0.8 * 3 / 100], rtol=1e-12)
    slopes = jax.grad(lambda schedule: schedule(30))(ch5jax.linear_decay(0.9, 0.1, 10))
    assert jax.tree.leaves(slopes) == [0, 1, 0]
    assert jax.grad(lambda value: ch5jax.constant(value)(5))(0.5) == 1


def test_is_one_program_for_all_values():
    call = jax.jit(lambda schedule, count: schedule(count))
    for value in (0.1, 0.2):
        call(ch5jax.linear_decay(value, 0.0, 10), jnp.int32(3))
    assert call._cache_size() == 1


@pytest.mark.parametrize("x64", [False, True])
def test_the_value_is_a_strong_scalar_of_the_default_dtype(x64):
    with jax.enable_x64(x64):
        for schedule in (
            ch5jax.linear_decay(0.1, 0.2, 3),
            ch5jax.constant(0.1),
            ch5jax.constant(jnp.bfloat16(0.1)),
            ch5jax.linear_decay(np.float32(1), jnp.float32(2), np.int64(3)),
        ):
            for count in (1, jnp.int32(1), np.int64(1), jnp.float32(1)):
                value = schedule(count)
                assert (value.shape, value.dtype, value.weak_type) == ((), jnp.float64 if x64 else jnp.float32, False)


def test_counts_beyond_what_float32_counts_one_by_one():
    schedule = ch5jax.linear_decay(1.0, 0.0, 2.0**31)
    np.testing.assert_allclose(schedule(2**30), 0.5, rtol=1e-6)
    np.testing.assert_allclose(schedule(2**31 - 1), 0, atol=1e-6)


def test_constant():
    schedule = ch5jax.constant(0.25)
    assert [float(schedule(count)) for count in (0, 1, 10**9)] == [0.25] * 3
    assert schedule.value == 0.25
    assert jax.tree.leaves(schedule) == [0.25]


def test_values_read_compare_and_pickle():
    schedule = ch5jax.linear_decay(0.1, 0.01, 100)
    assert repr(schedule) == "linear_decay(init_value=0.1, end_value=0.01, transition_steps=100.0)"
    assert eval(repr(schedule), vars(ch5jax)) == schedule
    for other in (copy.copy(schedule), copy.deepcopy(schedule), pickle.loads(pickle.dumps(schedule))):
        assert other == schedule
        assert hash(other) == hash(schedule)
    assert schedule.replace(end_value=0).end_value == 0.0
    assert schedule.replace(end_value=0) != schedule != ch5jax.constant(0.1)
    with pytest.raises(AttributeError, match=r"use .replace\(end_value=...\)"):
        schedule.end_value = 1


def test_wrong_numbers_are_refused():
    for steps in (0, -1, 0.0, np.nan, np.float32(0), np.array([1, 0])):
        with pytest.raises(ValueError, match="transition_steps must be > 0, got"):
            ch5jax.linear_decay(1.0, 0.0, steps)
    for wrong in (True, "1", None, 1j, [1.0]):
        with pytest.raises(ValueError, match="init_value must be a number"):
            ch5jax.linear_decay(wrong, 0.0, 1)
        with pytest.raises(ValueError, match="end_value must be a number"):
            ch5jax.linear_decay(0.0, wrong, 1)
        with pytest.raises(ValueError, match="value must be a number"):
            ch5jax.constant(wrong)
    with pytest.raises(ValueError, match="init_value must be a number"):
        ch5jax.linear_decay(ch5jax.constant(1.0), 0.0, 1)
    with pytest.raises(ValueError, match=r"linear_decay has init_value.*got steps"):
        ch5jax.linear_decay(1.0, 0.0, 1).replace(steps=3)


def test_a_batch_of_schedules_needs_vmap():
    opt = ch5jax.sgd(ch5jax.stack([ch5jax.constant(0.1), ch5jax.constant(0.2)]))
    with pytest.raises(ValueError, match=r"learning_rate must be a scalar, got shape \(2,\)"):
        opt.update(jnp.ones(2), opt.init(jnp.ones(2)))
    got = jax.vmap(lambda o: o.update(jnp.ones(2), o.init(jnp.ones(2)))[0])(opt)
    chex.assert_trees_all_close(got, jnp.array([[-0.1, -0.1], [-0.2, -0.2]]))
