"""Gradients of products are computed in the order in which they are read."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ch5jax import tracing

pytestmark = pytest.mark.smoke

RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(size=(5, 7)), jnp.float32)
W = jnp.asarray(RNG.normal(size=(7, 7)), jnp.float32)
HEADS = jnp.asarray(RNG.normal(size=(5, 7, 2, 3)), jnp.float32)
OUT = jnp.asarray(RNG.normal(size=(2, 3, 7)), jnp.float32)


def dense(w):
    return jnp.sum(jnp.tanh(X @ w) ** 2)


def recurrent(w):
    return jnp.sum(jax.lax.scan(lambda h, x: (jnp.tanh(x + h @ w), None), X, jnp.stack([X, 2 * X]))[0])


def chosen(w):
    return jax.lax.cond(w[0, 0] > 0, dense, lambda w: jnp.sum(X @ w), w)


def called(w):
    return jax.jit(dense)(w)


def of_heads(w):
    return jnp.sum(jnp.sin(jnp.einsum("bthd,hdo->bto", HEADS, w)))


def of_stacks(w):
    stacked = jnp.stack([w, w + 1])
    return jnp.sum(jnp.sin(jnp.einsum("sbi,sio->sbo", jnp.stack([X, X]), stacked)))


CASES = [(dense, W), (recurrent, W), (chosen, W), (called, W), (of_heads, OUT), (of_stacks, W)]


@pytest.mark.parametrize(("function", "w"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_the_gradient_is_the_same_and_nothing_is_transposed(compiled_quickly, function, w):
    gradient = jax.grad(function)
    hoisted = tracing.hoist(gradient, w)
    np.testing.assert_allclose(hoisted.function(hoisted.constants, w), gradient(w), rtol=1e-5, atol=1e-5)
    assert transposed_products(jax.make_jaxpr(gradient)(w).jaxpr)
    assert not transposed_products(jax.make_jaxpr(hoisted.function)(hoisted.constants, w).jaxpr)


def transposed_products(jaxpr):
    """How many products are transposed, in a jaxpr and inside it."""
    products = {eqn.outvars[0] for eqn in jaxpr.eqns if eqn.primitive.name == "dot_general"}
    here = sum(eqn.primitive.name == "transpose" and eqn.invars[0] in products for eqn in jaxpr.eqns)
    inside = (one for eqn in jaxpr.eqns for one in tracing.jaxprs_of(eqn))
    return here + sum(transposed_products(one.jaxpr) for one in inside)


def of_one_type(x):
    return jnp.tanh(x) @ x.T + 3 * jnp.eye(len(x))


def looped(x):
    return jax.lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] @ (x @ c[1]).T / 9), (0, x))[1]


@jax.custom_jvp
def with_its_own_derivative(x):
    return x @ x.T


with_its_own_derivative.defjvps(lambda t, out, x: t @ x.T + x @ t.T)


HOLDING = {
    "solve": lambda x: jnp.linalg.solve(of_one_type(x), x),
    "triangular solve": lambda x: jax.scipy.linalg.solve_triangular(of_one_type(x), x),
    "inverse": lambda x: jnp.linalg.inv(of_one_type(x)),
    "conjugate gradients": lambda x: jax.scipy.sparse.linalg.cg(x @ x.T + jnp.eye(7), x)[0],
    "custom derivative": with_its_own_derivative,
    "checkpoint": jax.checkpoint(lambda x: jnp.sin(x @ x.T)),
    "while": looped,
    "map": lambda x: jax.lax.map(lambda row: jnp.outer(row, row) @ x, x),
    "switch": lambda x: jax.lax.switch(jnp.int32(x[0, 0] > 0), [of_one_type, jnp.tanh], x),
    "eigenvectors": lambda x: jnp.linalg.eigh(x @ x.T)[0],
}


@pytest.mark.parametrize("name", HOLDING)
def test_whatever_holds_a_jaxpr_stays_what_it_is(compiled_quickly, name):
    """Jaxprs come alone, in tuples, and in named tuples: a linear solve holds four in one."""
    function = HOLDING[name]
    if name != "while":  # which has no gradient in reverse
        function = jax.grad(lambda x: jnp.sum(HOLDING[name](x) ** 2))
    hoisted = tracing.hoist(function, W)
    assert any(tracing.jaxprs_of(eqn) for eqn in jax.make_jaxpr(function)(W).eqns)
    found = jax.jit(hoisted.function)(hoisted.constants, W)
    np.testing.assert_allclose(found, function(W), rtol=1e-3, atol=1e-4)


def test_a_product_that_is_read_twice_or_in_another_order_stays(compiled_quickly):
    def twice(w):
        product = jax.lax.dot_general(X, w, (((1,), (0,)), ((), ())))
        return product.T, product

    def another(w):
        product = jax.lax.dot_general(HEADS, w, (((1,), (0,)), ((), ())))
        return product.transpose(1, 0, 2, 3)

    for function in (twice, another):
        hoisted = tracing.hoist(function, W)
        for mine, theirs in zip(
            jax.tree.leaves(hoisted.function(hoisted.constants, W)), jax.tree.leaves(function(W)), strict=True
        ):
            np.testing.assert_allclose(mine, theirs, rtol=1e-5)


def test_under_vmap_no_weights_are_copied_across_their_rows():
    """What costs a sixth of a step of a large network: a gradient of (48, 32) that is written as (32, 48)."""
    x = jnp.asarray(RNG.normal(size=(8, 48)), jnp.float32)

    def step(w):
        return w - 0.1 * jax.grad(lambda w: jnp.sum(jnp.tanh(x @ w) ** 2))(w)

    weights = jnp.ones((3, 48, 32))
    hoisted = tracing.hoist(step, weights[0])
    texts = {
        name: jax.jit(jax.vmap(function)).lower(weights).compile().as_text()
        for name, function in {"plain": step, "ours": lambda w: hoisted.function(hoisted.constants, w)}.items()
    }
    assert "f32[3,32,48]" in texts["plain"]
    assert "f32[3,32,48]" not in texts["ours"]
