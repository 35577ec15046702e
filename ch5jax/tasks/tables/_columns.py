"""From a data frame's columns to a network's inputs: fitted once, to the training rows alone."""

import itertools
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import numpy as np

from ch5jax._memory import check_memory
from ch5jax._types import DataFrame
from ch5jax.tasks.tables._blocks import AT_ONCE, CATEGORIES, MISSING, OTHER, Categories, Numbers, one_hot, standardised
from ch5jax.tasks.tables._dates import whole_dates
from ch5jax.tasks.tables._identifiers import identifier, look_of_numbers
from ch5jax.tasks.tables._kinds import As, Reader, is_plain, text_kind
from ch5jax.tasks.tables._texts import Letters, is_free
from ch5jax.tasks.tables._words import Words, differ_in_case, listed

TEXT_INPUTS = 10_000  # of a table, at most
Block: TypeAlias = Numbers | Categories


class Encoder(NamedTuple):
    """What makes inputs of rows, fitted once: the same for a table's own rows and for new ones."""

    blocks: tuple[Block, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs' names."""
        return tuple(name for block in self.blocks for name in block.names)

    @property
    def columns(self) -> dict[str, Reader]:
        """The columns that they are made of, and how each is read."""
        return {name: reader for block in self.blocks for name, reader in block.readers.items()}

    def encode(self, frame: DataFrame) -> np.ndarray:
        """Inputs of a data frame's rows, float32, shape (rows, names)."""
        return self.inputs([block.values(frame) for block in self.blocks], np.arange(len(frame)))

    def inputs(self, values: list[np.ndarray], places: np.ndarray) -> np.ndarray:
        """Inputs of what each block has read, each row's at its place: float32, shape (rows, names)."""
        out = np.empty((len(places), len(self.names)), np.float32)
        ends = np.cumsum([len(block.names) for block in self.blocks])
        step = max(256, AT_ONCE // out.shape[1])  # all columns of some rows at a time, which stay in the cache
        for begin in range(0, len(places), step):
            some = slice(begin, begin + step)
            rows = np.empty((len(places[some]), out.shape[1]), np.float32)
            for block, own, end in zip(self.blocks, values, ends, strict=True):
                block.write(own[some], rows[:, end - len(block.names) : end])
            out[places[some]] = rows
        return out


def fit(
    frame: DataFrame,
    train: np.ndarray,
    told: Mapping[str, As],
    missing: tuple[str, ...],
    decimal: str | None,
    source: str,
    notes: list[str],
) -> tuple[Encoder, list[np.ndarray]]:
    """Decides what each column is, and fits means, deviations and categories, all of it to the training rows.

    Args:
      frame: the columns to predict from.
      train: the training rows.
      told: what the user says that columns are.
      missing: words that count as missing.
      decimal: the sign before fractions, where it is known.
      source: what messages call the data.
      notes: takes sentences on what was done.

    Returns:
      The encoder, and what its blocks have read of all rows.
    """
    left: dict[str, list[str]] = {}
    numbers: list[tuple[Numbers, np.ndarray]] = []
    texts: list[tuple[Categories, Words]] = []

    def role(name: str) -> tuple[str, object]:
        kind, column = told.get(name), frame[name]
        if kind == "out":
            return "out", name
        if kind is None and (found := identifier(column)):
            return found, name
        if not is_plain(column, source) or kind not in (None, "number"):
            return "text", name
        array = column.to_numpy()
        if kind is None and (array[:1000].astype(np.float64) >= 1e4).any() and whole_dates(array.astype(np.float64)):
            return "text", name
        if kind is None:
            notes.extend(look_of_numbers(name, array))
        rows_together = array.strides[0] > array.itemsize  # columns of one array, which stays whole
        return "plain", id(_owner(array)) if rows_together else name

    for (what, _), group in itertools.groupby(frame.columns, role):
        names = list(group)
        if what in ("row", "out"):
            left.setdefault(_OUT if what == "out" else _ROW_NAMES, []).extend(names)
        elif what == "plain":
            first = frame.columns.get_loc(names[0])
            reader = Reader("truth" if frame[names[0]].dtype.kind == "b" else "number", ".", missing)
            values = frame.iloc[:, first : first + len(names)].to_numpy()  # a view where they are one array
            numbers.append((standardised(dict.fromkeys(names, reader), values, train), values))
        else:
            (name,) = names
            as_told: As | None = "category" if what == "code" else told.get(name)
            reader, words = text_kind(frame[name], train, missing, decimal, as_told, source, notes)
            if words is not None and reader.kind == "category":
                reader, why = _of_text(name, reader, words, train, told.get(name), notes)
                if why:
                    left.setdefault(why, []).append(name)
                    continue
                if reader.kind == "category":
                    texts.append((one_hot(name, reader, words, train), words))
                    continue
            values = reader.read(frame[name], words)
            numbers.append((standardised({name: reader}, values, train), values))
    _check_size(texts, sum(len(block.names) for block, _ in numbers), len(frame), source)
    _say_of_numbers([block for block, _ in numbers], left, notes)
    if scaled := [name for block, _ in numbers for name in block.names]:
        notes.append(f"Standardised with the training part's mean and standard deviation: {listed(scaled)}.")
    _say_of_texts(texts, notes)
    notes += [f"{reason}: {listed(names)}." for reason, names in left.items()]
    kept = [(number, values) for number, values in numbers if number.names]
    blocks: tuple[Block, ...] = (*(number for number, _ in kept), *(category for category, _ in texts))
    return Encoder(blocks), [*(values for _, values in kept), *(block.places(words) for block, words in texts)]


_OUT = "Left out, as asked for"
_ROW_NAMES = (
    "Left out, names of rows rather than something to learn from (columns={'NAME': 'number'}, --column NAME=number)"
)
_EMPTY = "Left out, with no value in the training part"
_STILL = "Left out, with the same value all over the training part"
_TOO_MANY = (
    "Left out, with too many different values to be categories and too few words to be text "
    "(columns={'NAME': 'text'}, --column NAME=text)"
)


def _of_text(
    name: str, reader: Reader, words: Words, train: np.ndarray, told: As | None, notes: list[str]
) -> tuple[Reader, str]:
    """How a column of text is read, and why it is left out, if it is."""
    counts = words.counts(train)
    different = np.count_nonzero(counts) + bool((words.codes[train] < 0).any())
    if not counts.any() or different == 1:
        return reader, _STILL if counts.any() else _EMPTY
    many, own = different > max(10, len(train) / 2), words.different[counts > 0]
    if told == "text" or (told is None and many and is_free(own)):
        letters = Letters(own, len(train))
        notes.append(
            f"The text in {name!r} became numbers, {letters.count} of its first singular vectors by scikit-learn's "
            f"TF-IDF of three and four letters (columns={{{name!r}: 'out'}}, --column {name}=out)."
        )
        return reader._replace(kind="text", letters=letters), ""
    return reader, _TOO_MANY if many and told != "category" else ""


def _check_size(texts: list[tuple[Categories, Words]], numbers: int, rows: int, source: str) -> None:
    """Refuses what would fill the memory, before it does."""
    widths = {block.column: len(block.categories) for block, _ in texts}
    if (total := sum(widths.values())) > TEXT_INPUTS:
        widest = sorted(widths, key=lambda name: -widths[name])
        raise ValueError(
            f"the text in {source} must have {TEXT_INPUTS:,} different values at most, all columns together, "
            f"got {total:,} in {len(widths):,} columns, such as {listed(widest, 3)}: columns={{'NAME': 'out'}} "
            "(--column NAME=out) leaves one out"
        )
    check_memory(8 * rows * (total + numbers), f"{rows:,} rows of {total + numbers:,} inputs from {source}")


def _owner(array: np.ndarray) -> np.ndarray:
    """The array whose memory it is a view of."""
    return _owner(array.base) if isinstance(array.base, np.ndarray) else array


def _say_of_numbers(blocks: list[Numbers], left: dict[str, list[str]], notes: list[str]) -> None:
    """What was filled and left out of columns of numbers; of dates, what counts is whether the days do."""
    filled = []
    for block in blocks:
        widths = [len(reader.names(name)) for name, reader in block.readers.items()]
        for name, first in zip(block.readers, np.cumsum([0, *widths[:-1]]), strict=True):
            holes, beyond = block.missing[:, first]
            if beyond:
                notes.append(f"Infinite, or beyond float32, and so counted as missing: {beyond} in {name!r}.")
            if np.isnan(block.mean[first]):
                left.setdefault(_EMPTY, []).append(name)
            elif not block.varies[first]:
                left.setdefault(_STILL, []).append(name)
            elif holes:
                filled.append(f"{name!r} ({holes})")
    if filled:
        notes.append(f"Missing numbers filled with the mean of the training part: {', '.join(filled)}.")


def _say_of_texts(texts: list[tuple[Categories, Words]], notes: list[str]) -> None:
    """How text was encoded."""
    if not texts:
        return
    notes.append(f"Text encoded with one column a value (one-hot): {listed(block.column for block, _ in texts)}.")
    for block, words in texts:
        if cases := differ_in_case(words.different):
            notes.append(f"Upper and lower case are different values in {block.column!r}: {listed(cases)}.")
    if many := [block.column for block, _ in texts if OTHER in block.categories]:
        notes.append(f"All but the {CATEGORIES - 1} most frequent values became one, {OTHER!r}: {listed(many)}.")
    counts = {block.column: (words.codes < 0).sum() for block, words in texts if MISSING in block.categories}
    if holes := [f"{name!r} ({count})" for name, count in counts.items()]:
        notes.append(f"Missing text made a value of its own: {', '.join(holes)}.")
    if strange := [block.column for block, words in texts if (block.places(words) < 0).any()]:
        notes.append(f"Values that are not in the training part are encoded as zeros: {listed(strange)}.")
