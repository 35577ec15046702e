"""Starting points of the ready tasks: another initialiser, and its deviation swept, one a layer."""

import jax
import numpy as np
import pandas as pd
import pytest

import ch5jax
from ch5jax.initializers import gaussian, sparse
from ch5jax.networks import mlp
from ch5jax.tasks import digits, table

pytestmark = pytest.mark.usefixtures("compiled_quickly")

KEY = jax.random.key(0)
FLOWERS = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 7)), columns=[*"abcdefg"])


def test_a_standard_deviation_for_each_layer_is_swept():
    stds = np.array([[0.1, 1.0], [1.0, 0.01], [0.3, 0.3]])
    task, network = digits(hidden=(6,), kernel_init=gaussian(1.0)), mlp((64, 6, 10), kernel_init=gaussian(1.0))
    still = ch5jax.grid(ch5jax.sgd, learning_rate=np.zeros(3))
    result = ch5jax.sweep(task, {"optimizer": still, "initial_scale": stds}, steps=1, key=KEY, seeds=1)
    np.testing.assert_array_equal([result.columns[f"initial_scale[{layer}]"] for layer in (0, 1)], stds.T)
    key_init = jax.random.fold_in(jax.random.fold_in(KEY, 0), np.uint32(2**32 - 1))
    state = task.init(key_init, ch5jax.sgd(0.0))
    for trial, both in enumerate(stds):
        params = network.init(key_init, both)
        for layer, std in zip(params, both, strict=True):
            np.testing.assert_allclose(layer.kernel.std(), std, rtol=0.2)
        due = task.evaluate(ch5jax.sgd(0.0), state._replace(params=params))
        np.testing.assert_allclose(result.columns["validation_loss"][trial], due["validation_loss"], rtol=1e-5)


@pytest.mark.parametrize("make", [digits, lambda **settings: table(FLOWERS, target="g", **settings)])
def test_tasks_draw_every_kernel_by_their_initialiser(make):
    opt = ch5jax.sgd(0.1)
    params = make(hidden=(6,), kernel_init=sparse(3, 1.0), initial_scale=(1.0, 50.0)).init(KEY, opt).params
    for layer, scale in zip(params, (1.0, 50.0), strict=True):
        np.testing.assert_array_equal((layer.kernel != 0).sum(0), 3)
        np.testing.assert_allclose(layer.kernel[layer.kernel != 0].std(), scale, rtol=0.6)
    he = make(hidden=(6,)).init(KEY, opt).params
    due = mlp([len(he[0].kernel), 6, len(he[-1].bias)]).init(KEY)
    for layer, expected in zip(he, due, strict=True):
        np.testing.assert_array_equal(layer.kernel, expected.kernel)


def test_normalised_layers_are_drawn_by_it_too():
    params = digits(hidden=(6,), batch_norm=True, kernel_init=sparse(3, 1.0)).init(KEY, ch5jax.sgd(0.1)).params
    assert (params[0].kernel != 0).sum() == 3 * 6
