"""Names for what signatures speak of: pytrees that are anything to a type checker, and something to a reader."""

from typing import Any, TypeAlias

PyTree: TypeAlias = Any  # of arrays
Params: TypeAlias = Any  # a pytree of floating arrays: what is differentiated
State: TypeAlias = Any  # a pytree of arrays: what a training, or a model beside its parameters, carries
Hyperparameters: TypeAlias = Any  # an optimizer, or a pytree of numbers, one of which may be an optimizer
Metrics: TypeAlias = dict[str, Any]  # numbers, or arrays of them, by name
DType: TypeAlias = Any  # whatever JAX takes for one
