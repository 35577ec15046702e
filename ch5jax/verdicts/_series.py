"""Columns of numbers that users hand over, checked."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

LARGEST_STEP = np.iinfo(np.int32).max


def series(values: Any, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Numbers in float64, and which of them were recorded: None was not, NaN and inf are data.

    Raises:
      ValueError: if they are no numbers in a row, or there are none.
    """
    kind = f"{what} must be numbers in a row, a list or array of shape (n,)"
    if isinstance(values, str | bytes):
        raise ValueError(f"{kind}, got {values!r}")
    try:
        given = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{kind}, got {type(values).__name__}: {str(error).splitlines()[0]}") from None
    if given.ndim != 1 or not given.size:
        raise ValueError(f"{kind} with n ≥ 1, got {_shown(values) if not given.ndim else f'shape {given.shape}'}")
    if given.dtype.kind in "US":
        given = np.asarray(values, object)  # as it was handed over
    recorded = np.ones(len(given), bool)
    if given.dtype == object:
        recorded = np.array([one is not None for one in given])
        wrong = [i for i in np.flatnonzero(recorded) if not _is_number(given[i])]
        if wrong:
            raise ValueError(f"{kind}, got {given[wrong[0]]!r} at index {wrong[0]}")
        given = np.array([np.nan if one is None else float(one) for one in given])
    elif not (jnp.issubdtype(given.dtype, jnp.floating) or jnp.issubdtype(given.dtype, jnp.integer)):
        raise ValueError(f"{kind}, got dtype {given.dtype.name}, {given[0]!r} at index 0")
    if not recorded.any():
        raise ValueError(f"{what} must hold a number, got {len(given)} that are missing")
    return given.astype(np.float64), recorded


def _is_number(value: Any) -> bool:
    try:
        float(value)
        return np.ndim(value) == 0 and not isinstance(value, str | bytes | bool | np.bool_)
    except (TypeError, ValueError):
        return False


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) < 80 else f"{shown[:77]}..."


def check_same_length(one: np.ndarray, other: np.ndarray, what: str, whose: str) -> None:
    """Refuses numbers that are not as many as there are losses."""
    if len(one) != len(other):
        raise ValueError(f"{what} must have as many numbers as {whose}, {len(other)}, got {len(one)}")


def check_steps(steps: np.ndarray, recorded: np.ndarray, rows: np.ndarray, what: str) -> np.ndarray:
    """The steps of some rows, as integers.

    Raises:
      ValueError: if they are not whole, from 0 on and increasing.
    """
    before = -math.inf
    for i, step, known in zip(rows.tolist(), steps[rows].tolist(), recorded[rows].tolist(), strict=True):
        if not known or not (float(step).is_integer() and 0 <= step <= LARGEST_STEP):
            raise ValueError(
                f"{what} must hold whole numbers from 0 to {LARGEST_STEP:,}, got {step if known else None} at index {i}"
            )
        if step <= before:
            raise ValueError(f"{what} must increase, got {step:.0f} after {before:.0f} at index {i}")
        before = step
    return steps[rows].astype(np.int64)


def check_number(value: Any, what: str) -> float:
    """A finite number; NaN for None.

    Raises:
      ValueError: if it is none.
    """
    if value is None:
        return math.nan
    if not _is_number(value) or not math.isfinite(float(value)):
        raise ValueError(f"{what} must be one finite number, a loss, got {_shown(value)}")
    return float(value)
