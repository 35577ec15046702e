"""`tap` on networks of Flax (Linen and NNX) and Equinox, against zeros that they place themselves."""

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import ch5jax

pytestmark = pytest.mark.usefixtures("compiled_quickly")

KEY = jax.random.key(0)


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


def assert_same(sites, due):
    assert len(sites) == len(due)
    for site, one in zip(sites, due, strict=True):
        axes = [len(site.loops) + axis for axis in site.units]
        z = np.moveaxis(site.z, axes, range(-len(axes), 0))
        assert np.abs(one).max() > 0, site.name
        np.testing.assert_allclose(z, np.reshape(one, z.shape), rtol=1e-4, atol=1e-5 * np.abs(one).max())


def gradient(loss, params, *args):
    tapped = ch5jax.tap(loss, activations=True)
    return jax.jit(lambda p: jax.grad(tapped, argnums=1, has_aux=True)(p, tapped.zeros(p, *args), *args))(params)


class Convolutional(nn.Module):
    """Convolutions with BatchNorm and dropout; Flax's own `perturb` places zeros."""

    perturbed: bool = False

    @nn.compact
    def __call__(self, x, train):
        for i, features in enumerate((4, 6)):
            x = nn.Conv(features, (3, 3), use_bias=False)(x)
            x = self.perturb(f"z{i}", x) if self.perturbed else x
            x = nn.relu(nn.BatchNorm(use_running_average=not train)(x))
            x = nn.Dropout(0.2, deterministic=not train)(x)
        x = nn.Dense(3)(jnp.mean(x, (1, 2)))
        return self.perturb("z2", x) if self.perturbed else x


def test_a_linen_network_with_batch_norm_and_dropout():
    x, y = normal(1, 8, 10, 10, 1), jax.nn.one_hot(jnp.arange(8) % 3, 3)
    model, by_hand = Convolutional(), Convolutional(perturbed=True)
    variables = by_hand.init({"params": KEY, "dropout": KEY}, x, train=True)

    def loss(params, module, perturbations):
        given = {"params": params, "batch_stats": variables["batch_stats"], **perturbations}
        logits, new = module.apply(given, x, train=True, mutable=["batch_stats"], rngs={"dropout": KEY})
        return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(logits), -1)), new

    params = variables["params"]
    sites, new = gradient(lambda params: loss(params, model, {}), params)
    assert "batch_stats" in new
    own = {"perturbations": variables["perturbations"]}
    due = jax.grad(lambda p: loss(params, by_hand, p)[0])(own)["perturbations"]
    assert_same(sites, [due[f"z{i}"] for i in range(3)])
    assert [site.name for site in sites] == [f"['{name}']['kernel']" for name in ("Conv_0", "Conv_1", "Dense_0")]
    assert [site.after is not None for site in sites] == [True, True, False]
    shares = ch5jax.diagnostics.flat_units(sites)
    assert shares.shape == (2,)
    np.testing.assert_array_equal(shares, 0)


class Block(nn.Module):
    """One of a transformer's blocks."""

    perturbed: bool = False

    @nn.compact
    def __call__(self, x, _):
        x = x + nn.MultiHeadDotProductAttention(num_heads=2, name="attention")(nn.LayerNorm()(x))
        h = nn.Dense(16, name="up")(nn.LayerNorm()(x))
        h = nn.gelu(self.perturb("z_up", h) if self.perturbed else h)
        h = nn.Dense(8, name="down")(h)
        return x + (self.perturb("z_down", h) if self.perturbed else h), None


class Transformer(nn.Module):
    """Three of them, their weights stacked."""

    perturbed: bool = False

    @nn.compact
    def __call__(self, tokens):
        x = nn.Embed(11, 8, name="tokens")(tokens)
        axes = {"params": 0, "perturbations": 0}
        blocks = nn.scan(nn.remat(Block), variable_axes=axes, split_rngs={"params": True}, length=3)
        x, _ = blocks(self.perturbed, name="blocks")(x, None)
        return nn.Dense(11, name="out")(nn.LayerNorm()(x))


def test_a_linen_transformer_under_scan():
    tokens = jax.random.randint(KEY, (3, 6), 0, 11)
    by_hand = Transformer(perturbed=True)
    variables = by_hand.init(KEY, tokens)

    def loss(params, module, perturbations):
        logits = module.apply({"params": params, **perturbations}, tokens)
        return jnp.mean(jnp.sin(logits)), None

    params = variables["params"]
    sites, _ = gradient(lambda params: loss(params, Transformer(), {}), params)
    own = {"perturbations": variables["perturbations"]}
    due = jax.grad(lambda p: loss(params, by_hand, p)[0])(own)["perturbations"]["blocks"]
    of = {site.name: site for site in sites}
    inside = [f"['attention']['{name}']" for name in ("query", "key", "value", "out")] + ["['up']", "['down']"]
    names = ["['tokens']['embedding']", *(f"['blocks']{name}['kernel']" for name in inside), "['out']['kernel']"]
    assert list(of) == names
    assert_same([of["['blocks']['up']['kernel']"], of["['blocks']['down']['kernel']"]], [due["z_up"], due["z_down"]])
    layers = ch5jax.diagnostics.layer_names(sites)
    assert len(layers) == len(ch5jax.diagnostics.layer_gradient_norms(sites)) == 1 + 3 * 6 + 1
    assert layers[1:8] == tuple(f"['blocks']{name}['kernel'][{i}]" for i in (0, 1) for name in inside)[:7]
    assert ch5jax.diagnostics.activation_names(sites) == tuple(f"['blocks']['up']['kernel'][{i}]" for i in range(3))


class Perceptron(nnx.Module):
    """Two layers and zeros that are added to them."""

    def __init__(self, rngs):
        self.first, self.second = nnx.Linear(3, 5, rngs=rngs), nnx.Linear(5, 2, rngs=rngs)
        self.norm = nnx.BatchNorm(5, rngs=rngs)

    def __call__(self, x, zeros=(0.0, 0.0)):
        return self.second(nnx.tanh(self.norm(self.first(x) + zeros[0]))) + zeros[1]


def test_an_nnx_network():
    x = normal(1, 7, 3)
    graph, params, rest = nnx.split(Perceptron(nnx.Rngs(0)), nnx.Param, ...)

    def loss(params, zeros):
        model = nnx.merge(graph, params, jax.tree.map(jnp.asarray, rest))  # Variables of this trace
        return jnp.mean(jnp.sin(model(x, zeros))), nnx.state(model, nnx.BatchStat)

    sites, _ = gradient(lambda params: loss(params, (0.0, 0.0)), params)
    zeros = (jnp.zeros((7, 5)), jnp.zeros((7, 2)))
    due = jax.grad(lambda zeros: loss(params, zeros)[0])(zeros)
    assert_same(sites, due)
    assert [layer in site.name for layer, site in zip(("first", "second"), sites, strict=True)] == [True, True]
    assert [site.after is not None for site in sites] == [True, False]


def test_an_equinox_network_mapped_over_the_batch():
    model = eqx.nn.MLP(3, 2, width_size=5, depth=2, key=KEY)
    params, static = eqx.partition(model, eqx.is_array)
    x = normal(1, 7, 3)

    def loss(params):
        return jnp.mean(jnp.sin(jax.vmap(eqx.combine(params, static))(x))), None

    def by_hand(zeros):
        def one(x, zeros):
            for i, (layer, zero) in enumerate(zip(model.layers, zeros, strict=True)):
                x = layer(x) + zero
                x = jax.nn.relu(x) if i < 2 else x
            return x

        return jnp.mean(jnp.sin(jax.vmap(one)(x, zeros)))

    sites, _ = gradient(loss, params)
    assert_same(sites, jax.grad(by_hand)([jnp.zeros((7, width)) for width in (5, 5, 2)]))
    assert [site.name for site in sites] == [f".layers[{i}].weight" for i in range(3)]
    assert [site.after is not None for site in sites] == [True, True, False]
