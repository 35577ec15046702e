"""Names for what signatures speak of: pytrees that are anything to a type checker, and something to a reader."""

from pathlib import Path
from typing import Any, TypeAlias

import jax

PyTree: TypeAlias = Any  # of arrays
Params: TypeAlias = Any  # a pytree of floating arrays: what is differentiated
State: TypeAlias = Any  # a pytree of arrays: what a training, or a model beside its parameters, carries
Hyperparameters: TypeAlias = Any  # an optimizer, or a pytree of numbers, one of which may be an optimizer
Metrics: TypeAlias = dict[str, Any]  # numbers, or arrays of them, by name
DType: TypeAlias = Any  # whatever JAX takes for one
DataFrame: TypeAlias = Any  # pandas', which is an extra and has no types of its own
Series: TypeAlias = Any  # likewise
Study: TypeAlias = Any  # Optuna's, which is an extra
Sampler: TypeAlias = Any  # likewise
TableLike: TypeAlias = str | Path | DataFrame  # a file, or a data frame
Scalar: TypeAlias = jax.typing.ArrayLike  # one number: of Python, of NumPy, or an array of shape ()
PlotlyFigure: TypeAlias = Any  # Plotly's `graph_objects.Figure`, likewise
Plots: TypeAlias = Any  # `report.Plots`, which stands below what has it
