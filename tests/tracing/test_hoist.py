"""Data that functions close over are arguments of their programs, wherever they are."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ch5jax
from ch5jax import tracing
from ch5jax.tasks import Task

pytestmark = [pytest.mark.smoke, pytest.mark.usefixtures("compiled_quickly")]

RNG = np.random.default_rng(0)
NUMPY = RNG.normal(size=(500, 8)).astype(np.float32)
ARRAY = jnp.asarray(RNG.normal(size=(500, 8)), jnp.float32)
SMALL = np.arange(8, dtype=np.float32)


def plain(x):
    return jnp.sum(jnp.asarray(NUMPY) * x) + jnp.sum(ARRAY[0] * x) + jnp.sum(SMALL * x)


def in_scan(x):
    return jax.lax.scan(lambda c, i: (c + jax.jit(plain)(c * 0.01) * i, None), x, jnp.arange(3.0))[0]


def in_while(x):
    inner = jax.jit(lambda c: jnp.sum(ARRAY) * 1e-3 + jnp.sum(jnp.asarray(NUMPY)) * 1e-3 + c)
    return jax.lax.while_loop(
        lambda c: jax.jit(lambda n: n + 0 * jnp.sum(ARRAY))(c[1]) < 3,
        lambda c: (c[0] + inner(c[0]), c[1] + 1),
        (x, 0.0),
    )[0]


def in_cond(x):
    return jax.lax.cond(x > 0, jax.jit(plain), lambda x: x + jax.jit(lambda: jnp.sum(ARRAY))(), x)


def in_checkpoint(x):
    return jax.checkpoint(lambda x: jax.jit(plain)(jnp.sin(x)))(x)


def in_calls(x):
    return jax.jit(lambda x: jax.jit(plain)(x) * 2)(x) + plain(x)


FUNCTIONS = [plain, in_scan, in_while, in_cond, in_checkpoint, in_calls]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_value_is_the_same_and_no_data_are_left_in_the_program(function):
    hoisted = tracing.hoist(function, 0.5)
    assert sorted({constant.shape for constant in hoisted.constants}) == [(500, 8)]
    due = jax.jit(function)(0.5)
    run = jax.jit(hoisted.function)
    assert run(hoisted.constants, 0.5) == due
    text = run.lower(hoisted.constants, 0.5).as_text()
    assert max(map(len, text.splitlines())) < 4000
    assert len(jax.jit(function).lower(0.5).as_text()) > 20_000
    other = run([2 * constant for constant in hoisted.constants], 0.5)
    assert other != due  # what is handed in is what counts


@pytest.mark.parametrize("function", [f for f in FUNCTIONS if f is not in_while])
def test_derivatives_and_batches_go_through(function):
    hoisted = tracing.hoist(function, 0.5)
    mine = functools.partial(hoisted.function, hoisted.constants)
    np.testing.assert_allclose(jax.jit(jax.grad(mine))(0.5), jax.jit(jax.grad(function))(0.5), rtol=1e-5)
    xs = jnp.array([0.5, -1.0, 2.0])
    np.testing.assert_allclose(jax.jit(jax.vmap(mine))(xs), jax.jit(jax.vmap(function))(xs), rtol=1e-5)


def test_a_constant_that_is_used_twice_is_one():
    assert len(tracing.hoist(lambda x: x * ARRAY.sum() + ARRAY[1].sum() + jax.jit(ARRAY.sum)(), 1.0)[1]) == 1


def test_small_constants_and_own_derivatives_stay():
    @jax.custom_jvp
    def kept(x):
        return x * jax.jit(lambda: jnp.sum(ARRAY))()

    kept.defjvp(lambda primals, tangents: (kept(*primals), 7 * tangents[0]))
    hoisted = tracing.hoist(lambda x: kept(x) + SMALL.sum(), 1.0)
    assert hoisted.constants == ()
    assert jax.grad(lambda x: hoisted.function((), x))(1.0) == 7


def test_jit_takes_trees_static_arguments_and_donates():
    @functools.partial(tracing.jit, static_argnames=("power",), donate_argnames=("state",))
    def run(tree, power, state):
        return {"sum": plain(tree["x"]) ** power, "state": state + 1, "none": tree["none"]}

    state = jnp.ones(5)
    result = run({"x": 0.5, "none": None}, 2, state)
    np.testing.assert_allclose(result["sum"], plain(0.5) ** 2, rtol=1e-6)
    assert result["none"] is None
    assert state.is_deleted()
    np.testing.assert_array_equal(result["state"], np.full(5, 2.0))
    assert run({"x": 0.5, "none": None}, 3, jnp.ones(5))["sum"] != result["sum"]
    batched = jax.vmap(lambda x: run({"x": x, "none": None}, 2, jnp.ones(5))["sum"])(jnp.array([0.5, 1.0]))
    np.testing.assert_allclose(batched, [plain(0.5) ** 2, plain(1.0) ** 2], rtol=1e-5)
    slope = jax.grad(lambda x: run({"x": x, "none": None}, 2, jnp.ones(5))["sum"])(0.5)
    np.testing.assert_allclose(slope, jax.grad(lambda x: plain(x) ** 2)(0.5), rtol=1e-5)


def test_jit_closes_over_tracers_too():
    def outer(y):
        return tracing.jit(lambda x: plain(x) * y)(0.5)

    np.testing.assert_allclose(jax.jit(outer)(3.0), 3 * plain(0.5), rtol=1e-6)
    np.testing.assert_allclose(jax.grad(outer)(3.0), plain(0.5), rtol=1e-6)


def test_changed_data_are_seen_by_who_closes_over_them_anew():
    def task_on(data):
        return Task(
            lambda key, rate: jnp.zeros(8),
            lambda key, index, rate, w: (w - rate * (w - jnp.asarray(data).mean(0)), {"loss": jnp.sum(w**2)}),
            lambda rate, w: {"validation_loss": jnp.sum((w - jnp.asarray(data).mean(0)) ** 2)},
        )

    ends = [ch5jax.train(task_on(data), 1.0, jax.random.key(0), 2).state for data in (NUMPY, 3 * NUMPY)]
    np.testing.assert_allclose(3 * ends[0], ends[1], rtol=1e-4)
    np.testing.assert_allclose(ends[0], NUMPY.mean(0), rtol=1e-4)


def test_a_sweeps_programs_do_not_grow_with_the_data(monkeypatch):
    from ch5jax.sweeps import _plan, _programs

    sizes = []
    lower = _programs.compile_programs

    def watched(traced, *args):
        parts = traced.init, traced.step.common, traced.step.rest, traced.evaluate
        sizes.append([sum(c.nbytes for c in part.constants) for part in parts])
        return lower(traced, *args)

    monkeypatch.setattr(_plan, "compile_programs", watched)
    marks = []
    for rows in (300, 3000):
        x = np.resize(NUMPY, (rows, 8))
        model = (lambda key: jnp.zeros((8, 1)), lambda w, x: x @ w)
        task = ch5jax.tasks.supervised(model, (x, x[:, 0]), batch_size=8)
        opts = ch5jax.grid(ch5jax.sgd, learning_rate=[0.1])
        ch5jax.sweep(task, opts, steps=2, key=jax.random.key(0), signals_every=0)
        marks.append(sizes.pop())
    assert marks[0] == [0, 180 * 8 * 4, 0, 0]  # 60 rows of 8 numbers are not large
    assert marks[1] == [0, 1800 * 8 * 4 + 1800 * 4, 0, 2 * 600 * 8 * 4]
