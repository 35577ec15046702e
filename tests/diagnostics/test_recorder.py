"""The recorder: changes nothing, chains with Optax, and its numbers are found in state."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ch5jax
from ch5jax.diagnostics import recorder
from tests.references import diagnostics as reference

pytestmark = pytest.mark.usefixtures("compiled_quickly")

PARAMS = {"kernel": jnp.full((2, 2), 2.0), "bias": jnp.zeros(2)}


def trained(opt, gradients, losses):
    """The state after some updates by given gradients, in one compiled loop."""

    def step(carry, row):
        params, state = carry
        size, loss = row
        updates, state = opt.update(jax.tree.map(lambda p: size * jnp.ones_like(p), params), state, params, value=loss)
        return (optax.apply_updates(params, updates), state), updates

    @jax.jit
    def run(rows):
        return jax.lax.scan(step, (PARAMS, opt.init(PARAMS)), rows)

    return run((jnp.asarray(gradients), jnp.asarray(losses)))


@pytest.mark.smoke
def test_it_records_gradients_first_and_updates_last_and_changes_neither():
    sizes = np.exp(np.random.default_rng(0).normal(size=40))
    sizes[25] *= 100
    losses = np.random.default_rng(1).normal(size=40)
    plain = ch5jax.adam(0.1)
    (params, _), updates = trained(plain, sizes, losses)
    for chain in (optax.chain, ch5jax.chain):
        (got, state), same = trained(chain(recorder(), plain, recorder()), sizes, losses)
        chex.assert_trees_all_close((got, same), (params, updates), rtol=1e-6)  # compiled anew: an ulp is allowed
        before, _, after = state
        norms = sizes * 6**0.5
        np.testing.assert_allclose(before.update_norm, norms[-1], rtol=1e-6)
        np.testing.assert_allclose(
            after.update_norm, optax.tree.norm(jax.tree.map(lambda u: u[-1], updates)), rtol=1e-6
        )
        spikes = reference.spikes(norms)
        np.testing.assert_allclose(before.update_spike, spikes[-1], rtol=1e-5)
        np.testing.assert_allclose(before.largest_spike, spikes[25], rtol=1e-5)
        assert int(before.spiked_at) == 25
        assert int(before.count) == 40
        assert int(before.diverged_at) == -1
        np.testing.assert_allclose(before.watch.alternation, reference.turns(losses), rtol=1e-5)


def test_ratios_are_to_the_weights_and_unknown_without_them():
    opt = recorder()
    updates, state = opt.update(PARAMS, opt.init(PARAMS), jax.tree.map(lambda p: 4 * p, PARAMS))
    assert updates is PARAMS
    np.testing.assert_allclose(state.update_ratio, [0.25])
    _, state = opt.update(PARAMS, opt.init(PARAMS))
    assert state.update_ratio[0] == -1
    _, state = opt.update(jnp.ones(3), opt.init(jnp.ones(3)), jnp.ones(3))
    assert state.update_ratio.shape == (0,)


def test_the_first_update_that_is_not_finite_is_kept():
    (_, state), _ = trained(ch5jax.chain(recorder(), ch5jax.sgd(0.1)), [1.0, np.inf, np.nan, 1.0], [1.0] * 4)
    assert int(state[0].diverged_at) == 1


def test_numbers_are_found_by_name_and_swept_beside_an_optimizer():
    opts = ch5jax.grid(
        lambda learning_rate: ch5jax.chain(ch5jax.sgd(learning_rate), recorder()), learning_rate=[0.1, 0.2]
    )

    def run(opt):
        return optax.tree.get(opt.update(PARAMS, opt.init(PARAMS), PARAMS)[1], "update_norm")

    np.testing.assert_allclose(jax.vmap(run)(opts), [0.4, 0.8], rtol=1e-6)
    state = optax.chain(recorder(), optax.adam(1e-3)).init(PARAMS)
    for name in ("update_norm", "update_ratio", "largest_spike", "diverged_at"):
        assert optax.tree.get(state, name) is not None
    assert repr(recorder()) == "recorder()"


def test_state_keeps_its_structure_and_dtypes_in_half_precision(x64):
    params = {"kernel": jnp.ones((2, 2), jnp.bfloat16)}
    opt = recorder()
    state = opt.init(params)
    updates, after = opt.update(params, state, params, value=jnp.float32(1))
    chex.assert_trees_all_equal_shapes_and_dtypes(state, after)
    assert updates["kernel"].dtype == jnp.bfloat16


def test_what_does_not_match_is_refused():
    opt = recorder()
    with pytest.raises(ValueError, match="params must be floating"):
        opt.init(jnp.arange(3))
    with pytest.raises(ValueError, match=r"updates\['kernel'\] must have shape"):
        opt.update(PARAMS | {"kernel": jnp.ones((3, 2))}, opt.init(PARAMS), PARAMS)
