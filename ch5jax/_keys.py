"""Every number that a trial's key is folded with, beside the indices of its steps.

`fold_in(key, i)` is `split(key)[i]`: were the initial state drawn from the trial's key itself, its bits would be those
of the first steps. No index reaches the last nine uint32.
"""

from typing import Any

import jax
import numpy as np

INIT = np.uint32(2**32 - 1)  # the initial state
PRETRAINING = np.uint32(2**32 - 2)  # layerwise pretraining
OTHER_BATCH = np.uint32(2**32 - 3)  # the second mini-batch of a pair, for the noise
AT_THE_END = np.uint32(2**32 - 4)  # the mini-batches of a diagnosis after the last step
DROPOUT = np.uint32(2**32 - 5)  # what a model draws in a step, beside the mini-batch's rows
AUGMENT = np.uint32(2**32 - 6)  # what is changed at random in a mini-batch
RANDOM_SEARCH = np.uint32(2**32 - 7)  # the settings of random search, beside a treatment
CONTINUED = np.uint32(2**32 - 8)  # the further mini-batches of larger ones, after the last step
EXPLOIT = np.uint32(2**32 - 9)  # who goes on from whom in a population, and with which numbers


def one_key(key: Any) -> jax.Array:
    """A typed key of one element; a raw uint32 key is wrapped.

    Raises:
      ValueError: if it is none.
    """
    if isinstance(key, jax.Array) and jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key) and key.shape == ():
        return key
    if isinstance(key, jax.Array | np.ndarray) and key.dtype == np.uint32 and key.ndim == 1:
        return jax.random.wrap_key_data(key)
    raise ValueError(f"key must be one key, such as jax.random.key(0), got {key!r}")
