"""`tap` against zeros placed by hand: values to the last bit, gradients, names, and what it leaves alone."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType, PartitionSpec

import ch5jax
from tests.tapping.networks import CASES, dense

cases = pytest.mark.parametrize("case", [pytest.param(make(), id=name) for name, make in CASES.items()])


def units_last(site):
    """What is at a layer, with the axes of the units at the end: `vmap` inside a loss may leave them in front."""
    axes = [len(site.loops) + axis for axis in site.units]
    return np.moveaxis(site.z, axes, range(-len(axes), 0))


def layer_gradients(tapped, params, x):
    return jax.grad(tapped, argnums=1)(params, tapped.zeros(params, x), x)


def by_hand(case, params, x):
    zeros = [jnp.zeros(shape, jax.tree.leaves(params)[0].dtype) for shape in case.shapes]
    return jax.grad(case.by_hand, argnums=1)(params, zeros, x)


@pytest.mark.smoke
@cases
def test_layer_gradients_are_those_of_zeros_placed_by_hand(case, compiled_quickly):
    tapped = ch5jax.tap(case.loss)
    got = jax.jit(functools.partial(layer_gradients, tapped))(case.params, case.x)
    due = jax.jit(functools.partial(by_hand, case))(case.params, case.x)
    assert len(got) == len(due)
    for site, one in zip(got, due, strict=True):
        assert np.abs(one).max() > 0 or "cond" in str(jax.make_jaxpr(case.loss)(case.params, case.x))
        np.testing.assert_allclose(units_last(site), one, rtol=1e-5, atol=1e-7 * np.abs(one).max(), err_msg=site.name)


@cases
def test_layer_gradients_are_those_of_zeros_placed_by_hand_in_double_precision(case, x64):
    params = jax.tree.map(lambda leaf: leaf.astype(float), case.params)
    x = case.x.astype(float) if case.x.dtype == jnp.float32 else case.x
    got, due = layer_gradients(ch5jax.tap(case.loss), params, x), by_hand(case, params, x)
    for site, one in zip(got, due, strict=True):
        np.testing.assert_allclose(units_last(site), one, rtol=1e-12, atol=1e-14, err_msg=site.name)


@pytest.mark.smoke
@cases
def test_the_value_and_the_gradient_are_the_loss_s_to_the_last_bit(case):
    tapped = ch5jax.tap(case.loss, activations=True)
    zeros = tapped.zeros(case.params, case.x)
    assert jax.jit(tapped)(case.params, zeros, case.x) == jax.jit(case.loss)(case.params, case.x)
    # not compiled as a whole, JAX compiles parts of either, such as a mean, which round in their own way
    np.testing.assert_allclose(tapped(case.params, zeros, case.x), case.loss(case.params, case.x), rtol=1e-6)
    got, due = (
        jax.jit(jax.grad(f))(case.params, *args) for f, args in ((tapped, (zeros, case.x)), (case.loss, (case.x,)))
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7), got, due)


@cases
def test_names_and_shapes_in_the_order_of_the_depth(case):
    tapped = ch5jax.tap(case.loss)
    zeros = tapped.zeros(case.params, case.x)
    assert tapped.names(case.params, case.x) == tuple(site.name for site in zeros) == case.names
    assert tuple(units_last(site).shape for site in zeros) == case.shapes
    assert len(jax.tree.leaves(zeros)) == len(case.names)
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), (case.params, case.x))
    assert tapped.names(*shapes) == case.names


@cases
def test_maps_over_trials(case, compiled_quickly):
    tapped = ch5jax.tap(case.loss)
    params = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf * 0.5]), case.params)
    mapped = jax.jit(jax.vmap(functools.partial(layer_gradients, tapped), (0, None)))(params, case.x)
    for trial in (0, 1):
        alone = layer_gradients(tapped, jax.tree.map(lambda leaf: leaf[trial], params), case.x)
        for many, one in zip(jax.tree.leaves(mapped), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(many[trial], one, rtol=2e-4, atol=1e-5 * np.abs(one).max() + 1e-12)


@pytest.mark.parametrize("name", ["dense", "stacked", "recurrent"])
def test_costs_what_zeros_placed_by_hand_cost(name):
    """Counted in the compiled program: floating-point operations, and the memory that it needs beside its arguments."""
    case = CASES[name]()
    counts = []
    for function in (functools.partial(layer_gradients, ch5jax.tap(case.loss)), functools.partial(by_hand, case)):
        compiled = jax.jit(function).lower(case.params, case.x).compile()
        costs = compiled.cost_analysis()
        counts.append((costs["flops"], compiled.memory_analysis().temp_size_in_bytes))
    (flops, temporary), (flops_by_hand, temporary_by_hand) = counts
    assert flops <= 1.03 * flops_by_hand
    assert temporary <= 1.05 * temporary_by_hand + 1024


# Activations


@pytest.mark.parametrize("name", ["dense", "recurrent", "mapped", "convolutions", "transformer"])
def test_the_slope_of_a_nonlinearity_is_the_quotient_around_it(name, x64):
    case = CASES[name]()
    params = jax.tree.map(lambda leaf: leaf.astype(float), case.params)
    x = case.x.astype(float) if case.x.dtype == jnp.float32 else case.x
    found = {}
    for site in layer_gradients(ch5jax.tap(case.loss, activations=True), params, x):
        if site.after is not None:
            before = site.z if site.before is None else site.before
            with np.errstate(divide="ignore", invalid="ignore"):
                slope = np.asarray(before / site.after)
            found[site.name] = slope[np.isfinite(slope)]
    ranges = {
        "dense": {"['a']": (0, 1), "['c']": (0, 1)},
        "recurrent": {"['w'] + ['u']": (0, 1)},
        "mapped": {"[0]": (-0.0999, 1.0999), "[1]": (0.1, 1)},
        "convolutions": {"[0][0]": (0, 1), "[1][0]": (0, 1)},
        "transformer": {"['blocks']['up']": (-0.13, 1.13)},
    }[name]
    assert found.keys() == ranges.keys()
    for layer, (low, high) in ranges.items():
        assert found[layer].min() >= low - 1e-12, layer
        assert found[layer].max() <= high + 1e-12, layer
        assert np.ptp(found[layer]) > 0.1 * (high - low), layer
    if name in ("dense", "convolutions"):
        last = found[list(ranges)[-1]]
        assert set(np.round(last, 9)) == {0.0, 1.0}  # a ReLU's


@pytest.mark.parametrize(
    "activation",
    [
        jax.nn.relu,
        jnp.tanh,
        jax.nn.sigmoid,
        jax.nn.gelu,
        jax.nn.silu,
        jax.nn.softplus,
        jax.nn.elu,
        jax.nn.selu,
        jax.nn.leaky_relu,
        jax.nn.mish,
        jax.nn.hard_tanh,
        jax.nn.relu6,
        jnp.sin,
        jax.nn.soft_sign,
        jax.nn.hard_swish,
        lambda z: jnp.maximum(z, 0),
        lambda z: z * jax.nn.sigmoid(z),
        functools.partial(jax.nn.gelu, approximate=False),
        jax.nn.celu,
        jax.nn.log_sigmoid,
    ],
)
def test_activations_of_every_kind_are_found_whole(activation, x64):
    params = [jnp.linspace(-1, 1, 12).reshape(3, 4), jnp.ones((4, 1))]
    x = jnp.linspace(-2, 2, 15).reshape(5, 3)

    def loss(params, x):
        return jnp.mean((activation(x @ params[0] + 0.1) @ params[1]) ** 2)

    first, last = layer_gradients(ch5jax.tap(loss, activations=True), params, x)
    assert (first.before, last.after) == (None, None)
    slope = jax.vmap(jax.vmap(jax.grad(activation)))(x @ params[0] + 0.1)
    np.testing.assert_allclose(first.z, slope * first.after, rtol=1e-10, atol=1e-14)


def test_a_skip_connection_does_not_count_as_slope(x64):
    """Pre-activation: z goes on beside the ReLU, so that ∂L/∂z is more than what the ReLU lets through."""
    params = [jnp.linspace(-1, 1, 12).reshape(3, 4), jnp.linspace(-1, 1, 16).reshape(4, 4)]

    def loss(params, x):
        z = x @ params[0]
        return jnp.sum((z + jax.nn.relu(z) @ params[1]) ** 2)

    first, _ = layer_gradients(ch5jax.tap(loss, activations=True), params, jnp.linspace(-2, 2, 15).reshape(5, 3))
    slope = first.before / first.after
    assert set(np.round(np.asarray(slope).ravel(), 9)) == {0.0, 1.0}
    assert not np.allclose(first.z, first.before)


# What a layer is


def names(loss, params, *args):
    return ch5jax.tap(loss).names(params, *args)


W, X = np.eye(3, dtype=np.float32) * 0.5, np.ones((4, 3), np.float32)


@pytest.mark.parametrize(
    "weights",
    [
        lambda w: w.T,
        lambda w: w.reshape(9).reshape(3, 3),
        lambda w: w.astype(jnp.bfloat16).astype(jnp.float32),
        lambda w: w / jnp.linalg.norm(w, axis=0),
        lambda w: w * np.tri(3, dtype=np.float32),
        lambda w: w * jax.random.bernoulli(jax.random.key(0), 0.5, w.shape),
        lambda w: w + 0.1 * jax.random.normal(jax.random.key(0), w.shape),
        lambda w: jnp.concatenate([w, w])[:3],
        lambda w: jnp.stack([w, w])[jnp.int32(1)],
        lambda w: w + lax.stop_gradient(jnp.round(w) - w),
        jax.jit(jnp.transpose),
    ],
)
def test_a_parameter_that_is_reshaped_masked_or_normalised_first(weights):
    assert names(lambda p, x: jnp.sum(x @ weights(p["w"])), {"w": W}, X) == ("['w']",)


def test_a_norm_with_statistics_in_it_is_no_data():
    def loss(params, x, u):
        w = params["w"]
        return jnp.sum(jnp.tanh(x @ (w / (u @ w @ u))) @ params["v"])

    assert names(loss, {"w": W, "v": W}, X, np.ones(3, np.float32)) == ("['w']", "['v']")


def test_low_rank_terms_and_scales():
    """W + A B is one layer, named by the largest of them; x A B are two; a scale of the data is none."""

    def one(p, x):
        return jnp.sum((x * p["scale"]) @ (p["w"] + p["a"] @ p["b"]))

    def two(p, x):
        return jnp.sum((x * p["scale"]) @ p["a"] @ p["b"])

    params = {"w": W, "a": W[:, :1], "b": W[:1], "scale": np.ones(3, np.float32)}
    assert names(one, params, X) == ("['w']",)
    assert names(two, params, X) == ("['a']", "['b']")


def test_tied_weights_are_two_layers():
    assert names(lambda w, x: jnp.sum(jnp.tanh(x @ w) @ w.T), W, X) == ("params", "params")


def test_what_leads_nowhere_is_no_layer():
    def loss(p, x):
        hidden = jnp.tanh(x @ p["w"])
        accuracy = jnp.mean(jnp.argmax(hidden @ p["metrics"], -1))
        target = lax.stop_gradient(x @ p["target"])
        return jnp.sum((hidden - target) ** 2), {"accuracy": accuracy}

    tapped = ch5jax.tap(loss)
    params = {"w": W, "metrics": W, "target": W}
    assert tapped.names(params, X) == ("['w']",)
    (site,), aux = jax.grad(tapped, argnums=1, has_aux=True)(params, tapped.zeros(params, X), X)
    assert site.z.shape == (4, 3)
    assert aux.keys() == {"accuracy"}


def test_layers_come_in_the_order_of_the_depth_not_of_the_program():
    def loss(p, x):
        skip = x @ p["skip"]
        late = jnp.tanh(jnp.tanh(x @ p["first"]) @ p["second"])
        early = jax.nn.relu(x @ p["side"])
        return jnp.sum((late @ p["last"]) * skip * early)

    params = dict.fromkeys(("skip", "first", "second", "side", "last"), W)
    order = ("['skip']", "['first']", "['side']", "['second']", "['last']")
    assert names(loss, params, X) == order


def test_without_a_layer_it_says_so():
    tapped = ch5jax.tap(lambda w: jnp.sum(w**2))
    assert tapped.names(W) == ()
    assert tapped(W, ()) == 0.75
    with pytest.raises(ValueError, match=r"loss must have a layer .* <lambda> has none"):
        tapped.zeros(W)


# What may come


def test_static_arguments_closures_partials_integers_and_none():
    case = dense()

    def loss(params, x, train, *, power):
        assert isinstance(train, bool)
        h = params["f"](x @ params["a"]) if train else x @ params["a"]
        return jnp.mean(h**power) * params["count"]

    params = {"a": case.params["a"], "count": 2, "f": jnp.tanh, "none": None, "steps": jnp.arange(3)}
    tapped = ch5jax.tap(functools.partial(loss, power=2))
    zeros = tapped.zeros(params, case.x, True)
    assert tapped(params, zeros, case.x, True) == loss(params, case.x, True, power=2)
    assert tapped.names(params, case.x, train=False) == ("['a']",)
    closed = ch5jax.tap(lambda params: loss(params, case.x, True, power=2))
    assert closed.names(params) == ("['a']",)


def test_half_precision_keeps_its_dtype():
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), dense().params)
    tapped = ch5jax.tap(lambda p, x: dense().loss(p, x).astype(jnp.float32))
    x = dense().x.astype(jnp.bfloat16)
    assert {site.z.dtype for site in layer_gradients(tapped, params, x)} == {jnp.dtype(jnp.bfloat16)}


def test_within_shard_map_and_hessians(compiled_quickly):
    """Over two devices, each has the gradients of its own half of the batch; and it can be differentiated again."""
    case = dense()
    x = jnp.concatenate([case.x, case.x[::-1]])
    tapped = ch5jax.tap(case.loss)
    mesh = jax.make_mesh((2,), ("batch",), axis_types=(AxisType.Auto,), devices=jax.devices("cpu")[:2])
    split, whole = PartitionSpec("batch"), PartitionSpec()
    sharded = jax.jit(
        jax.shard_map(functools.partial(layer_gradients, tapped), mesh=mesh, in_specs=(whole, split), out_specs=split)
    )(case.params, x)
    for i, half in enumerate((x[:7], x[7:])):
        for site, due in zip(sharded, layer_gradients(tapped, case.params, half), strict=True):
            np.testing.assert_allclose(site.z[7 * i : 7 * i + 7], due.z, rtol=1e-5, atol=1e-7)
    zeros = tapped.zeros(case.params, x)
    both = jax.jacfwd(jax.grad(lambda zeros: tapped(case.params, zeros, x)))(zeros)
    assert both[0].z[0].z.shape == (14, 5, 14, 5)


def test_keeps_what_is_said_of_shardings(compiled_quickly):
    mesh = jax.make_mesh((2,), ("batch",), axis_types=(AxisType.Auto,), devices=jax.devices("cpu")[:2])
    where = jax.sharding.NamedSharding(mesh, PartitionSpec("batch"))

    def loss(w, x):
        inner = jax.jit(lambda w, x: jnp.tanh(x @ w), out_shardings=where)
        return jnp.mean(lax.with_sharding_constraint(inner(w, x) @ w, where))

    tapped = ch5jax.tap(loss)
    text = jax.jit(tapped).lower(W, tapped.zeros(W, X), X).as_text()
    assert text.count("sharding_constraint") + text.count("@Sharding") == 2


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (lambda w, x: x @ w, "must return a real scalar"),
        (lambda w, x: None, "must return a real scalar"),
        (lambda w, x: (jnp.sum(x @ w), 1, 2), "must return a real scalar"),
        (lambda w, x: jnp.sum(x @ w).astype(jnp.complex64), "must return a real scalar"),
    ],
)
def test_a_loss_that_is_none_is_refused(loss, words):
    with pytest.raises(ValueError, match=words):
        ch5jax.tap(loss).names(W, X)


def test_zeros_of_another_network_are_refused():
    with pytest.raises(ValueError, match="loss must be a function"):
        ch5jax.tap(3)
    tapped = ch5jax.tap(lambda w, x: jnp.sum(x @ w))
    (site,) = tapped.zeros(W, X)
    with pytest.raises(ValueError, match=r"zeros must be what .* gives .* \['?.*params"):
        tapped(W, (site, site), X)
    with pytest.raises(ValueError, match=r"must have shape \(2, 3\) and dtype float32, got \(4, 3\)"):
        tapped(W, (site,), X[:2])
