"""What a training needs to know of a model."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import jax

from ch5jax._types import Hyperparameters, Params, PyTree, State

Named = Mapping[str, Hyperparameters]  # hyperparameters by name
ModelLike: TypeAlias = Any  # what `as_model` takes: of any framework, so that no one type says it


class Model(NamedTuple):
    """A model as two pure functions; made by `as_model`."""

    init: Callable[[jax.Array, PyTree, Named], tuple[Params, State]]  # (key, inputs, named) -> (params, state)
    apply: Callable[..., tuple[PyTree, State]]  # (params, state, inputs, key, train, named) -> (outputs, state)
    takes: frozenset[str]  # the hyperparameters that it asks for by name
    defaults: Mapping[str, Hyperparameters] = {}  # those that need not be told
