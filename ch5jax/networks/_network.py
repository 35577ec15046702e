"""What a network is: pure functions on plain pytrees."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from ch5jax.normalization import BatchNormState


class Network(NamedTuple):
    """A network as pure functions: two, two more if it has BatchNorm, and one that makes taps."""

    init: Callable[..., Any]  # (key, scale=1.0) -> params
    apply: Callable[..., jax.Array]  # (params, x, taps=None) -> outputs; with BatchNorm also state, and in inference
    init_state: Callable[[], tuple[BatchNormState, ...]] = tuple  # () -> the running statistics before any training
    apply_training: Callable[..., tuple[jax.Array, Any]] | None = (
        None  # (params, state, x, taps=None) -> outputs, state
    )
    taps: Callable[[tuple[int, ...]], Any] | None = None  # (shape of x) -> zeros, to be given to `apply` as taps
