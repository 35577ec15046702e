"""A user's arrays, checked and divided."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ch5jax
from ch5jax.tasks import supervised
from ch5jax.tasks._examples import divide, size

pytestmark = [pytest.mark.smoke, pytest.mark.usefixtures("compiled_quickly")]

KEY = jax.random.key(0)
X = np.arange(50.0)[:, None]
MODEL = (lambda key: jnp.zeros((1, 3)), lambda w, x: x @ w)


@pytest.mark.parametrize("shares", [(0.2, 0.2), (0.1, 0.3), (0.5, 0.4), (0.02, 0.02)])
@pytest.mark.parametrize("classes", [1, 2, 3, 7])
def test_shares_are_disjoint_of_the_size_asked_for_and_of_each_class(shares, classes):
    labels = np.sort(np.arange(50) % classes)
    parts = divide((X, labels), *shares, KEY)
    rows = [part.inputs[:, 0].astype(int) for part in parts]
    np.testing.assert_array_equal(np.sort(np.concatenate(rows)), np.arange(50))
    for part, share in zip(parts[1:], shares, strict=True):
        assert abs(size(part) - 50 * share) <= 1
        for label in range(classes):
            assert abs((part.targets == label).sum() - share * (labels == label).sum()) < 1.5
    for part, chosen in zip(parts, rows, strict=True):
        np.testing.assert_array_equal(part.targets, labels[chosen])
    assert not np.array_equal(np.sort(rows[0]), rows[0])  # the rest is in no order of classes


def test_another_key_gives_other_parts_and_the_same_one_the_same():
    first, again, other = (divide((X, X), 0.2, 0.2, key).test.inputs for key in (KEY, KEY, jax.random.key(1)))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_part_of_the_users_own_stays_as_it_is():
    own = (X[:7] + 100, X[:7])
    parts = divide((X, X), own, 0.1, KEY)
    np.testing.assert_array_equal(parts.validation.inputs, own[0])
    assert size(parts.train) + size(parts.test) == 50
    parts = divide((X, X), own, None, KEY)
    np.testing.assert_array_equal(parts.train.inputs, X)
    assert parts.test is None
    task = supervised(MODEL, (X / 50, np.arange(50) % 3), 0.2, None, batch_size=8)
    assert {name.split("_")[0] for name in task.evaluate(ch5jax.sgd(1.0), task.init(KEY, ch5jax.sgd(1.0)))} == {
        "validation"
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": X}, r"train must be a pair \(inputs, targets\)"),
        ({"train": (X, X[:3])}, "train must hold inputs and targets with a row an example"),
        ({"train": (X[:0], X[:0])}, "train must hold inputs and targets with a row an example"),
        (
            {"train": (X, np.array(["a"] * 50))},
            "train targets must be numbers, got dtype <U1; classes are whole numbers",
        ),
        ({"train": (np.where(X == 3, np.nan, X), X)}, "train inputs must be finite, got 1 of 50"),
        ({"train": ({"a": X, "b": X + np.inf}, X)}, r"train inputs\['b'\] must be finite, got 50 of 50"),
        ({"validation": 1.2}, r"validation must be a pair \(inputs, targets\) or a share from 0 to 1, got 1.2"),
        ({"validation": None}, "validation must be a pair"),
        ({"validation": 0.6, "test": 0.5}, "must leave something to train on"),
        ({"validation": 0.001}, "validation must have an example at least"),
        ({"test": (np.ones((3, 2)), X[:3])}, r"test.inputs must have rows of shape \(1,\) as train has, got \(2,\)"),
        ({"loss": "hinge"}, "loss must be one of cross_entropy, binary_cross_entropy"),
        ({"loss": 3}, "loss must be one of cross_entropy"),
        ({"metrics": ["auc"]}, r"metrics must be among accuracy, .* got \['auc'\]"),
        ({"metrics": "accuracy"}, "metrics must be a list of names or a dict of functions"),
        ({"metrics": {"loss": max}}, 'must not have one that is called "loss"'),
        ({"hyperparameters": {"dropout": 0.1}}, "must be asked for by the model, .*; got dropout, and they ask for"),
        ({"hyperparameters": {"train": 0.1}}, "must not have one that is called 'train'"),
        (
            {"loss": "cross_entropy", "train": (X, np.arange(50) % 4)},
            "a logit for each class, and train targets go from 0 to 3, got 3",
        ),
        (
            {"loss": "squared_error", "train": (X, np.arange(50.0))},
            r"outputs of the targets' shape .* got \(examples, \*\(3,\)\)",
        ),
        ({"batch_size": 31}, "batch_size must be an integer from 1 to the 30 training examples, got 31"),
        ({"batch_size": True}, "batch_size must be an integer"),
        ({"train": (X, np.arange(50) % 3 - 1)}, "train targets go from -1 to 1, got 3"),
        ({"validation": (X[:9], np.full(9, 7))}, "validation targets go from 7 to 7, got 3"),
        (
            {"loss": "cross_entropy", "train": (X, np.arange(50.0) % 3)},
            "must be whole numbers for the loss 'cross_entro",
        ),
        ({"train": (X, np.tile([0, 1, 1], (50, 1)))}, "must be shares of two classes or more, which sum to 1"),
        (
            {"train": (X, np.arange(50) + 3_000_000_000), "loss": "squared_error"},
            "train targets must fit int32, got 3,0",
        ),
        ({"train": (X.astype(np.int64) + 2**40, np.arange(50) % 3)}, "train inputs must fit int32"),
    ],
)
def test_what_is_refused(changes, message):
    arguments = {"train": (X, np.arange(50) % 3), "batch_size": 8, **changes}
    with pytest.raises(ValueError, match=message):
        supervised(MODEL, **arguments)


@pytest.mark.parametrize(
    ("loss", "outputs", "targets", "due", "metrics"),
    [
        ("squared_error", [[1.0], [3.0]], [0.0, 1.0], 2.5, {"r2": 1 - 2.5 / 0.25}),
        ("squared_error", [1.0, 3.0], [0.0, 1.0], 2.5, {"r2": 1 - 2.5 / 0.25}),
        ("absolute_error", [[1.0], [3.0]], [0.0, 1.0], 1.5, {"r2": 1 - 2.5 / 0.25}),
        ("binary_cross_entropy", [[0.0], [2.0]], [1, 0], (np.log(2) + np.log1p(np.exp(2))) / 2, {"accuracy": 0.0}),
        ("cross_entropy", [[0.0, 0.0], [2.0, 0.0]], [1, 0], (np.log(2) + np.log1p(np.exp(-2))) / 2, {"accuracy": 0.5}),
    ],
)
def test_losses_by_name(loss, outputs, targets, due, metrics):
    outputs, targets = np.float32(outputs), np.array(targets)
    model = (lambda key: jnp.zeros(()), lambda w, x: x + w)
    task = supervised(model, (outputs, targets), (outputs, targets), None, loss=loss, batch_size=2)
    found = task.evaluate(ch5jax.sgd(0.1), task.init(KEY, ch5jax.sgd(0.1)))
    np.testing.assert_allclose(found["validation_loss"], due, rtol=1e-6)
    for name, value in metrics.items():
        np.testing.assert_allclose(found[f"validation_{name}"], value, rtol=1e-5)


ONE = (lambda key: jnp.zeros((1, 1)), lambda w, x: x @ w)


def test_one_logit_is_no_cross_entropy_of_classes():
    for model, targets in (
        (ONE, (np.arange(50) % 2)[:, None]),
        ((ONE[0], lambda w, x: (x @ w)[:, 0]), np.arange(50) % 2),
    ):
        with pytest.raises(
            ValueError, match="one logit, or several that do not exclude each other, take 'binary_cross"
        ):
            supervised(model, (X, targets))
        assert np.isfinite(supervised(model, (X, targets), loss="binary_cross_entropy").baseline)


def test_binary_targets_lie_between_0_and_1():
    with pytest.raises(
        ValueError, match="train targets must lie from 0 to 1 for the loss 'binary_cross_entropy', got -1 to 1"
    ):
        supervised(ONE, (X, 2 * (np.arange(50) % 2) - 1), loss="binary_cross_entropy")


@pytest.mark.parametrize("kind", [int, bool, np.float32])
def test_classes_in_every_form_have_the_same_loss_and_baseline(kind):
    labels = np.arange(50) % 3
    forms = [labels, np.eye(3)[labels].astype(kind)]
    tasks = [
        supervised(MODEL, (X / 50, form), loss="cross_entropy", hyperparameters={"label_smoothing": 0.0})
        for form in forms
    ]
    np.testing.assert_allclose(tasks[0].baseline, tasks[1].baseline, rtol=1e-6)
    for smoothing in (0.0, 0.3):
        setting = {"optimizer": ch5jax.sgd(0.1), "label_smoothing": smoothing}
        whole = [
            supervised(
                MODEL,
                (X / 50, f),
                (X / 50, f),
                None,
                loss="cross_entropy",
                batch_size=50,
                hyperparameters={"label_smoothing": 0.0},
                epochs=True,
            )
            for f in forms
        ]
        losses = [task.step(KEY, jnp.int32(0), setting, task.init(KEY, setting))[1]["loss"] for task in whole]
        np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)


def test_truth_values_are_two_classes_by_default():
    two = (lambda key: jnp.zeros((1, 2)), lambda w, x: x @ w)
    task = supervised(two, (X / 50, X[:, 0] > 20))
    assert task.objective == "validation_accuracy"
    assert np.isfinite(ch5jax.train(task, ch5jax.sgd(0.1), KEY, 2, signals_every=0).metrics["loss"]).all()


def test_few_examples_have_a_batch_of_all_of_them():
    few = (lambda key: jnp.zeros((1, 1)), lambda w, x: x @ w)
    task = supervised(few, (X[:5], X[:5]), epochs=True)
    assert len(task.init(KEY, ch5jax.sgd(0.1)).order) == 3


def test_r2_of_several_columns_is_about_the_mean_of_each():
    y = np.c_[np.tile([1.0, -1.0], 25), 100 + np.tile([1.0, -1.0], 25)]
    constant = (lambda key: jnp.array([0.0, 100.0]), lambda w, x: jnp.broadcast_to(w, (len(x), 2)))
    task = supervised(constant, (X, y), (X, y), None)
    found = task.evaluate(ch5jax.sgd(0.1), task.init(KEY, ch5jax.sgd(0.1)))
    np.testing.assert_allclose(found["validation_r2"], 0, atol=1e-4)


def test_metrics_of_another_shape_than_the_targets_are_refused_not_broadcast():
    flat = (lambda key: jnp.ones(1), lambda w, x: x @ w)
    task = supervised(flat, (X, X), loss=lambda outputs, targets: (outputs - targets[:, 0]) ** 2, metrics=["r2"])
    with pytest.raises(ValueError, match=r"outputs must have the targets' shape \(10, 1\), got \(10,\)"):
        task.evaluate(ch5jax.sgd(0.1), task.init(KEY, ch5jax.sgd(0.1)))


def test_outputs_that_are_no_numbers_are_wrong_answers():
    for loss, shape in (("cross_entropy", (1, 2)), ("binary_cross_entropy", (1, 1))):
        task = supervised(
            (lambda key, s=shape: jnp.full(s, jnp.nan), lambda w, x: x @ w), (X, np.zeros(50, int)), loss=loss
        )
        assert task.evaluate(ch5jax.sgd(0.1), task.init(KEY, ch5jax.sgd(0.1)))["validation_accuracy"] == 0


def test_metrics_of_half_precision_are_float32():
    half = (lambda key: jnp.zeros((1, 2), jnp.bfloat16), lambda w, x: x.astype(jnp.bfloat16) @ w + jnp.bfloat16([1, 0]))
    labels = (np.arange(2399) < 9).astype(int)
    task = supervised(half, (np.ones((50, 1)), np.zeros(50, int)), (np.ones((2399, 1)), labels), None)
    found = task.evaluate(ch5jax.sgd(0.1), task.init(KEY, ch5jax.sgd(0.1)))
    np.testing.assert_allclose(found["validation_accuracy"], 1 - 9 / 2399, rtol=1e-6)
