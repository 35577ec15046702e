"""A user's own table as a task: it trains, with the settings asked for."""

import chex
import jax
import numpy as np
import pytest

import ch5jax
from ch5jax.networks import mlp
from ch5jax.tasks import Table, read_table, table
from tests.tasks.tables import ROWS, frame

pytestmark = pytest.mark.usefixtures("compiled_quickly")


def test_the_parts_are_drawn_by_the_split_key():
    one, same, other = (
        read_table(frame(), "label", split_key=key) for key in (None, jax.random.key(0), jax.random.key(1))
    )
    chex.assert_trees_all_equal(one.parts, same.parts)
    assert not np.array_equal(one.parts.train.inputs, other.parts.train.inputs)


def test_a_classification_is_learnt():
    task = table(frame(city=["Rome", "Oslo"] * (ROWS // 2)), target="label", hidden=(8,))
    assert (task.objective, task.maximize) == ("validation_accuracy", True)
    last = ch5jax.train(task, ch5jax.adam(0.05), jax.random.key(0), 100).last()
    assert last["validation_accuracy"] >= 7 / 8
    assert last["loss"] < 0.1


def test_a_regression_is_learnt_in_standardised_units():
    data = frame()
    data["y"] = 1000 + 20 * data["x"]
    task = table(data, target="y", hidden=())
    assert (task.objective, task.maximize) == ("validation_loss", False)
    last = ch5jax.train(task, ch5jax.sgd(0.1), jax.random.key(0), 200).last()
    assert last["validation_r2"] > 0.999
    assert last["validation_loss"] < 1e-3


@pytest.mark.parametrize("batch_size", [64, 24, np.int64(1000)])
def test_a_batch_larger_than_the_training_part_is_the_training_part(batch_size):
    task = table(frame(), target="label", hidden=(), batch_size=batch_size, epochs=True)
    start = jax.jit(task.init)(jax.random.key(0), ch5jax.sgd(0.1))
    _, metrics = jax.jit(task.step)(jax.random.key(1), 0, ch5jax.sgd(0.1), start)
    whole = read_table(frame(), "label").parts.train
    log_shares = np.asarray(jax.nn.log_softmax(mlp((1, 2)).apply(start.params, whole.inputs)))
    np.testing.assert_allclose(metrics["loss"], -(log_shares * whole.targets).sum(1).mean(), rtol=1e-5)


def test_settings_are_the_networks():
    task = table(frame(), target="label", hidden=(5,), activation=jax.numpy.tanh, initial_scale=(2.0, 0.5))
    params = task.init(jax.random.key(0), ch5jax.sgd(0.1)).params
    chex.assert_trees_all_equal(params, mlp((1, 5, 2)).init(jax.random.key(0), (2.0, 0.5)))


def test_a_table_is_prepared_once_and_used_often():
    prepared = read_table(frame(), "label")
    assert isinstance(prepared, Table)
    opt, key = ch5jax.sgd(0.1), jax.random.key(0)
    for settings in ({}, {"target": "label"}, {"kind": "classification"}):
        task = table(prepared, **settings)
        direct = table(frame(), target="label")
        one, other = (jax.jit(lambda key, t=t: t.evaluate(opt, t.init(key, opt)))(key) for t in (task, direct))
        chex.assert_trees_all_equal(one, other)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": "x"}, "target must be that of the Table, 'label', or be left out, got 'x'"),
        ({"kind": "regression"}, "kind must be that of the Table, 'classification', or be left out, got 'regression'"),
        ({"split_key": jax.random.key(1)}, "split_key must be left out with a Table"),
        ({"batch_size": 0}, "batch_size must be an integer from 1 to the 24 training examples, got 0"),
        ({"hidden": (0,)}, "widths must be two or more positive integers"),
    ],
)
def test_settings_against_the_table_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        table(read_table(frame(), "label"), **settings)


def test_a_target_is_needed():
    with pytest.raises(ValueError, match="target must be the name of the column to predict, got None"):
        table(frame())
