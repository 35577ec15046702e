"""What a training needs to know of a model."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Named = Mapping[str, Any]  # hyperparameters by name


class Model(NamedTuple):
    """A model as two pure functions; made by `as_model`."""

    init: Callable[[Any, Any, Named], tuple[Any, Any]]  # (key, inputs, named) -> (params, state)
    apply: Callable[..., tuple[Any, Any]]  # (params, state, inputs, key, train, named) -> (outputs, state)
    takes: frozenset[str]  # the hyperparameters that it asks for by name
    defaults: Mapping[str, Any] = {}  # those that need not be told
