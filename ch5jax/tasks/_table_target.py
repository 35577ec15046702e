"""What kind of target a column is, and its values."""

from typing import Any, Literal

import numpy as np

from ch5jax._extras import require
from ch5jax._types import Series
from ch5jax.tasks._table_columns import as_text, listed, values_of

Kind = Literal["classification", "regression"]


def target_values(column: Series, kind: Kind | None, notes: list[str]) -> tuple[Kind, np.ndarray]:
    """The kind of a target, inferred where it is None, and its values, with NaN (or None in text) where missing."""
    pd = require("pandas", "sweep", "tasks.table")
    boolean, categorical = pd.api.types.is_bool_dtype(column), isinstance(column.dtype, pd.CategoricalDtype)
    own_notes: list[str] = []
    values = values_of(column, own_notes)
    if kind is None:
        if boolean or categorical or values.dtype == object:
            kind, what = "classification", "truth values" if boolean else "categories" if categorical else "text"
            notes.append(f"The target {column.name!r} holds {what}: {kind}.")
        elif few := _few_whole(values[~np.isnan(values)]):
            kind = "classification"
            notes.append(
                f"The target {column.name!r} holds {few} different whole numbers: {kind} "
                "(kind 'regression' predicts them as numbers)."
            )
        else:
            kind = "regression"
            notes.append(f"The target {column.name!r} holds numbers: {kind}.")
    if kind == "regression":
        if values.dtype == object:
            example = next((value for value in values if value is not None), None)
            raise ValueError(
                f"the target {column.name!r} must hold numbers for regression, got text such as {example!r}"
            )
    elif boolean or not pd.api.types.is_numeric_dtype(column):
        return kind, as_text(column).to_numpy(object)
    notes += own_notes
    return kind, values


def one_hot(values: np.ndarray, train: np.ndarray, target: str, notes: list[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """The classes' names, and the targets, shape (rows, classes)."""
    labels, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    if 2 * len(labels) > len(values):
        raise ValueError(
            f"the target {target!r} must have two rows a class on average for classification, got {len(labels)} "
            f"different values in {len(values)} rows, such as {', '.join(map(class_name, labels[:3]))}"
        )
    classes = tuple(map(class_name, labels))
    notes.append(f"The {len(classes)} classes are {listed(classes)}.")
    if absent := sorted(set(range(len(classes))) - set(codes[train])):
        notes.append(f"Without a row in the training part, and so never learnt: {listed(classes[i] for i in absent)}.")
    if single := [name for name, count in zip(classes, counts, strict=True) if count == 1]:
        notes.append(f"Classes with a single row: {listed(single)}.")
    return classes, np.eye(len(labels))[codes]


def class_name(label: Any) -> str:
    """A class in words: whole numbers without a point."""
    return np.format_float_positional(label, trim="-") if isinstance(label, float) else str(label)


def _few_whole(numbers: np.ndarray) -> int:
    """How many different numbers there are, where they look like the codes of classes; else 0."""
    distinct = np.unique(numbers)
    few = len(distinct) <= 2 or (len(distinct) <= 20 and len(numbers) >= 5 * len(distinct))
    return len(distinct) if few and (distinct == np.round(distinct)).all() else 0
