"""What is kept for the backward pass, and that nobody pays for what he does not ask."""

import jax
import jax.numpy as jnp
import pytest

import ch5jax


def kept(function, *arguments):
    """The bytes of the different arrays that a vector-Jacobian product holds on to."""
    _, pull = jax.vjp(function, *arguments)
    leaves = {
        leaf.unsafe_buffer_pointer(): leaf.nbytes for leaf in jax.tree.leaves(pull) if isinstance(leaf, jax.Array)
    }
    return sum(leaves.values())


@pytest.mark.usefixtures("compiled_quickly")
@pytest.mark.parametrize("compiled", [False, True], ids=["op by op", "under jit"])
@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("inference", [False, True], ids=["training", "frozen statistics"])
def test_the_backward_pass_keeps_x_the_mask_and_a_few_numbers_a_feature(dtype, masked, compiled, inference):
    x = jax.random.normal(jax.random.key(0), (512, 24, 8)).astype(dtype)
    mask = jax.random.bernoulli(jax.random.key(1), 0.8, (512, 24, 1)) if masked else None
    params, state = ch5jax.batch_norm_init(8)

    def function(x, params):
        if inference:
            return ch5jax.batch_norm_inference(x, params, state, mask=mask)
        return ch5jax.batch_norm(x, params, state, mask=mask)[0]

    few = 10 * 8 * 4
    allowed = x.nbytes + (mask.nbytes if masked else 0) + few
    assert x.nbytes <= kept(jax.jit(function) if compiled else function, x, params) <= allowed


def test_a_scan_over_layers_stacks_x_and_nothing_more_of_its_size():
    x = jax.random.normal(jax.random.key(0), (512, 16)).astype(jnp.bfloat16)
    params, state = jax.tree.map(lambda leaf: jnp.stack([leaf] * 5), ch5jax.batch_norm_init(16))

    def through(x, params):
        return jax.lax.scan(lambda h, layer: (ch5jax.batch_norm(h, *layer)[0], None), x, (params, state))[0]

    assert 5 * x.nbytes <= kept(through, x, params) <= 5 * (x.nbytes + 10 * 16 * 4)


def test_gradients_cost_the_same_whether_the_state_is_kept_or_not():
    """The state's derivative is there for those who ask, and not computed for others."""
    x = jnp.ones((64, 8, 16))
    params, state = ch5jax.batch_norm_init(16)

    def cost(function):
        compiled = jax.jit(jax.value_and_grad(function, (0, 1), has_aux=True)).lower(x, params).compile()
        return compiled.cost_analysis()["flops"]

    def with_state(x, params):
        y, after = ch5jax.batch_norm(x, params, state)
        return jnp.sum(y**2), after

    def without(x, params):
        return jnp.sum(ch5jax.batch_norm(x, params, jax.lax.stop_gradient(state))[0] ** 2), state

    of_features = 50 * 16  # the running averages themselves
    assert cost(with_state) - cost(without) <= of_features
