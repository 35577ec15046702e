"""Losses with zeros placed by hand, beside the same without: what `tap` is held against.

Each case gives `loss(params, x)` and `by_hand(params, zeros, x)`, where `zeros` is a list in the order of the depth.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import ch5jax


class Case(NamedTuple):
    """A network."""

    params: Any
    x: Any
    loss: Any
    by_hand: Any
    names: tuple
    shapes: tuple  # of the zeros


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape) / np.sqrt(shape[0]))


def dense():
    """Two hidden layers, a bias each."""
    params = {"a": normal(0, 3, 5), "b": normal(1, 5), "c": normal(2, 5, 4), "d": normal(3, 4, 2)}

    def by_hand(p, zeros, x):
        x = jnp.tanh(x @ p["a"] + zeros[0] + p["b"])
        x = jax.nn.relu(x @ p["c"] + zeros[1])
        return jnp.mean((x @ p["d"] + zeros[2]) ** 2)

    return Case(
        params,
        normal(4, 7, 3),
        lambda p, x: by_hand(p, [0.0] * 3, x),
        by_hand,
        ("['a']", "['c']", "['d']"),
        ((7, 5), (7, 4), (7, 2)),
    )


def convolutions():
    """Two convolutions with BatchNorm and dropout, pooling, a dense layer, and cross-entropy."""
    params = [(normal(0, 3, 3, 1, 4), jnp.ones(4)), (normal(1, 3, 3, 4, 6), jnp.ones(6)), normal(2, 6, 3)]

    def convolved(x, w):
        return lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    def by_hand(p, zeros, x):
        for (w, scale), zero in zip(p[:2], zeros, strict=False):
            z = convolved(x, w) + zero
            mean, var = jnp.mean(z, (0, 1, 2)), jnp.var(z, (0, 1, 2))
            x = jax.nn.relu((z - mean) * lax.rsqrt(var + 1e-5) * scale)
            keep = jax.random.bernoulli(jax.random.key(3), 0.9, x.shape)
            x = jnp.where(keep, x / 0.9, 0.0)
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        logits = jnp.mean(x, (1, 2)) @ p[2] + zeros[2]
        return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(5), jnp.arange(5) % 3])

    return Case(
        params,
        normal(5, 5, 8, 8, 1),
        lambda p, x: by_hand(p, [0.0] * 3, x),
        by_hand,
        ("[0][0]", "[1][0]", "[2]"),
        ((5, 8, 8, 4), (5, 4, 4, 6), (5, 3)),
    )


def stacked():
    """Twenty layers in a scan over their weights, each checkpointed."""
    params = {"in": normal(0, 3, 4), "layers": jnp.stack([normal(i, 4, 4) for i in range(20)]), "out": normal(9, 4, 1)}

    def by_hand(p, zeros, x):
        @jax.checkpoint
        def block(h, w, zero):
            return h + jnp.tanh(h @ w + zero)

        h, _ = lax.scan(lambda h, now: (block(h, *now), None), x @ p["in"] + zeros[0], (p["layers"], zeros[1]))
        return jnp.mean((h @ p["out"] + zeros[2]) ** 2)

    return Case(
        params,
        normal(4, 6, 3),
        lambda p, x: by_hand(p, [0.0, jnp.zeros(20), 0.0], x),
        by_hand,
        ("['in']", "['layers']", "['out']"),
        ((6, 4), (20, 6, 4), (6, 1)),
    )


def recurrent():
    """A recurrent layer: x W and h U are one layer at each step of time."""
    params = {"w": normal(0, 2, 5), "u": normal(1, 5, 5), "v": normal(2, 5, 1)}

    def by_hand(p, zeros, x):
        def step(h, now):
            x, zero = now
            return jnp.tanh(x @ p["w"] + h @ p["u"] + zero), None

        h, _ = lax.scan(step, jnp.zeros((x.shape[1], 5), x.dtype), (x, zeros[0]))
        return jnp.mean((h @ p["v"] + zeros[1]) ** 2)

    return Case(
        params,
        normal(4, 9, 6, 2),
        lambda p, x: by_hand(p, [jnp.zeros(9, x.dtype), 0.0], x),
        by_hand,
        ("['w'] + ['u']", "['v']"),
        ((9, 6, 5), (6, 1)),
    )


def transformer():
    """Token and position embeddings, two blocks of attention and GELU in a scan, tied output weights."""
    width, heads = 8, 2
    block = {"q": (8, 8), "k": (8, 8), "v": (8, 8), "o": (8, 8), "up": (8, 16), "down": (16, 8)}
    params = {
        "blocks": {name: jnp.stack([normal(i + j, *s) for j in (0, 50)]) for i, (name, s) in enumerate(block.items())},
        "tokens": normal(20, 11, width),
        "positions": normal(21, 5, width),
    }

    def norm(h):
        return (h - jnp.mean(h, -1, keepdims=True)) * lax.rsqrt(jnp.var(h, -1, keepdims=True) + 1e-6)

    def split(h):
        return jnp.swapaxes(h.reshape(*h.shape[:-1], heads, width // heads), 1, 2)

    def by_hand(p, zeros, x):
        embedded, q0, k0, v0, o0, up0, down0, out0 = zeros

        def layer(h, now):
            w, (q0, k0, v0, o0, up0, down0) = now
            n = norm(h)
            q, k, v = split(n @ w["q"] + q0), split(n @ w["k"] + k0), split(n @ w["v"] + v0)
            weights = jax.nn.softmax(jnp.einsum("bhqd,bhkd->bhqk", q, k) / np.sqrt(width // heads).astype(h.dtype))
            h = h + jnp.swapaxes(weights @ v, 1, 2).reshape(h.shape) @ w["o"] + o0
            return h + jax.nn.gelu(norm(h) @ w["up"] + up0) @ w["down"] + down0, None

        h = p["tokens"][x] + embedded + p["positions"]
        h, _ = lax.scan(layer, h, (p["blocks"], (q0, k0, v0, o0, up0, down0)))
        logits = norm(h) @ p["tokens"].T + out0
        return -jnp.mean(jax.nn.log_softmax(logits[:, :-1])[..., 0] * x[:, 1:])

    def loss(p, x):
        none = jnp.zeros(2, p["tokens"].dtype)
        return by_hand(p, [0.0, *[none] * 6, 0.0], x)

    names = ("tokens", *(f"blocks']['{name}" for name in block), "tokens")
    shapes = ((3, 5, 8), *((2, 3, 5, s[1]) for s in block.values()), (3, 5, 11))
    x = jnp.asarray(np.random.default_rng(0).integers(0, 11, (3, 5)))
    return Case(params, x, loss, by_hand, tuple(f"['{name}']" for name in names), shapes)


def mapped():
    """A network for one example, mapped over the batch, with weights that multiply from the left."""
    params = [normal(0, 5, 3), normal(1, 4, 5), normal(2, 4)]

    def one(p, zeros, x):
        x = jax.nn.silu(p[0] @ x + zeros[0])
        x = jnp.where(p[1] @ x + zeros[1] > 0, p[1] @ x + zeros[1], 0.1 * (p[1] @ x + zeros[1]))
        return (p[2] @ x + zeros[2]) ** 2

    def loss(p, x):
        def plain(x):
            x = jax.nn.silu(p[0] @ x)
            z = p[1] @ x
            return (p[2] @ jnp.where(z > 0, z, 0.1 * z)) ** 2

        return jnp.mean(jax.vmap(plain)(x))

    def by_hand(p, zeros, x):
        return jnp.mean(jax.vmap(one, (None, 0, 0))(p, zeros, x))

    return Case(params, normal(4, 7, 3), loss, by_hand, ("[0]", "[1]", "[2]"), ((7, 5), (7, 4), (7,)))


def branches():
    """One of two layers by a condition, a jitted layer, and one whose derivative is its own."""
    params = {"a": normal(0, 3, 4), "b": normal(1, 3, 4), "c": normal(2, 4, 4), "d": normal(3, 4, 2)}

    @jax.custom_vjp
    def own(x, w):
        return x @ w

    own.defvjp(lambda x, w: (x @ w, (x, w)), lambda saved, g: (g @ saved[1].T, saved[0].T @ g))

    def by_hand(p, zeros, x):
        h = lax.cond(jnp.sum(x) > 0, lambda: jnp.sin(x @ p["a"] + zeros[1]), lambda: jnp.cos(x @ p["b"] + zeros[0]))
        h = jax.jit(lambda h, w: jax.nn.gelu(h @ w + zeros[2]))(h, p["c"])
        return jnp.mean((own(h, p["d"]) + zeros[3]) ** 2)

    return Case(
        params,
        normal(4, 7, 3),
        lambda p, x: by_hand(p, [0.0] * 4, x),
        by_hand,
        ("['b']", "['a']", "['c']", "['d']"),
        ((7, 4), (7, 4), (7, 4), (7, 2)),
    )


CASES = {case.__name__: case for case in (dense, convolutions, stacked, recurrent, transformer, mapped, branches)}


def site_gradients(loss, params, *args):
    """The gradient at every layer and around its activation."""
    tapped = ch5jax.tap(loss, activations=True)
    return jax.grad(tapped, argnums=1)(params, tapped.zeros(params, *args), *args)
