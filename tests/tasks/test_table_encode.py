"""New rows as a table's own were: the same means, categories and kinds, whatever a few rows look like."""

import jax
import numpy as np
import pandas as pd
import pytest

import ch5jax
from ch5jax.tasks import read_table
from tests.tasks.tables import ROWS, frame, inputs

pytestmark = pytest.mark.smoke

DATES = pd.date_range("2024-01-01", periods=ROWS)
COLUMNS = {
    "colour": np.resize(["red", "green", None], ROWS),
    "flag": np.resize([True, False, False], ROWS),
    "count": np.arange(ROWS) % 7,
    "day": DATES,
    "day text": DATES.astype(str),
    "far": DATES.tz_localize("Europe/Berlin"),
    "kind": pd.Categorical(np.resize(["7", "8", "9"], ROWS)),
    "long": pd.Series([pd.Timedelta(days=i) for i in range(ROWS)]),
    "hole": np.where(np.arange(ROWS) % 5, np.arange(ROWS) * 1.5, np.nan),
}


@pytest.fixture(scope="module")
def prepared():
    return read_table(frame(**COLUMNS), "label")


def test_the_tables_own_rows_are_encoded_as_they_were(prepared):
    np.testing.assert_array_equal(prepared.encode(frame(**COLUMNS)), inputs(prepared))
    for row in (0, 7, 39):  # each by itself, and through a file, which knows nothing of types
        alone = frame(**COLUMNS).iloc[[row]]
        np.testing.assert_array_equal(prepared.encode(alone), inputs(prepared)[[row]])
        np.testing.assert_array_equal(prepared.encode(alone.drop(columns="label")), inputs(prepared)[[row]])


def test_a_csv_file_of_one_row_will_do(prepared, tmp_path):
    table = frame(**{name: COLUMNS[name] for name in ("colour", "flag", "count", "day text", "kind", "hole")})
    prepared = read_table(table, "label")
    for row in (0, 1, 2):
        table.iloc[[row]].to_csv(tmp_path / "new.csv", index=False)
        np.testing.assert_allclose(prepared.encode(tmp_path / "new.csv"), inputs(prepared)[[row]], rtol=1e-6)


def test_unknown_categories_are_zeros_and_missing_numbers_the_mean(prepared):
    new = frame(**COLUMNS).iloc[:3].copy()
    new["colour"], new["hole"], new["count"] = "blue", None, [np.inf, "many", 3]
    encoded = prepared.encode(new)
    features = list(prepared.features)
    colours = [i for i, name in enumerate(features) if name.startswith("colour=")]
    assert (encoded[:, colours] == 0).all()
    assert np.abs(encoded[:, features.index("hole")]).max() < 1e-6
    assert np.abs(encoded[:2, features.index("count")]).max() < 1e-6
    np.testing.assert_array_equal(encoded[2, features.index("count")], inputs(prepared)[3, features.index("count")])


@pytest.mark.parametrize("words", [["true", "FALSE", "True"], [1, 0, 1], [True, False, True], ["yes", "no", "yes"]])
def test_truth_values_may_be_said_in_words(prepared, words):
    new = frame(**COLUMNS).iloc[:3].copy()
    new["flag"] = words
    column = prepared.encode(new)[:, prepared.features.index("flag")]
    due = inputs(prepared)[[0, 1, 0], prepared.features.index("flag")]
    np.testing.assert_array_equal(column, due)


def test_a_missing_column_is_named(prepared):
    with pytest.raises(ValueError, match=r"table's columns, 'x', .*: 'far', 'colour' are missing in the data frame"):
        prepared.encode(frame(**COLUMNS).drop(columns=["colour", "far"]))


def test_answers_are_in_the_targets_own_terms():
    table = read_table(frame(), "label")
    answers = table.answers(np.array([[2.0, 0.0], [0.0, 1.0]]))
    assert answers["label"].tolist() == [table.classes[0], table.classes[1]]
    np.testing.assert_allclose(answers["probability"], [1 / (1 + np.exp(-2)), 1 / (1 + np.exp(-1))])
    numbers = read_table(frame(y=np.arange(ROWS) * 2.5 + 7), "y")
    np.testing.assert_allclose(
        numbers.answers([[0.0], [1.0]])["y"], numbers.target_mean + numbers.target_std * np.r_[0, 1]
    )


def test_a_training_predicts_what_its_rows_say():
    table = read_table(frame(), "label")
    task = ch5jax.tasks.table(table, hidden=())
    rates = ch5jax.grid(ch5jax.adam, learning_rate=[0.1])
    result = ch5jax.sweep(task, rates, steps=200, key=jax.random.key(0), signals_every=0)
    new = pd.DataFrame({"x": [-5.0, 0.0, 6.0, 12.0]})
    outputs = result.best().predict(table.encode(new))
    assert table.answers(outputs)["label"].tolist() == ["low", "low", "high", "high"]


def test_text_stays_text_whatever_a_file_of_few_rows_looks_like(tmp_path):
    words = {"zip": ["01", "02", "A1", "B2"], "digit": ["1", "2", "A", "B"]}
    table = frame(**{name: np.resize(values, ROWS) for name, values in words.items()})
    table["code"] = pd.Categorical(np.resize([1, 2, 3, 4], ROWS))
    prepared = read_table(table, "label")
    some = table.iloc[[0, 1]].drop(columns="label")
    some.to_csv(tmp_path / "new.csv", index=False)
    np.testing.assert_allclose(prepared.encode(tmp_path / "new.csv"), inputs(prepared)[[0, 1]], rtol=1e-6)
    holes = some.assign(digit=[1.0, np.nan], code=[1.0, np.nan])  # as pandas reads whole numbers beside a hole
    encoded, features = prepared.encode(holes), list(prepared.features)
    assert encoded[0, features.index("digit=1")] == encoded[0, features.index("code=1")] == 1
    assert not encoded[1, [i for i, name in enumerate(features) if name.startswith(("digit=", "code="))]].any()


def test_dates_of_a_data_frame_may_come_from_a_file(prepared, tmp_path):
    frame(**COLUMNS).iloc[:5].to_csv(tmp_path / "new.csv", index=False)
    np.testing.assert_allclose(prepared.encode(tmp_path / "new.csv"), inputs(prepared)[:5], rtol=1e-5, atol=1e-6)


def test_what_a_column_is_does_not_depend_on_how_many_rows_come():
    mostly = np.where(np.arange(ROWS) % 5 == 0, "3+", (np.arange(ROWS) % 3).astype(str))
    prepared = read_table(frame(mixed=mostly), "label")
    assert "mixed=3+" in prepared.features
    many = pd.DataFrame({"x": np.zeros(500), "mixed": np.resize(["1", "2"], 500)})
    np.testing.assert_array_equal(prepared.encode(many)[:2], prepared.encode(many.iloc[:2]))
    numbers = np.where(np.arange(ROWS) == 3, "none", np.arange(ROWS).astype(str))
    prepared = read_table(frame(amount=numbers), "label")
    strange = pd.DataFrame({"x": np.zeros(50), "amount": ["what"] * 50})
    assert np.abs(prepared.encode(strange)[:, prepared.features.index("amount")]).max() < 1e-6
