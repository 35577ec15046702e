"""What a function can be given, by the names of its parameters."""

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

# How models call the difference between training and inference, and what they are told in training.
MODES = {
    "train": True,
    "training": True,
    "is_training": True,
    "deterministic": False,
    "inference": False,
    "use_running_average": False,
}


def parameters_of(function: Callable[..., object], required: bool = False) -> tuple[str, ...]:
    """The names of a function's parameters, without *args and **kwargs.

    Args:
      function: any function or class; of a class, the parameters that it is made with.
      required: whether to name only those without a default.

    Returns:
      The names in their order.

    Example:
      >>> import ch5jax
      >>> ch5jax.models.parameters_of(lambda x, train=False: x, required=True)
      ('x',)
    """
    kinds = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    parameters = [*inspect.signature(function).parameters.values()]
    if isinstance(function, type):  # a metaclass may hide what its classes are made of
        parameters = [*inspect.signature(cast(Any, function).__init__).parameters.values()][1:]
    named = (one for one in parameters if one.kind not in kinds)
    return tuple(one.name for one in named if not required or one.default is inspect.Parameter.empty)


def mode(names: Collection[str], train: bool) -> dict[str, bool]:
    """What says to a function with these parameters that it trains, or does not."""
    return {name: train == told for name, told in MODES.items() if name in names}


def chosen(named: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Those of some values that a function with these parameters takes."""
    return {name: value for name, value in named.items() if name in names}
