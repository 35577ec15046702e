"""What researchers write: which layers `tap` finds there, how it counts loops, and what it leaves alone."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import ch5jax
from ch5jax.diagnostics import activation_names, flat_units, layer_gradient_norms, layer_names
from tests.tapping.networks import normal, site_gradients

pytestmark = pytest.mark.usefixtures("compiled_quickly")

P = {"a": normal(0, 3, 5), "b": normal(1, 5, 4), "c": normal(2, 4, 1), "s": jnp.full(3, 0.5), "pos": normal(3, 7, 3)}
X = normal(4, 7, 3)
KEY = jax.random.key(0)
ALL = ("['a']", "['b']", "['c']")


def mlp(p, x):
    return jnp.sum(jnp.tanh(jnp.tanh(x @ p["a"]) @ p["b"]) @ p["c"])


def masked(p, key):
    keys = jax.random.split(key)
    return {**p, **{n: p[n] * jax.random.bernoulli(k, 0.5, p[n].shape) for n, k in zip("ab", keys, strict=True)}}


LOSSES = {
    "a print": (lambda p: (jax.debug.print("{}", X[0, 0]), mlp(p, X))[1], ALL),
    "a grid made inside": (lambda p: mlp(p, jnp.linspace(0, 1, 21).reshape(7, 3)), ALL),
    "noise made inside": (lambda p: mlp(p, jax.random.normal(KEY, (7, 3))), ALL),
    "two passes": (lambda p: mlp(p, X) + mlp(p, jnp.ones((7, 3))), ALL[:1] * 2 + ALL[1:2] * 2 + ALL[2:] * 2),
    "scaled inputs": (lambda p: mlp(p, X * p["s"]), ALL),
    "a batch of one, scaled": (lambda p: mlp(p, X[:1] * p["s"]), ALL),
    "positions added to one example": (lambda p: mlp(p, X + p["pos"]), ALL),
    "a graph": (lambda p: jnp.sum(jnp.ones((7, 7)) @ ((X + p["pos"]) @ p["a"])), ALL[:1]),
    "dropped connections": (lambda p: mlp(masked(p, KEY), X), ALL),
    "dropped connections, several": (
        lambda p: jnp.sum(jax.vmap(lambda k: mlp(masked(p, k), X))(jax.random.split(KEY, 4))),
        ALL,
    ),
    "weight noise, several": (
        lambda p: jnp.sum(jax.vmap(lambda e: mlp({**p, "a": p["a"] + e}, X))(normal(9, 4, 3, 5))),
        ALL,
    ),
    "a vector masked": (lambda p: jnp.sum(X @ jnp.where(X[0] > 0, p["s"], 0.0)), ("['s']",)),
    "one norm for all": (
        lambda p: mlp(jax.tree.map(lambda w: w / jnp.sqrt(sum(jnp.sum(v**2) for v in p.values())), p), X),
        ALL,
    ),
    "one token": (lambda p: mlp(p, p["pos"][jnp.argmax(X[0])]), ("['pos']", *ALL)),
    "two tokens": (lambda p: mlp(p, p["pos"][jnp.argsort(X[0])[:2]]), ("['pos']", *ALL)),
    "a gradient inside": (
        lambda p: mlp(p, X) + jnp.sum(jax.vmap(jax.grad(lambda x: mlp(p, x)))(X) ** 2),
        None,
    ),
    "derivatives by inputs": (lambda p: jnp.sum(jax.jacfwd(lambda x: mlp(p, x[None]))(X[0]) ** 2), None),
}


@pytest.mark.parametrize("name", LOSSES)
def test_layers_are_found(name):
    loss, due = LOSSES[name]
    tapped = ch5jax.tap(loss, activations=True)
    names = tapped.names(P)
    assert set(ALL) <= set(names) if due is None else names == due
    value, gradient = jax.jit(jax.value_and_grad(tapped))(P, tapped.zeros(P))
    due_value, due_gradient = jax.jit(jax.value_and_grad(loss))(P)
    np.testing.assert_allclose(value, due_value, rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), gradient, due_gradient)


def test_effects_stay():
    seen = []

    def loss(p):
        jax.debug.callback(lambda x: seen.append(float(x)), p["s"][0])
        return mlp(p, X)

    tapped = ch5jax.tap(loss)
    jax.block_until_ready(jax.jit(tapped)(P, tapped.zeros(P)))
    jax.effects_barrier()
    assert seen == [0.5]


def test_zeros_made_outside_serve_inside_jit_whatever_is_traced_there():
    def loss(p, x, scale):
        h, _ = lax.scan(lambda h, w: (jnp.tanh(h @ w), None), x * scale, jnp.stack([p["w"], p["w"]]))
        return jnp.sum(h)

    p, tapped = {"w": normal(0, 3, 3)}, ch5jax.tap(loss)
    zeros = tapped.zeros(p, X, 2.0)
    got = jax.jit(jax.grad(tapped, argnums=1))(p, zeros, X, 2.0)
    for a, b in zip(got, jax.grad(tapped, argnums=1)(p, zeros, X, 2.0), strict=True):
        np.testing.assert_allclose(a.z, b.z, rtol=1e-5, atol=1e-7)


def test_what_a_platform_chooses_is_one_layer():
    def loss(p, x):
        return jnp.sum(lax.platform_dependent(x, p["a"], cpu=lambda x, w: x @ w, default=lambda x, w: 2 * (x @ w)))

    (site,) = site_gradients(loss, P, X)
    np.testing.assert_allclose(site.z, np.ones((7, 5)))


def test_a_sum_with_a_bias_in_between_is_one_layer():
    def loss(p):
        return jnp.sum(jnp.tanh((X @ p["a"] + 1.0) + X @ p["other"] + p["bias"]))

    params = {"a": P["a"], "other": P["a"], "bias": jnp.ones(5)}
    assert ch5jax.tap(loss).names(params) == ("['a'] + ['other']",)


# Loops


def test_noise_on_shared_weights_is_still_time():
    def loss(p):
        def step(h, key):
            u = p["u"] * jax.random.bernoulli(key, 0.9, p["u"].shape)
            return jnp.tanh(X @ p["w"] + h @ u), None

        return jnp.sum(lax.scan(step, jnp.zeros((7, 3)), jax.random.split(KEY, 4))[0])

    sites = site_gradients(loss, {"u": normal(0, 3, 3), "w": normal(1, 3, 3)})
    assert [loop.over for site in sites for loop in site.loops] == ["time"]


def test_a_loop_over_examples_is_a_batch():
    sites = site_gradients(lambda p: jnp.sum(lax.map(lambda x: mlp(p, x[None]), X)), P)
    whole = site_gradients(lambda p: mlp(p, X), P)
    assert [loop.over for site in sites for loop in site.loops] == ["batch"] * 3
    assert layer_names(sites) == layer_names(whole) == ALL
    np.testing.assert_allclose(layer_gradient_norms(sites), layer_gradient_norms(whole), rtol=1e-5)


@pytest.mark.parametrize("index", ["counter", "slices"])
def test_stacked_weights_by_index_are_depth(index):
    params = {"w": jnp.stack([normal(i, 3, 3) for i in range(4)])}

    def loss(p):
        if index == "counter":
            h = lax.fori_loop(0, 4, lambda i, h: jnp.tanh(h @ p["w"][i]), X)
        else:
            h, _ = lax.scan(lambda h, i: (jnp.tanh(h @ p["w"][i]), None), X, jnp.arange(4))
        return jnp.sum(h)

    sites = site_gradients(loss, params)
    assert layer_names(sites) == activation_names(sites) == tuple(f"['w'][{i}]" for i in range(4))


def test_a_reversed_scan_counts_from_where_it_begins():
    params = jnp.stack([normal(i, 3, 3) for i in range(4)])
    (site,) = site_gradients(lambda w: jnp.sum(lax.scan(lambda h, w: (h @ w, None), X, w, reverse=True)[0]), params)
    assert layer_names([site]) == tuple(f"params[{i}]" for i in (3, 2, 1, 0))
    np.testing.assert_allclose(
        layer_gradient_norms([site]), np.linalg.norm(site.z.reshape(4, -1), axis=1)[::-1], rtol=1e-5
    )


def test_layers_within_layers():
    """Two blocks over depth, in each three steps of time."""

    def loss(p):
        def block(x, w):
            def step(h, x):
                return jnp.tanh(x @ w["in"] + h @ w["over"]), None

            h, _ = lax.scan(step, jnp.zeros((7, 3)), x)
            return x + h, None

        return jnp.sum(lax.scan(block, jnp.stack([X, X, X]), p)[0])

    sites = site_gradients(loss, {"in": jnp.stack([P["a"][:, :3]] * 2), "over": jnp.stack([P["a"][:, :3]] * 2)})
    name = "['in'] + ['over']"
    assert layer_names(sites) == tuple(f"{name}[{i}], step {t} of 3" for i in (0, 1) for t in (1, 2, 3))
    assert layer_gradient_norms(sites).shape == (6,)
    assert flat_units(sites).shape == (2,)


# What follows


@jax.custom_vjp
def reversed_gradient(z):
    return z


reversed_gradient.defvjp(lambda z: (z, None), lambda _, g: (-g,))

DEAD = jnp.array([-100.0, -100.0, 0.0, 0.0, 0.0])  # two of five units
ACTIVATIONS = {
    "plain": jax.nn.relu,
    "a reversed gradient": lambda z: jax.nn.relu(reversed_gradient(z)),
    "clipped before": lambda z: jax.nn.relu(jnp.clip(z, -1e4, 1e4)),
    "a constant mask": lambda z: jax.nn.relu(jnp.where(jnp.arange(7)[:, None] < 6, z, 0.0)),
    "a random mask": lambda z: jax.nn.relu(jnp.where(jax.random.bernoulli(KEY, 0.9, z.shape), z, -1.0)),
    "squared": lambda z: jax.nn.relu(z) ** 2,
    "scaled after": lambda z: 1e-4 * jax.nn.relu(z),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_dead_units_are_seen(name):
    def loss(p):
        return jnp.sum(jnp.sin(ACTIVATIONS[name](X @ p["a"] + DEAD) @ p["b"]))

    np.testing.assert_allclose(flat_units(site_gradients(loss, P)), [0.4], rtol=1e-6)


@pytest.mark.parametrize("call", [jax.jit, jax.checkpoint])
def test_an_activation_outside_the_call_that_makes_its_layer(call):
    def loss(p):
        return jnp.sum(jnp.sin(jax.nn.relu(call(lambda x, w: x @ w)(X, p["a"]) + DEAD) @ p["b"]))

    np.testing.assert_allclose(flat_units(site_gradients(loss, P)), [0.4], rtol=1e-6)


def test_units_split_into_heads():
    def loss(p):
        z = (X @ p["a"] + DEAD)[:, :4].reshape(7, 2, 2)
        return jnp.sum(jnp.sin(jax.nn.relu(z).reshape(7, 4) @ p["b"][:4]))

    np.testing.assert_allclose(flat_units(site_gradients(loss, P)), [0.5])


# What is given and taken


def test_what_else_a_loss_returns_may_be_anything():
    def loss(p, x):
        return mlp(p, x), {"name": "run", "logits": x, "f": jnp.tanh, "none": None}

    tapped = ch5jax.tap(loss)
    _, aux = jax.grad(tapped, argnums=1, has_aux=True)(P, tapped.zeros(P, X), X)
    assert (aux["name"], aux["f"], aux["none"]) == ("run", jnp.tanh, None)
    np.testing.assert_array_equal(aux["logits"], X)


def test_numbers_that_are_no_parameters_stay_numbers():
    def loss(p, x, *, zeros):
        for _ in range(p["depth"]):
            x = jnp.tanh(x @ p["w"])
        return jnp.sum(x) * zeros

    params = {"w": normal(0, 3, 3), "depth": 2, "names": np.array(["u", "v"]), "flags": np.array([True])}
    assert ch5jax.tap(functools.partial(loss, zeros=1.0)).names(params, X) == ("['w']", "['w']")
    assert ch5jax.tap(loss).names(params, X, zeros=2.0) == ("['w']", "['w']")
