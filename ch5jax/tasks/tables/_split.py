"""Which rows of a table are for training, validation and the test."""

import jax
import numpy as np

from ch5jax._types import Series
from ch5jax.tasks._examples import part_rows
from ch5jax.tasks.tables._kinds import is_plain, text_kind
from ch5jax.tasks.tables._words import listed

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


def stratified(codes: np.ndarray, key: jax.Array) -> Rows:
    """Random parts in which each class has 60, 20 and 20 % of its rows, and one at least if it has three."""
    drawn = np.concatenate(part_rows(len(codes), key))
    by_class = drawn[np.argsort(codes[drawn], kind="stable")]
    counts = np.bincount(codes)
    held_out = np.rint(0.2 * counts).astype(int)[codes[by_class]]
    place = np.arange(len(codes)) - (np.cumsum(counts) - counts)[codes[by_class]]  # within its class
    part = np.empty(len(codes), int)
    part[by_class] = np.where(place < held_out, 1, np.where(place < 2 * held_out, 2, 0))
    return drawn[part[drawn] == 0], drawn[part[drawn] == 1], drawn[part[drawn] == 2]


def in_order(column: Series, missing: tuple[str, ...], decimal: str | None, source: str) -> Rows:
    """The first 60 % of the rows by a column, the next 20 and the last 20."""
    rows = np.arange(len(column))
    plain = is_plain(column, source)
    reader, words = (None, None) if plain else text_kind(column, rows, missing, decimal, None, source, [])
    if reader is not None and reader.kind == "category":
        raise ValueError(
            f"order must be a column of numbers or dates, got {column.name!r} of {source}, which holds text"
        )
    values = column.to_numpy(np.float64) if reader is None else reader.read(column, words)[:, 0]
    if holes := int(np.isnan(values).sum()):
        raise ValueError(
            f"order must be a column with a value in every row, got {column.name!r} of {source} with {holes} missing"
        )
    order, held_out = np.argsort(values, kind="stable"), len(values) // 5
    return order[: -2 * held_out], order[-2 * held_out : -held_out], order[-held_out:]


def lacking(rows: Rows, codes: np.ndarray, classes: tuple[str, ...]) -> list[str]:
    """A sentence on each part that lacks a class."""
    counts = np.bincount(codes, minlength=len(classes))
    said = []
    for part, own in zip(("training", "validation", "test"), rows, strict=True):
        absent = np.flatnonzero(np.bincount(codes[own], minlength=len(classes)) == 0)
        if len(absent):
            few = listed(classes[i] for i in absent)
            learnt = ", and so never learnt" if part == "training" else ""
            total = ", ".join(str(counts[i]) for i in absent[:8])
            said.append(f"Without a row in the {part} part{learnt}: {few} (rows in all: {total}).")
    return said
