"""Columns and curves in little space: as bytes in base64, which a page's script reads as they are."""

import base64
from typing import Any

import numpy as np

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


def _packed(kind: str, values: np.ndarray) -> Packed:
    with np.errstate(over="ignore"):
        return {kind: base64.b64encode(np.ascontiguousarray(values, f"<{kind}").tobytes()).decode()}
