"""What is not known: NaN to who reads it, a number to who debugs NaN.

JAX_DEBUG_NANS looks at what a compiled program returns. So a program returns −max of the dtype for a number that is not
known, which no measurement gives, and it is NaN where a result is read.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np

T = TypeVar("T")


class _Off:
    """A flag of JAX's that is off as long as somebody asks for it, in all threads.

    JAX has a context manager for that. But after it, in this thread, a flag that is on for all threads no longer stops
    programs that have run before (JAX 0.10 and 0.12). So it is used only where the flag was set by the same means.
    """

    def __init__(self, name: str, locally: Callable[[bool], contextlib.AbstractContextManager[None]]):
        self.name, self.locally = name, locally
        self.lock, self.asked, self.before = threading.Lock(), 0, False

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        with self.lock:
            self.asked += 1
            if self.asked == 1:
                self.before = getattr(jax.config, self.name) and self._for_all()
                self._put(on=False)
        try:
            with self.locally(False) if getattr(jax.config, self.name) else contextlib.nullcontext():
                yield
        finally:
            with self.lock:
                self.asked -= 1
                if not self.asked:
                    self._put(on=True)

    def _for_all(self) -> bool:
        """What it is where no context manager of this thread's says otherwise."""
        with ThreadPoolExecutor(1) as elsewhere:
            return bool(elsewhere.submit(getattr, jax.config, self.name).result())

    def _put(self, *, on: bool) -> None:
        if self.before:  # else there is nothing to do
            jax.config.update(self.name, on)


_nans, _infs = _Off("jax_debug_nans", jax.debug_nans), _Off("jax_debug_infs", jax.debug_infs)


@contextlib.contextmanager
def inf_is_data() -> Iterator[None]:
    """A context in which JAX_DEBUG_INFS stops nothing: a ratio to a norm of zero is infinite."""
    with _infs():
        yield


@contextlib.contextmanager
def nan_is_data() -> Iterator[None]:
    """A context in which JAX_DEBUG_NANS and JAX_DEBUG_INFS stop nothing: what diverges is a row, or a verdict."""
    with _nans(), _infs():
        yield


def unknown(dtype: jax.typing.DTypeLike) -> float:
    """What stands for NaN in what a program returns."""
    return -float(jnp.finfo(dtype).max)


def masked(tree: T) -> T:
    """Replaces NaN in a pytree by −max of the dtype, for a program to return.

    Args:
      tree: arrays; those that are not floating stay as they are.

    Returns:
      The same, of the same shapes and dtypes.

    Example:
      >>> import ch5jax, jax.numpy as jnp
      >>> ch5jax.diagnostics.masked(jnp.array([1.0, jnp.nan])).tolist()
      [1.0, -3.4028234663852886e+38]
    """
    return jax.tree.map(_masked, tree)


def unmasked(tree: T) -> T:
    """Undoes `masked`: −max becomes NaN again.

    Args:
      tree: arrays; those that are not floating stay as they are.

    Returns:
      The same: NumPy's arrays, or inside a program JAX's.

    Example:
      >>> import ch5jax, jax.numpy as jnp
      >>> ch5jax.diagnostics.unmasked(ch5jax.diagnostics.masked(jnp.array([1.0, jnp.nan]))).tolist()
      [1.0, nan]
    """
    return jax.tree.map(_unmasked, tree)


@functools.cache  # what JAX says of a dtype takes 30 µs, and a diagnosis in words asks 80 times
def _unknown(dtype: jax.typing.DTypeLike) -> float | None:
    """What stands for NaN; None in what is not floating."""
    return unknown(dtype) if jnp.issubdtype(dtype, jnp.floating) else None


def _masked(values: jax.Array) -> jax.Array:
    if (instead := _unknown(values.dtype if hasattr(values, "dtype") else jnp.result_type(values))) is None:
        return values
    xp = jnp if isinstance(values, jax.Array) else np
    return xp.where(xp.isnan(values), instead, values)


def _unmasked(values: jax.Array) -> jax.Array:
    if (instead := _unknown(values.dtype if hasattr(values, "dtype") else jnp.result_type(values))) is None:
        return values
    xp = jnp if isinstance(values, jax.core.Tracer) else np
    return xp.where(values == instead, values.dtype.type(xp.nan), values)
