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
        lambda v: f"{v:E}",
        lambda v: f"{v:+}",
        lambda v: f"{v:,.2f}".replace(",", "\u00a0"),
        lambda v: f"{v:,.2f}".replace(",", "\u2009"),
        lambda v: f"{v:,.2f}".replace(",", "’"),
        lambda v: f"{v:,.2f}" if v >= 0 else f"({-v:,.2f})",
        lambda v: f"${v:,.2f}" if v >= 0 else f"(${-v:,.2f})",
        lambda v: f"{v}" if v >= 0 else f"{-v}-",
        lambda v: f"{v:.2f}".translate({ord("0") + i: 0x660 + i for i in range(10)} | {ord("."): "٫"}),
        lambda v: f"{v:.2f}".translate({ord("0") + i: 0xFF10 + i for i in range(10)}),
        lambda v: f"{v:.2f}".translate({ord("0") + i: 0x966 + i for i in range(10)}),
        lambda v: f"{v} kg",
        lambda v: f"{v:,.2f}km/h".translate({ord(","): ".", ord("."): ","}),
        lambda v: f"{v}°C",
        lambda v: f"{v} m²",
        lambda v: f"{v} Mio",
        lambda v: f"€{v}k",
        lambda v: f"{v} ‰",
        lambda v: f"\u200e{v}\u200b",
    ],
    ids=range(33),
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


@pytest.mark.parametrize(
    ("word", "value"),
    [("−4", "-4"), ("1\u00a0234", "1234"), ("1'234", "1234"), ("٤", "4"), ("４", "4"), ("(1234)", "-1234"),
     ("4-", "-4"),
     ("1.5 kg", "1.5"), ("5 %", "5"), ("CHF 3", "3"), ("1,234.5", "1234.5"), ("2 k", "2")],
)  # fmt: skip
def test_each_way_that_computers_do_not_write_is_said_once(word, value):
    mark = word.lstrip("1.52 ") if word.endswith(("kg", "%", "k")) else ""
    words = [word, word.replace("4", "5"), *(f"{i} {mark}".strip() if mark else f"{i}" for i in range(ROWS - 2))]
    said = [note for note in read_table(frame(a=words), "label").notes if "was read as the number" in note]
    assert said == [f"In 'a', {' '.join(word.split())!r} was read as the number {value}."]


@pytest.mark.parametrize(
    "words", [["1 kg", "2 g"], ["1 kg", "2"], ["5%", "7"], ["$1", "€2"], ["1 mW", "2 MW"], ["1K", "2M"]]
)
def test_different_units_are_categories_and_said(words):
    prepared = read_table(frame(a=np.resize(words, ROWS)), "label")
    assert {*prepared.features[1:]} == {f"a={word}" for word in words}
    assert noted(prepared, "The numbers in 'a' have different units, and so are categories: ")


@pytest.mark.parametrize(
    "word", ["0x1F", "12.5.3", "½", "3/4", "1 2", "~5", "<5", "1-2", "3rd", "5 kg 3 g", "--5", "(-5)", "1_000"]
)
def test_what_only_looks_like_a_number_is_text(word):
    assert f"a={word}" in read_table(frame(a=np.resize([word, "other", "words"], ROWS)), "label").features


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
            ValueError, match=r"column 'a' of .* must say which sign .* '1,100' can be 1\.1 or 1100: give decim"
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
        ({"columns": {"x": "words"}}, "columns must be 'number', .* 'text' or 'out', got 'words' for 'x'"),
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


def english(form):
    return lambda moments: moments.strftime(form)


WRITTEN = [
    english("%d-%b-%Y"), english("%d-%B-%Y"), english("%d %b %Y"), english("%d. %B %Y"), english("%B %d, %Y"),
    english("%b %d %Y"), english("%Y %b %d"), english("%Y-%b-%d"), english("%d-%b-%y"), english("%d/%b/%Y"),
    english("%a, %d %b %Y"), english("%A, %B %d, %Y"), english("%A %d %B %Y"), english("%d/%m/%y"), english("%m/%d/%y"),
    english("%d.%m.%y"), english("%d.%m.%Y"), english("%Y.%m.%d"), english("%Y/%m/%d"), english("%Y%m%d"),
    english("%d-%m-%Y"), english("%m-%d-%Y"), english("%G-W%V-%u"), english("%GW%V%u"),
    lambda moments: moments.strftime("%d-%b-%Y").str.upper(), lambda moments: moments.strftime("%d %B %Y").str.lower(),
    lambda moments: [f"{day.year}/{day.month}/{day.day}" for day in moments],
    lambda moments: [f"{day.day}.{day.month}.{day.year}" for day in moments],
    lambda moments: [f"{day.month}/{day.day}/{day.year}" for day in moments],
    lambda moments: [f"{day.day}th {day:%B} {day.year}" for day in moments],
    lambda moments: moments.strftime("%Y%m%d").astype(int), lambda moments: moments.strftime("%Y%m%d").astype(float),
    lambda moments: [day.date() for day in moments], lambda moments: moments.to_period("D"),
]  # fmt: skip


def is_read_as(path, data, moments):
    """The column `day` is those moments, out of a file too, and new rows' is."""
    data.to_csv(path, index=False)
    due = (moments - pd.Timestamp(0)) / pd.Timedelta(days=1)
    for source in (data, path):
        prepared = read_table(source, "label")
        assert prepared.features[1:3] == ("day", "day.year")
        np.testing.assert_allclose(
            column(prepared, "day"), standardised(np.asarray(due, float), prepared), rtol=1e-4, atol=1e-5
        )
        np.testing.assert_array_equal(prepared.encode(source), inputs(prepared))
        np.testing.assert_array_equal(prepared.encode(data.iloc[[3]]), inputs(prepared)[[3]])
    return prepared


@pytest.mark.parametrize("written", WRITTEN, ids=range(len(WRITTEN)))
def test_dates_are_read_as_people_write_them(tmp_path, written):
    moments = DAYS.normalize()
    words = list(written(moments))
    prepared = is_read_as(tmp_path / "t.csv", frame(day=words), moments)
    if "-11-27" not in str(words[0]):
        assert noted(prepared, " is 2023-11-27")


@pytest.mark.parametrize(
    "form",
    ["%Y-%m-%d %I:%M %p", "%m/%d/%Y %I:%M %p", "%d-%b-%Y %H:%M:%S", "%a, %d %b %Y %H:%M:%S GMT", "%c", "%Y%m%dT%H%M%SZ",
     "%Y%m%d%H%M", "%d/%b/%Y:%H:%M:%S +0000", "%Y-%m-%dT%H:%M:%S.%fZ", "%a %b %d %H:%M:%S +0000 %Y"],
)  # fmt: skip
def test_dates_with_times_are_read_as_people_write_them(tmp_path, form):
    is_read_as(tmp_path / "t.csv", frame(day=DAYS.strftime(form)), DAYS)


def test_offsets_fractions_and_none_may_be_mixed(tmp_path):
    ends = ["Z", "+02:00", ".250Z", "", "-0530"]
    shifts = pd.to_timedelta(np.resize([0, -2, 0, 0, 5.5], ROWS), unit="h")
    words = [day.isoformat() + ends[i % 5] for i, day in enumerate(DAYS)]
    fractions = pd.to_timedelta(np.resize([0, 0, 0.25, 0, 0], ROWS), unit="s")
    prepared = is_read_as(tmp_path / "t.csv", frame(day=words), DAYS + shifts + fractions)
    assert noted(prepared, "with time zones in UTC")


@pytest.mark.parametrize(
    ("form", "freq"),
    [("%b %Y", "MS"), ("%B %Y", "MS"), ("%Y-%m", "MS"), ("%m/%Y", "MS"), ("%Y%m", "MS"), ("Q", "QS"), ("YQ", "QS")],
)
def test_months_and_quarters_are_their_first_day(tmp_path, form, freq):
    moments = pd.date_range("2015-01-01", periods=ROWS, freq=freq)
    quarters = {"Q": "Q{quarter} {year}", "YQ": "{year}-Q{quarter}"}
    words = [quarters.get(form, day.strftime(form)).format(quarter=day.quarter, year=day.year) for day in moments]
    is_read_as(tmp_path / "t.csv", frame(day=words), moments)


@pytest.mark.parametrize(
    "words",
    [
        ["v1.2.3", "v1.2.4"], ["192.168.1.1", "10.0.0.1"], ["1/2", "3/4"], ["Marathon 2019", "Marathon 2020"],
        ["2-3-4", "3-4-5"], ["12-34", "13-35"], ["3rd", "4th"], ["2023-13-01", "2023-13-02"], ["99/99/99", "98/98/98"],
        ["Jan", "Feb"], ["Mon", "Tue"], ["2020/21", "2021/22"], ["25:99 PM", "13:00 PM"], ["Q5 2020", "Q6 2020"],
    ],
)  # fmt: skip
def test_words_that_look_like_dates_stay_text(words):
    prepared = read_table(frame(a=np.resize(words, ROWS)), "label")
    assert {*prepared.features[1:]} == {f"a={word}" for word in words}


@pytest.mark.parametrize(
    "values", [[20230105, 20230229] * 20, [19990105, 18990105] * 20, [202301, 202302] * 20, list(range(202301, 202341))]
)
def test_whole_numbers_that_are_no_dates_stay_numbers(values):
    assert read_table(frame(a=values), "label").features == ("x", "a")


@pytest.mark.parametrize("per_second", [1, 1000])
def test_seconds_since_1970_are_numbers_until_told(per_second):
    values = (DAYS - pd.Timestamp(0)) // pd.Timedelta(seconds=1) * per_second
    prepared = read_table(frame(day=values), "label")
    assert prepared.features == ("x", "day")
    assert noted(prepared, "seconds since 1970: columns={'day': 'date'} (--column day=date)")
    told = read_table(frame(day=values), "label", columns={"day": "date"})
    np.testing.assert_allclose(
        column(told, "day.hour"), standardised(np.asarray(DAYS.hour + DAYS.minute / 60), told), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_array_equal(told.encode(frame(day=values)), inputs(told))


@pytest.mark.parametrize("form", ["%I:%M %p", "%I:%M:%S %p", "%I:%M%p", "lower", "dots"])
def test_halves_of_the_day_are_told_apart(form):
    words = DAYS.strftime("%I:%M %p" if form in ("lower", "dots") else form)
    words = words.str.lower() if form == "lower" else words.str.replace("M", ".M.") if form == "dots" else words
    prepared = read_table(frame(at=list(words)), "label")
    due = np.asarray(DAYS.hour + DAYS.minute / 60)
    np.testing.assert_allclose(column(prepared, "at"), standardised(due, prepared), rtol=1e-5, atol=1e-6)


def test_lengths_of_time_are_the_same_in_a_file(tmp_path):
    data = frame(a=pd.to_timedelta(np.arange(ROWS) * 7.5, unit="h"))
    data.to_csv(tmp_path / "t.csv", index=False)
    due = read_table(data, "label")
    prepared = read_table(tmp_path / "t.csv", "label")
    np.testing.assert_allclose(inputs(prepared), inputs(due), rtol=1e-5, atol=1e-6)
    assert noted(prepared, "The times in 'a' became days")


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


@pytest.mark.parametrize("kind", [None, "regression"])
@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d.%m.%Y", "%d-%b-%Y", "%m/%d/%y", "%Y%m%d", "whole", "mark"])
def test_a_date_in_words_is_the_same_target(tmp_path, kind, form):
    words = DAYS.strftime({"whole": "%Y%m%d", "mark": "%Y-%m-%d"}.get(form, form)).to_numpy(object)
    days = DAYS.normalize()
    data = frame(day=words.astype(int) if form == "whole" else np.where(np.arange(ROWS) == 7, "?", words))
    data = data if form in ("whole", "mark") else data.assign(day=words)
    data.to_csv(tmp_path / "t.csv", index=False)
    for source in (data, tmp_path / "t.csv"):
        prepared = read_table(source, "day", kind)
        assert prepared.kind == "regression"
        due = ((days - pd.Timestamp(0)) / pd.Timedelta(days=1)).to_numpy()[prepared.rows[0]].mean()
        np.testing.assert_allclose(prepared.target_mean, due)
        assert noted(prepared, "The dates in 'day' became days since 1970")
        assert noted(prepared, "'day': '?'") == (form == "mark")


def test_a_date_as_a_target_that_cannot_be_told_is_refused(tmp_path):
    words = [f"{1 + i % 6:02}/{1 + i % 5:02}/2024" for i in range(ROWS)]
    frame(day=words).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(
        ValueError, match=r"'day' of .*t\.csv holds dates .* told apart, such as '01/01/2024': write .*--kind"
    ):
        read_table(tmp_path / "t.csv", "day")
    few = [word[:2] + "/01/2024" for word in words]
    assert len(read_table(frame(day=few), "day", "classification").classes) == 6


def test_times_as_a_target_are_hours():
    prepared = read_table(frame(at=[f"{i % 24}:30" for i in range(ROWS)]), "at")
    assert prepared.target_mean == (np.arange(ROWS) % 24 + 0.5)[prepared.rows[0]].mean()
    assert noted(prepared, "The times of day in 'at' became hours")
