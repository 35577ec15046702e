"""What kind of target a column is, and its values."""

from typing import Any, Literal

import numpy as np

from ch5jax._extras import require
from ch5jax._types import Series
from ch5jax.tasks.tables._csv import TRUTHS
from ch5jax.tasks.tables._dates import date_numbers, days_of
from ch5jax.tasks.tables._kinds import Reader, said_of_numbers
from ch5jax.tasks.tables._numbers import decimal_of, holes_among, numbers_in
from ch5jax.tasks.tables._words import listed, words_of

Kind = Literal["classification", "regression"]
CLASSES = 1000  # at most
_LARGEST = float(np.finfo(np.float32).max)


def target_values(
    column: Series, kind: Kind | None, missing: tuple[str, ...], decimal: str | None, notes: list[str]
) -> tuple[Kind, np.ndarray]:
    """The kind of a target, inferred where it is None, and its values, with NaN (or None in text) where missing."""
    pd = require("pandas", "sweep", "tasks.table")
    types, name = pd.api.types, column.name
    boolean, categorical = types.is_bool_dtype(column), isinstance(column.dtype, pd.CategoricalDtype)
    own_notes: list[str] = []
    if types.is_datetime64_any_dtype(column):
        values = date_numbers(column)[:, 0]
        own_notes.append(f"The dates in {name!r} became days since 1970.")
    elif types.is_timedelta64_dtype(column):
        values = days_of(column)
    elif types.is_numeric_dtype(column) and not boolean:
        values = Reader("number").read(column)[:, 0].copy()
    else:
        values = _of_words(column, kind, missing, decimal, labels=boolean or categorical, notes=own_notes)
    if values.dtype == object and (written := column.attrs.get(TRUTHS, {}).get(name)):  # a label is as it is written
        recase = str.upper if written.isupper() else str.lower if written.islower() else str
        values = np.array([value and recase(value) for value in values], object)
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
    column: Series, kind: Kind | None, missing: tuple[str, ...], decimal: str | None, labels: bool, notes: list[str]
) -> np.ndarray:
    """Words as numbers, or as labels: a label is a label, also "NA" and "none", and a few whole numbers beside it."""
    words, name = words_of(column, missing), str(column.name)
    text = words.take(words.different, None)
    if labels and kind != "regression":
        return text
    counts = words.counts(np.arange(len(column)))
    form = "." if kind == "classification" else decimal_of(words.different, decimal, f"target {name!r}")
    numbers = numbers_in(words.different, form)
    numeric = ~np.isnan(numbers)
    if kind == "regression":
        if counts[numeric].sum() < 0.5 * counts.sum():
            example = words.different[~numeric][0]
            raise ValueError(f"the target {name!r} must hold numbers for regression, got text such as {example!r}")
    elif not holes_among(words.different, counts, numeric) or (
        not numeric.all() and (kind == "classification" or _few_whole(np.repeat(numbers[numeric], counts[numeric])))
    ):
        return text
    notes += said_of_numbers(name, words, numeric, Reader("number", form))
    return words.take(numbers, np.nan)


def class_codes(values: np.ndarray, target: str, notes: list[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """The classes' names, and each row's class, shape (rows,)."""
    pd = require("pandas", "sweep", "tasks.table")
    codes, labels = pd.factorize(values, sort=True)
    counts = np.bincount(codes)
    if 2 * len(labels) > len(values):
        raise ValueError(
            f"the target {target!r} must have two rows a class on average for classification, got {len(labels)} "
            f"different values in {len(values)} rows, such as {', '.join(map(class_name, labels[:3]))}"
        )
    if len(labels) > CLASSES:
        raise ValueError(
            f"the target {target!r} must have {CLASSES:,} classes at most, got {len(labels):,}, such as "
            f"{', '.join(map(class_name, labels[:3]))}; kind 'regression' predicts numbers"
        )
    classes = tuple(map(class_name, labels))
    notes.append(f"The {len(classes)} classes are {listed(classes)}.")
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
