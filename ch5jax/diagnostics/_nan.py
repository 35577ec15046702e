"""What NaN means to who takes signals."""

import contextlib
from collections.abc import Iterator

import jax


@contextlib.contextmanager
def nan_is_data() -> Iterator[None]:
    """Inside it JAX_DEBUG_NANS stops nothing: what diverges is data, and a signal not known yet is NaN."""
    with jax.debug_nans(False), jax.debug_infs(False):
        yield
