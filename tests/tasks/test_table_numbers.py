"""Numbers and dates as people write them."""

import datetime

import numpy as np
import pandas as pd
import pytest

from ch5jax.tasks import read_table
from tests.tasks.tables import ROWS, column, frame, inputs, noted


def standardised(values, prepared):
    train = values[prepared.rows[0]]
    return (values - train.mean()) / train.std()


NUMBERS = np.random.default_rng(3).integers(-40, 4000, ROWS) / 4


@pytest.mark.parametrize(
    "word",
    [
        lambda v: f"{v:.2f}".replace(".", ","),
        lambda v: f"{v:,.2f}",
        lambda v: f"{v:,.2f}".translate({ord(","): ".", ord("."): ","}),
        lambda v: f"{v:,.2f}".replace(",", " "),
        lambda v: f"{v:,.2f}".replace(",", "\u202f").replace(".", ","),
        lambda v: f"{v:,.2f}".replace(",", "'"),
        lambda v: f"{v}%",
        lambda v: f"{v} %",
        lambda v: f"${v}" if v >= 0 else f"-${-v}",
        lambda v: f"{v:.2f} €".replace(".", ","),
        lambda v: f"USD {v}" if v >= 0 else f"-USD {-v}",
        lambda v: f"{v}".replace("-", "\u2212"),
        lambda v: f" {v} ",
        lambda v: f"{v:e}",
    ],
    ids=range(14),
)
def test_numbers_in_words_are_numbers(tmp_path, word):
    words = [word(v) for v in NUMBERS]
    data = frame(a=words)
    data.to_csv(tmp_path / "comma.csv", index=False)
    data.to_csv(tmp_path / "semicolon.csv", index=False, sep=";")
    for source in (data, tmp_path / "comma.csv", tmp_path / "semicolon.csv"):
        prepared = read_table(source, "label")
        assert prepared.features == ("x", "a")
        np.testing.assert_allclose(column(prepared, "a"), standardised(NUMBERS, prepared), rtol=2e-5, atol=1e-6)
        np.testing.assert_array_equal(prepared.encode(source), inputs(prepared))


def test_what_words_were_read_as_is_said():
    said = read_table(frame(a=[f"{v:.2f} €".replace(".", ",") for v in NUMBERS]), "label")
    first = f"{NUMBERS[0]:.2f} €".replace(".", ",")
    assert noted(said, f"In 'a', {first!r} was read as the number {NUMBERS[0]:.12g}.")


def test_a_target_with_decimal_commas_is_a_number(tmp_path):
    values = np.arange(ROWS) + 0.25
    rows = [f"{x};{str(y).replace('.', ',')}\n" for x, y in zip(np.arange(ROWS) % 7, values, strict=True)]
    (tmp_path / "t.csv").write_text("x;y\n" + "".join(rows))
    prepared = read_table(tmp_path / "t.csv", "y")
    assert prepared.kind == "regression"
    assert prepared.target_mean == values[prepared.rows[0]].mean()
    assert noted(prepared, "Numbers are written with a comma before the fraction")


AMBIGUOUS = [f"{1 + i % 9},{100 + i}" for i in range(ROWS)]


def test_a_number_that_can_be_read_in_two_ways_is_asked_for(tmp_path):
    frame(a=AMBIGUOUS).drop(columns="x").to_csv(tmp_path / "t.csv", index=False)
    for data in (frame(a=AMBIGUOUS), tmp_path / "t.csv"):
        with pytest.raises(
            ValueError, match=r"column 'a' must say which sign .* '1,100' can be 1\.1 or 1100: give decim"
        ):
            read_table(data, "label")
        for options, value in (
            ({"decimal": ","}, 1),
            ({"thousands": "."}, 1),
            ({"decimal": "."}, 1000),
            ({"thousands": ","}, 1000),
        ):
            prepared = read_table(data, "label", **options)
            due = np.array([float(word.replace(",", ".")) for word in AMBIGUOUS]) * value
            np.testing.assert_allclose(column(prepared, "a"), standardised(due, prepared), rtol=1e-5, atol=1e-6)
            np.testing.assert_array_equal(prepared.encode(data), inputs(prepared))


def test_new_rows_may_have_the_other_sign_before_fractions(tmp_path):
    prepared = read_table(frame(), "label")
    frame().to_csv(tmp_path / "new.csv", index=False, sep=";", decimal=",")
    np.testing.assert_allclose(prepared.encode(tmp_path / "new.csv"), inputs(prepared), rtol=1e-6)
    (tmp_path / "t.csv").write_text("x;y\n" + "".join(f"{i},5;{'ab'[i % 2]}\n" for i in range(ROWS)))
    comma = read_table(tmp_path / "t.csv", "y")
    (tmp_path / "new.csv").write_text("x;z\n1,234;0\n")
    values = np.arange(ROWS)[comma.rows[0]] + 0.5
    np.testing.assert_allclose(
        comma.encode(tmp_path / "new.csv"), [[(1.234 - values.mean()) / values.std()]], rtol=1e-6
    )


def test_text_in_which_a_number_occurs_is_asked_for_nothing():
    values = np.resize(["1,234", "some", "other", "words"], ROWS)
    assert len(read_table(frame(a=values), "label").features) == 5
    mixed = np.resize(["1.5", "2,5"], ROWS)
    assert read_table(frame(a=mixed), "label").features == ("x", "a=1.5", "a=2,5")


def test_the_rest_of_the_file_says_how_numbers_are_written(tmp_path):
    data = frame(a=AMBIGUOUS)  # x has points before its fractions
    data.to_csv(tmp_path / "t.csv", index=False)
    prepared = read_table(tmp_path / "t.csv", "label")
    due = np.array([float(word.replace(",", "")) for word in AMBIGUOUS])
    np.testing.assert_allclose(column(prepared, "a"), standardised(due, prepared), rtol=1e-5, atol=1e-6)
    german = pd.DataFrame({"a": [word.replace(",", ".") for word in AMBIGUOUS], "b": "1,5", "label": data["label"]})
    german.to_csv(tmp_path / "g.csv", index=False, sep=";")
    prepared = read_table(tmp_path / "g.csv", "label")
    np.testing.assert_allclose(column(prepared, "a"), standardised(due, prepared), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"decimal": ";"}, "decimal must be '.' or ',', got ';'"),
        ({"thousands": "x"}, "thousands must be '.' or ',', got 'x'"),
        ({"thousands": ",", "decimal": ","}, "decimal and thousands must differ, got ',' for both"),
        ({"missing": "NA"}, "missing must be a list of words, got 'NA'"),
        ({"separator": ";;"}, "separator must be one character, got ';;'"),
        ({"columns": {"z": "out"}}, "columns must be among 'x', 'label' of the data frame, got 'z'"),
        ({"columns": {"label": "category"}}, "columns must be among those to predict from, got the target 'label'"),
        ({"columns": {"x": "text"}}, "columns must be 'number', 'date', 'category' or 'out', got 'text' for 'x'"),
    ],
)
def test_options_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        read_table(frame(), "label", **settings)


@pytest.mark.parametrize("marks", [["?"], ["-"], ["n.a."], ["NA", "null", "?"], ["#DIV/0!", "<NA>"], ["not given"]])
def test_marks_for_missing_numbers_become_the_mean(tmp_path, marks):
    words = [str(v) for v in NUMBERS]
    holes = np.arange(ROWS) % 4 == 1
    for i, row in enumerate(np.flatnonzero(holes)):
        words[row] = marks[i % len(marks)]
    frame(a=words).to_csv(tmp_path / "t.csv", index=False)
    for data in (frame(a=words), tmp_path / "t.csv"):
        prepared = read_table(data, "label")
        filled = np.where(holes, NUMBERS[prepared.rows[0]][~holes[prepared.rows[0]]].mean(), NUMBERS)
        np.testing.assert_allclose(column(prepared, "a"), standardised(filled, prepared), rtol=1e-4, atol=1e-6)
        assert all(noted(prepared, f"'a': {', '.join(map(repr, sorted(marks)))}.") for _ in marks)
        assert noted(prepared, "mean of the training part: 'a' (10)")


@pytest.mark.parametrize("values", [np.arange(ROWS), np.arange(ROWS) * 1.0, np.arange(ROWS).astype(str)])
def test_numbers_that_stand_for_missing_ones_become_the_mean(tmp_path, values):
    values = np.where(np.arange(ROWS) % 4 == 1, "-99", values.astype(str)).astype(values.dtype)
    data = frame(a=values)
    before = data.copy()
    data.to_csv(tmp_path / "t.csv", index=False)
    for source in (data, tmp_path / "t.csv"):
        prepared = read_table(source, "label", missing=["-99"])
        np.testing.assert_allclose(column(prepared, "a")[1::4], 0, atol=1e-6)
        assert noted(prepared, "mean of the training part: 'a' (10)")
        np.testing.assert_array_equal(prepared.encode(source), inputs(prepared))
    pd.testing.assert_frame_equal(data, before)


@pytest.mark.parametrize("words", [["1", "2", "3+"], ["1", "2", "low", "high"], ["5%", "7"], ["$1", "€2"], ["01", "2"]])
def test_other_words_beside_numbers_make_categories(words):
    prepared = read_table(frame(a=np.resize(words, ROWS)), "label")
    assert {name for name in prepared.features if name != "x"} == {f"a={word}" for word in words}


def test_a_word_in_text_stays_a_category_of_its_own():
    prepared = read_table(frame(alley=np.resize(["NA", "gravel", "paved", None], ROWS)), "label")
    assert prepared.features[1:] == ("alley=(missing)", "alley=NA", "alley=gravel", "alley=paved")


DAYS = pd.date_range("2023-11-27 06:30", periods=ROWS, freq="31h7min")


@pytest.mark.parametrize(
    "form", ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%SZ", "%d.%m.%Y %H:%M", "%m/%d/%Y %H:%M", "%Y/%m/%d %H:%M", None]
)
def test_dates_are_days_and_their_parts(tmp_path, form):
    values = DAYS if form is None else DAYS.strftime(form)
    data = frame(day=values)
    data.to_csv(tmp_path / "t.csv", index=False)
    for source in (data, tmp_path / "t.csv"):
        prepared = read_table(source, "label")
        dues = {
            "day": (DAYS - pd.Timestamp(0)) / pd.Timedelta(days=1),
            "day.year": DAYS.year,
            "day.month": DAYS.month,
            "day.day_of_week": DAYS.day_of_week,
            "day.hour": DAYS.hour + DAYS.minute / 60,
        }
        assert prepared.features == ("x", *dues)
        for name, due in dues.items():
            expected = standardised(np.asarray(due, float), prepared)
            np.testing.assert_allclose(column(prepared, name), expected, rtol=1e-4, atol=1e-5)
        assert noted(prepared, "order='day' (--order)")
        np.testing.assert_array_equal(prepared.encode(source), inputs(prepared))


@pytest.mark.parametrize("mark", ["NA", "?", "-"])
def test_marks_for_missing_dates_become_the_mean(mark):
    words = np.resize(["2024-01-01", "2024-01-02", mark, "2024-01-05"], ROWS)
    prepared = read_table(frame(day=words), "label")
    np.testing.assert_allclose(column(prepared, "day")[2::4], 0, atol=1e-6)
    assert noted(prepared, f"No dates, and so counted as missing, in 'day': {mark!r}.")


def test_parts_of_dates_that_do_not_vary_are_no_inputs():
    prepared = read_table(frame(day=pd.date_range("2024-03-01", periods=ROWS, freq="7D")), "label")
    assert prepared.features == ("x", "day", "day.month")


def test_times_of_day_are_hours(tmp_path):
    data = frame(at=[f"{i % 24}:{i:02}" for i in range(ROWS)])
    data.to_csv(tmp_path / "t.csv", index=False)
    for source in (data, tmp_path / "t.csv"):
        prepared = read_table(source, "label")
        due = np.arange(ROWS) % 24 + np.arange(ROWS) / 60
        np.testing.assert_allclose(column(prepared, "at"), standardised(due, prepared), rtol=1e-5, atol=1e-6)
    python = read_table(frame(at=[datetime.time(i % 24, i) for i in range(ROWS)]), "label")
    np.testing.assert_array_equal(python.parts.train.inputs, prepared.parts.train.inputs)


def test_day_and_month_that_cannot_be_told_apart_are_said():
    words = [f"{1 + i % 12:02}/{1 + i % 11:02}/2024" for i in range(ROWS)]
    prepared = read_table(frame(day=words), "label")
    assert prepared.features == ("x",)
    assert noted(prepared, "No dates in 'day', day and month cannot be told apart: write them as 2024-12-31.")
    told = read_table(frame(day=[*words[:-1], "13/01/2024"]), "label", columns={"day": "date"})
    assert "day" in told.features


@pytest.mark.parametrize("form", ["csv", "parquet", "object", "frame"])
@pytest.mark.parametrize("odd", ["9999-12-31", "0001-01-01", "2300-01-01"])
def test_dates_of_any_year_are_read(tmp_path, form, odd):
    days = pd.Series(np.resize(["2024-01-01", "2024-06-01", odd, "2023-01-01"], ROWS))
    if form == "object":
        days = days.map(datetime.date.fromisoformat)
    if form in ("parquet", "frame"):
        days = pd.Series(days.to_numpy().astype("M8[s]"))
    data = frame(day=days)
    if form == "csv":
        data.to_csv(tmp_path / "t.csv", index=False)
        data = tmp_path / "t.csv"
    if form == "parquet":
        data.to_parquet(tmp_path / "t.parquet")
        data = tmp_path / "t.parquet"
    prepared = read_table(data, "label")
    due = days.astype(str).to_numpy().astype("M8[D]").astype(float)
    np.testing.assert_allclose(column(prepared, "day"), standardised(due, prepared), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(prepared.encode(data), inputs(prepared))


def test_a_date_may_be_a_target():
    prepared = read_table(frame(day=DAYS), "day")
    assert prepared.kind == "regression"
    assert prepared.target_mean == ((DAYS - pd.Timestamp(0)) / pd.Timedelta(days=1)).to_numpy()[prepared.rows[0]].mean()
