"""Hyperparameters are data: a value that reads like the call which made it, and is a pytree of that call's numbers."""

import numbers
from collections.abc import Callable
from typing import Any, NamedTuple, Self, TypeAlias, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax._types import DType


class Range(NamedTuple):
    """An interval of allowed values, for checks and for their messages."""

    low: float
    high: float = np.inf
    low_allowed: bool = True
    high_allowed: bool = True

    def __str__(self) -> str:
        if self.high == np.inf:
            return f"{'≥' if self.low_allowed else '>'} {self.low:g}"
        return f"in {'[' if self.low_allowed else '('}{self.low:g}, {self.high:g}{']' if self.high_allowed else ')'}"

    def holds(self, value: Any) -> bool:
        """Whether every element lies inside; NaN does not."""
        low = np.greater_equal(value, self.low) if self.low_allowed else np.greater(value, self.low)
        high = np.less_equal(value, self.high) if self.high_allowed else np.less(value, self.high)
        return bool(np.all(low & high))


ANY = Range(-np.inf)
NON_NEGATIVE = Range(0.0)
POSITIVE = Range(0.0, low_allowed=False)
DECAY = Range(0.0, 1.0, high_allowed=False)
DECAY_OR_ONE = Range(0.0, 1.0)

Factory = TypeVar("Factory", bound=Callable[..., Any])
ScalarOrSchedule: TypeAlias = jax.typing.ArrayLike | Callable[[jax.typing.ArrayLike], Any]


def is_node(value: Any) -> bool:
    """Whether JAX sees a container here, rather than a leaf."""
    return not jax.tree_util.treedef_is_leaf(jax.tree.structure(value))


def check_number(name: str, value: Any, allowed: Range, kind: str = "a number") -> Any:
    """A number as a leaf: integers become floats, what is known now is checked, arrays and tracers pass as they are.

    Args:
      name: the hyperparameter's, for the message.
      value: a number, an array or a tracer.
      allowed: the range that it has to be in.
      kind: what it has to be, for the message.

    Returns:
      The number, a float or an array.

    Raises:
      ValueError: naming the hyperparameter, if it is no number or out of range.
    """
    if isinstance(value, jax.Array):  # tracers too; looking into a concrete one would wait for its device
        if not jnp.issubdtype(value.dtype, jnp.number) or jnp.iscomplexobj(value):
            raise ValueError(f"{name} must be a real number, got an array of dtype {value.dtype.name}")
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "iu":
        value = value.astype(float)
    elif isinstance(value, (np.ndarray, np.generic)) and jnp.issubdtype(value.dtype, jnp.floating):
        pass  # bfloat16 too, which is no np.floating
    elif isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_)):
        value = float(value)
    else:
        raise ValueError(f"{name} must be {kind}, {allowed}, got {value!r}")
    if not allowed.holds(value):
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    return value


def check_hyperparameter(name: str, value: Any, allowed: Range) -> Any:
    """A number or a schedule of the step count, as `check_number`."""
    return value if callable(value) else check_number(name, value, allowed, "a number or a schedule")


def at(value: Any, count: jax.typing.ArrayLike) -> Any:
    """A hyperparameter at a step: the schedule's value there, or the number itself."""
    return value(count) if callable(value) else value


def scalar(name: str, value: Any, dtype: DType) -> jax.Array:
    """A hyperparameter's value inside an update, in the dtype of the accumulator, so that it promotes nothing."""
    if jnp.shape(value) != ():
        raise ValueError(f"{name} must be a scalar, got shape {jnp.shape(value)}; map over a batch with jax.vmap")
    return jnp.asarray(value).astype(dtype)


_IMPLEMENTATIONS: dict[Callable[..., Any], Any] = {}


def implemented_by(implementation: Any) -> Callable[[Factory], Factory]:
    """Marks a factory as the maker of one kind of call, and says what that kind does: the one registry of them all."""

    def register(factory: Factory) -> Factory:
        _IMPLEMENTATIONS[factory] = implementation
        return factory

    return register


def implementation_of(factory: Callable[..., Any]) -> Any:
    """What `implemented_by` said of a factory."""
    return _IMPLEMENTATIONS[factory]


class Static:
    """The part of a call that is no data: compared by ==, hashed as far as it can be (a dict cannot)."""

    def __init__(self, factory: Callable[..., Any], names: tuple[str, ...], values: dict[str, Any]):
        self.factory, self.names, self.values = factory, names, values

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Static)
            and self.factory == other.factory
            and self.names == other.names
            and self.values.keys() == other.values.keys()
            and all(_same(value, other.values[name]) for name, value in self.values.items())
        )

    def __hash__(self) -> int:
        return hash((self.factory, self.names, tuple(_hash(value) for value in self.values.values())))

    def __repr__(self) -> str:
        return f"{self.factory.__name__}{self.values or ''}"


def _same(a: Any, b: Any) -> bool:
    return a is b or (type(a) is type(b) and np.array_equal(a, b) if isinstance(a, np.ndarray) else bool(a == b))


def _hash(value: Any) -> int:
    try:
        return hash(value)
    except TypeError:
        return hash(type(value))


class Call:
    """What a factory made: its arguments as attributes, its numbers as the leaves of a pytree.

    A subclass is registered with JAX when it is defined (JAX looks types up exactly, so that an unregistered subclass
    of a registered class would be taken for a plain tuple). `_values` holds the arguments in order; those named in
    `_static` belong to the structure. Unflattening converts and checks nothing: JAX passes sentinels.
    """

    _factory: Callable[..., Any]
    _values: dict[str, Any]
    _static: frozenset[str]

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        jax.tree_util.register_pytree_with_keys(cls, cls._flatten_with_keys, cls._unflatten, cls._flatten)

    @classmethod
    def _of(cls, factory: Callable[..., Any], values: dict[str, Any], static: frozenset[str]) -> Self:
        """The one constructor; it checks and converts nothing."""
        self = cls._new(factory, values)
        self.__dict__.update(_factory=factory, _values=values, _static=static)
        return self

    @classmethod
    def _new(cls, factory: Callable[..., Any], values: dict[str, Any]) -> Self:
        del factory, values
        return cls.__new__(cls)

    def _flatten(self) -> tuple[list[Any], Static]:
        leaves = [value for name, value in self._values.items() if name not in self._static]
        static = {name: value for name, value in self._values.items() if name in self._static}
        return leaves, Static(self._factory, tuple(self._values), static)

    def _flatten_with_keys(self) -> tuple[list[tuple[Any, Any]], Static]:
        leaves, static = self._flatten()
        names = [name for name in self._values if name not in self._static]
        return [(jax.tree_util.GetAttrKey(name), leaf) for name, leaf in zip(names, leaves, strict=True)], static

    @classmethod
    def _unflatten(cls, static: Static, leaves: Any) -> Self:
        remaining = iter(leaves)
        values = {name: static.values[name] if name in static.values else next(remaining) for name in static.names}
        return cls._of(static.factory, values, frozenset(static.values))

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._values:
            return self._values[name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{self!r} is immutable; use .replace({name}=...)")

    def _arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The positional and keyword arguments of the call that makes an equal value."""
        return (), self._values

    def replace(self, **changes: Any) -> Self:
        """A copy with some arguments changed, checked like the call.

        Args:
          **changes: the arguments by name, such as `learning_rate=0.1`.

        Returns:
          The copy.

        Raises:
          ValueError: naming an argument that there is not, or that is out of range.
        """
        args, kwargs = self._arguments()
        if unknown := changes.keys() - kwargs.keys():
            raise ValueError(f"{self._factory.__name__} has {', '.join(kwargs)}, got {', '.join(sorted(unknown))}")
        return self._factory(*args, **{**kwargs, **changes})

    def __repr__(self) -> str:
        args, kwargs = self._arguments()
        parts = [shown(value) for value in args] + [f"{name}={shown(value)}" for name, value in kwargs.items()]
        return f"{self._factory.__name__}({', '.join(parts)})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self) or jax.tree.structure(self) != jax.tree.structure(other):
            return False
        return all(_equal(a, b) for a, b in zip(jax.tree.leaves(self), jax.tree.leaves(other), strict=True))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((self._flatten()[1], jax.tree.structure(self)))  # JAX leaves the static part out of its hash

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self._factory, self._values, self._static)


def _rebuild(cls: type[Call], factory: Callable[..., Any], values: dict[str, Any], static: frozenset[str]) -> Call:
    return cls._of(factory, values, static)


def _is_key(value: Any) -> bool:
    return isinstance(value, jax.Array) and jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key)


def _equal(a: Any, b: Any) -> bool:
    if _is_key(a) and _is_key(b):
        return a.dtype == b.dtype and _equal(jax.random.key_data(a), jax.random.key_data(b))
    return not _is_key(a) and not _is_key(b) and np.array_equal(a, b)


def shown(value: Any) -> str:
    """A value as it would be written in a call; an array that has no short form by its dtype and shape."""
    if isinstance(value, jax.core.Tracer) or (isinstance(value, (np.ndarray, jax.Array)) and value.ndim):
        return f"{value.dtype.name}{list(value.shape)}"
    if isinstance(value, (np.generic, np.ndarray, jax.Array)) and not _is_key(value):
        return repr(value.item())
    if isinstance(value, type) or (callable(value) and hasattr(value, "__name__") and not isinstance(value, Call)):
        return str(value.__name__)
    return repr(value)
