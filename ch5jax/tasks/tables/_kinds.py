"""What the columns of a table are: numbers, dates, categories, or of no use."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from ch5jax._extras import require
from ch5jax._types import DataFrame, Series
from ch5jax.tasks.tables._dates import (
    CLOCK,
    DAY_FIRST,
    EPOCH,
    LENGTH,
    PARTS,
    date_numbers,
    dates_in,
    days_of,
    format_of,
    how_written,
    whole_dates,
)  # fmt: skip
from ch5jax.tasks.tables._identifiers import look_of_numbers, names_something
from ch5jax.tasks.tables._numbers import MARKS, decimal_of, holes_among, not_plain, number_in, numbers_in, units
from ch5jax.tasks.tables._texts import Letters
from ch5jax.tasks.tables._words import Words, listed, words_of

As = Literal["number", "date", "category", "text", "out"]  # what a user can say that a column is
_TRUE, _FALSE = ("true", "1", "1.0", "yes"), ("false", "0", "0.0", "no")


class Reader(NamedTuple):
    """How a column's cells become numbers, decided once and for good."""

    kind: Literal["number", "truth", "length", "date", "category", "text"]
    form: str = ""  # of a date in words; of a number, the sign before its fraction
    missing: tuple[str, ...] = ()  # words that count as an empty cell
    letters: Letters | None = None  # what makes numbers of text

    def names(self, name: str) -> list[str]:
        """The names of the numbers."""
        if self.letters is not None:
            return [f"{name}[{i}]" for i in range(self.letters.count)]
        return [name + part for part in PARTS] if self.kind == "date" and self.form not in (CLOCK, LENGTH) else [name]

    def read(self, column: Series, words: Words | None = None) -> np.ndarray:
        """A column's numbers, float64, shape (rows, names); NaN where there are none."""
        pd = require("pandas", "sweep", "tasks.table")
        types = pd.api.types
        if self.kind == "length":
            return days_of(pd.to_timedelta(column, errors="coerce"))[:, None]
        if self.kind == "date" and types.is_datetime64_any_dtype(column):
            return date_numbers(column)
        if self.kind not in ("date", "text") and types.is_numeric_dtype(column):
            return column.to_numpy(np.float64, na_value=np.nan)[:, None]
        words = words_of(column, self.missing) if words is None else words
        if self.letters is not None:
            values = self.letters.numbers(words.different)
        elif self.kind == "truth":
            values = np.array([_truth(word) for word in words.different], np.float64)[:, None]
        elif self.kind == "number":
            values = numbers_in(words.different, self.form)[:, None]
        elif self.form in (CLOCK, LENGTH):
            values = (24 if self.form == CLOCK else 1) * days_of(dates_in(words.different, self.form))[:, None]
        else:
            values = date_numbers(dates_in(words.different, self.form or DAY_FIRST))
        return np.concatenate([values, np.full((1, values.shape[1]), np.nan)])[words.codes]


class Found(NamedTuple):
    """What a column was found to be."""

    reader: Reader
    words: Words | None  # where it is text


def is_plain(column: Series, source: str) -> bool:
    """Whether NumPy has the column as numbers or truth values."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "c":
        raise ValueError(
            f"column {column.name!r} of {source} must hold numbers, text, truth values or dates, got complex numbers; "
            "give real and imaginary part a column each"
        )
    return isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf"


def as_told(columns: Mapping[str, As], frame: DataFrame, target: str, where: str) -> dict[str, As]:
    """What the user says that columns are, checked."""
    if target in columns:
        raise ValueError(
            f"columns must be among those to predict from, got the target {target!r}: kind says what it is"
        )
    for name, kind in columns.items():
        if name not in frame.columns:
            raise ValueError(f"columns must be among {listed(frame.columns, 20)} of {where}, got {name!r}")
        if kind not in ("number", "date", "category", "text", "out"):
            raise ValueError(
                f"columns must be 'number', 'date', 'category', 'text' or 'out', got {kind!r} for {name!r}"
            )
    return dict(columns)


def text_kind(column: Series, train: np.ndarray, missing: tuple[str, ...], decimal: str | None, told: As | None,
              source: str, notes: list[str]) -> Found:  # fmt: skip
    """What a column that is no plain numbers holds, by its training rows."""
    if found := _by_type(column, missing, told, notes):
        return found
    pd, name = require("pandas", "sweep", "tasks.table"), str(column.name)
    words = words_of(column, missing)
    category = Found(Reader("category", missing=missing), words)
    counts = words.counts(train)
    if (
        told in ("category", "text")
        or not counts.sum()
        or (isinstance(column.dtype, pd.CategoricalDtype) and told is None)
    ):
        return category
    if told != "date":
        form = decimal_of(words.different[counts > 0], decimal, f"column {name!r} of {source}")
        numbers = numbers_in(words.different, form)
        numeric = ~np.isnan(numbers)
        dates = told is None and whole_dates(numbers[numeric]) and not not_plain(words.different[numeric]).any()
        if not dates and (told == "number" or holes_among(words.different, counts, numeric)):
            if told is None and names_something(name, words.take(numbers, np.nan)[train]):
                return category
            reader = Reader("number", form, missing)
            notes += said_of_numbers(name, words, numeric, reader)
            notes += look_of_numbers(name, words.take(numbers, np.nan)[train]) if told is None else []
            return Found(reader, words)
        if len(several := units(words.different[numeric & (counts > 0)])) > 1:
            notes.append(f"The numbers in {name!r} have different units, and so are categories: {listed(several)}.")
    there = np.array([word.casefold() not in MARKS for word in words.different]) & (counts > 0)
    form = format_of(words.different[there]) or ""
    if form in ("", "unclear"):
        if form or told == "date":
            reason = "day and month cannot be told apart" if form else "no format of dates fits"
            notes.append(f"No dates in {name!r}, {reason}: write them as 2024-12-31.")
        return category
    read = dates_in(words.different, form).notna().to_numpy()
    how = how_written(words.different[read], form)
    became = {CLOCK: f"The times of day in {name!r} became hours.", LENGTH: f"The times in {name!r} became days."}
    notes.append(became.get(form) or _dates_became(name, how))
    if len(strange := words.different[~read]):
        notes.append(f"No dates, and so counted as missing, in {name!r}: {listed(strange)}.")
    return Found(Reader("date", form, missing), words)


def _by_type(column: Series, missing: tuple[str, ...], told: As | None, notes: list[str]) -> Found | None:
    """What a column of another type than text holds, if that says it."""
    types, name = require("pandas", "sweep", "tasks.table").api.types, str(column.name)
    if told in ("category", "text"):
        return None
    if types.is_timedelta64_dtype(column):
        return Found(Reader("length"), None)
    if types.is_datetime64_any_dtype(column):
        zone = ", with time zones in UTC" if getattr(column.dtype, "tz", None) is not None else ""
        notes.append(_dates_became(name, zone))
        return Found(Reader("date"), None)
    if types.is_bool_dtype(column) and told in (None, "number"):
        return Found(Reader("truth"), None)
    if not types.is_numeric_dtype(column):
        return None
    if told != "number" and (form := _form_of_numbers(column.to_numpy(np.float64, na_value=np.nan), told)):
        words = words_of(column, missing)
        notes.append(_dates_became(name, how_written(words.different, form)))
        return Found(Reader("date", form, missing), words)
    return Found(Reader("number"), None) if told != "date" else None


def said_of_numbers(name: str, words: Words, numeric: np.ndarray, reader: Reader) -> list[str]:
    """How words were read as numbers, where that is not plain, and which were not."""
    said, seen = [], set()
    for word in words.different[numeric & not_plain(words.different)]:
        one = number_in(word)
        way = one and (one.mark, "," in one.body, "." in one.body and reader.form == ",", *one.way)
        if one and any(way or ()) and way not in seen:
            seen.add(way)
            said.append(f"In {name!r}, {word!r} was read as the number {one.value(reader.form):.12g}.")
    if len(others := words.different[~numeric]):
        said.append(f"No numbers, and so counted as missing, in {name!r}: {listed(sorted(others))}.")
    return said


def _form_of_numbers(values: np.ndarray, told: As | None) -> str:
    """How whole numbers are dates, if they are: only seconds since 1970 have to be told."""
    present = values[np.isfinite(values)]
    if whole_dates(present):
        return DAY_FIRST
    return EPOCH if told == "date" and len(present) and np.abs(present).min() > 1e5 else ""


def _dates_became(name: str, how: str) -> str:
    return (
        f"The dates in {name!r} became days since 1970, year, month, day of the week and hour, as far as they "
        f"vary{how}. To test on later rows than those for training: order={name!r} (--order)."
    )


def _truth(word: str) -> float:
    """A truth value in words as 1 or 0; NaN for anything else."""
    return 1.0 if word.lower() in _TRUE else 0.0 if word.lower() in _FALSE else np.nan
