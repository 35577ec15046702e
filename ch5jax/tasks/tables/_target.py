"""What kind of target a column is, and its values."""

from typing import Any, Literal

import numpy as np

from ch5jax._extras import require
from ch5jax._types import Series
from ch5jax.tasks.tables._dates import (
    CLOCK,
    DAY_FIRST,
    LENGTH,
    date_numbers,
    dates_in,
    days_of,
    format_of,
    how_written,
    whole_dates,
)
from ch5jax.tasks.tables._kinds import Reader, said_of_numbers
from ch5jax.tasks.tables._numbers import MARKS, decimal_of, holes_among, not_plain, numbers_in
from ch5jax.tasks.tables._words import Words, differ_in_case, listed, words_of

Kind = Literal["classification", "regression"]
CLASSES = 1000  # at most
_LARGEST = float(np.finfo(np.float32).max)


def target_values(
    column: Series, kind: Kind | None, missing: tuple[str, ...], decimal: str | None, source: str, notes: list[str]
) -> tuple[Kind, np.ndarray]:
    """The kind of a target, inferred where it is None, and its values, with NaN (or None in text) where missing."""
    pd = require("pandas", "sweep", "tasks.table")
    types, name = pd.api.types, column.name
    boolean, categorical = types.is_bool_dtype(column), isinstance(column.dtype, pd.CategoricalDtype)
    own_notes: list[str] = []
    if types.is_datetime64_any_dtype(column):
        values = date_numbers(column)[:, 0]
        if kind == "classification" or (kind is None and _few_whole(values[~np.isnan(values)])):
            words = words_of(column)
            values = words.take(words.different, None)
        else:
            own_notes.append(f"The dates in {name!r} became days since 1970.")
    elif types.is_timedelta64_dtype(column):
        values = days_of(column)
    elif types.is_numeric_dtype(column) and not boolean:
        values = Reader("number").read(column)[:, 0].copy()
        if kind != "classification" and whole_dates(values):
            values = _days(words_of(column), DAY_FIRST, kind, name, own_notes)
    else:
        values = _of_words(column, kind, missing, decimal, source, labels=boolean or categorical, notes=own_notes)
    if values.dtype == np.float64 and (beyond := np.abs(values) > _LARGEST).any():
        own_notes.append(f"Infinite, or beyond float32, and so counted as missing: {beyond.sum()} in {name!r}.")
        values[beyond] = np.nan
    if kind is None:
        if values.dtype == object:
            kind, what = "classification", "truth values" if boolean else "categories" if categorical else "text"
            notes.append(f"The target {name!r} holds {what}: {kind}.")
        elif few := _few_whole(values[~np.isnan(values)]):
            kind = "classification"
            notes.append(
                f"The target {name!r} holds {few} different whole numbers: {kind} "
                "(kind 'regression' predicts them as numbers)."
            )
        else:
            kind = "regression"
            notes.append(f"The target {name!r} holds numbers: {kind}.")
    notes += own_notes
    return kind, values


def _of_words(
    column: Series, kind: Kind | None, missing: tuple[str, ...], decimal: str | None, source: str, labels: bool,
    notes: list[str],
) -> np.ndarray:  # fmt: skip
    """Words as numbers or days, or as labels: "NA" and "inf" are such, and a few whole numbers beside a word."""
    words, name = words_of(column, missing), str(column.name)
    text = words.take(words.different, None)
    if labels and kind != "regression":
        return text
    counts = words.counts(np.arange(len(column)))
    where = f"target {name!r} of {source}"
    form = "." if kind == "classification" else decimal_of(words.different, decimal, where)
    numbers = numbers_in(words.different, form)
    numeric = ~np.isnan(numbers)
    if kind != "classification":
        dates = words.different[[word.casefold() not in MARKS for word in words.different]]
        if (found := format_of(dates)) == "unclear":
            raise ValueError(
                f"the {where} holds dates of which day and month cannot be told apart, such as {dates[0]!r}: write "
                "them as 2024-12-31, or give kind 'classification' (--kind), which takes them as labels"
            )
        if found and not (numeric.any() and not whole_dates(numbers[numeric])):
            return _days(words, found, kind, name, notes)
    if kind == "regression":
        if counts[numeric].sum() < 0.5 * counts.sum():
            example = words.different[~numeric][0]
            raise ValueError(f"the {where} must hold numbers or dates for regression, got text such as {example!r}")
    elif not holes_among(words.different, counts, numeric) or (
        (not numeric.all() or not_plain(words.different).any())  # 5 mg is a label too
        and (kind == "classification" or _few_whole(np.repeat(numbers[numeric], counts[numeric])))
    ):
        return text
    notes += said_of_numbers(name, words, numeric, Reader("number", form))
    return words.take(numbers, np.nan)


def _days(words: Words, form: str, kind: Kind | None, name: str, notes: list[str]) -> np.ndarray:
    """Dates as days since 1970, times of day as hours, NaN where missing; labels where a few come again and again."""
    dates = dates_in(words.different, form)
    values = (24 if form == CLOCK else 1) * days_of(dates) if form in (CLOCK, LENGTH) else date_numbers(dates)[:, 0]
    if kind is None and _few_whole((each := words.take(values, np.nan))[~np.isnan(each)]):
        return words.take(words.different, None)
    there = dates.notna().to_numpy()
    what, became = {CLOCK: ("times of day", "hours"), LENGTH: ("times", "days")}.get(form, ("dates", "days since 1970"))
    notes.append(f"The {what} in {name!r} became {became}{how_written(words.different[there], form)}.")
    if not there.all():
        notes.append(f"No {what}, and so counted as missing, in {name!r}: {listed(words.different[~there])}.")
    return words.take(values, np.nan)


def class_codes(values: np.ndarray, where: str, notes: list[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """The classes' names, and each row's class, shape (rows,); `where` says whose, in messages."""
    pd = require("pandas", "sweep", "tasks.table")
    codes, labels = pd.factorize(values, sort=True)
    counts = np.bincount(codes)
    if 2 * len(labels) > len(values):
        raise ValueError(
            f"the {where} must have two rows a class on average for classification, got {len(labels)} "
            f"different values in {len(values)} rows, such as {', '.join(map(class_name, labels[:3]))}"
        )
    if len(labels) > CLASSES:
        raise ValueError(
            f"the {where} must have {CLASSES:,} classes at most, got {len(labels):,}, such as "
            f"{', '.join(map(class_name, labels[:3]))}; kind 'regression' predicts numbers"
        )
    classes = tuple(map(class_name, labels))
    notes.append(f"The {len(classes)} classes are {listed(classes)}.")
    if cases := differ_in_case(classes):
        notes.append(f"Classes that differ in upper and lower case alone: {listed(cases)}.")
    if single := [name for name, count in zip(classes, counts, strict=True) if count == 1]:
        notes.append(f"Classes with a single row: {listed(single)}.")
    return classes, codes


def class_name(label: Any) -> str:
    """A class in words: whole numbers without a point."""
    return np.format_float_positional(label, trim="-") if isinstance(label, float) else str(label)


def _few_whole(numbers: np.ndarray) -> int:
    """How many different numbers there are, where they look like the codes of classes; else 0."""
    distinct = np.unique(numbers)
    few = len(distinct) <= 2 or (len(distinct) <= 20 and len(numbers) >= 5 * len(distinct))
    return len(distinct) if few and (distinct == np.round(distinct)).all() else 0
