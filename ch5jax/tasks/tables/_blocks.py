"""Numbers standardised and categories one-hot encoded, fitted to the training rows."""

import dataclasses
from collections import Counter
from collections.abc import Iterator

import numpy as np

from ch5jax._types import DataFrame
from ch5jax.tasks.tables._kinds import Reader
from ch5jax.tasks.tables._words import Words, words_of

MISSING, OTHER = "(missing)", "(other)"
CATEGORIES = 100  # of a column, the most frequent ones
AT_ONCE = 1 << 17  # numbers: what is worked on at a time stays in the cache
_LARGEST = float(np.finfo(np.float32).max)


@dataclasses.dataclass
class Numbers:
    """Columns of numbers, standardised; a missing one becomes the mean."""

    readers: dict[str, Reader]  # of each column
    names: list[str]  # of the inputs: the numbers that vary in the training rows
    varies: np.ndarray  # which numbers those are, shape (numbers,)
    mean: np.ndarray  # shape (numbers,); NaN where the training rows have none
    std: np.ndarray  # likewise
    missing: np.ndarray  # how many are missing, of all rows, and how many of them are infinite; shape (2, numbers)

    def values(self, frame: DataFrame) -> np.ndarray:
        """What `write` takes, of new rows: shape (rows, numbers)."""
        return np.concatenate([reader.read(frame[name]) for name, reader in self.readers.items()], axis=1)

    def write(self, values: np.ndarray, out: np.ndarray) -> None:
        """Writes some rows' inputs into `out`, shape (rows, names)."""
        with np.errstate(over="ignore"):  # of numbers beyond float32
            numbers = np.subtract(values, self.mean, dtype=np.float64)
            numbers /= self.std
        if values.dtype.kind == "f" and (bad := _beyond(values)).any():
            numbers[bad] = 0  # the mean
        out[...] = numbers if len(self.names) == len(self.varies) else numbers[:, self.varies]


def standardised(readers: dict[str, Reader], values: np.ndarray, train: np.ndarray) -> Numbers:
    """Fits `Numbers` to the training rows of values of shape (rows, numbers)."""
    in_train = np.zeros(len(values), bool)
    in_train[train] = True
    count, mean, squares, beyond, missing = np.zeros((5, values.shape[1]))
    for some in _some(*values.shape):
        numbers = _finite(values[some])
        holes = np.isnan(numbers) if values.dtype.kind == "f" else np.zeros(1, bool)
        if holes.any():
            missing += holes.sum(axis=0)
            beyond += (holes & ~np.isnan(values[some])).sum(axis=0)
        train_rows = np.flatnonzero(in_train[some])
        numbers = numbers.take(train_rows, axis=0)
        there, total = np.full(len(mean), len(numbers)), np.sum
        if holes.any():
            holes = holes.take(train_rows, axis=0)
            there, total = len(numbers) - holes.sum(axis=0), np.nansum
        own = total(numbers, axis=0) / np.maximum(there, 1)
        numbers -= own
        np.square(numbers, out=numbers)
        together = np.maximum(count + there, 1)  # Chan, Golub and LeVeque: the variance of two samples together
        squares += total(numbers, axis=0) + (own - mean) ** 2 * count * there / together
        mean += (own - mean) * there / together
        count += there
    variance = squares / len(train)
    # rounding errors are no variance: scikit-learn's bound, of its StandardScaler
    eps = np.finfo(np.float64).eps
    varies = variance > len(train) * eps * variance + (len(train) * mean * eps) ** 2
    names = np.array([one for name, reader in readers.items() for one in reader.names(name)], object)
    return Numbers(
        readers,
        names[varies].tolist(),
        varies,
        np.where(count > 0, mean, np.nan),
        np.where(varies, np.sqrt(variance), 1),
        np.stack([missing, beyond]).astype(int),
    )


@dataclasses.dataclass
class Categories:
    """A column of text, with an input of zeros and ones for each value."""

    column: str
    reader: Reader
    categories: list[str]

    @property
    def readers(self) -> dict[str, Reader]:
        """How the column is read."""
        return {self.column: self.reader}

    @property
    def names(self) -> list[str]:
        """The inputs' names."""
        return [f"{self.column}={value}" for value in self.categories]

    def values(self, frame: DataFrame) -> np.ndarray:
        """What `write` takes, of new rows."""
        return self.places(words_of(frame[self.column], self.reader.missing))

    def places(self, words: Words) -> np.ndarray:
        """Which category each row has, -1 for none: of those that the training part does not know."""
        place = {value: i for i, value in enumerate(self.categories)}
        other = place.get(OTHER, -1)
        whole = [word if word in place else word.removesuffix(".0") for word in words.different]  # 7.0 is 7
        known = np.array([place.get(word, other) for word in whole], int)
        return words.take(known, place.get(MISSING, other))

    def write(self, values: np.ndarray, out: np.ndarray) -> None:
        """Writes some rows' inputs into `out`, shape (rows, categories)."""
        out[...] = 0
        known = np.flatnonzero(values >= 0)
        out[known, values[known]] = 1


def one_hot(column: str, reader: Reader, words: Words, train: np.ndarray) -> Categories:
    """Fits `Categories` to the training rows: of more than `CATEGORIES` values the rarest become one."""
    counts = words.counts(train)
    found = Counter({word: int(n) for word, n in zip(words.different, counts, strict=True) if n})
    if holes := int((words.codes[train] < 0).sum()):
        found[MISSING] += holes
    if len(found) > CATEGORIES:
        kept = sorted(found, key=lambda word: (-found[word], word))[: CATEGORIES - 1]
        return Categories(column, reader, [*sorted(kept), OTHER])
    return Categories(column, reader, sorted(found))


def _some(rows: int, columns: int) -> Iterator[slice]:
    step = max(1, AT_ONCE // columns)
    return (slice(i, i + step) for i in range(0, rows, step))


def _finite(values: np.ndarray) -> np.ndarray:
    """The numbers in float64, with NaN for those that float32 does not hold."""
    numbers = values.astype(np.float64)
    if values.dtype.kind == "f" and (bad := _beyond(values)).any():
        numbers[bad] = np.nan
    return numbers


def _beyond(values: np.ndarray) -> np.ndarray:
    """Where floating numbers are missing, or are more than float32 holds."""
    return ~np.isfinite(values) if values.dtype.itemsize <= 4 else ~(np.abs(values) <= _LARGEST)
