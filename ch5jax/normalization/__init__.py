"""BatchNorm as pure functions."""

from ch5jax.normalization._batch_norm import batch_norm as batch_norm, batch_norm_inference as batch_norm_inference
from ch5jax.normalization._fold import batch_norm_fold as batch_norm_fold
from ch5jax.normalization._stages import (
    BackwardStages as BackwardStages,
    ForwardStages as ForwardStages,
    batch_norm_backward_stages as batch_norm_backward_stages,
    batch_norm_forward_stages as batch_norm_forward_stages,
)
from ch5jax.normalization._state import (
    BatchNormParams as BatchNormParams,
    BatchNormState as BatchNormState,
    batch_norm_init as batch_norm_init,
    batch_norm_merge as batch_norm_merge,
    batch_norm_state as batch_norm_state,
)
