"""Signals of the difficulties of optimization: pure functions that jit and vmap, one difficulty a file."""

from ch5jax.diagnostics._cliff import (
    Spikes as Spikes,
    matrix_names as matrix_names,
    norm as norm,
    spikes_init as spikes_init,
    spikes_update as spikes_update,
    update_ratio as update_ratio,
)
from ch5jax.diagnostics._curvature import (
    Curvature as Curvature,
    Estimate as Estimate,
    curvature as curvature,
    curvature_and_downhill as curvature_and_downhill,
    hessian_trace as hessian_trace,
)
from ch5jax.diagnostics._depth import (
    depth_slope as depth_slope,
    first_over_last as first_over_last,
    layer_gradient_norms as layer_gradient_norms,
)
from ch5jax.diagnostics._difficulty import Difficulty as Difficulty
from ch5jax.diagnostics._flat_units import flat_units as flat_units
from ch5jax.diagnostics._jacobian import jacobian_norm as jacobian_norm
from ch5jax.diagnostics._loss_course import (
    DIVERGENCE as DIVERGENCE,
    alternation as alternation,
    descent as descent,
    diverged_at as diverged_at,
    first_finite as first_finite,
    loss_slope as loss_slope,
    lost as lost,
)
from ch5jax.diagnostics._nan import (
    inf_is_data as inf_is_data,
    masked as masked,
    nan_is_data as nan_is_data,
    unmasked as unmasked,
)
from ch5jax.diagnostics._noise import (
    Noise as Noise,
    example_square_norms as example_square_norms,
    noise_of_examples as noise_of_examples,
    noise_of_pair as noise_of_pair,
    noise_scale as noise_scale,
)
from ch5jax.diagnostics._recorder import RecorderState as RecorderState, recorder as recorder
from ch5jax.diagnostics._sharpness import sharpness as sharpness
from ch5jax.diagnostics._signals import Signals as Signals, observe as observe
from ch5jax.diagnostics._start import distance as distance
from ch5jax.diagnostics._symmetry import duplicate_units as duplicate_units
from ch5jax.diagnostics._watch import (
    Watch as Watch,
    watch_init as watch_init,
    watch_reset as watch_reset,
    watch_update as watch_update,
)
from ch5jax.tapping import activation_names as activation_names, layer_names as layer_names
