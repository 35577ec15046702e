"""Initialisers are pytrees of their numbers, and functions that networks take."""

import copy
import pickle

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ch5jax
from ch5jax import initializers
from ch5jax.initializers import constant, gaussian, sparse, uniform
from ch5jax.networks import mlp

pytestmark = pytest.mark.usefixtures("compiled_quickly")

KEY = jax.random.key(7)
ALL = [uniform(0.3), gaussian(0.3), sparse(7, 0.3), constant(-0.3)]


def test_the_numbers_are_the_leaves():
    paths = [[jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(init)] for init in ALL]
    assert paths == [[".limit"], [".std"], [".nonzeros", ".std"], [".value"]]
    assert [leaf for init in ALL for leaf in jax.tree.leaves(init)] == [0.3, 0.3, 7.0, 0.3, -0.3]
    assert all(type(leaf) is float for leaf in jax.tree.leaves(sparse(7, 1)))  # jax.grad refuses integers


@pytest.mark.parametrize("init", ALL, ids=repr)
def test_values_read_compare_copy_and_pickle(init):
    assert eval(repr(init), vars(initializers)) == init
    for other in (copy.copy(init), copy.deepcopy(init), pickle.loads(pickle.dumps(init)), init.replace()):
        assert other == init
        assert hash(other) == hash(init)
    assert all(init != other for other in ALL if other is not init)
    assert repr(sparse(7, 0.3)) == "sparse(nonzeros=7.0, std=0.3, out_axis=-1, batch_axis=())"
    assert isinstance(init, jax.nn.initializers.Initializer)


def test_they_stack_and_unstack():
    inits = [sparse(3, 0.1), sparse(5, 0.2)]
    batch = ch5jax.stack(inits)
    assert batch.nonzeros.tolist() == [3, 5]
    assert ch5jax.unstack(batch) == inits
    with pytest.raises(ValueError, match="stack needs pytrees of one structure"):
        ch5jax.stack([gaussian(1.0), uniform(1.0)])


@pytest.mark.parametrize("init", [gaussian(0.3), sparse(4, 0.3)], ids=repr)
def test_draws_differentiate_in_their_numbers(init):
    """A draw is σ times something; where the weights are does not depend on k smoothly."""
    slope = jax.grad(lambda init: jnp.sum(jnp.sin(init(KEY, (20, 10)))))(init)
    drawn = np.asarray(init(KEY, (20, 10)))
    np.testing.assert_allclose(slope.std, np.sum(np.cos(drawn) * drawn) / 0.3, rtol=1e-5)
    assert jax.tree.leaves(slope)[:-1] in ([], [0.0])


def test_networks_take_them():
    params = mlp((20, 10, 2), kernel_init=sparse(5, 1.0)).init(KEY, scale=(1.0, 3.0))
    for layer, scale in zip(params, (1.0, 3.0), strict=True):
        assert ((layer.kernel != 0).sum(0) == 5).all()
        np.testing.assert_allclose(layer.kernel[layer.kernel != 0].std(), scale, rtol=0.3)
    dense = nn.Dense(10, kernel_init=sparse(5, 1.0), bias_init=constant(0.1), param_dtype=jnp.bfloat16)
    params = dense.init(KEY, jnp.ones((1, 20)))["params"]
    assert ((params["kernel"] != 0).sum(0) == 5).all()
    assert params["bias"].tolist() == [jnp.bfloat16(0.1)] * 10


@pytest.mark.parametrize(
    ("factory", "name", "allowed"),
    [
        (uniform, "limit", "≥ 0"),
        (gaussian, "std", "≥ 0"),
        (lambda std: sparse(3, std), "std", "> 0"),
        (lambda nonzeros: sparse(nonzeros, 1.0), "nonzeros", "≥ 1"),
        (constant, "value", "≥ -inf"),
    ],
)
def test_what_is_no_number_or_out_of_range_is_refused(factory, name, allowed):
    for wrong in ("1", None, True, 1j, [1.0], lambda count: 1.0):
        with pytest.raises(ValueError, match=f"{name} must be a number, {allowed}, got"):
            factory(wrong)
    for wrong in () if factory is constant else (-1, -1e-9, np.nan, np.float32(-2), np.array([1.0, -1.0])):
        with pytest.raises(ValueError, match=f"{name} must be {allowed}, got"):
            factory(wrong)


@pytest.mark.parametrize("k", [1.5, np.float32(2.5), np.array([1.0, 2.5]), np.inf])
def test_a_number_of_weights_that_is_not_whole_is_refused(k):
    with pytest.raises(ValueError, match="nonzeros must be a whole number, got"):
        sparse(k, 1.0)


@pytest.mark.parametrize("init", ALL, ids=repr)
def test_a_dtype_that_is_not_inexact_is_refused(init):
    for dtype in (jnp.int32, bool, np.uint8):
        with pytest.raises(ValueError, match=f"dtype must be floating or complex, got {jnp.dtype(dtype).name}"):
            init(KEY, (20, 10), dtype)


@pytest.mark.parametrize("init", ALL, ids=repr)
def test_a_batch_needs_vmap(init):
    name = {uniform: "limit", constant: "value"}.get(init._factory, "std")
    batch = init.replace(**{name: np.array([0.1, 0.2])})
    with pytest.raises(ValueError, match=rf"{name} must be a scalar, got shape \(2,\); map over a batch with jax.vmap"):
        batch(KEY, (20, 10))
