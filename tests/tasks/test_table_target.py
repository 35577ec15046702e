"""The target: of which kind it is, and when there is nothing to learn."""

import numpy as np
import pandas as pd
import pytest

from ch5jax.tasks import read_table
from tests.tasks.tables import PLAIN_TRAIN, ROWS, frame, noted, targets


def test_rows_without_a_target_are_left_out():
    data = frame()
    data.loc[:4, "label"] = None
    prepared = read_table(data, "label")
    assert sum(len(part.inputs) for part in prepared.parts) == ROWS - 5
    assert noted(prepared, f"5 of {ROWS} rows without a target were left out")
    assert prepared.classes == ("high", "low")


@pytest.mark.parametrize(
    ("values", "kind", "classes"),
    [
        (["b", "a"], "classification", ("a", "b")),
        ([True, False], "classification", ("False", "True")),
        (pd.Categorical(["lo", "hi"], categories=["lo", "hi", "never"]), "classification", ("hi", "lo")),
        ([3, 1, 2, 10], "classification", ("1", "2", "3", "10")),
        ([3.0, 1.0], "classification", ("1", "3")),
        ([-1, 1], "classification", ("-1", "1")),
        ([0.5, 1.5], "regression", ()),
        (np.arange(10), "regression", ()),
        (["1.5", "2.5"], "regression", ()),
        (["1", "0"], "classification", ("0", "1")),
    ],
)
def test_the_kind_follows_from_the_target(values, kind, classes):
    data = frame(y=list(values) * (ROWS // len(values)))
    if isinstance(values, pd.Categorical):
        data["y"] = pd.Categorical(data["y"], categories=values.categories)
    prepared = read_table(data.drop(columns="label"), "y")
    assert (prepared.kind, prepared.classes) == (kind, classes)
    assert noted(prepared, "The target 'y' holds ")
    if classes:
        np.testing.assert_array_equal(
            np.array(classes)[targets(prepared).argmax(1)], data["y"].map("{:}".format).str.removesuffix(".0")
        )
        assert (prepared.target_mean, prepared.target_std) == (0.0, 1.0)


def test_the_kind_may_be_chosen():
    data = frame(y=[3, 1, 2, 10] * (ROWS // 4))
    prepared = read_table(data, "y", kind="regression")
    raw = data["y"].to_numpy()
    assert prepared.kind == "regression"
    np.testing.assert_allclose(
        [prepared.target_mean, prepared.target_std], [raw[PLAIN_TRAIN].mean(), raw[PLAIN_TRAIN].std()]
    )
    expected = (raw - raw[PLAIN_TRAIN].mean()) / raw[PLAIN_TRAIN].std()
    np.testing.assert_allclose(targets(prepared)[:, 0], expected, rtol=1e-5, atol=1e-6)
    data = frame(y=np.repeat(np.arange(10) + 0.5, 4))
    assert read_table(data, "y", kind="classification").classes[:2] == ("0.5", "1.5")


def test_a_class_that_a_part_lacks_is_a_warning_with_its_count():
    data = frame(day=np.arange(ROWS))
    data.loc[ROWS - 1, "label"] = "rare"
    prepared = read_table(data, "label")
    assert prepared.classes == ("high", "low", "rare")
    assert noted(prepared, "Classes with a single row: 'rare'")
    assert ROWS - 1 in prepared.rows[0]  # the one that there is is for training
    assert [warning for warning in prepared.warnings if "validation" in warning] == [
        "Without a row in the validation part: 'rare' (rows in all: 1)."
    ]
    last = read_table(data, "label", order="day")
    assert last.warnings[0] == "Without a row in the training part, and so never learnt: 'rare' (rows in all: 1)."
    assert {*last.warnings} <= {*last.notes}


@pytest.mark.parametrize(
    ("columns", "target", "settings", "message"),
    [
        (
            {},
            "lable",
            {},
            "target must be a column of the data frame, which has 'x', 'label', got 'lable'; did you mean 'label'",
        ),
        ({}, "label", {"kind": "ranking"}, "kind must be 'classification' or 'regression', got 'ranking'"),
        (
            {},
            "label",
            {"kind": "regression"},
            "target 'label' of the data frame must hold numbers or dates for regression, got text such as 'high'",
        ),
        ({"y": np.nan}, "y", {}, "must have 5 rows at least with a value of 'y', got 0"),
        ({"y": [1.5] * 4 + [None] * (ROWS - 4)}, "y", {}, "must have 5 rows at least with a value of 'y', got 4"),
        (
            {"y": "one"},
            "y",
            {},
            "two different values at least among the 24 .* got only one: there is nothing to learn",
        ),
        ({"y": 7}, "y", {}, "two different values at least .* got only 7"),
        ({"y": 7.5}, "y", {"kind": "regression"}, "two different values at least .* got only 7.5"),
        (
            {"y": np.arange(ROWS) > 35, "day": np.arange(ROWS)},
            "y",
            {"order": "day"},
            "two different values at least .* got only False",
        ),
        ({"y": 1e16 + 2 * np.arange(ROWS) % 4}, "y", {"kind": "regression"}, "vary by more than rounding errors"),
        (
            {"y": [f"n{i}" for i in range(ROWS)]},
            "y",
            {},
            "two rows a class on average .* got 40 different values in 40",
        ),
        ({"y": np.arange(ROWS) + 0.5}, "y", {"kind": "classification"}, "two rows a class .* such as 0.5, 1.5, 2.5"),
        ({"x": 1.0}, "label", {}, "no column to predict 'label' from.* same value all over the training part: 'x'"),
        ({"a": 1j * np.arange(ROWS)}, "label", {}, "column 'a' of the data frame must hold .* got complex numbers"),
    ],
)
def test_tables_that_cannot_be_learnt_are_refused(columns, target, settings, message):
    with pytest.raises(ValueError, match=message):
        read_table(frame(**columns), target, **settings)
