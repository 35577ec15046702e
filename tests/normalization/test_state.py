"""Running statistics: weighted properly from the first batch on, exact where asked for, stable in structure."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import ch5jax
from ch5jax import BatchNormState
from tests.references import batch_norm as reference

pytestmark = pytest.mark.usefixtures("compiled_quickly")


def batches(*sizes, features=3, seed=0):
    rng = np.random.default_rng(seed)
    return [
        jnp.asarray(rng.normal(loc=rng.normal(size=features), scale=2.0, size=(size, features)), jnp.float32)
        for size in sizes
    ]


def after(xs, state=None, **options):
    """The state when all of these batches were seen."""
    state = ch5jax.batch_norm_init(xs[0].shape[-1])[1] if state is None else state
    for x in xs:
        state = seen(x, state, **options)
    return state


@functools.partial(jax.jit, static_argnames=("momentum", "unbiased"))
def seen(x, state, momentum=0.9, unbiased=False):
    return ch5jax.batch_norm(x, None, state, momentum=momentum, unbiased=unbiased)[1]


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_the_running_statistics_are_the_weighted_averages_so_far(x64, count):
    """Batch k of n has the weight (1−m) mⁿ⁻ᵏ, and the weights are made to sum to one."""
    momentum, xs = 0.7, [x.astype(jnp.float64) for x in batches(*[6] * 5)[:count]]
    state = ch5jax.batch_norm_init(3)[1]
    state = after(xs, state, momentum=momentum) if xs else state
    weights = (1 - momentum) * momentum ** np.arange(count)[::-1]
    np.testing.assert_allclose(state.weight, np.full(3, weights.sum()), rtol=1e-12)
    if count:
        means, variances = np.stack([x.mean(0) for x in xs]), np.stack([x.var(0) for x in xs])
        np.testing.assert_allclose(state.mean, weights @ means / weights.sum(), rtol=1e-12)
        np.testing.assert_allclose(state.var, weights @ variances / weights.sum(), rtol=1e-12)


def test_inference_before_any_training_is_the_affine_map():
    params, state = ch5jax.batch_norm_init(3)
    (x,) = batches(6)
    params = params._replace(scale=jnp.array([1.0, 2.0, 3.0]), bias=jnp.array([0.0, 1.0, -1.0]))
    y = ch5jax.batch_norm_inference(x, params, state, eps=1e-9)
    np.testing.assert_allclose(y, x * params.scale + params.bias, rtol=1e-6, atol=1e-6)


@jax.jit
def inferred_after(steps, x):
    """What inference makes of a batch that was seen so many times."""
    params, state = ch5jax.batch_norm_init(3)
    state = jax.lax.fori_loop(
        0, steps, lambda _, state: ch5jax.batch_norm(x, params, state, momentum=0.99, eps=1e-30)[1], state
    )
    return ch5jax.batch_norm_inference(x, params, state, eps=1e-30)


@pytest.mark.parametrize("var", [16.0, 1e-10, 1e8])
@pytest.mark.parametrize("steps", [1, 2, 10, 100])
def test_inference_has_std_1_after_any_number_of_equal_batches(steps, var):
    """One peer infers with a variance of 115, 65 and 25.7 after 1, 2 and 10 of them, for a true 16."""
    (x,) = batches(64)
    x = (x - x.mean(0)) / x.std(0) * np.sqrt(var) + 3 * np.sqrt(var)
    y = inferred_after(steps, x)
    np.testing.assert_allclose(y.std(0), np.ones(3), rtol=1e-5)
    np.testing.assert_allclose(y.mean(0), np.zeros(3), atol=1e-5)


def test_imported_statistics_follow_the_plain_recurrence(x64):
    mean, var, momentum = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0]), 0.9
    state = ch5jax.batch_norm_state(mean, var)
    for x in (x.astype(jnp.float64) for x in batches(7, 8, 9)):
        _, state = ch5jax.batch_norm(x, None, state, momentum=momentum)
        mean = momentum * mean + (1 - momentum) * np.mean(x, 0)
        var = momentum * var + (1 - momentum) * np.var(x, 0)
        np.testing.assert_allclose(state.mean, mean, rtol=1e-12)
        np.testing.assert_allclose(state.var, var, rtol=1e-12)
        np.testing.assert_array_equal(state.weight, np.ones(3))


@pytest.mark.parametrize("unbiased", [False, True])
def test_without_momentum_the_statistics_are_those_of_everything_seen(x64, unbiased):
    xs = [x.astype(jnp.float64) for x in batches(1, 7, 64, 2, 300)]
    state = after(xs, momentum=None, unbiased=unbiased)
    together = np.concatenate(xs)
    np.testing.assert_allclose(state.mean, together.mean(0), rtol=1e-12)
    np.testing.assert_allclose(state.var, together.var(0, ddof=int(unbiased)), rtol=1e-12)
    np.testing.assert_array_equal(state.weight, np.full(3, len(together)))


SIZES = st.sampled_from((1, 2, 3, 17, 40))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.lists(SIZES, min_size=1, max_size=4), st.lists(SIZES, max_size=4), st.booleans())
def test_merging_two_states_equals_having_seen_both(first, second, unbiased):
    xs = batches(*first, *second, seed=sum(first))
    options = {"momentum": None, "unbiased": unbiased}
    empty = ch5jax.batch_norm_init(3)[1]
    ours = after(xs[: len(first)], empty, **options)
    theirs = after(xs[len(first) :], empty, **options) if second else empty
    for merged in (
        ch5jax.batch_norm_merge(ours, theirs, unbiased=unbiased),
        ch5jax.batch_norm_merge(theirs, ours, unbiased=unbiased),
    ):
        chex.assert_trees_all_close(merged, after(xs, empty, **options), rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(merged.weight, np.full(3, sum(first) + sum(second)))


def test_merging_nothing_changes_no_bit():
    state, empty = after(batches(5, 6), momentum=None), ch5jax.batch_norm_init(3)[1]
    for unbiased in (False, True):
        chex.assert_trees_all_equal(ch5jax.batch_norm_merge(state, empty, unbiased=unbiased), state)
    chex.assert_trees_all_equal(ch5jax.batch_norm_merge(empty, state), state)
    chex.assert_trees_all_equal(ch5jax.batch_norm_merge(empty, empty), empty)


def test_counts_of_single_samples_go_on_beyond_2_to_the_24():
    """float32 has no 2²⁴ + 1: rounded to the nearest, the count would stand still for ever."""
    start = ch5jax.batch_norm_state([0.0], [1.0], weight=2.0**24)
    xs = jax.random.normal(jax.random.key(0), (4000, 1, 1))
    end, _ = jax.lax.scan(lambda state, x: (ch5jax.batch_norm(x, None, state, momentum=None)[1], None), start, xs)
    # of 4,000 coins, each worth 2: a standard deviation of 63
    assert abs(float(end.weight[0]) - 2.0**24 - 4000) < 5 * 63


def test_a_feature_that_is_always_zero_is_counted_beyond_2_to_the_24_too():
    start = ch5jax.batch_norm_state([0.0, 0.0], [1.0, 1.0], weight=2.0**24)
    xs = jax.random.normal(jax.random.key(0), (4000, 1, 2)) * jnp.array([0.0, 1.0])
    end, _ = jax.lax.scan(lambda state, x: (ch5jax.batch_norm(x, None, state, momentum=None)[1], None), start, xs)
    assert np.all(np.abs(end.weight - 2.0**24 - 4000) < 5 * 63)


def test_a_huge_mean_leaves_the_variance_of_the_first_batch():
    """(1e20)² is no float32, but nothing of the initial mean counts."""
    x = jnp.array([[1e20], [1.0001e20]])
    _, state = ch5jax.batch_norm(x, None, ch5jax.batch_norm_init(1)[1], momentum=None)
    np.testing.assert_allclose(state.var, [2.5e31], rtol=1e-2)
    merged = ch5jax.batch_norm_merge(ch5jax.batch_norm_init(1)[1], ch5jax.batch_norm_state([3e19], [1e30], weight=5))
    np.testing.assert_allclose(merged.var, [1e30], rtol=1e-6)


def test_a_momentum_that_float32_rounds_to_one_leaves_the_state():
    state = ch5jax.batch_norm_init(1)[1]
    chex.assert_trees_all_equal(ch5jax.batch_norm(jnp.ones((4, 1)), None, state, momentum=1 - 1e-9)[1], state)


@pytest.mark.parametrize("masked", [False, True])
def test_one_batch_of_more_than_2_to_the_24_samples_is_counted(masked):
    rows = 2**24 + 64
    x = jnp.ones((rows, 1), jnp.bfloat16)
    mask = jnp.ones((rows, 1), bool).at[0].set(False) if masked else None
    state = jax.jit(lambda x, mask: ch5jax.batch_norm(x, None, ch5jax.batch_norm_init(1)[1], momentum=None, mask=mask))(
        x, mask
    )[1]
    np.testing.assert_allclose(state.weight, [rows], rtol=1e-7)
    np.testing.assert_allclose(state.mean, [1.0], rtol=1e-6)


@pytest.mark.parametrize("momentum", [0.0, 0.9, None])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
@pytest.mark.parametrize("held", ["float32", "float64"])
def test_structure_and_dtypes_of_the_state_never_change(x64, held, dtype, momentum):
    """Nor weak types, which would compile a loop twice."""
    x = jax.ShapeDtypeStruct((8, 3), dtype)
    state = jax.tree.map(lambda leaf: leaf.astype(held), ch5jax.batch_norm_init(3)[1])
    step = functools.partial(ch5jax.batch_norm, momentum=momentum)
    y, after = jax.eval_shape(lambda x, state: step(x, None, state), x, state)
    assert y.dtype == dtype
    assert {leaf.dtype for leaf in after} == {np.dtype(held)}
    assert jax.tree.map(jax.typeof, after) == jax.tree.map(jax.typeof, state)
    assert not any(leaf.weak_type for leaf in after)


def test_one_trace_serves_every_momentum_and_eps():
    traces = []

    @jax.jit
    def step(x, state, momentum, eps):
        traces.append(None)
        return ch5jax.batch_norm(x, None, state, momentum=momentum, eps=eps)

    (x,) = batches(8)
    state = ch5jax.batch_norm_init(3)[1]
    for momentum, eps in ((0.9, 1e-5), (0.5, 1e-3), (0.0, 1.0)):
        y, got = step(x, state, momentum, eps)
        due_y, due = ch5jax.batch_norm(x, None, state, momentum=momentum, eps=eps)
        chex.assert_trees_all_close((y, got), (due_y, due), rtol=1e-5, atol=1e-6)
    assert len(traces) == 1


def test_models_momenta_and_eps_map_over_a_batch():
    """Every trial has its own parameters, statistics, momentum and eps, and none disturbs another."""
    xs = jnp.stack(batches(16, 16, 16, 16))
    momenta, eps = jnp.array([0.0, 0.5, 0.9, 0.99]), jnp.array([1e-5, 1e-3, 0.1, 1.0])
    rng = np.random.default_rng(1)
    params = ch5jax.BatchNormParams(*jnp.asarray(rng.normal(size=(2, 4, 3)), jnp.float32))
    states = BatchNormState(*jnp.asarray(rng.random(size=(3, 4, 3)), jnp.float32))

    def one(x, params, state, momentum, eps):
        y, state = ch5jax.batch_norm(x, params, state, momentum=momentum, eps=eps)
        return y, state, ch5jax.batch_norm_inference(x, params, state, eps=eps)

    together, alone = jax.jit(jax.vmap(one))(xs, params, states, momenta, eps), jax.jit(one)
    for i in range(4):
        own = jax.tree.map(lambda leaf, i=i: np.asarray(leaf)[i], (xs, params, states))
        due = alone(*own, float(momenta[i]), float(eps[i]))
        chex.assert_trees_all_close(jax.tree.map(lambda leaf, i=i: leaf[i], together), due, rtol=1e-5, atol=1e-6)


def test_state_init_works_without_computing():
    params, state = jax.eval_shape(lambda: ch5jax.batch_norm_init((3, 4), jnp.bfloat16))
    assert {leaf.dtype.name for leaf in params} == {"bfloat16"}
    assert {(leaf.dtype.name, leaf.shape) for leaf in state} == {("float32", (3, 4))}


def test_float64_is_the_default_where_x64_is_enabled(x64):
    assert {leaf.dtype.name for leaf in jax.tree.leaves(ch5jax.batch_norm_init(3))} == {"float64"}
    assert ch5jax.batch_norm_state(np.zeros(3), np.ones(3)).mean.dtype == jnp.float64
    assert ch5jax.batch_norm_state(np.zeros(3, np.float32), np.ones(3, np.float32)).mean.dtype == jnp.float32


def test_exact_statistics_with_masks_that_differ_by_feature():
    rng = np.random.default_rng(0)
    pairs = [(x, rng.random(x.shape) < 0.5) for x in batches(9, 1, 20)]
    state = ch5jax.batch_norm_init(3)[1]
    for x, mask in pairs:
        _, state = ch5jax.batch_norm(x, None, state, momentum=None, mask=mask)
    for got, due in zip(state, reference.samples_seen(pairs), strict=True):
        np.testing.assert_allclose(got, due, rtol=1e-5)


def test_imported_statistics_are_a_copy():
    """On a CPU, JAX may use a NumPy array's memory, and with it that of a PyTorch model that trains on."""
    source = np.zeros(64, np.float32), np.ones(64, np.float32)
    state = ch5jax.batch_norm_state(*source)
    for array in source:
        array[:] = 7.0
    np.testing.assert_array_equal(state.mean, np.zeros(64))
    np.testing.assert_array_equal(state.var, np.ones(64))


def test_a_slow_average_of_a_large_mean_does_not_drift():
    """m·old + (1−m)·new left it 0.13 standard deviations off in float32."""
    xs = 1e4 + jax.random.normal(jax.random.key(0), (5000, 64, 2))

    def step(state, x):
        return ch5jax.batch_norm(x, None, state, momentum=0.999)[1], None

    state, _ = jax.lax.scan(step, ch5jax.batch_norm_init(2)[1], xs)
    weights = 0.999 ** np.arange(5000)[::-1]
    due = weights @ np.asarray(xs, np.float64).mean(1) / weights.sum()
    np.testing.assert_allclose(state.mean, due, atol=0.03)


def test_counted_statistics_go_on_by_the_plain_recurrence_when_a_momentum_comes():
    state = ch5jax.batch_norm_state([0.0], [1.0], weight=60_000)
    _, after = ch5jax.batch_norm(jnp.array([[9.0], [11.0]]), None, state, momentum=0.9)
    np.testing.assert_allclose(after.mean, [1.0], rtol=1e-6)
    np.testing.assert_allclose(after.weight, [1.0])


def test_a_momentum_of_one_leaves_the_state_as_it_is():
    x, (params, state) = 3 + jax.random.normal(jax.random.key(0), (8, 2)), ch5jax.batch_norm_init(2)
    seen = ch5jax.batch_norm(x, params, state)[1]
    for before in (state, seen):
        for momentum in (1.0, jnp.float32(1.0)):
            y, after = ch5jax.batch_norm(x, params, before, momentum=momentum)
            chex.assert_trees_all_equal(after, before)
            np.testing.assert_array_equal(y, ch5jax.batch_norm(x, params, before)[0])


@pytest.mark.parametrize("momentum", [0.9, None])
@pytest.mark.parametrize("value", [1e20, 3e38, np.inf, np.nan])
def test_a_batch_without_finite_statistics_spoils_no_running_ones(momentum, value):
    x, (params, state) = 3 + jax.random.normal(jax.random.key(0), (8, 2)), ch5jax.batch_norm_init(2)
    for before in (state, ch5jax.batch_norm(x, params, state, momentum=momentum)[1]):
        due = ch5jax.batch_norm(x, params, before, momentum=momentum)[1]
        wild = ch5jax.batch_norm(x.at[3:5, 0].set(jnp.array([value, -value])), params, before, momentum=momentum)[1]
        for one, other, kept in zip(wild, due, before, strict=True):
            assert one[0] == kept[0]
            assert one[1] == other[1]
    largest = ch5jax.batch_norm(x.at[3, 0].set(1e19), params, state, momentum=momentum)
    chex.assert_tree_all_finite(largest)


def test_one_example_under_vmap_has_the_mapped_axis_as_its_batch():
    x, (params, state) = 3 + jax.random.normal(jax.random.key(0), (8, 2)), ch5jax.batch_norm_init(2)

    def one(x):
        return ch5jax.batch_norm(x, params, state, axis_name="examples")

    mapped = jax.vmap(one, axis_name="examples", out_axes=(0, None))(x)
    chex.assert_trees_all_close(mapped, ch5jax.batch_norm(x, params, state), rtol=1e-6)
    net = ch5jax.networks.mlp((2, 3, 1), batch_norm=True)
    params, state = net.init(jax.random.key(1)), net.init_state()
    one = functools.partial(net.apply_training, params, state, axis_name="examples")
    mapped = jax.vmap(one, axis_name="examples", out_axes=(0, None))(x)
    chex.assert_trees_all_close(mapped, net.apply_training(params, state, x), rtol=1e-5)
    with pytest.raises(ValueError, match="x must have a batch axis beside its features"):
        net.apply_training(params, state, x[0])
