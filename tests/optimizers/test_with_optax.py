"""An optimizer is an Optax transformation: all that Optax does with one works."""

import inspect

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ch5jax
from tests.optimizers.registry import CASES, bowl, for_every_optimizer, params_like, run, train

pytestmark = [pytest.mark.smoke, pytest.mark.usefixtures("compiled_quickly")]


def updates_of(opt, gradients, params=None):
    return jax.jit(lambda gradients: run(opt, gradients, params)[0])(gradients)


def sequence(steps=4):
    return jax.tree.map(lambda p: jnp.stack([p * (-0.5) ** i for i in range(steps)]), params_like())


@for_every_optimizer
def test_is_an_optax_transformation(case):
    opt = case.make()
    assert isinstance(opt, optax.GradientTransformationExtraArgs)
    init, update = opt
    assert (init, update) == (opt.init, opt.update)
    assert len(opt) == 2
    assert init(params_like())._fields[0] == "count"


@for_every_optimizer
def test_accepts_arguments_that_others_in_a_chain_need(case):
    opt, params = case.make(), params_like()
    plain, _ = opt.update(params, opt.init(params), params)
    extra, _ = opt.update(params, opt.init(params), params, value=1.0, loss=None)
    chex.assert_trees_all_equal(plain, extra)


@for_every_optimizer
@pytest.mark.parametrize("chain", [optax.chain, ch5jax.chain])
def test_chain_applies_its_parts_in_order(case, chain):
    opt = case.make()
    clip, scale = optax.clip(0.5), optax.scale(3.0)
    got = updates_of(chain(clip, opt, scale), sequence())
    clipped = jax.tree.map(lambda g: jnp.clip(g, -0.5, 0.5), sequence())
    expected = jax.tree.map(lambda u: 3 * u, updates_of(opt, clipped))
    chex.assert_trees_all_close(got, expected, rtol=1e-6)


@for_every_optimizer
def test_masked_leaves_other_leaves_alone(case):
    opt = optax.masked(case.make(), {"w": True, "b": {"c": False}})
    got = updates_of(opt, sequence())
    chex.assert_trees_all_close(got["w"], updates_of(case.make(), {"w": sequence()["w"]})["w"], rtol=1e-6)
    chex.assert_trees_all_equal(got["b"], sequence()["b"])


@for_every_optimizer
def test_partition_gives_each_label_its_optimizer(case):
    labels = {"w": "ours", "b": {"c": "frozen"}}
    opt = optax.partition({"ours": case.make(), "frozen": optax.set_to_zero()}, labels)
    got = updates_of(opt, sequence())
    chex.assert_trees_all_close(got["w"], updates_of(case.make(), {"w": sequence()["w"]})["w"], rtol=1e-6)
    assert not np.any(got["b"]["c"])


@for_every_optimizer
def test_multi_steps_updates_with_the_mean_of_the_gradients(case):
    opt = optax.MultiSteps(case.make(), every_k_schedule=2)
    got = updates_of(opt, sequence(4), params_like())
    means = jax.tree.map(lambda g: (g[::2] + g[1::2]) / 2, sequence(4))
    expected = updates_of(case.make(), means)
    chex.assert_trees_all_close(jax.tree.map(lambda u: u[1::2], got), expected, rtol=1e-5)
    assert not any(np.any(u[::2]) for u in jax.tree.leaves(got))


@for_every_optimizer
@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf, -jnp.inf])
def test_a_gradient_that_is_not_finite_shows_and_spoils_nothing_beside_it(case, bad):
    opt = case.make()
    gradients = jnp.array([[1.0, 2.0], [bad, 2.0], [1.0, 2.0]])
    updates, state = run(opt, gradients)
    assert np.isfinite(updates[0]).all()
    assert not np.isfinite(updates[1, 0])
    clean, _ = run(opt, gradients[:, 1:])
    chex.assert_trees_all_close(updates[:, 1:], clean, rtol=1e-6)
    accumulators = jax.tree.leaves(state)[1:]
    if accumulators:  # what got into the state stays visible
        assert not np.isfinite(accumulators[0][0])
        assert not np.isfinite(updates[2, 0]) or updates[2, 0] == 0  # 1/∞ = 0 in AdaGrad and RMSProp


@for_every_optimizer
def test_nan_in_the_state_shows(case):
    opt, params = case.make(), jnp.ones(2)
    state = jax.tree.map(lambda s: s if s.ndim == 0 else s.at[0].set(jnp.nan), opt.init(params))
    updates, _ = opt.update(params, state, params)
    if len(state) > 1:
        assert np.isnan(updates).tolist() == [True, False]


@for_every_optimizer
def test_apply_if_finite_skips_what_is_not_finite(case):
    opt = optax.apply_if_finite(case.make(), max_consecutive_errors=3)
    gradients = jnp.array([[1.0, 2.0], [jnp.nan, 2.0], [jnp.inf, 2.0], [0.5, -1.0]])
    updates, state = jax.jit(run, static_argnums=0)(opt, gradients)
    expected, _ = run(case.make(), gradients[jnp.array([0, 3])])
    chex.assert_trees_all_close(updates[jnp.array([0, 3])], expected, rtol=1e-6)
    assert not np.any(updates[1:3])
    assert int(state.total_notfinite) == 2


@for_every_optimizer
def test_inject_hyperparams(case):
    injected = optax.inject_hyperparams(case.factory)(**case.numbers, **case.flags)
    chex.assert_trees_all_close(updates_of(injected, sequence()), updates_of(case.make(), sequence()), rtol=1e-5)
    state = injected.init(params_like())
    assert set(case.numbers) <= set(state.hyperparams)
    state.hyperparams["learning_rate"] = jnp.float32(0.0)
    updates, _ = jax.jit(injected.update)(params_like(), state)
    assert not any(np.any(u) for u in jax.tree.leaves(updates))


@for_every_optimizer
def test_inject_hyperparams_for_bfloat16_needs_its_own_dtype(case):
    inject = optax.inject_hyperparams(case.factory, hyperparam_dtype=jnp.float32)
    params = params_like(jnp.bfloat16)
    injected, opt = inject(**case.numbers, **case.flags), case.make()
    updates, _ = injected.update(params, injected.init(params), params)
    expected, _ = opt.update(params, opt.init(params), params)
    chex.assert_trees_all_equal_dtypes(updates, params)
    chex.assert_trees_all_close(updates, expected, rtol=1e-2)


@for_every_optimizer
def test_state_fields_are_found_by_optax_s_names(case):
    params = params_like()
    state = ch5jax.chain(optax.clip(1.0), case.make()).init(params)
    assert int(optax.tree.get(state, "count")) == 0
    for name in {"sgd": [], "momentum": ["trace"], "adagrad": ["sum_of_squares"], "rmsprop": ["nu"]}.get(
        case.factory.__name__, ["mu", "nu"]
    ):
        chex.assert_trees_all_equal_shapes(optax.tree.get(state, name), params)


@for_every_optimizer
def test_map_params_finds_what_is_like_the_parameters(case):
    opt = case.make()
    state = opt.init(params_like())
    doubled = optax.tree.map_params(opt, lambda leaf: leaf + 7, state)
    assert doubled.count == 0
    trees = [field for field in doubled if isinstance(field, dict)]
    assert len(trees) == len([field for field in state if isinstance(field, dict)])
    assert all(np.all(leaf >= 7) for tree in trees for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize("name", ["sgd", "adagrad", "rmsprop", "adam"])
def test_arguments_have_optax_s_names(name):
    ours, theirs = (set(inspect.signature(getattr(library, name)).parameters) for library in (ch5jax, optax))
    assert ours - theirs <= {"bias_correction"}


def test_swapping_adam_is_a_one_word_change():
    arguments = {"learning_rate": 1e-2, "b1": 0.8, "b2": 0.9, "eps": 1e-6}
    ours, theirs = (
        jax.jit(lambda library=library: train(library.adam(**arguments), bowl, params_like(), 20))()
        for library in (ch5jax, optax)
    )
    chex.assert_trees_all_close(ours, theirs, rtol=1e-4)


def test_a_chain_is_a_pytree_of_its_parts():
    opt = ch5jax.chain(optax.clip(1.0), ch5jax.lift(optax.add_decayed_weights, 1e-4), CASES["adam"].make())
    assert jax.tree.leaves(opt) == [1e-4, *CASES["adam"].numbers.values()]
    assert opt.transforms[2] == CASES["adam"].make()
    params = params_like()
    by_optax = optax.chain(*opt.transforms)
    chex.assert_trees_all_equal(opt.init(params), by_optax.init(params))
    chex.assert_trees_all_equal(
        opt.update(params, opt.init(params), params), by_optax.update(params, by_optax.init(params), params)
    )
    other = opt.replace(transforms=(optax.clip(1.0), CASES["sgd"].make()))
    assert len(other.transforms) == 2


def test_a_chain_sweeps_over_its_parts():
    def opt(rate, decay):
        return ch5jax.chain(ch5jax.lift(optax.add_decayed_weights, decay), ch5jax.sgd(rate))

    opts = [opt(0.1, 0.0), opt(0.2, 0.5)]
    together = jax.vmap(lambda o: train(o, bowl, params_like(), 5))(ch5jax.stack(opts))
    alone = ch5jax.stack([train(o, bowl, params_like(), 5) for o in opts])
    chex.assert_trees_all_close(together, alone, rtol=1e-6)


def test_a_chain_passes_extra_arguments_on():
    seen = []
    witness = optax.GradientTransformationExtraArgs(
        lambda params: optax.EmptyState(), lambda u, s, p=None, **extra: (u, seen.append(extra) or s)
    )
    opt = ch5jax.chain(ch5jax.sgd(0.1), witness)
    opt.update(jnp.ones(2), opt.init(jnp.ones(2)), value=3.0)
    assert seen == [{"value": 3.0}]
