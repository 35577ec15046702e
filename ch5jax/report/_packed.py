"""Columns and curves in little space: as bytes in base64, which a page's script reads as they are."""

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")

Packed = dict[str, Any]  # what JSON holds: {"f4" or "f8" or "u1" or "u2" or "u4": base64, "words": [...]}


def pack_numbers(values: np.ndarray) -> Packed:
    """Numbers in four bytes each, in eight where four would round integers; NaN and infinities stay."""
    values = np.asarray(values)
    with np.errstate(over="ignore"):
        small = values.astype("<f4")
    wide = values.dtype.kind in "iu" and not np.array_equal(small, values)
    return _packed("f8" if wide else "f4", values)


def pack_words(values: np.ndarray) -> Packed:
    """Words as their numbers in a list of the different ones, which is in the order of their first."""
    words, first, codes = np.unique(values.astype(str), return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.argsort(order)
    size = "u1" if len(words) < 256 else "u2" if len(words) < 65536 else "u4"
    return {**_packed(size, rank[codes.ravel()]), "words": words[order].tolist()}


def pack_sentences(texts: Mapping[int, Sequence[str]]) -> dict[str, Any]:
    """Sentences that differ in little but their numbers: each form once, and of each text its forms and numbers.

    Example:
      >>> pack_sentences({7: ["it ended at 0.5."], 9: ["it ended at 2e-05."]})
      {'forms': [['it ended at ', '.']], 'of': {'7': [[0, '0.5']], '9': [[0, '2e-05']]}}
    """
    forms: dict[tuple[str, ...], int] = {}
    packed = {
        str(key): [[forms.setdefault(tuple(_NUMBER.split(one)), len(forms)), *_NUMBER.findall(one)] for one in text]
        for key, text in texts.items()
    }
    return {"forms": [list(form) for form in forms], "of": packed}


def _packed(kind: str, values: np.ndarray) -> Packed:
    with np.errstate(over="ignore"):
        return {kind: base64.b64encode(np.ascontiguousarray(values, f"<{kind}").tobytes()).decode()}
