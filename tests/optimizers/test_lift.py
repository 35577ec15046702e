"""Any Optax factory becomes a pytree of its numbers, and stays what it was."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ch5jax
from tests.optimizers.registry import bowl, counted, params_like, train

pytestmark = pytest.mark.usefixtures("compiled_quickly")

lift = ch5jax.lift
DECAY = {"learning_rate": 1e-2, "weight_decay": 1e-3}
LIFTED = {
    "adabelief": lift(optax.adabelief, 1e-2),
    "adadelta": lift(optax.adadelta, 0.1, rho=0.8),
    "adafactor": lift(optax.adafactor, 1e-2, min_dim_size_to_factor=2, momentum=0.5),
    "adagrad": lift(optax.adagrad, 0.1),
    "adam": lift(optax.adam, 1e-2, b1=0.8),
    "adamax": lift(optax.adamax, 1e-2),
    "adamw": lift(optax.adamw, **DECAY),
    "adamw_nesterov": lift(optax.adamw, **DECAY, nesterov=True),
    "adan": lift(optax.adan, 1e-2),
    "amsgrad": lift(optax.amsgrad, 1e-2),
    "fromage": lift(optax.fromage, 1e-2),
    "lamb": lift(optax.lamb, **DECAY),
    "lars": lift(optax.lars, 0.1, momentum=0.5),
    "lion": lift(optax.lion, **DECAY),
    "nadam": lift(optax.nadam, 1e-2),
    "noisy_sgd": lift(optax.noisy_sgd, 1e-2, eta=0.1, key=jax.random.key(0)),
    "novograd": lift(optax.novograd, 1e-2),
    "optimistic": lift(optax.optimistic_gradient_descent, 1e-2, alpha=0.7),
    "radam": lift(optax.radam, 1e-2),
    "rmsprop": lift(optax.rmsprop, 1e-2, decay=0.8, momentum=0.5),
    "rprop": lift(optax.rprop, 1e-2),
    "sgd_momentum": lift(optax.sgd, 1e-2, momentum=0.9, nesterov=True),
    "sign_sgd": lift(optax.sign_sgd, 1e-2),
    "sm3": lift(optax.sm3, 1e-1),
    "yogi": lift(optax.yogi, 1e-2),
    "add_decayed_weights": lift(optax.add_decayed_weights, 1e-3),
    "clip": lift(optax.clip, 0.5),
    "clip_by_block_rms": lift(optax.clip_by_block_rms, 0.5),
    "clip_by_global_norm": lift(optax.clip_by_global_norm, 0.5),
    "ema": lift(optax.ema, 0.9),
    "scale": lift(optax.scale, -0.1),
    "scale_by_adam": lift(optax.scale_by_adam, b2=0.99),
    "trace": lift(optax.trace, 0.9, nesterov=True),
}
for_every_lifted = pytest.mark.parametrize("opt", LIFTED.values(), ids=LIFTED)
QUICK = {key: LIFTED[key] for key in ("adamw", "lion", "lamb", "rmsprop", "clip_by_global_norm", "add_decayed_weights")}
descend = functools.partial(train, loss=bowl, params=params_like(), steps=5)


def plain(opt):
    """The transformation that Optax itself makes of the same arguments."""
    (factory,), arguments = opt._arguments()
    return factory(**arguments)


@for_every_lifted
def test_is_the_program_of_the_plain_transformation(opt):
    ours, theirs = (jax.make_jaxpr(functools.partial(descend, which))() for which in (opt, plain(opt)))
    assert str(ours) == str(theirs)
    chex.assert_trees_all_equal(ours.consts, theirs.consts)


@for_every_lifted
def test_one_trace_for_all_values(opt):
    compiled, traces = counted(descend)
    first, second = (
        compiled(jax.tree.map(lambda leaf: leaf * scale if isinstance(leaf, float) else leaf, opt))
        for scale in (1.0, 0.5)
    )
    assert len(traces) == 1
    assert not np.allclose(first["w"], second["w"], rtol=1e-6)
    state = opt.init(params_like())
    _, after = jax.eval_shape(opt.update, params_like(), state, params_like())
    assert jax.tree.map(jax.typeof, after) == jax.tree.map(jax.typeof, state)  # the same from the first step on


@pytest.mark.parametrize("key", QUICK)
def test_a_sweep_equals_the_loop(key):
    opts = [jax.tree.map(lambda leaf: leaf * scale, QUICK[key]) for scale in (1.0, 0.5, 2.0)]
    together = jax.jit(jax.vmap(descend))(ch5jax.stack(opts))
    one = jax.jit(descend)
    chex.assert_trees_all_close(together, ch5jax.stack([one(opt) for opt in opts]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("key", QUICK)
def test_hypergradients_equal_difference_quotients(key, x64):
    leaves, structure = jax.tree.flatten(QUICK[key])
    loss = jax.jit(lambda leaves: bowl(train(structure.unflatten(leaves), bowl, {"w": jnp.arange(3.0)}, 5)))
    slopes = jax.grad(loss)(leaves)
    for position, slope in enumerate(slopes):
        ends = [[v + sign * 1e-6 * (i == position) for i, v in enumerate(leaves)] for sign in (1, -1)]
        np.testing.assert_allclose(slope, (loss(ends[0]) - loss(ends[1])) / 2e-6, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("key", ["adamw", "lion", "sgd_momentum", "rmsprop", "yogi"])
def test_takes_our_schedule_as_a_learning_rate(key):
    schedule = ch5jax.linear_decay(0.1, 0.01, 3)
    opt = LIFTED[key].replace(learning_rate=schedule)
    foreign = plain(LIFTED[key].replace(learning_rate=optax.linear_schedule(0.1, 0.01, 3)))
    chex.assert_trees_all_close(descend(opt), descend(foreign), rtol=1e-5)
    assert jax.tree.leaves(opt)[:3] == [0.1, 0.01, 3.0]
    batch = ch5jax.stack([opt, opt.replace(learning_rate=ch5jax.linear_decay(0.2, 0.02, 4))])
    assert jax.vmap(descend)(batch)["w"].shape == (2, 2, 3)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("key", ["adamw", "sgd_momentum", "rmsprop", "lion", "scale", "add_decayed_weights"])
def test_half_precision_is_not_promoted_by_float32_arrays(key, dtype):
    opt = jax.tree.map(jnp.float32, LIFTED[key])
    params = params_like(dtype)
    state = opt.init(params)
    updates, after = jax.eval_shape(opt.update, params, state, params)
    chex.assert_trees_all_equal_shapes_and_dtypes(updates, params)
    chex.assert_trees_all_equal_shapes_and_dtypes(after, state)


def test_what_shapes_the_program_is_static():
    def factory(rate, *, memory: int, often: int | None = None, name="x", flag=True, mask=None, dtype=None):
        return optax.chain(optax.apply_every(memory), optax.scale(-rate))

    def mask(params):
        return jax.tree.map(lambda p: p.ndim > 1, params)

    opt = lift(factory, 1, memory=3, often=np.int64(2), flag=False, mask=mask, dtype=jnp.bfloat16)
    assert jax.tree.leaves(opt) == [1.0]
    assert (opt.rate, opt.memory, opt.mask) == (1.0, 3, mask)
    assert jax.tree.structure(opt) != jax.tree.structure(opt.replace(memory=4))
    assert jax.tree.structure(opt) != jax.tree.structure(opt.replace(dtype=jnp.float16))
    factored = [lift(optax.adafactor, 0.1, min_dim_size_to_factor=size) for size in (2, 128)]
    assert jax.tree.leaves(factored[0]) == [0.1]
    assert factored[0] != factored[1]


@pytest.mark.parametrize("mask", [{"w": True, "b": {"c": False}}, lambda p: {"w": True, "b": {"c": False}}])
def test_masks_are_static(mask):
    opt = lift(optax.adamw, 0.1, weight_decay=0.5, mask=mask)
    assert jax.tree.leaves(opt) == [0.1, 0.5]
    params = params_like()
    zeros = jax.tree.map(jnp.zeros_like, params)
    updates, _ = jax.jit(lambda o: o.update(zeros, o.init(params), params))(opt)
    chex.assert_trees_all_close(updates["w"], -0.05 * params["w"], rtol=1e-6)
    assert not np.any(updates["b"]["c"])
    assert lift(optax.adamw, 0.1, mask={"w": True}) != lift(optax.adamw, 0.1, mask={"w": False})


def test_seeds_are_static_and_keys_are_data():
    seeded = lift(optax.noisy_sgd, 0.1, key=3)
    keyed = lift(optax.noisy_sgd, 0.1, key=jax.random.key(3))
    assert jax.tree.leaves(seeded) == [0.1]
    chex.assert_trees_all_close(jax.jit(descend)(seeded), jax.jit(descend)(keyed))
    batch = ch5jax.stack([keyed.replace(key=jax.random.key(seed)) for seed in range(3)])
    swept = jax.vmap(descend)(batch)["w"]
    chex.assert_trees_all_close(swept[2], descend(ch5jax.unstack(batch)[2])["w"], rtol=1e-6)
    assert not np.allclose(swept[0], swept[1])


def test_pytrees_of_numbers_are_data():
    def factory(rates):
        return optax.GradientTransformation(
            lambda params: optax.EmptyState(),
            lambda updates, state, params=None: (jax.tree.map(lambda u, r: -r * u, updates, rates), state),
        )

    opt = lift(factory, {"w": 0.5, "b": jnp.array([1.0, 2.0])})
    assert len(jax.tree.leaves(opt)) == 2
    updates, _ = jax.jit(lambda o: o.update({"w": jnp.ones(2), "b": jnp.ones(2)}, o.init(None)))(opt)
    assert updates["w"].tolist() == [-0.5, -0.5]
    assert updates["b"].tolist() == [-1, -2]


def test_keyword_only_and_variable_arguments():
    def factory(rate, **more):
        return optax.scale(-rate * more["factor"])

    opt = lift(factory, 0.5, factor=2.0)
    assert (opt.rate, opt.factor) == (0.5, 2.0)
    assert opt.update(jnp.ones(1), opt.init(jnp.ones(1)))[0] == -1
    partial = lift(functools.partial(optax.adamw, weight_decay=0.1), learning_rate=0.1)
    assert jax.tree.leaves(partial) == [0.1]


def test_passes_extra_arguments_on():
    opt = lift(optax.polyak_sgd, max_learning_rate=1.0)
    updates, _ = opt.update(jnp.ones(2), opt.init(jnp.ones(2)), jnp.ones(2), value=0.5)
    expected, _ = optax.polyak_sgd(1.0).update(jnp.ones(2), opt.init(jnp.ones(2)), jnp.ones(2), value=0.5)
    chex.assert_trees_all_close(updates, expected)
    plain_sgd = lift(optax.scale, -0.5)  # takes none itself
    assert plain_sgd.update(jnp.ones(1), plain_sgd.init(jnp.ones(1)), value=1.0)[0] == -0.5


def test_lifts_our_own_factories_too():
    opt = lift(ch5jax.adam, learning_rate=0.1, b1=0.8)
    assert jax.tree.leaves(opt) == [0.1, 0.8]
    chex.assert_trees_all_close(descend(opt), descend(ch5jax.adam(0.1, b1=0.8)), rtol=1e-6)


def test_wrong_calls_are_refused():
    with pytest.raises(ValueError, match=r"lift needs a factory of transformations such as optax.adamw, got 3"):
        lift(3)
    with pytest.raises(ValueError, match=r"adamw: .*'rate'.*; its arguments are learning_rate, b1"):
        lift(optax.adamw, 0.1, rate=0.1)
    with pytest.raises(ValueError, match=r"adamw: .*'learning_rate'; its arguments are learning_rate, b1"):
        lift(optax.adamw, b1=0.9)
    with pytest.raises(ValueError, match=r"lift needs arguments by name, but chain takes .*; try ch5jax.chain"):
        lift(optax.chain, optax.sgd(0.1))
    with pytest.raises(ValueError, match="lift has learning_rate, got weight_decay"):
        lift(optax.adamw, 0.1).replace(weight_decay=0.1)
