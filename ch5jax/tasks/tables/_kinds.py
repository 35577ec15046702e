"""What the columns of a table are: numbers, dates, categories, or of no use."""

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from ch5jax._extras import require
from ch5jax._types import DataFrame, Series
from ch5jax.tasks.tables._dates import CLOCK, PARTS, date_numbers, dates_in, days_of, format_of
from ch5jax.tasks.tables._numbers import MARKS, decimal_of, holes_among, number_in, numbers_in
from ch5jax.tasks.tables._words import Words, listed, words_of

As = Literal["number", "date", "category", "out"]  # what a user can say that a column is
_TRUE, _FALSE = ("true", "1", "1.0", "yes"), ("false", "0", "0.0", "no")
_IDENTIFIER = {"id", "ids", "uuid", "guid", "identifier", "rownames", "rowid"}
_COUNTER = {"index", "row", "key", "no", "nr", "number"}  # only where the name has no other word
_CODES = {"id", "uuid", "guid", "identifier", "code", "zip", "zipcode", "postal", "postcode", "plz", "phone"}


class Reader(NamedTuple):
    """How a column's cells become numbers, decided once and for good."""

    kind: Literal["number", "truth", "length", "date", "category"]
    form: str = ""  # of a date in words; of a number, the sign before its fraction
    missing: tuple[str, ...] = ()  # words that count as an empty cell

    def names(self, name: str) -> list[str]:
        """The names of the numbers."""
        return [name + part for part in PARTS] if self.kind == "date" and self.form != CLOCK else [name]

    def read(self, column: Series, words: Words | None = None) -> np.ndarray:
        """A column's numbers, float64, shape (rows, names); NaN where there are none."""
        pd = require("pandas", "sweep", "tasks.table")
        types = pd.api.types
        if self.kind == "length":
            return days_of(pd.to_timedelta(column, errors="coerce"))[:, None]
        if self.kind == "date" and types.is_datetime64_any_dtype(column):
            return date_numbers(column)
        if self.kind != "date" and types.is_numeric_dtype(column):
            return column.to_numpy(np.float64, na_value=np.nan)[:, None]
        words = words_of(column, self.missing) if words is None else words
        if self.kind == "truth":
            values = np.array([_truth(word) for word in words.different], np.float64)[:, None]
        elif self.kind == "number":
            values = numbers_in(words.different, self.form)[:, None]
        elif self.form == CLOCK:
            values = 24 * days_of(dates_in(words.different, CLOCK))[:, None]
        else:
            values = date_numbers(dates_in(words.different, self.form or "ISO8601"))
        return np.concatenate([values, np.full((1, values.shape[1]), np.nan)])[words.codes]


class Found(NamedTuple):
    """What a column was found to be."""

    reader: Reader
    words: Words | None  # where it is text


def is_plain(column: Series) -> bool:
    """Whether NumPy has the column as numbers or truth values."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "c":
        raise ValueError(
            f"column {column.name!r} must hold numbers, text, truth values or dates, got complex numbers; "
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
        if kind not in ("number", "date", "category", "out"):
            raise ValueError(f"columns must be 'number', 'date', 'category' or 'out', got {kind!r} for {name!r}")
    return dict(columns)


def identifier(column: Series) -> str:
    """What a column is by its name: "row" if it names the rows, "code" if whole numbers name something, else ""."""
    unnamed = str(column.name).startswith("Unnamed: ")
    words = set(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", str(column.name)).lower()))
    names_rows = unnamed or bool(words & _IDENTIFIER) or (bool(words) and words <= _COUNTER)
    if not (names_rows or words & _CODES):
        return ""
    pd = require("pandas", "sweep", "tasks.table")
    present = column.dropna()
    whole = pd.api.types.is_numeric_dtype(present) and not pd.api.types.is_bool_dtype(present)
    whole = whole and bool((present == present.round()).all())
    if (whole or (unnamed and not pd.api.types.is_numeric_dtype(present))) and present.is_unique and len(present) > 1:
        return "row" if names_rows else "code"
    return "code" if whole and words & _CODES else ""


def text_kind(column: Series, train: np.ndarray, missing: tuple[str, ...], decimal: str | None, told: As | None,
              notes: list[str]) -> Found:  # fmt: skip
    """What a column that is no plain numbers holds, by its training rows."""
    pd = require("pandas", "sweep", "tasks.table")
    types, name = pd.api.types, str(column.name)
    if types.is_timedelta64_dtype(column) and told != "category":
        return Found(Reader("length"), None)
    if types.is_datetime64_any_dtype(column) and told != "category":
        notes.append(_dates_became(name))
        return Found(Reader("date"), None)
    if types.is_numeric_dtype(column) and told in (None, "number"):
        return Found(Reader("truth" if types.is_bool_dtype(column) else "number"), None)
    words = words_of(column, missing)
    category = Found(Reader("category", missing=missing), words)
    counts = words.counts(train)
    if told == "category" or not counts.sum() or (isinstance(column.dtype, pd.CategoricalDtype) and told is None):
        return category
    if told != "date":
        form = decimal_of(words.different[counts > 0], decimal, f"column {name!r}")
        numeric = ~np.isnan(numbers_in(words.different, form))
        if told == "number" or holes_among(words.different, counts, numeric):
            reader = Reader("number", form, missing)
            notes += said_of_numbers(name, words, numeric, reader)
            return Found(reader, words)
    there = np.array([word.casefold() not in MARKS for word in words.different]) & (counts > 0)
    form = format_of(words.different[there]) or ""
    if form in ("", "unclear"):
        if form or told == "date":
            reason = "day and month cannot be told apart" if form else "no format of dates fits"
            notes.append(f"No dates in {name!r}, {reason}: write them as 2024-12-31.")
        return category
    notes.append(f"The times of day in {name!r} became hours." if form == CLOCK else _dates_became(name))
    strange = words.different[dates_in(words.different, form).isna().to_numpy()]
    if len(strange):
        notes.append(f"No dates, and so counted as missing, in {name!r}: {listed(strange)}.")
    return Found(Reader("date", form, missing), words)


def said_of_numbers(name: str, words: Words, numeric: np.ndarray, reader: Reader) -> list[str]:
    """How words were read as numbers, where that is not plain, and which were not."""
    said, seen = [], set()
    for word in words.different[numeric]:
        one = number_in(word)
        way = one and (one.mark, "," in one.body, "." in one.body and reader.form == ",")
        if one and any(way or ()) and way not in seen:
            seen.add(way)
            said.append(f"In {name!r}, {word!r} was read as the number {one.value(reader.form):.12g}.")
    if len(others := words.different[~numeric]):
        said.append(f"No numbers, and so counted as missing, in {name!r}: {listed(sorted(others))}.")
    return said


def _dates_became(name: str) -> str:
    return (
        f"The dates in {name!r} became days since 1970, year, month, day of the week and hour, as far as they vary. To "
        f"test on later rows than those for training: order={name!r} (--order)."
    )


def _truth(word: str) -> float:
    """A truth value in words as 1 or 0; NaN for anything else."""
    return 1.0 if word.lower() in _TRUE else 0.0 if word.lower() in _FALSE else np.nan
