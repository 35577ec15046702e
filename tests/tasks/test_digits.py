"""The scanned digits: the parts, the settings, and that they are learnt."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits

import ch5jax
from ch5jax import _keys
from ch5jax.networks import mlp
from ch5jax.tasks import _digits, digits
from ch5jax.tasks._examples import Parts
from tests.tapping.networks import site_gradients

pytestmark = pytest.mark.usefixtures("compiled_quickly")

KEY, OPT = jax.random.key(0), ch5jax.adam(1e-2)


@pytest.fixture
def parts_of(monkeypatch):
    """The data that a call of `digits` trains on."""

    def parts_of(**settings):
        seen = []
        monkeypatch.setattr(_digits, "supervised", lambda network, *parts, **_: seen.append(Parts(*parts)))
        digits(**settings)
        return seen[0]

    return parts_of


def test_the_parts_are_all_digits_once(parts_of):
    parts = parts_of()
    assert [part.inputs.shape for part in parts] == [(1079, 64), (359, 64), (359, 64)]
    assert [part.targets.shape for part in parts] == [(1079, 10), (359, 10), (359, 10)]
    data = load_digits()
    rows = np.concatenate([np.c_[16 * part.inputs, part.targets.argmax(1)] for part in parts])
    expected = np.c_[data.data, data.target].astype(np.float32)
    np.testing.assert_array_equal(rows[np.lexsort(rows.T)], expected[np.lexsort(expected.T)])
    for part in parts:
        assert part.inputs.min() == 0
        assert part.inputs.max() == 1
        np.testing.assert_array_equal(part.targets.sum(1), np.ones(len(part.targets)))


def test_the_parts_are_drawn_by_the_split_key(parts_of):
    chex.assert_trees_all_equal(parts_of(), parts_of(split_key=jax.random.key(0)))
    assert not np.array_equal(parts_of().test.inputs, parts_of(split_key=jax.random.key(1)).test.inputs)


def test_the_parts_are_not_drawn_by_the_trials_key():
    task, still = digits(hidden=()), ch5jax.sgd(0.0)
    init = jax.jit(task.init)
    expected = jax.jit(task.evaluate)(still, init(KEY, still))
    for key in jax.random.split(KEY, 2):
        last = ch5jax.train(task, still, key, 1, state=init(KEY, still)).last()
        np.testing.assert_allclose(last["test_loss"], expected["test_loss"], rtol=1e-6)
        np.testing.assert_allclose(last["validation_loss"], expected["validation_loss"], rtol=1e-6)


def test_widths_activation_and_scale_are_the_networks():
    task = digits(hidden=(5, 7), activation=jnp.tanh, initial_scale=(0.5, 1.0, 2.0))
    network = mlp((64, 5, 7, 10), jnp.tanh)
    state = jax.jit(task.init)(KEY, OPT)
    chex.assert_trees_all_equal(state.params, jax.jit(lambda key: network.init(key, (0.5, 1.0, 2.0)))(KEY))
    relu = digits(hidden=(5, 7), initial_scale=(0.5, 1.0, 2.0))
    assert jax.jit(task.evaluate)(OPT, state) != jax.jit(relu.evaluate)(OPT, state)
    logistic = jax.eval_shape(digits(hidden=()).init, KEY, OPT).params
    assert [layer.kernel.shape for layer in logistic] == [(64, 10)]


@pytest.mark.parametrize("batch_size", [1, 100])
def test_the_batch_has_the_size_asked_for(batch_size):
    task = digits(hidden=(5,), batch_size=batch_size)
    state = jax.jit(task.init)(KEY, OPT)
    sites = site_gradients(lambda params: task.loss(KEY, OPT, state, params), state.params)
    assert sites[1].z.shape == (batch_size, 10)
    assert (np.abs(sites[1].z).max(axis=1) > 0).all()


def test_epochs_keep_an_order_of_all_training_examples():
    state = ch5jax.train(digits(hidden=(), epochs=True), OPT, KEY, 20).state
    np.testing.assert_array_equal(np.sort(state.order), np.arange(1079))


def test_adam_recognises_digits_in_a_few_hundred_steps():
    last = ch5jax.train(digits(), OPT, KEY, 300, record_every=300).last()
    assert last["test_accuracy"] > 0.93
    assert last["validation_accuracy"] > 0.93


def test_the_initial_scale_is_swept_beside_the_optimizer():
    task = digits(hidden=(5,))
    swept = {
        "optimizer": ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 0.5]),
        "initial_scale": jnp.array([[1.0, 1.0], [0.0, 2.0]]),
    }
    many = jax.jit(jax.vmap(lambda h: ch5jax.train(task, h, KEY, 5)))(swept)
    for i, opt in enumerate(ch5jax.unstack(swept["optimizer"])):
        one = ch5jax.train(task, {"optimizer": opt, "initial_scale": swept["initial_scale"][i]}, KEY, 5)
        chex.assert_trees_all_close(jax.tree.map(lambda x, i=i: x[i], many), one, rtol=1e-4, atol=1e-6)
    # a first layer of zeros before a relu passes nothing on, whatever the second one is
    start = jax.jit(lambda key: mlp((64, 5, 10)).init(key, (0.0, 2.0)))(jax.random.fold_in(KEY, _keys.INIT))
    np.testing.assert_array_equal(many.state.params[0].kernel[1], start[0].kernel)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": (0,)}, "widths must be two or more positive integers"),
        ({"batch_size": 0}, "batch_size must be an integer from 1 to the 1079 training examples, got 0"),
        ({"batch_size": 1080}, "batch_size must be an integer from 1 to the 1079 training examples, got 1080"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        digits(**settings)
