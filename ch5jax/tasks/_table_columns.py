"""From a data frame's columns to a network's inputs, fitted to the training rows alone."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from ch5jax._extras import require
from ch5jax._types import DataFrame, Series

MISSING = "(missing)"
_LARGEST = float(np.finfo(np.float32).max)


def inputs_of(frame: DataFrame, train: np.ndarray, notes: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """The network's inputs, shape (rows, features), and their names.

    Numbers are standardised, text is one-hot encoded; means, standard deviations and categories are those of the
    training rows. What was filled, changed or left out goes into `notes`.
    """
    numbers: dict[str, np.ndarray] = {}
    texts: dict[str, np.ndarray] = {}
    empty, identifiers = [], []
    for name in frame.columns:
        values = values_of(frame[name], notes)
        missing = missing_in(values)
        if missing[train].all():
            empty.append(name)
        elif values.dtype == np.float64:
            numbers[name] = values
        elif len(set(values[train])) > min(100, max(10, len(train) / 2)):
            identifiers.append(name)
        else:
            texts[name] = np.where(missing, MISSING, values)
    if empty:
        notes.append(f"Left out, with no value in the training part: {listed(empty)}.")
    if identifiers:
        notes.append(f"Text left out, with too many different values to be categories: {listed(identifiers)}.")
    scaled, number_names, still = _standardised(numbers, train, notes)
    encoded, text_names, alike = _one_hot(texts, train, notes)
    if still or alike:
        notes.append(f"Left out, with the same value all over the training part: {listed(still + alike)}.")
    blocks = [np.zeros((len(frame), 0)), *(block for block in (scaled, encoded) if block is not None)]
    return np.concatenate(blocks, axis=1), (*number_names, *text_names)


def encoded_like(columns: DataFrame, new: DataFrame, train: np.ndarray, features: tuple[str, ...]) -> np.ndarray:
    """New rows as inputs: they are joined to the table's own, to whose training rows everything is fitted, as before.

    Args:
      columns: the table's own data frame, without the target.
      new: one of the same columns.
      train: the rows of the first that everything is fitted to.
      features: the names that the inputs have to have.
    """
    pd = require("pandas", "sweep", "tasks.table")
    joined = {}
    for name in columns.columns:
        own = values_of(columns[name], [])  # what the column is, its own rows alone decide
        if own.dtype == np.float64:
            joined[name] = np.concatenate([own, _numbers_like(columns[name], new[name])])
        else:
            joined[name] = pd.Categorical([*own, *_words(new[name])])
    inputs, found = inputs_of(pd.DataFrame(joined), train, [])
    if found != features:
        strange = sorted({*found} ^ {*features})
        raise ValueError(f"new rows must hold the kinds of values that the table holds, and {listed(strange)} differ")
    return inputs[len(columns) :].astype(np.float32)


def _numbers_like(own: Series, new: Series) -> np.ndarray:
    """New values of a column that became numbers, in its way; NaN where they are none."""
    pd = require("pandas", "sweep", "tasks.table")
    types = pd.api.types
    if types.is_bool_dtype(own):
        return _truths(new)
    if types.is_timedelta64_dtype(own):
        return (pd.to_timedelta(new, errors="coerce") / pd.Timedelta(days=1)).to_numpy(np.float64, na_value=np.nan)
    of_dates = types.is_datetime64_any_dtype(own)
    if not of_dates and not types.is_numeric_dtype(own):
        text = as_text(own)
        of_dates = pd.to_numeric(text, errors="coerce")[text.notna()].notna().mean() < 0.9
    if of_dates:
        text = new if types.is_datetime64_any_dtype(new) else as_text(new)
        return _days(pd.to_datetime(text, format=None if text is new else "ISO8601", errors="coerce", utc=True), [])
    numbers = new if types.is_numeric_dtype(new) else as_text(new)
    return _finite(pd.to_numeric(numbers, errors="coerce").to_numpy(np.float64, na_value=np.nan), str(own.name), [])


def _words(column: Series) -> list[str | None]:
    """New values of a column that is text, None where missing: 1.0 is "1", which pandas makes of it beside a hole."""
    pd = require("pandas", "sweep", "tasks.table")
    if not pd.api.types.is_float_dtype(column):
        return list(as_text(column))
    whole = [value if pd.isna(value) or value != round(value) else int(value) for value in column]
    return [None if pd.isna(value) else str(value) for value in whole]


def _truths(column: Series) -> np.ndarray:
    """Truth values, or words for them, as 1 and 0; NaN for anything else."""
    words = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0, "yes": 1.0, "no": 0.0}
    return np.array([words.get(str(value).lower(), np.nan) for value in column], np.float64)


def values_of(column: Series, notes: list[str]) -> np.ndarray:
    """A column as numbers (float64, NaN where missing) or as text (objects, None where missing)."""
    pd = require("pandas", "sweep", "tasks.table")
    types = pd.api.types
    if types.is_complex_dtype(column):
        raise ValueError(
            f"column {column.name!r} must hold numbers, text, truth values or dates, got complex numbers; "
            "give real and imaginary part a column each"
        )
    if types.is_datetime64_any_dtype(column):
        return _days(column, notes)
    if types.is_timedelta64_dtype(column):
        return (column / pd.Timedelta(days=1)).to_numpy(np.float64, na_value=np.nan)
    if types.is_numeric_dtype(column):
        return _finite(column.to_numpy(np.float64, na_value=np.nan).copy(), column.name, notes)
    text = as_text(column)
    present = text.notna()
    if isinstance(column.dtype, pd.CategoricalDtype) or not present.any():
        return text.to_numpy(object)
    numbers = pd.to_numeric(text, errors="coerce").astype(np.float64)
    if numbers[present].notna().mean() >= 0.9:
        if others := sorted(set(text[present & numbers.isna()])):
            notes.append(f"No numbers, and so counted as missing, in {column.name!r}: {listed(others)}.")
        return _finite(numbers.to_numpy(np.float64), column.name, notes)
    dates = pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True)
    if dates[present].notna().mean() >= 0.9:
        return _days(dates, notes)
    return text.to_numpy(object)


def as_text(column: Series) -> Series:
    """A column as text, None where missing: a series of objects."""
    present = column.notna().to_numpy()
    values = column.to_numpy(object)
    text = np.array([str(value) if there else None for value, there in zip(values, present, strict=True)], object)
    return require("pandas", "sweep", "tasks.table").Series(text, name=column.name, dtype=object)


def missing_in(values: np.ndarray) -> np.ndarray:
    """Where numbers or text are missing."""
    if values.dtype == np.float64:
        return np.isnan(values)
    return np.array([value is None for value in values], bool)


def listed(names: Iterable[Any], shown: int = 8) -> str:
    """The first few names, in quotation marks, and how many more there are."""
    names = list(names)
    text = ", ".join(repr(str(name)) for name in names[:shown])
    return text + (f" and {len(names) - shown} more" if len(names) > shown else "")


def _days(dates: Series, notes: list[str]) -> np.ndarray:
    """Dates as days since 1970."""
    pd = require("pandas", "sweep", "tasks.table")
    notes.append(f"The dates in {dates.name!r} became days since 1970.")
    days = (pd.to_datetime(dates, utc=True) - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)
    return days.to_numpy(np.float64, na_value=np.nan)


def _finite(numbers: np.ndarray, name: str, notes: list[str]) -> np.ndarray:
    """The numbers, with NaN for those that float32 does not hold."""
    beyond = np.abs(numbers) > _LARGEST
    if beyond.any():
        notes.append(f"Infinite, or beyond float32, and so counted as missing: {beyond.sum()} in {name!r}.")
    return np.where(beyond, np.nan, numbers)


def _standardised(
    columns: dict[str, np.ndarray], train: np.ndarray, notes: list[str]
) -> tuple[np.ndarray | None, list[str], list[str]]:
    """Numbers with mean 0 and standard deviation 1 in the training rows; names; names of those that do not vary."""
    names = list(columns)
    if not names:
        return None, [], []
    impute = require("sklearn.impute", "sweep", "tasks.table").SimpleImputer(strategy="mean")
    scale = require("sklearn.preprocessing", "sweep", "tasks.table").StandardScaler()
    values = np.stack(list(columns.values()), axis=1)
    filled = impute.fit(values[train]).transform(values)
    scaled = scale.fit(filled[train]).transform(filled)
    varies = scaled[train].std(axis=0) > 0.5  # 1 but for what does not vary, by scikit-learn's count of rounding errors
    kept = [name for name, kept in zip(names, varies, strict=True) if kept]
    holes = [f"{name!r} ({np.isnan(columns[name]).sum()})" for name in kept if np.isnan(columns[name]).any()]
    if holes:
        notes.append(f"Missing numbers filled with the mean of the training part: {', '.join(holes)}.")
    if kept:
        notes.append(f"Standardised with the training part's mean and standard deviation: {listed(kept)}.")
    return scaled[:, varies], kept, [name for name in names if name not in kept]


def _one_hot(
    columns: dict[str, np.ndarray], train: np.ndarray, notes: list[str]
) -> tuple[np.ndarray | None, list[str], list[str]]:
    """One column of zeros and ones a category of the training rows; names; names of those that do not vary."""
    names = [name for name, values in columns.items() if len(set(values[train])) > 1]
    alike = [name for name in columns if name not in names]
    if not names:
        return None, [], alike
    values = np.stack([columns[name] for name in names], axis=1)
    encoder = require("sklearn.preprocessing", "sweep", "tasks.table").OneHotEncoder(
        handle_unknown="ignore", sparse_output=False
    )
    encoded = encoder.fit(values[train]).transform(values)
    notes.append(f"Text encoded with one column a value (one-hot): {listed(names)}.")
    if holes := [f"{name!r} ({(columns[name] == MISSING).sum()})" for name in names if MISSING in columns[name]]:
        notes.append(f"Missing text made a value of its own: {', '.join(holes)}.")
    if strange := [name for name in names if set(columns[name]) - set(columns[name][train])]:
        notes.append(f"Values that are not in the training part are encoded as zeros: {listed(strange)}.")
    pairs = zip(names, encoder.categories_, strict=True)
    return encoded, [f"{name}={value}" for name, categories in pairs for value in categories], alike
