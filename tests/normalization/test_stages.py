"""The nine stages: each the operation that it says, together BatchNorm and its gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ch5jax
from ch5jax import BatchNormParams
from tests.normalization import naive
from tests.references import batch_norm as reference


def example(shape, axis):
    rng = np.random.default_rng(0)
    features = reference.features_shape(np.zeros(shape), axis)
    params = BatchNormParams(jnp.asarray(rng.normal(size=features)), jnp.asarray(rng.normal(size=features)))
    return jnp.asarray(1.0 + rng.normal(size=shape)), jnp.asarray(rng.normal(size=shape)), params


def test_each_forward_stage_is_its_operation(x64):
    x, _, params = example((6, 3), -1)
    s = ch5jax.batch_norm_forward_stages(x, params, eps=0.01)
    mu = np.mean(x, 0)
    due = {
        "mu": mu,
        "xmu": x - mu,
        "sq": (x - mu) ** 2,
        "var": np.mean((x - mu) ** 2, 0),
        "sqrtvar": np.sqrt(np.mean((x - mu) ** 2, 0) + 0.01),
        "ivar": 1 / np.sqrt(np.mean((x - mu) ** 2, 0) + 0.01),
        "xhat": (x - mu) / np.sqrt(np.mean((x - mu) ** 2, 0) + 0.01),
        "gammax": params.scale * (x - mu) / np.sqrt(np.mean((x - mu) ** 2, 0) + 0.01),
        "out": params.scale * (x - mu) / np.sqrt(np.mean((x - mu) ** 2, 0) + 0.01) + params.bias,
    }
    assert list(due) == list(s._fields)
    for name, value in due.items():
        np.testing.assert_allclose(getattr(s, name), value, rtol=1e-13, err_msg=name)


def test_each_backward_stage_is_the_derivative_of_the_rest(x64):
    """∂L/∂(what a stage computes), by JAX: the later stages as a function of it, everything earlier held fixed."""
    x, dout, (gamma, beta) = example((6, 3), -1)
    s = ch5jax.batch_norm_forward_stages(x, BatchNormParams(gamma, beta), eps=0.01)
    d = ch5jax.batch_norm_backward_stages(dout, s, BatchNormParams(gamma, beta))
    functions = {
        "dbeta": (lambda v: s.gammax + v, beta),
        "dgammax": (lambda v: v + beta, s.gammax),
        "dgamma": (lambda v: v * s.xhat + beta, gamma),
        "dxhat": (lambda v: gamma * v + beta, s.xhat),
        "divar": (lambda v: gamma * (s.xmu * v) + beta, s.ivar),
        "dxmu1": (lambda v: gamma * (v * s.ivar) + beta, s.xmu),
        "dsqrtvar": (lambda v: gamma * (s.xmu / v) + beta, s.sqrtvar),
        "dvar": (lambda v: gamma * (s.xmu / jnp.sqrt(v + 0.01)) + beta, s.var),
        "dsq": (lambda v: gamma * (s.xmu / jnp.sqrt(jnp.mean(v, 0) + 0.01)) + beta, s.sq),
        "dxmu2": (lambda v: gamma * (s.xmu / jnp.sqrt(jnp.mean(v**2, 0) + 0.01)) + beta, s.xmu),
        "dx1": (lambda v: naive_from_centered(v - s.mu, gamma, beta), x),
        "dmu": (lambda v: naive_from_centered(x - v, gamma, beta), s.mu),
        "dx2": (lambda v: naive_from_centered(x - jnp.mean(v, 0), gamma, beta), x),
        "dx": (lambda v: naive.batch_norm(v, gamma, beta, 0.01)[0], x),
    }
    assert list(functions) == list(d._fields)
    due = jax.jit(lambda dout: {k: jax.vjp(rest, value)[1](dout)[0] for k, (rest, value) in functions.items()})(dout)
    for name in functions:
        np.testing.assert_allclose(getattr(d, name), due[name], rtol=1e-11, atol=1e-13, err_msg=name)


def naive_from_centered(xmu, gamma, beta):
    return gamma * xmu / jnp.sqrt(jnp.mean(xmu**2, 0) + 0.01) + beta


def the_chapters_passes(x, dout, gamma, beta, delta):
    """Section 5.7 no. 6, line by line, for a batch of m rows: all that it computes, by its own names."""
    m = len(x)
    mu = x.sum(0) / m
    xmu = x - mu
    carre = xmu**2
    var = carre.sum(0) / m
    sqrtvar = np.sqrt(var + delta)
    invvar = 1 / sqrtvar
    va2 = xmu * invvar
    va3 = gamma * va2
    out = va3 + beta
    dbeta, dva3 = dout.sum(0), dout
    dva2, dgamma = gamma * dva3, (va2 * dva3).sum(0)
    dxmu1, dinvvar = invvar * dva2, (xmu * dva2).sum(0)
    dsqrtvar = -1 / sqrtvar**2 * dinvvar
    dvar = 0.5 * (var + delta) ** -0.5 * dsqrtvar
    dcarre = dvar / m
    dxmu2 = 2 * xmu * dcarre
    dxmu = dxmu1 + dxmu2
    dx1, dmu = dxmu, -dxmu.sum(0)
    dx = dmu / m + dx1
    forward = {"mu": mu, "xmu": xmu, "carre": carre, "var": var, "sqrtvar": sqrtvar, "invvar": invvar}
    forward |= {"va2": va2, "va3": va3, "out": out}
    backward = {"dbeta": dbeta, "dva3": dva3, "dva2": dva2, "dgamma": dgamma, "dxmu1": dxmu1, "dinvvar": dinvvar}
    backward |= {"dsqrtvar": dsqrtvar, "dvar": dvar, "dcarre": dcarre, "dxmu2": dxmu2, "dxmu": dxmu}
    return forward, backward | {"dx1": dx1, "dmu": dmu, "dmu/m": dmu / m, "dx": dx}


def test_tables_say_which_field_has_which_of_the_chapters_names(x64):
    x, dout, params = example((6, 3), -1)
    forward = ch5jax.batch_norm_forward_stages(x, params, eps=0.01)
    backward = ch5jax.batch_norm_backward_stages(dout, forward, params)
    chapters = the_chapters_passes(*map(np.asarray, (x, dout, *params)), 0.01)
    for stages, values, numbers in zip((forward, backward), chapters, (range(1, 10), range(9, 0, -1)), strict=True):
        cells = [line.replace("|", " ").split() for line in type(stages).__doc__.splitlines()]
        rows = [row for row in cells if row and row[0].isdigit()]
        assert [name for _, name, _ in rows] == list(values)  # each of its names once, in its order
        assert {field for _, _, field in rows} == set(stages._fields)
        assert list(dict.fromkeys(int(number) for number, _, _ in rows)) == list(numbers)
        for _, name, field in rows:
            due = np.broadcast_to(values[name], getattr(stages, field).shape)
            np.testing.assert_allclose(getattr(stages, field), due, rtol=1e-11, atol=1e-13, err_msg=name)


@pytest.mark.parametrize(("shape", "axis"), [((6, 3), -1), ((2, 3, 4), 1), ((2, 3, 4, 5), (1, 3))])
def test_stages_closed_form_and_numpy_agree(x64, shape, axis):
    x, dout, params = example(shape, axis)
    state = ch5jax.batch_norm_init(params.scale.shape)[1]

    @jax.jit
    def both(x, dout, params):
        s = ch5jax.batch_norm_forward_stages(x, params, axis=axis)
        d = ch5jax.batch_norm_backward_stages(dout, s, params, axis=axis)
        y, pull, _ = jax.vjp(lambda x, p: ch5jax.batch_norm(x, p, state, axis=axis), x, params, has_aux=True)
        return s, d, y, pull(dout)

    s, d, y, (dx, slopes) = both(x, dout, params)
    for got, due in ((s.out, y), (d.dx, dx), (d.dgamma, slopes.scale), (d.dbeta, slopes.bias)):
        np.testing.assert_allclose(got, due, rtol=1e-11, atol=1e-12)
    for got, due in zip((d.dx, d.dgamma, d.dbeta), reference.backward(x, dout, params.scale, 1e-5, axis), strict=True):
        np.testing.assert_allclose(got, due, rtol=1e-11, atol=1e-12)


def test_stages_work_without_parameters_in_half_precision_and_under_jit():
    x = jnp.ones((4, 2), jnp.bfloat16).at[0].set(3)
    s = jax.jit(lambda x: ch5jax.batch_norm_forward_stages(x, None))(x)
    assert s.out.dtype == jnp.float32
    np.testing.assert_array_equal(s.out, s.xhat)
    d = jax.jit(lambda dout, s: ch5jax.batch_norm_backward_stages(dout, s, None))(x, s)
    assert np.all(np.isfinite(d.dx))
