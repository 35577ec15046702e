"""Where state lives: it is donated, aliases nothing, has a shape without values, and is sharded like the parameters."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import ch5jax
from tests.optimizers.registry import CASES, for_every_optimizer, params_like

pytestmark = pytest.mark.usefixtures("compiled_quickly")

COMPOSED = {
    "chain": ch5jax.chain(optax.clip(1.0), ch5jax.adam(0.1)),
    "lift": ch5jax.lift(optax.adamw, 0.1),
    "master_weights": ch5jax.master_weights(ch5jax.adam(0.1)),
}
OPTS = {**{key: case.make() for key, case in CASES.items()}, **COMPOSED}
for_every_composition = pytest.mark.parametrize("opt", OPTS.values(), ids=OPTS)


def step(opt, params, state, gradients):
    updates, state = opt.update(gradients, state, params)
    return optax.apply_updates(params, updates), state


@for_every_composition
def test_no_two_leaves_share_a_buffer(opt):
    params = {"w": jnp.zeros(3), "b": jnp.zeros((), jnp.bfloat16)}
    leaves = jax.tree.leaves((params, opt.init(params)))
    assert len({leaf.unsafe_buffer_pointer() for leaf in leaves}) == len(leaves)


@for_every_composition
def test_parameters_and_state_are_donated(opt):
    params = {"w": jnp.full(3, 2.0), "b": jnp.ones((), jnp.bfloat16)}
    gradients = jax.tree.map(jnp.array, params)
    state = opt.init(params)
    expected = step(opt, params, state, gradients)
    donated = jax.tree.leaves((params, state))
    got = jax.jit(step, donate_argnums=(1, 2), keep_unused=True)(opt, params, state, gradients)
    chex.assert_trees_all_close(got, expected, rtol=1e-2)
    assert all(leaf.is_deleted() for leaf in donated)


@for_every_optimizer
def test_a_hyperparameter_is_not_in_the_state(case):
    opt = jax.tree.map(jnp.float32, case.make())
    state = opt.init(params_like())
    jax.jit(lambda s: s, donate_argnums=0)(state)
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(opt))


@for_every_composition
def test_the_state_has_a_shape_without_values(opt):
    params = params_like(jnp.bfloat16)
    abstract = jax.eval_shape(opt.init, params)
    chex.assert_trees_all_equal_shapes_and_dtypes(abstract, opt.init(params))


@for_every_optimizer
def test_init_takes_shapes_for_parameters(case):
    params = params_like()
    state = case.make().init(jax.eval_shape(lambda: params))
    chex.assert_trees_all_equal(state, case.make().init(params))


@for_every_composition
def test_state_is_sharded_like_the_parameters(opt):
    mesh = jax.make_mesh((8,), ("x",), axis_types=(AxisType.Auto,), devices=jax.devices("cpu"))
    sharding = NamedSharding(mesh, PartitionSpec("x"))
    params = {"w": jax.device_put(jnp.arange(16.0).reshape(8, 2), sharding)}
    state = opt.init(params)
    assert all(leaf.sharding == sharding for leaf in jax.tree.leaves(state) if leaf.ndim)
    sharded, after = jax.jit(step)(opt, params, state, params)
    assert all(leaf.sharding.is_equivalent_to(sharding, 2) for leaf in jax.tree.leaves((sharded, after)) if leaf.ndim)
    alone = jax.device_put(params, jax.devices("cpu")[0])
    expected, _ = jax.jit(step)(opt, alone, opt.init(alone), alone)
    np.testing.assert_allclose(sharded["w"], expected["w"], rtol=1e-6)


@for_every_composition
def test_sharding_in_types_does_not_change_from_step_to_step(opt):
    mesh = jax.make_mesh((8,), ("x",), axis_types=(AxisType.Explicit,), devices=jax.devices("cpu"))
    with jax.set_mesh(mesh):
        params = jnp.ones((2, 8, 4), jnp.float16, out_sharding=NamedSharding(mesh, PartitionSpec(None, "x")))
        eager = opt.init(params)
        kinds = jax.tree.map(jax.typeof, eager)
        assert jax.tree.map(jax.typeof, jax.jit(opt.init)(params)) == kinds
        for update in (opt.update, jax.jit(opt.update)):
            updates, state = update(params, eager, params)
            assert jax.tree.map(jax.typeof, state) == kinds
            assert jax.typeof(updates).sharding == jax.typeof(params).sharding
