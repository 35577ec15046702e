"""What groups differ in is a column on the page, as a number is."""

import json

import numpy as np
import pytest

import ch5jax
from ch5jax import report
from ch5jax.report._structure import NONE, parts, with_structure
from tests.report.results import accuracies, made
from tests.report.test_page import page

NAMES = {  # and how good each is: the width decides, hardly the optimizer
    "sgd, hidden=8, activation=relu": 0.5,
    "sgd, hidden=8-8, activation=relu": 0.9,
    "adam, hidden=8, activation=relu": 0.51,
    "adam, hidden=8-8, activation=relu": 0.91,
}


@pytest.fixture(scope="module")
def result():
    rows = [row for name, value in NAMES.items() for row in accuracies(name, (value,) * 5)]
    return made(rows, dict.fromkeys(NAMES, ("learning_rate",)))


@pytest.mark.parametrize(
    ("group", "base", "choices"),
    [
        ("sgd", "sgd", {}),
        ("adam, hidden=8-8, activation=relu", "adam", {"hidden": "8-8", "activation": "relu"}),
        ("wide: adam, hidden=none", "wide: adam", {"hidden": "none"}),
        ("bias_correction=True", "", {"bias_correction": "True"}),
        ("a, b, rate=linear_decay(0.1, 10), x[0]=a=b", "a, b", {"rate": "linear_decay(0.1, 10)", "x[0]": "a=b"}),
        ("two words=3, 4=x, optimizer.b1=0.5", "two words=3, 4=x", {"optimizer.b1": "0.5"}),
        ("=, hidden=\n", "=", {"hidden": "\n"}),
        ("", "", {}),
    ],
)
def test_a_groups_name_says_its_choices(group, base, choices):
    assert parts(group) == (base, choices)


def test_names_of_space_and_grid_are_such():
    opts = ch5jax.grid(ch5jax.adam, learning_rate=[0.1], bias_correction=[True, False])
    assert [parts(name)[1] for name in opts] == [{"bias_correction": "True"}, {"bias_correction": "False"}]
    axes = {"optimizer": ch5jax.sgd, "learning_rate": [0.1], "hidden": [(8,), (8, 8)]}
    found = ch5jax.space(ch5jax.tasks.digits, axes).hyperparameters
    assert [parts(name) for name in found] == [("sgd", {"hidden": "8"}), ("sgd", {"hidden": "8-8"})]


def test_what_differs_is_a_column_and_what_does_not_is_none(result):
    found = with_structure(result)
    assert set(found.columns) - set(result.columns) == {"hidden"}
    assert found.columns["hidden"].tolist() == [parts(group)[1]["hidden"] for group in result.columns["group"]]
    assert found.hyperparameters["sgd, hidden=8, activation=relu"] == ("learning_rate", "hidden")
    rows = [*accuracies("plain", (0.5,) * 5), *accuracies("sgd, hidden=8", (0.9,) * 5)]
    mixed = with_structure(made(rows, {"plain": ("learning_rate",), "sgd, hidden=8": ("learning_rate",)}))
    assert set(mixed.columns["hidden"]) == {NONE, "8"}
    assert mixed.hyperparameters["plain"] == ("learning_rate",)
    rows = [*accuracies("learning_rate=a", (0.5,) * 5), *accuracies("learning_rate=b", (0.9,) * 5)]
    own = made(rows, dict.fromkeys(["learning_rate=a", "learning_rate=b"], ("learning_rate",)))
    assert with_structure(own) is own


def test_the_width_matters_and_the_optimizer_does_not(result):
    found = {one.name: one.mean for one in report.importance(result)}
    assert set(found) == {"hidden", "group", "learning_rate", "seed"}
    assert found["hidden"] > 3 * found["group"] > found["seed"]
    rows = [row for name, value in list(NAMES.items())[:2] for row in accuracies(name, (value,) * 5)]
    one = made(rows, dict.fromkeys(list(NAMES)[:2], ("learning_rate",)))
    assert {one.name for one in report.importance(one)} == {"hidden", "learning_rate", "seed"}  # one optimizer


def test_charts_and_page_have_it(result):
    cells = result.plot.heat("hidden", "group").data[0].z
    assert np.shape(cells) == (4, 2)
    assert np.nanmin([row[0] for row in cells if row[0] is not None]) == pytest.approx(0.504)
    assert "hidden" in [side.label for side in result.plot.parallel().data[0].dimensions]
    (column,) = [one for one in json.loads(page(result).scripts[0])["columns"] if one["name"] == "hidden"]
    assert (column["part"], column["varies"], column["values"]["words"]) == ("hyperparameter", True, ["8", "8-8"])
