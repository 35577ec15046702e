"""A table's columns become inputs that are fitted to the training rows alone."""

import chex
import hypothesis
import jax
import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from ch5jax.tasks import read_table
from ch5jax.tasks.tables import _blocks
from tests.tasks.tables import ROWS, TEST, TRAIN, VALIDATION, column, frame, inputs, noted


def test_numbers_are_standardised_by_the_training_part_alone():
    data = frame()
    prepared = read_table(data, "label")
    raw = data["x"].to_numpy()
    expected = (raw - raw[TRAIN].mean()) / raw[TRAIN].std()
    np.testing.assert_allclose(column(prepared, "x"), expected, rtol=1e-5, atol=1e-6)
    data.loc[np.concatenate([VALIDATION, TEST]), "x"] = 1e6
    chex.assert_trees_all_equal(read_table(data, "label").parts.train, prepared.parts.train)


@pytest.mark.parametrize("at_once", [1, 7, 64])
def test_what_is_fitted_does_not_depend_on_how_much_is_taken_at_a_time(monkeypatch, at_once):
    columns = {
        "a": np.arange(ROWS) * 1.5 + 1000,
        "b": np.arange(ROWS) ** 3,
        "c": np.where(np.arange(ROWS) % 3, 7.5, np.nan),
    }
    columns["c"][20:30] = np.arange(10)
    whole = inputs(read_table(frame(**columns), "label"))
    monkeypatch.setattr(_blocks, "AT_ONCE", at_once)
    np.testing.assert_allclose(inputs(read_table(frame(**columns), "label")), whole, rtol=1e-5, atol=1e-6)


def test_a_missing_number_becomes_the_mean_of_the_training_part():
    data = frame()
    gaps = [TRAIN[0], TRAIN[5], VALIDATION[1]]
    data.loc[gaps, "x"] = [np.nan, np.inf, -np.inf]
    prepared = read_table(data, "label")
    np.testing.assert_allclose(column(prepared, "x")[gaps], 0, atol=1e-6)
    assert noted(prepared, "counted as missing: 2 in 'x'")
    assert noted(prepared, "mean of the training part: 'x' (3)")
    raw = np.where(np.isfinite(data["x"]), data["x"], np.nan)
    filled = np.where(np.isnan(raw), np.nanmean(raw[TRAIN]), raw)
    np.testing.assert_allclose(
        column(prepared, "x"), (filled - filled[TRAIN].mean()) / filled[TRAIN].std(), rtol=1e-5, atol=1e-6
    )


def test_a_number_beyond_float32_beside_tiny_ones_is_missing():
    values = np.arange(ROWS) * 1e-6
    values[[3, 5]] = [1e308, -1e39]
    prepared = read_table(frame(a=values), "label")
    np.testing.assert_allclose(column(prepared, "a")[[3, 5]], 0, atol=1e-6)
    assert noted(prepared, "beyond float32, and so counted as missing: 2 in 'a'")


def test_text_is_one_hot_with_missing_as_a_value_and_strange_values_as_zeros():
    city = np.array(["Rome", "Oslo"] * (ROWS // 2), object)
    city[TRAIN[:3]] = None
    city[TEST[0]] = "Lima"
    prepared = read_table(frame(city=city), "label")
    assert prepared.features == ("x", "city=(missing)", "city=Oslo", "city=Rome")
    for value in ("Oslo", "Rome"):
        np.testing.assert_array_equal(column(prepared, f"city={value}"), city == value)
    np.testing.assert_array_equal(column(prepared, "city=(missing)"), [value is None for value in city])
    np.testing.assert_array_equal(inputs(prepared)[TEST[0], 1:], 0)
    assert noted(prepared, "(one-hot): 'city'")
    assert noted(prepared, "Missing text made a value of its own: 'city' (3)")
    assert noted(prepared, "not in the training part are encoded as zeros: 'city'")


@pytest.mark.parametrize(
    "dates", [pd.date_range("2024-02-27", periods=ROWS), pd.date_range("2024-02-27", periods=ROWS).strftime("%Y-%m-%d")]
)
def test_dates_become_days(dates):
    prepared = read_table(frame(day=dates), "label")
    days = np.arange(ROWS)
    expected = (days - days[TRAIN].mean()) / days[TRAIN].std()
    np.testing.assert_allclose(column(prepared, "day"), expected, rtol=1e-5, atol=1e-6)
    assert noted(prepared, "The dates in 'day' became days")


@pytest.mark.parametrize(
    "dtype", [bool, "boolean", "int8", "Int64", "float16", "float32", "Float64", "timedelta64[D]", str]
)
def test_zeros_and_ones_of_any_type_are_numbers(dtype):
    ones = np.arange(ROWS) % 3 == 0
    values = pd.Series(ones.astype(int)).astype("timedelta64[s]" if dtype == "timedelta64[D]" else dtype)
    expected = (ones - ones[TRAIN].mean()) / ones[TRAIN].std()
    np.testing.assert_allclose(column(read_table(frame(a=values), "label"), "a"), expected, rtol=1e-5, atol=1e-6)


def test_marks_for_missing_numbers_do_not_make_a_column_text():
    values = [str(i) if i % 20 else "?" for i in range(ROWS)]
    prepared = read_table(frame(a=values), "label")
    assert prepared.features == ("x", "a")
    assert noted(prepared, "No numbers, and so counted as missing, in 'a': '?'")


def test_a_category_of_numbers_stays_a_category():
    prepared = read_table(frame(a=pd.Categorical([1, 2] * (ROWS // 2))), "label")
    assert prepared.features == ("x", "a=1", "a=2")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.full(ROWS, 2.5), "same value all over the training part: 'a'"),
        (np.where(np.arange(ROWS) == TEST[0], 1.0, 0.1), "same value all over the training part: 'a'"),
        (1e16 + np.arange(ROWS) % 2, "same value all over the training part: 'a'"),
        (["same"] * ROWS, "same value all over the training part: 'a'"),
        (np.full(ROWS, np.nan), "no value in the training part: 'a'"),
        ([None] * ROWS, "no value in the training part: 'a'"),
        (np.full(ROWS, np.inf), "no value in the training part: 'a'"),
        (
            [f"name {i}" for i in range(ROWS)],
            "too few words to be text (columns={'NAME': 'text'}, --column NAME=text): 'a'",
        ),
        ([[i, i] for i in range(ROWS)], "too few words to be text (columns={'NAME': 'text'}, --column NAME=text): 'a'"),
    ],
)
def test_columns_of_no_use_are_left_out_with_a_word(values, words):
    prepared = read_table(frame(a=list(values)), "label")
    assert prepared.features == ("x",)
    assert noted(prepared, words)


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(),
    st.sampled_from(["", "a", "b", "1", "2.5", "?", "2024-02-30", "2024-02-29", "inf", "nan"]),
    st.dates(),
)
COLUMNS = st.one_of(
    st.lists(st.integers(0, 2), min_size=12, max_size=12),
    st.lists(st.floats(allow_nan=True), min_size=12, max_size=12),
    st.lists(st.sampled_from(["a", "b", None]), min_size=12, max_size=12),
    st.lists(CELLS, min_size=12, max_size=12),
)


@hypothesis.settings(max_examples=60, deadline=None, derandomize=True)
@hypothesis.given(st.lists(COLUMNS, min_size=2, max_size=4), st.sampled_from([None, "classification", "regression"]))
def test_any_table_is_prepared_or_refused(columns, kind):
    data = pd.DataFrame({f"c{i}": values for i, values in enumerate(columns)})
    try:
        prepared = read_table(data, "c0", kind)
    except ValueError as error:
        refusal = str(error)
    else:
        refusal = None
    hypothesis.event("refused" if refusal else "prepared")
    if refusal:
        assert "'c0'" in refusal
        return
    train = prepared.parts.train.inputs
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(prepared.parts))
    assert train.shape[1] == len(prepared.features) > 0
    assert (np.ptp(train, axis=0) > 0).all()
