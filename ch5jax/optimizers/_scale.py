"""Ranges of numbers to draw from."""

from typing import Any, Literal, NamedTuple

import numpy as np


class Scale(NamedTuple):
    """A range of numbers, and how it is filled: made by `linear`, `log` and `integer`."""

    low: float
    high: float
    kind: Literal["linear", "log", "integer", "log integer"]

    def at(self, u: np.ndarray) -> np.ndarray:
        """Its values at places along it.

        Args:
          u: places from 0 to 1, 1 left out.

        Returns:
          As many values: whole numbers in int64, others in float64.
        """
        if self.kind == "linear":
            return self.low + u * (self.high - self.low)
        if self.kind == "log":
            return np.exp(np.log(self.low) + u * (np.log(self.high) - np.log(self.low)))
        # every whole number has a place as wide as the others, or as its logarithm is
        low, high = self.low - 0.5, self.high + 0.5
        values = low + u * (high - low) if self.kind == "integer" else low * (high / low) ** u
        return np.clip(np.rint(values), self.low, self.high).astype(np.int64)


def linear(low: float, high: float) -> Scale:
    """Numbers from `low` to `high`, evenly.

    Args:
      low: the least, finite.
      high: the greatest, finite and above it.

    Returns:
      A `Scale` for `ch5jax.sample`.

    Raises:
      ValueError: if they are not as above.

    Example:
      >>> import ch5jax
      >>> ch5jax.sample(ch5jax.sgd, 3, learning_rate=ch5jax.linear(0.0, 1.0)).learning_rate.shape
      (3,)
    """
    return _scale(low, high, "linear")


def log(low: float, high: float) -> Scale:
    """Numbers from `low` to `high`, evenly in their logarithm: as many from 0.001 to 0.01 as from 0.01 to 0.1.

    Args:
      low: the least, finite and above 0.
      high: the greatest, finite and above it.

    Returns:
      A `Scale` for `ch5jax.sample`.

    Raises:
      ValueError: if they are not as above.

    Example:
      >>> import ch5jax
      >>> ch5jax.sample(ch5jax.sgd, 2, learning_rate=ch5jax.log(1e-4, 1.0)).learning_rate.min() >= 1e-4
      np.True_
    """
    return _scale(low, high, "log")


def integer(low: int, high: int, *, log: bool = False) -> Scale:
    """Whole numbers from `low` to `high`, both among them, each as likely as the others.

    Args:
      low: the least.
      high: the greatest, above it.
      log: whether they are taken evenly in their logarithm; `low` is 1 at least then.

    Returns:
      A `Scale` for `ch5jax.sample`.

    Raises:
      ValueError: if they are not as above.

    Example:
      >>> import ch5jax
      >>> sorted({*ch5jax.sample(dict, 16, patience=ch5jax.integer(1, 3))["patience"].tolist()})
      [1, 2, 3]
    """
    for name, value in (("low", low), ("high", high)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or abs(value) > 2**52:
            raise ValueError(f"{name} must be a whole number of at most 52 bits, got {value!r}")
    return _scale(low, high, "log integer" if log else "integer")


def _scale(low: Any, high: Any, kind: Any) -> Scale:
    for name, value in (("low", low), ("high", high)):
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not np.isfinite(value):
            raise ValueError(f"{name} must be a finite number, got {value!r}")
    if not low < high:
        raise ValueError(f"low must be less than high, got {low:g} and {high:g}")
    if kind.startswith("log") and low <= 0:
        raise ValueError(f"low must be above 0 on a log scale, got {low:g}")
    return Scale(float(low), float(high), kind)
