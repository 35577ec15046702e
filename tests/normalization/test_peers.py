"""Equality with PyTorch, Flax and ONNX where they are right; ours where they are not."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest
from flax import linen
from onnx.reference import ReferenceEvaluator

import ch5jax
from ch5jax import BatchNormParams, BatchNormState

AXES = {
    "dense": ((8, 3), -1),
    "sequence": ((4, 3, 5), 1),
    "channels first": ((4, 3, 5, 2), 1),
    "3-D": ((2, 3, 4, 2, 2), 1),
}


def example(shape, axis):
    rng = np.random.default_rng(0)
    features = shape[axis]
    x, dy = 2.0 + rng.normal(size=shape), rng.normal(size=shape)
    return x, dy, rng.normal(size=features), rng.normal(size=features), rng.normal(size=features), rng.random(features)


def pulled(function, dy, *arguments):
    """y, the gradients for its gradient dy, and the state, as one program."""

    @jax.jit
    def program(dy, *arguments):
        y, pull, state = jax.vjp(function, *arguments, has_aux=True)
        return y, pull(dy), state

    return program(dy, *arguments)


@pytest.mark.parametrize(("shape", "axis"), AXES.values(), ids=AXES)
def test_pytorch(x64, torch, shape, axis):
    """y, the running statistics and all gradients; its momentum is one minus ours, its running variance unbiased."""
    x, dy, scale, bias, mean, var = example(shape, axis)
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, scale, bias)]
    running = torch.tensor(mean), torch.tensor(var)
    due_y = torch.nn.functional.batch_norm(tensors[0], *running, *tensors[1:], training=True, momentum=0.3, eps=1e-3)
    due = torch.autograd.grad(due_y, tensors, torch.tensor(dy))

    def ours(x, scale, bias):
        state = ch5jax.batch_norm_state(mean, var)
        options = {"axis": axis, "momentum": 0.7, "eps": 1e-3, "unbiased": True}
        return ch5jax.batch_norm(x, BatchNormParams(scale, bias), state, **options)

    y, slopes, state = pulled(ours, *map(jnp.asarray, (dy, x, scale, bias)))
    for got, expected in zip((y, *state[:2], *slopes), (due_y.detach(), *running, *due), strict=True):
        np.testing.assert_allclose(got, expected.numpy(), rtol=1e-11, atol=1e-12)
    inferred = jax.jit(functools.partial(ch5jax.batch_norm_inference, axis=axis, eps=1e-3))(
        jnp.asarray(x), BatchNormParams(scale, bias), ch5jax.batch_norm_state(mean, var)
    )
    with torch.no_grad():
        due_inferred = torch.nn.functional.batch_norm(
            *(torch.tensor(a) for a in (x, mean, var, scale, bias)), training=False, eps=1e-3
        )
    np.testing.assert_allclose(inferred, due_inferred.numpy(), rtol=1e-11, atol=1e-12)


def test_pytorchs_cumulative_average_is_of_batches_and_ours_of_samples(x64, torch):
    """`momentum=None`: the same for batches of equal size, where the means of means are those of all."""
    layer = torch.nn.BatchNorm1d(3, momentum=None, dtype=torch.float64)
    state = ch5jax.batch_norm_init(3)[1]
    for seed in range(4):
        x = np.random.default_rng(seed).normal(size=(10, 3))
        layer(torch.tensor(x))
        _, state = ch5jax.batch_norm(jnp.asarray(x), None, state, momentum=None)
    np.testing.assert_allclose(state.mean, layer.running_mean.numpy(), rtol=1e-12)


def flax_linen(x, scale, bias, mean, var, mask=None, axis_name=None, **options):
    layer = linen.BatchNorm(
        use_running_average=False,
        momentum=0.7,
        epsilon=1e-3,
        axis_name=axis_name,
        dtype=x.dtype,
        param_dtype=x.dtype,
        **options,
    )
    variables = {"params": {"scale": scale, "bias": bias}, "batch_stats": {"mean": mean, "var": var}}
    y, changed = layer.apply(variables, x, mask=mask, mutable=["batch_stats"])
    return y, changed["batch_stats"]


@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
@pytest.mark.parametrize(("shape", "axis"), AXES.values(), ids=AXES)
def test_flax(x64, shape, axis, masked):
    x, dy, scale, bias, mean, var = (jnp.asarray(a) for a in example(shape, axis))
    mask = jnp.asarray(np.random.default_rng(1).random([*shape[:axis], 1, *shape[axis + 1 :]][: len(shape)]) < 0.7)
    if axis == -1:
        mask = jnp.asarray(np.random.default_rng(1).random((shape[0], 1)) < 0.7)
    mask = mask if masked else None
    counted = jnp.ones(shape, bool) if mask is None else jnp.broadcast_to(mask, shape)

    def theirs(x, scale, bias):
        y, stats = flax_linen(x, scale, bias, mean, var, mask, axis=axis)
        return jnp.where(counted, y, 0), stats

    def ours(x, scale, bias):
        state = ch5jax.batch_norm_state(mean, var)
        options = {"axis": axis, "momentum": 0.7, "eps": 1e-3, "mask": mask}
        return ch5jax.batch_norm(x, BatchNormParams(scale, bias), state, **options)

    due_y, due_slopes, stats = pulled(theirs, dy, x, scale, bias)
    y, slopes, state = pulled(ours, dy, x, scale, bias)
    np.testing.assert_allclose(y, due_y, rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(state.mean, stats["mean"], rtol=1e-10)
    np.testing.assert_allclose(state.var, stats["var"], rtol=1e-10)
    chex.assert_trees_all_close(slopes, due_slopes, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("axis", [(1, 2), (0, 2), (-1, 1)])
def test_flax_with_several_feature_axes(x64, axis):
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(5, 3, 4)))
    shape = tuple(x.shape[a] for a in sorted(a % 3 for a in axis))
    scale, bias, mean, var = (jnp.asarray(rng.random(shape)) for _ in range(4))
    due, stats = jax.jit(functools.partial(flax_linen, axis=axis))(x, scale, bias, mean, var)
    y, state = jax.jit(functools.partial(ch5jax.batch_norm, axis=axis, momentum=0.7, eps=1e-3))(
        x, BatchNormParams(scale, bias), ch5jax.batch_norm_state(mean, var)
    )
    np.testing.assert_allclose(y, due, rtol=1e-10)
    np.testing.assert_allclose(state.var, stats["var"], rtol=1e-10)


def test_where_flax_is_wrong_on_several_devices_with_masks_ours_is_right(x64):
    """Two devices with 3 samples and 1: the mean of both devices' means is not the mean of the samples."""
    x = jnp.array([[[2.0], [3.0], [4.0]], [[7.0], [0.0], [0.0]]])
    mask = jnp.array([[[True]] * 3, [[True], [False], [False]]])
    one, zero = jnp.ones(1), jnp.zeros(1)
    _, stats = jax.vmap(lambda x, m: flax_linen(x, one, zero, zero, zero, m, "i"), axis_name="i")(x, mask)
    _, state = jax.vmap(
        lambda x, m: ch5jax.batch_norm(
            x, None, ch5jax.batch_norm_state(zero, zero), momentum=0.7, eps=1e-3, mask=m, axis_name="i"
        ),
        axis_name="i",
    )(x, mask)
    samples = np.array([2.0, 3.0, 4.0, 7.0])
    np.testing.assert_allclose(state.mean[0], [0.3 * samples.mean()], rtol=1e-12)
    np.testing.assert_allclose(state.var[0], [0.3 * samples.var()], rtol=1e-12)
    assert abs(stats["mean"][0, 0] - 0.3 * samples.mean()) > 0.1  # so that this test says when Flax has mended it


@pytest.mark.parametrize("mean", [1e3, 1e4])
def test_where_flax_loses_the_variance_ours_keeps_it(mean):
    x = jnp.asarray(mean + np.random.default_rng(0).normal(size=(256, 8)), jnp.float32)
    one, zero = jnp.ones(8), jnp.zeros(8)
    exact = np.asarray(x, np.float64)
    due = (exact - exact.mean(0)) / np.sqrt(exact.var(0) + 1e-3)
    error = np.abs(jax.jit(flax_linen)(x, one, zero, zero, one)[0] - due).max()
    ours = jax.jit(functools.partial(ch5jax.batch_norm, eps=1e-3))(x, None, ch5jax.batch_norm_init(8)[1])[0]
    assert np.abs(ours - due).max() < 2e-6
    assert error > 1e-3


def onnx_node(shape, training):
    features = shape[1]
    value = onnx.helper.make_tensor_value_info
    double = onnx.TensorProto.DOUBLE
    outputs = ["y", "running_mean", "running_var"][: 3 if training else 1]
    node = onnx.helper.make_node(
        "BatchNormalization",
        ["x", "scale", "bias", "mean", "var"],
        outputs,
        epsilon=1e-3,
        momentum=0.7,
        training_mode=int(training),
    )
    graph = onnx.helper.make_graph(
        [node],
        "batch_norm",
        [value("x", double, shape)] + [value(name, double, [features]) for name in ("scale", "bias", "mean", "var")],
        [value("y", double, shape)] + [value(name, double, [features]) for name in outputs[1:]],
    )
    return ReferenceEvaluator(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 15)]))


@pytest.mark.parametrize("shape", [(8, 3), (4, 3, 5), (4, 3, 5, 2)])
def test_onnx(x64, shape):
    """Its operator of opset 15, run by ONNX's own reference: momentum weighs the old value, the variance is biased."""
    x, _, scale, bias, mean, var = example(shape, 1)
    inputs = {"x": x, "scale": scale, "bias": bias, "mean": mean, "var": var}
    params, state = BatchNormParams(scale, bias), ch5jax.batch_norm_state(mean, var)
    due = onnx_node(shape, training=True).run(None, inputs)
    y, after = ch5jax.batch_norm(jnp.asarray(x), params, state, axis=1, momentum=0.7, eps=1e-3)
    # the attributes epsilon and momentum are float32 in ONNX
    for got, expected in zip((y, *after[:2]), due, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6)
    (due_inferred,) = onnx_node(shape, training=False).run(None, inputs)
    inferred = ch5jax.batch_norm_inference(jnp.asarray(x), params, state, axis=1, eps=1e-3)
    np.testing.assert_allclose(inferred, due_inferred, rtol=1e-6)


def test_statistics_and_kernels_of_a_trained_pytorch_model_are_taken_over(x64, torch):
    """A convolution and its BatchNorm: imported, run, frozen, folded."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3, dtype=torch.float64), torch.nn.BatchNorm2d(4, dtype=torch.float64)
    )
    images = torch.randn(8, 2, 7, 7, dtype=torch.float64)
    for _ in range(3):
        model(images)
    model.eval()
    conv, norm = model
    params = BatchNormParams(*(jnp.asarray(t.detach().numpy()) for t in (norm.weight, norm.bias)))
    state = ch5jax.batch_norm_state(norm.running_mean.numpy(), norm.running_var.numpy())
    assert isinstance(state, BatchNormState)
    kernel, bias = ch5jax.batch_norm_fold(
        params,
        state,
        jnp.asarray(conv.weight.detach().numpy()),
        jnp.asarray(conv.bias.detach().numpy()),
        axis=0,
        eps=norm.eps,
    )
    y = jax.lax.conv_general_dilated(jnp.asarray(images.numpy()), kernel, (1, 1), "VALID") + bias[:, None, None]
    np.testing.assert_allclose(y, model(images).detach().numpy(), rtol=1e-10, atol=1e-12)
