"""Any Optax factory, as a pytree of its hyperparameters."""

import inspect
import numbers
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ch5jax._hyperparameters import ANY, check_number
from ch5jax.optimizers._transformation import Transformation, defined_by, is_static


class Lifted(Transformation):
    """A transformation of a lifted factory; its arguments are attributes."""

    def _arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (self._values["factory"],), {name: v for name, v in self._values.items() if name != "factory"}


def _build(values: dict[str, Any]) -> optax.GradientTransformationExtraArgs:
    arguments = {name: value for name, value in values.items() if name != "factory"}
    return optax.with_extra_args_support(values["factory"](**arguments))


def _init(values: dict[str, Any], params: optax.Params) -> optax.OptState:
    return _build(values).init(params)


def _update(
    values: dict[str, Any], updates: optax.Updates, state: optax.OptState, params: optax.Params | None, **extra: Any
) -> tuple[optax.Updates, optax.OptState]:
    new_updates, new_state = _build(values).update(updates, state, params, **extra)
    return _in_dtypes_of(new_updates, updates), _in_dtypes_of(new_state, state)


def _in_dtypes_of(new: Any, old: Any) -> Any:
    """`new` with the dtypes of `old`: a rate that is a float32 array makes Optax return float32 for bfloat16."""
    if jax.tree.structure(new) != jax.tree.structure(old):
        return new

    def cast(n: Any, o: Any) -> Any:
        dtype = getattr(o, "dtype", None)
        return n if dtype is None or getattr(n, "dtype", None) == dtype else jax.lax.convert_element_type(n, dtype)

    return jax.tree.map(cast, new, old)


@defined_by(_init, _update)
def lift(factory: Callable[..., optax.GradientTransformation], /, *args: Any, **kwargs: Any) -> Lifted:
    """Makes a pytree of any Optax factory, so that its numbers sweep, stack and differentiate like ours.

    The factory is called again inside every trace, with whatever the leaves hold there: `lift(optax.adamw,
    learning_rate=1e-3, weight_decay=1e-4)` is `optax.adamw(learning_rate=1e-3, weight_decay=1e-4)`, and one program for
    all its values.

    Args:
      factory: a function that returns an `optax.GradientTransformation`, Optax's or your own.
      *args: its arguments in order.
      **kwargs: its arguments by name. Numbers, arrays and pytrees of them, and schedules that are pytrees, are data.
        Flags, strings, None, dtypes, functions, and integers for a parameter annotated as `int` (a shape, a memory)
        or named `key` belong to the structure. Arguments that are not given keep the factory's defaults, and are no
        leaves.

    Returns:
      A `Transformation`. Its updates and its state keep the dtypes that they came with.

    Raises:
      ValueError: if the factory has no such argument or needs another; when first used, if it returns no
        transformation.

    Example:
      >>> import ch5jax, functools, optax
      >>> ch5jax.lift(optax.clip_by_global_norm, 1.0).max_norm
      1.0
      >>> adamw = functools.partial(ch5jax.lift, optax.adamw)
      >>> ch5jax.grid(adamw, learning_rate=1e-3, weight_decay=[0.0, 1e-4]).weight_decay.tolist()
      [0.0, 0.0001]

    Source: ours; the names and rules are the factory's.
    """
    if not callable(factory):
        raise ValueError(f"lift needs a factory of transformations such as optax.adamw, got {factory!r}")
    arguments = _bind(factory, args, kwargs)
    integral = _integral(factory)
    values: dict[str, Any] = {"factory": factory}
    static = {"factory"}
    for name, value in arguments.items():
        whole = isinstance(value, numbers.Integral)
        if is_static(value) or not _is_data(value) or (whole and name in integral):
            static.add(name)
        values[name] = check_number(name, value, ANY) if whole and name not in static else value
    return Lifted._of(lift, values, frozenset(static))


def _bind(factory: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call by name."""
    signature = inspect.signature(factory)
    try:
        bound = signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        raise ValueError(f"{_name(factory)}: {error}; its arguments are {', '.join(signature.parameters)}") from None
    arguments: dict[str, Any] = {}
    for name, value in bound.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            raise ValueError(f"lift needs arguments by name, but {_name(factory)} takes {signature}; try ch5jax.chain")
        arguments.update(value if kind is inspect.Parameter.VAR_KEYWORD else {name: value})
    return arguments


def _name(factory: Callable[..., Any]) -> str:
    return getattr(factory, "__name__", repr(factory))


def _is_data(value: Any) -> bool:
    """Whether every leaf is a number or an array of numbers: a mask of flags is structure."""
    leaves = jax.tree.leaves(value)
    return bool(leaves) and all(
        isinstance(leaf, (int, float, np.ndarray, np.generic, jax.Array))
        and not jnp.issubdtype(jnp.result_type(leaf), jnp.bool_)
        for leaf in leaves
    )


def _integral(factory: Callable[..., Any]) -> set[str]:
    """The parameters that are annotated as whole numbers and so shape the program, and the seed."""
    parameters = inspect.signature(factory).parameters.items()  # get_type_hints fails if one annotation of all does
    return {"key", *(name for name, parameter in parameters if parameter.annotation in _WHOLE)}


_WHOLE = (int, int | None, "int", "int | None", "Optional[int]")
