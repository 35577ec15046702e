"""What a network is: pure functions on plain pytrees."""

from collections.abc import Callable
from typing import NamedTuple

import jax

from ch5jax._types import Params, State
from ch5jax.normalization import BatchNormState


class Network(NamedTuple):
    """A network as pure functions: two, and two more if it has BatchNorm."""

    init: Callable[..., Params]  # (key, scale=1.0) -> params
    apply: Callable[..., jax.Array]  # (params, x) -> outputs; with BatchNorm also state, and in inference
    init_state: Callable[[], tuple[BatchNormState, ...]] = tuple  # () -> the running statistics before any training
    apply_training: Callable[..., tuple[jax.Array, State]] | None = None  # (params, state, x) -> outputs, state
    remade: Callable[..., "Network"] | None = None  # (activation=, kernel_init=, batch_norm=) -> a network so changed
