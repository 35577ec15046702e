"""Derivatives of every order and mode equal those of the naive formula in float64."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ch5jax
from ch5jax import BatchNormParams
from tests.normalization import naive

ROWS, FEATURES = 5, 3
MASK = np.arange(ROWS * FEATURES).reshape(ROWS, FEATURES) % 4 != 0


def point(rows=ROWS, seed=0):
    """x, scale, bias, eps: what one differentiates with respect to."""
    rng = np.random.default_rng(seed)
    return (
        jnp.asarray(2.0 + rng.normal(size=(rows, FEATURES))),
        jnp.asarray(rng.normal(size=FEATURES)),
        jnp.asarray(rng.normal(size=FEATURES)),
        jnp.asarray(0.1),
    )


def functions(mask=None):
    """Ours and the naive one, with outputs that mix y, mean and variance nonlinearly."""
    weights = jnp.sin(jnp.arange(1.0, FEATURES + 1))
    before = ch5jax.batch_norm_state(np.zeros(FEATURES), np.ones(FEATURES), weight=0.0)
    before = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), before)

    def ours(x, scale, bias, eps):
        y, state = ch5jax.batch_norm(x, BatchNormParams(scale, bias), before, eps=eps, momentum=0.3, mask=mask)
        return jnp.sin(y) @ weights, state.mean**2 + jnp.sqrt(1 + state.var)

    def formula(x, scale, bias, eps):
        y, mean, var = naive.batch_norm(x, scale, bias, eps, mask=mask)
        return jnp.sin(y) @ weights, mean**2 + jnp.sqrt(1 + var)

    return ours, formula


def scalar(function):
    def loss(*arguments):
        y, statistics = function(*arguments)
        return jnp.sum(y**3) + jnp.sum(statistics * jnp.arange(1.0, FEATURES + 1))

    return loss


ALL = (0, 1, 2, 3)
DERIVATIVES = {
    "value": lambda f: f,
    "jvp": lambda f: lambda *a: jax.jvp(f, a, tuple(jnp.cos(3 * leaf) for leaf in a))[1],
    "vjp": lambda f: lambda *a: jax.vjp(f, *a)[1]((jnp.linspace(-1, 1, a[0].shape[0]), jnp.ones(FEATURES))),
    "jacfwd": lambda f: jax.jacfwd(f, ALL),
    "jacrev": lambda f: jax.jacrev(f, ALL),
    "grad": lambda f: jax.grad(scalar(f), ALL),
    "hessian": lambda f: jax.hessian(scalar(f), ALL),
    "reverse over reverse": lambda f: jax.jacrev(jax.jacrev(scalar(f), ALL), ALL),
    "forward over forward": lambda f: jax.jacfwd(jax.jacfwd(scalar(f), ALL), ALL),
    "reverse over forward": lambda f: jax.jacrev(jax.jacfwd(scalar(f), ALL), ALL),
    "linearize": lambda f: lambda *a: jax.linearize(f, *a)[1](*(jnp.cos(leaf) for leaf in a)),
    "under jax.checkpoint": lambda f: jax.grad(jax.checkpoint(scalar(f)), ALL),
}
# what is the same number in whatever mode it is taken: the naive formula's is taken once
SAME = {
    "jacrev": "jacfwd",
    "reverse over reverse": "hessian",
    "forward over forward": "hessian",
    "reverse over forward": "hessian",
    "under jax.checkpoint": "grad",
}


def together(names, function):
    """Several derivatives as one program, which compiles sooner than they do one by one."""
    return jax.jit(lambda *arguments: {name: DERIVATIVES[name](function)(*arguments) for name in names})


@functools.cache
def derivatives(masked):
    """Of ours, and of the naive formula."""
    ours, formula = functions(MASK if masked else None)
    due = together([name for name in DERIVATIVES if name not in SAME], formula)(*point())
    return together(DERIVATIVES, ours)(*point()), {name: due[SAME.get(name, name)] for name in DERIVATIVES}


@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives_equal_the_naive_formulas(x64, name, masked):
    ours, formula = derivatives(masked)
    chex.assert_trees_all_close(ours[name], formula[name], rtol=1e-9, atol=1e-10)


THIRD = {
    "forward": [jax.jacfwd] * 3,
    "reverse": [jax.jacrev] * 3,
    "forward over reverse over forward": [jax.jacfwd, jax.jacrev, jax.jacfwd],
    "reverse over forward over reverse": [jax.jacrev, jax.jacfwd, jax.jacrev],
}


@pytest.mark.parametrize("modes", THIRD.values(), ids=THIRD)
def test_third_derivatives_equal_the_naive_formulas(x64, modes):
    """PyTorch's are wrong."""
    ours, formula = third(functions()[0], modes), naive_third()
    np.testing.assert_allclose(ours, formula, rtol=1e-9)
    assert abs(formula) > 1e-3


def third(function, modes):
    """The third derivative along a curve, taken in these modes."""

    def along(t):
        x, scale, bias, eps = point(rows=4)
        moved = (x + t * jnp.cos(x), scale + t * scale**2, bias + t, eps + t * 0.1)
        return scalar(function)(*moved)

    for mode in modes:
        along = mode(along)
    return jax.jit(along)(0.0)


@functools.cache
def naive_third():
    return third(functions()[1], THIRD["forward"])


VMAPPED = ["value", "jvp", "vjp", "grad", "hessian"]


@functools.cache
def mapped():
    """Derivatives at three points, under `jax.vmap` and one point after the other."""
    function = together(VMAPPED, functions(MASK)[0])
    points = [point(seed=seed) for seed in range(3)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *points)
    return jax.jit(jax.vmap(function))(*stacked), [function(*one) for one in points]


@pytest.mark.parametrize("name", VMAPPED)
def test_vmap_of_a_derivative_equals_the_loop(x64, name):
    at_once, one_by_one = mapped()
    for i, one in enumerate(one_by_one):
        chex.assert_trees_all_close(jax.tree.map(lambda leaf, i=i: leaf[i], at_once[name]), one[name], rtol=1e-10)


@pytest.mark.parametrize("shape", [(299, 2), (16, 6, 6, 2)])
@pytest.mark.parametrize("name", ["jvp", "vjp", "hessian-vector product", "gradient of a gradient's norm"])
def test_derivatives_of_long_batches(x64, shape, name):
    ours, formula = of_a_batch(shape)
    np.testing.assert_allclose(ours[name], formula[name], rtol=1e-9, atol=1e-11)


@functools.cache
def of_a_batch(shape):
    """Derivatives with respect to a batch of this shape: of ours, and of the naive formula."""
    x = 2.0 + jnp.asarray(np.random.default_rng(0).normal(size=shape))
    _, state = ch5jax.batch_norm_init(2)

    def ours(x):
        return jnp.sin(ch5jax.batch_norm(x, None, state, eps=0.1)[0])

    def formula(x):
        return jnp.sin(naive.batch_norm(x, jnp.ones(2), jnp.zeros(2), 0.1)[0])

    def all_of(f):
        def derivatives(x, g):
            slope = jax.grad(lambda x: jnp.sum(f(x) * g))
            return {
                "jvp": jax.jvp(f, (x,), (g,))[1],
                "vjp": slope(x),
                "hessian-vector product": jax.jvp(slope, (x,), (x,))[1],
                "gradient of a gradient's norm": jax.grad(lambda x: jnp.sum(slope(x) ** 2))(x),
            }

        return jax.jit(derivatives)(x, jnp.cos(5 * x))

    return all_of(ours), all_of(formula)


def test_finite_differences_agree(x64):
    loss = jax.jit(scalar(functions(MASK)[0]))
    arguments = point()
    slopes = jax.jit(jax.grad(loss, ALL))(*arguments)
    step = 1e-6
    for which, leaf in enumerate(arguments):
        for index in np.ndindex(leaf.shape):
            ahead, behind = ([*arguments] for _ in range(2))
            ahead[which], behind[which] = leaf.at[index].add(step), leaf.at[index].add(-step)
            np.testing.assert_allclose(slopes[which][index], (loss(*ahead) - loss(*behind)) / (2 * step), atol=1e-7)


def test_the_state_is_differentiable(x64):
    """A hypergradient: how the loss at inference changes with the training's data, momentum and parameters."""
    x, scale, bias, eps = point()
    start = jax.tree.map(
        lambda leaf: leaf.astype(jnp.float64), ch5jax.batch_norm_state([1.0, -1.0, 0.5], [2.0, 0.5, 1.0], 0.4)
    )

    def ours(x, momentum, scale, start):
        params, state = BatchNormParams(scale, bias), start
        for batch in (x, x**2):
            _, state = ch5jax.batch_norm(batch, params, state, eps=eps, momentum=momentum)
        return jnp.sum(ch5jax.batch_norm_inference(jnp.sin(x), params, state, eps=eps) ** 3)

    def formula(x, momentum, scale, start):
        state = start
        for batch in (x, x**2):
            _, mean, var = naive.batch_norm(batch, scale, bias, eps)
            state = naive.running(state, mean, var, momentum)
        return jnp.sum(((jnp.sin(x) - state.mean) / jnp.sqrt(state.var + eps) * scale + bias) ** 3)

    got, due = (jax.jit(jax.grad(f, (0, 1, 2, 3)))(x, jnp.asarray(0.7), scale, start) for f in (ours, formula))
    chex.assert_trees_all_close(got, due, rtol=1e-9)
    assert abs(due[1]) > 1e-3


def test_scan_over_layers_equals_the_loop(x64):
    """With and without jax.checkpoint, state threaded through."""
    layers = 4
    x, *_ = point()
    rng = np.random.default_rng(1)
    kernels = jnp.asarray(rng.normal(size=(layers, FEATURES, FEATURES)))
    params = BatchNormParams(*jnp.asarray(rng.normal(size=(2, layers, FEATURES))))
    _, state = ch5jax.batch_norm_init(FEATURES)
    states = jax.tree.map(lambda leaf: jnp.stack([leaf] * layers), state)

    def layer(h, inputs):
        kernel, params, state = inputs
        y, state = ch5jax.batch_norm(h @ kernel, params, state)
        return jnp.tanh(y), state

    def scanned(body):
        def loss(kernels, params):
            h, after = jax.lax.scan(body, x, (kernels, params, states))
            return jnp.sum(h**2), after

        return jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))(kernels, params)

    def looped(kernels, params):
        h, after = x, []
        for i in range(layers):
            y, mean, var = naive.batch_norm(h @ kernels[i], params.scale[i], params.bias[i])
            after.append(naive.running(jax.tree.map(lambda leaf, i=i: leaf[i], states), mean, var, 0.9))
            h = jnp.tanh(y)
        return jnp.sum(h**2), jax.tree.map(lambda *leaves: jnp.stack(leaves), *after)

    due = jax.jit(jax.value_and_grad(looped, (0, 1), has_aux=True))(kernels, params)
    chex.assert_trees_all_close(scanned(layer), due, rtol=1e-8, atol=1e-12)
    chex.assert_trees_all_close(scanned(jax.checkpoint(layer)), due, rtol=1e-8, atol=1e-12)


def test_nothing_leaks_a_tracer(x64):
    with jax.checking_leaks():
        _, state = ch5jax.batch_norm_init(FEATURES)

        @jax.jit
        def step(x, scale, bias, eps, state):
            def loss(x):
                y, after = ch5jax.batch_norm(x, BatchNormParams(scale, bias), state, eps=eps, mask=MASK)
                return jnp.sum(y**2), after

            return jax.grad(loss, has_aux=True)(x)

        slope, after = step(*point(), state)
    assert np.all(np.isfinite(slope))
    chex.assert_trees_all_equal_shapes_and_dtypes(after, state)
