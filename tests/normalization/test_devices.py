"""On many devices, values, state and gradients equal one device on the whole batch."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P

import ch5jax
from ch5jax import BatchNormParams

DEVICES, ROWS, FEATURES = 4, 6, 3


def example(rows=ROWS, mean=0.0):
    """x, a mask that differs from device to device (one has nothing, for one feature), parameters, state."""
    rng = np.random.default_rng(0)
    x = jnp.asarray(mean + rng.normal(size=(DEVICES * rows, FEATURES)) * np.repeat([1, 5, 0.2, 2], rows)[:, None])
    mask = rng.random(x.shape) < np.repeat([0.9, 0.3, 0.6, 0.5], rows)[:, None]
    mask[:rows, 1] = False
    params = BatchNormParams(jnp.asarray(rng.normal(size=FEATURES)), jnp.asarray(rng.normal(size=FEATURES)))
    _, state = ch5jax.batch_norm_init(FEATURES)
    return x, jnp.asarray(mask), params, jax.tree.map(lambda leaf: leaf.astype(x.dtype), state)


def loss_of(y, state):
    return jnp.sum(jnp.sin(3 * y)) + jnp.sum(state.mean**2) + jnp.sum(jnp.log(state.var))


@functools.partial(jax.jit, static_argnames="momentum")
def whole(x, mask, params, state, momentum):
    """y, state and gradients on one device."""

    def loss(x, params):
        y, after = ch5jax.batch_norm(x, params, state, momentum=momentum, mask=mask)
        return loss_of(y, after), (y, after)

    return jax.value_and_grad(loss, (0, 1), has_aux=True)(x, params)


@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
@pytest.mark.parametrize("momentum", [0.9, None])
def test_over_a_mapped_axis(x64, masked, momentum):
    x, mask, params, state = example()
    mask = mask if masked else None
    split = lambda a: None if a is None else a.reshape(DEVICES, ROWS, FEATURES)

    def loss(x, params):
        y, after = jax.vmap(
            lambda x, mask: ch5jax.batch_norm(x, params, state, momentum=momentum, mask=mask, axis_name="devices"),
            axis_name="devices",
        )(split(x), split(mask))
        same = jax.tree.map(lambda leaf: leaf[0], after)
        chex.assert_trees_all_equal_shapes(same, state)
        y = y.reshape(x.shape)
        return loss_of(y, same), (y, after)

    (value, (y, after)), slopes = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))(x, params)
    (due_value, (due_y, due_after)), due_slopes = whole(x, mask, params, state, momentum)
    for device in range(DEVICES):
        one = jax.tree.map(lambda leaf, device=device: leaf[device], after)
        chex.assert_trees_all_close(one, due_after, rtol=1e-12)
    chex.assert_trees_all_close((value, y, slopes), (due_value, due_y, due_slopes), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
@pytest.mark.parametrize(
    ("check_vma", "inside"),
    [(True, True), (True, False), (False, False)],
    ids=["checked, gradient inside", "checked, gradient outside", "unchecked, gradient outside"],
)
def test_under_shard_map(x64, inside, check_vma, masked):
    """Unchecked, JAX cannot tell which gradients to add inside: the docstring says to take them outside."""
    x, mask, params, state = example()
    mask = mask if masked else jnp.ones_like(mask)
    mesh = jax.make_mesh((DEVICES,), ("devices",), axis_types=(AxisType.Auto,), devices=jax.devices("cpu"))

    def normalized(x, mask, params, state):
        return ch5jax.batch_norm(x, params, state, mask=mask if masked else None, axis_name="devices")

    def on_devices(function, outputs):
        return jax.jit(
            jax.shard_map(
                function,
                mesh=mesh,
                in_specs=(P("devices"), P("devices"), P(), P()),
                out_specs=outputs,
                check_vma=check_vma,
            )
        )

    if inside:

        def local(x, mask, params, state):
            def loss(x, params):
                y, after = normalized(x, mask, params, state)
                # the loss of the whole batch: its own part of every device, and the state's once
                part = jnp.sum(jnp.sin(3 * y))
                return jax.lax.psum(part, "devices") + loss_of(jnp.zeros(()), after), (y, after)

            return jax.value_and_grad(loss, (0, 1), has_aux=True)(x, params)

        got = on_devices(local, ((P(), (P("devices"), P())), (P("devices"), P())))(x, mask, params, state)
    else:
        spread = on_devices(normalized, (P("devices"), P()))

        def loss(x, params):
            y, after = spread(x, mask, params, state)
            return loss_of(y, after), (y, after)

        got = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))(x, params)
    due = whole(x, mask if masked else None, params, state, 0.9)
    chex.assert_trees_all_close(got, due, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
@pytest.mark.parametrize("axis_type", [AxisType.Auto, AxisType.Explicit], ids=["auto", "explicit"])
@pytest.mark.parametrize("rows", [6, 80], ids=["small", "long"])
def test_under_plain_jit_with_sharded_inputs(x64, rows, axis_type, masked):
    x, mask, params, state = example(rows)
    mask = mask if masked else None
    mesh = jax.make_mesh((DEVICES,), ("devices",), axis_types=(axis_type,), devices=jax.devices("cpu"))
    due = whole(x, mask, params, state, 0.9)
    with jax.set_mesh(mesh):
        over_devices, everywhere = NamedSharding(mesh, P("devices")), NamedSharding(mesh, P())
        arguments = jax.device_put((x, mask), over_devices) + jax.device_put((params, state), everywhere)

        @jax.jit
        def step(x, mask, params, state):
            def loss(x, params):
                y, after = ch5jax.batch_norm(x, params, state, mask=mask)
                return loss_of(y, after), (y, after)

            return jax.value_and_grad(loss, (0, 1), has_aux=True)(x, params)

        got = step(*arguments)
    (_, (y, _)), (dx, _) = got
    assert y.sharding.is_equivalent_to(over_devices, 2)
    assert dx.sharding.is_equivalent_to(over_devices, 2)
    chex.assert_trees_all_close(got, due, rtol=1e-10, atol=1e-12)


def test_several_named_axes(x64):
    x, _, params, state = example()
    spread = x.reshape(2, 2, ROWS, FEATURES)
    one = lambda x: ch5jax.batch_norm(x, params, state, axis_name=["a", "b"])
    y, after = jax.jit(jax.vmap(jax.vmap(one, axis_name="a"), axis_name="b"))(spread)
    due_y, due = jax.jit(ch5jax.batch_norm)(x, params, state)
    np.testing.assert_allclose(y.reshape(x.shape), due_y, rtol=1e-12)
    np.testing.assert_allclose(after.var[0, 0], due.var, rtol=1e-12)


def test_one_sample_on_each_device_is_a_batch():
    x = jnp.array([[1.0], [3.0], [5.0], [7.0]])
    _, state = ch5jax.batch_norm_init(1)
    one = lambda x: ch5jax.batch_norm(x[None], None, state, axis_name="i", momentum=0.0)
    y, after = jax.jit(jax.vmap(one, axis_name="i"))(x)
    np.testing.assert_allclose(y[:, 0, 0], np.array([-3, -1, 1, 3]) / np.sqrt(5 + 1e-5), rtol=1e-6)
    np.testing.assert_allclose(after.var[:, 0], [5.0] * 4)


def test_float32_with_a_large_mean_stays_accurate_over_devices():
    x, _, _, _ = example(rows=100, mean=1e4)
    x = x.astype(jnp.float32)
    _, state = ch5jax.batch_norm_init(FEATURES)
    one = lambda x: ch5jax.batch_norm(x, None, state, axis_name="i")[0]
    y = jax.jit(jax.vmap(one, axis_name="i"))(x.reshape(DEVICES, 100, FEATURES))
    exact = np.asarray(x, np.float64)
    due = (exact - exact.mean(0)) / np.sqrt(exact.var(0) + 1e-5)
    np.testing.assert_allclose(y.reshape(x.shape), due, atol=2e-6)


@pytest.mark.parametrize("momentum", [0.9, None])
@pytest.mark.parametrize("axis_type", [AxisType.Auto, AxisType.Explicit], ids=["auto", "explicit"])
def test_features_may_be_sharded_too(x64, axis_type, momentum):
    mesh = jax.make_mesh((2, 2), ("rows", "features"), axis_types=(axis_type,) * 2, devices=jax.devices("cpu")[:4])
    x = jnp.asarray(np.random.default_rng(0).normal(size=(320, 4)))
    params, state = ch5jax.batch_norm_init(4)

    def step(x, params, state):
        y, after = ch5jax.batch_norm(x, params, state, momentum=momentum)
        return jnp.sum(jnp.sin(y)), after

    due = jax.jit(jax.value_and_grad(step, (0, 1), has_aux=True))(x, params, state)
    with jax.set_mesh(mesh):
        of_features = NamedSharding(mesh, P("features"))
        arguments = (
            jax.device_put(x, NamedSharding(mesh, P("rows", "features"))),
            *jax.device_put((params, state), of_features),
        )
        got = jax.jit(jax.value_and_grad(step, (0, 1), has_aux=True))(*arguments)
    chex.assert_trees_all_close(got, due, rtol=1e-10, atol=1e-12)
