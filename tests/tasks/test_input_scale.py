"""How large a task's inputs are, as its model's first layer sees them."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ch5jax
from ch5jax.networks import mlp

pytestmark = pytest.mark.usefixtures("compiled_quickly")

rng = np.random.default_rng(0)
ROWS = rng.normal(size=(100, 4)).astype(np.float32)
LABELS = (ROWS[:, 0] > 0).astype(int)
COLUMN = np.array([1, 1, 1, 200], np.float32)


def scale(inputs, model=None):
    return ch5jax.tasks.supervised(model or mlp((4, 8, 2)), (inputs, LABELS), validation=0.2, test=None).input_scale


def largest(inputs):
    """Of the columns' root mean squares, over the examples that train."""
    return np.sqrt(np.mean(np.square(inputs), axis=0)).max()


@pytest.mark.parametrize(
    "inputs",
    [ROWS, np.abs(ROWS) + 3, np.eye(4, dtype=np.float32)[rng.integers(0, 4, 100)]],
    ids=["normal", "shifted", "one-hot"],
)
def test_it_is_that_of_the_largest_column(inputs):
    np.testing.assert_allclose(scale(inputs), largest(inputs), rtol=0.1)  # the share for validation is left out


@pytest.mark.parametrize("units", [1, 16])
def test_a_large_column_beside_others_is_seen_by_any_model(units):
    def init(key):
        return {"w": jnp.ones((4, units)), "out": jax.random.normal(key, (units, 2))}

    def apply(params, x):
        return jnp.tanh(x @ params["w"]) @ params["out"]

    for inputs in (ROWS * COLUMN, ROWS * COLUMN + 40 * COLUMN):  # which saturate every unit
        assert scale(inputs, (init, apply)) == pytest.approx(largest(inputs), rel=0.1)


def test_a_model_that_scales_its_inputs_by_itself_sees_small_ones():
    network = mlp((4, 8, 2))
    divided = (network.init, lambda params, x: network.apply(params, x / 255))
    assert scale(255 * ROWS, divided) < 2


class Small(nn.Module):
    normalised: bool = False

    @nn.compact
    def __call__(self, x, train):
        x = x.astype(jnp.float32)
        if x.ndim == 4:
            x = nn.Conv(4, (3, 3))(x).reshape(len(x), -1)
        if self.normalised:
            x = nn.BatchNorm(use_running_average=not train)(x)
        return nn.Dense(2)(x)


def test_pixels_and_other_frameworks_models_are_seen_and_batch_statistics_are_left_alone():
    images = rng.integers(0, 256, (100, 8, 8, 1)).astype(np.uint8)
    pixels = 255 / 3**0.5
    assert scale(images, Small()) == pytest.approx(pixels, rel=0.1)
    assert scale(100 * ROWS, Small()) == pytest.approx(largest(100 * ROWS), rel=0.1)
    assert scale(100 * ROWS, Small(normalised=True)) is None
    assert scale(100 * ROWS, mlp((4, 8, 2), batch_norm=True)) is None


def test_where_no_gradient_reaches_the_first_layer_nothing_is_said():
    network = mlp((4, 8, 2))
    blind = (network.init, lambda params, x: network.apply(params, 0 * x - 1) * 0 + params[0].bias.sum())
    assert scale(100 * ROWS, blind) is None


def test_of_tokens_and_of_several_arrays_nothing_is_said():
    def init(key, x):
        return {"w": jnp.ones((4, 2)), "table": jnp.ones((5000, 2))}

    tokens = rng.integers(0, 5000, (100, 3))
    assert scale(tokens, (init, lambda params, x: params["table"][x].mean(1))) is None
    assert scale({"x": 100 * ROWS}, (init, lambda params, x: x["x"] @ params["w"])) is None


def test_a_task_with_standardised_inputs_as_a_number_does_not_know():
    task = ch5jax.tasks.supervised(mlp((4, 8, 2)), (100 * ROWS, LABELS), validation=0.2, test=None)
    numbered = [variant for variant in task.variants() if variant.number]
    assert task.input_scale > 50
    assert numbered[0].make().input_scale is None


def test_a_task_may_be_made_inside_a_program():
    @jax.jit
    def made(w):
        task = ch5jax.tasks.supervised(mlp((4, 8, 2)), (100 * ROWS, LABELS), validation=0.2, test=None)
        return w * task.input_scale

    assert float(made(1.0)) == pytest.approx(largest(100 * ROWS), rel=0.1)
