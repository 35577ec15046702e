"""A column as words, and words about columns."""

import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ch5jax._extras import require
from ch5jax._types import Series

_UNSEEN = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f"))


class Words(NamedTuple):
    """A column of text: few different words, many rows."""

    different: np.ndarray  # objects, shape (words,), without blanks at the ends and in one Unicode form
    codes: np.ndarray  # shape (rows,): which word each row has, -1 where the cell is empty

    def counts(self, rows: np.ndarray) -> np.ndarray:
        """How often each word comes in some rows, shape (words,)."""
        codes = self.codes[rows]
        return np.bincount(codes[codes >= 0], minlength=len(self.different))

    def take(self, values: np.ndarray, missing: Any) -> np.ndarray:
        """A value for each row, of one for each word."""
        return np.append(values, np.array([missing], values.dtype))[self.codes]


def words_of(column: Series, missing: Iterable[str] = ()) -> Words:
    """The words of a column; an empty cell, and the words of `missing`, are none. 1.0 is the word 1."""
    pd = require("pandas", "sweep", "tasks.table")
    present = column.notna().to_numpy()
    raw = column
    if column.dtype == object or not isinstance(column.dtype, pd.StringDtype):
        end = ".0" if pd.api.types.is_float_dtype(column) else ""  # of whole numbers beside a hole
        text = [str(value).removesuffix(end) if there else None for value, there in zip(column, present, strict=True)]
        raw = pd.Series(np.array(text, object), dtype=object)
    codes, words = pd.factorize(raw)
    nothing = {"", *missing}
    clean = np.array([None if (word := tidy(raw)) in nothing else word for raw in words], object)
    again, different = pd.factorize(clean)
    return Words(np.asarray(different, object), np.append(again, -1)[codes])


def tidy(word: Any) -> str:
    """Text in one Unicode form, with single blanks between its words alone, and without signs that nobody sees."""
    return " ".join(unicodedata.normalize("NFC", str(word)).translate(_UNSEEN).split())


def differ_in_case(words: Iterable[str]) -> list[str]:
    """Words of which another one differs in upper and lower case alone."""
    words = list(words)
    counts = Counter(map(str.casefold, words))
    return sorted(word for word in words if counts[word.casefold()] > 1)


def listed(names: Iterable[Any], shown: int = 8) -> str:
    """The first few names, in quotation marks, and how many more there are."""
    names = list(names)
    text = ", ".join(repr(str(name)) for name in names[:shown])
    return text + (f" and {len(names) - shown} more" if len(names) > shown else "")
