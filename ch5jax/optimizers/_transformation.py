"""The machinery that every optimizer shares: a named tuple for Optax, a pytree for JAX, a rule applied leaf by leaf."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Self

import chex
import jax
import jax.numpy as jnp
import optax

from ch5jax import _trees
from ch5jax._hyperparameters import (
    Call,
    Factory,
    Range,
    at,
    check_hyperparameter,
    implementation_of,
    implemented_by,
    is_node,
    scalar,
)
from ch5jax._types import DType, PyTree, State


class Definition(NamedTuple):
    """How a kind of optimizer works: two functions that get its hyperparameters first, as a dict."""

    init: Callable[..., Any]  # (hyperparameters, params) -> state
    update: Callable[..., Any]  # (hyperparameters, updates, state, params, **extra_args) -> (updates, state)


def defined_by(init: Callable[..., Any], update: Callable[..., Any]) -> Callable[[Factory], Factory]:
    """Marks a factory as the maker of one kind of optimizer, which these two functions define.

    Args:
      init: (hyperparameters, params) -> state; the hyperparameters are a dict by name.
      update: (hyperparameters, updates, state, params, **extra_args) -> (updates, state).

    Returns:
      A decorator for the factory, which makes its optimizers by `make`.

    Example:
      >>> import ch5jax, jax, jax.numpy as jnp
      >>> def update(hyperparameters, updates, state, params, **extra_args):
      ...     return jax.tree.map(lambda g: -hyperparameters["rate"] * jnp.sign(g), updates), state
      >>> @ch5jax.optimizers.defined_by(lambda hyperparameters, params: (), update)
      ... def signs(rate):
      ...     return ch5jax.optimizers.make(signs, rate=rate)
      >>> signs(0.5).update(jnp.array([3.0, -2.0]), ())[0].tolist()
      [-0.5, 0.5]
    """
    return implemented_by(Definition(init, update))


class Transformation(Call, optax.GradientTransformationExtraArgs):
    """An Optax transformation that is also a pytree of its hyperparameters.

    `init, update = opt` and `isinstance(opt, optax.GradientTransformationExtraArgs)` hold, and so do
    `jax.jit(f)(opt)`, `jax.vmap(f)(opts)` and `jax.grad(f)(opt)`. Hyperparameters are attributes (`opt.learning_rate`);
    `opt.replace(learning_rate=...)` is a changed copy. `==` compares kind, static parts and the values of the leaves,
    `hash` kind and static parts.

    Leaves are the numbers, and the leaves of a schedule or optimizer that is itself a pytree. Flags, foreign callables
    and foreign transformations belong to the structure, compared by identity.
    """

    @classmethod
    def _new(cls, factory: Callable[..., Any], values: dict[str, Any]) -> Self:
        definition = implementation_of(factory)

        def init(params: optax.Params) -> optax.OptState:
            return definition.init(values, params)

        def update(
            updates: optax.Updates, state: optax.OptState, params: optax.Params | None = None, **extra_args: Any
        ) -> tuple[optax.Updates, optax.OptState]:
            return definition.update(values, updates, state, params, **extra_args)

        return tuple.__new__(cls, (init, update))

    def _replace(self, **changes: Any) -> Self:
        raise ValueError(f"{self!r} is made by its factory: use .replace({', '.join(changes)}=...), not _replace")

    @classmethod
    def _make(cls, iterable: Iterable[Any]) -> Self:
        raise ValueError("an optimizer of ch5jax is made by its factory, as in ch5jax.adam(...), not by _make")


def make(factory: Callable[..., Any], /, **arguments: Any) -> Transformation:
    """An optimizer of a factory's arguments, for the end of a factory that `defined_by` has marked.

    Args:
      factory: the factory itself.
      **arguments: its arguments by name: `(value, Range)` for a number that has to be in a range, else the value as it
        is. Flags, text and foreign functions belong to the structure, all else is data.

    Returns:
      A `Transformation` with the arguments as attributes.

    Raises:
      ValueError: if a number is known and out of its range.

    Example:
      >>> import ch5jax
      >>> ch5jax.optimizers.make(ch5jax.sgd, learning_rate=0.1)
      sgd(learning_rate=0.1)
    """
    values = {
        name: check_hyperparameter(name, *argument) if _is_ranged(argument) else argument
        for name, argument in arguments.items()
    }
    return Transformation._of(factory, values, frozenset(name for name, value in values.items() if is_static(value)))


def _is_ranged(argument: Any) -> bool:
    return type(argument) is tuple and len(argument) == 2 and isinstance(argument[1], Range)


def is_static(value: Any) -> bool:
    """Whether a value belongs to the structure: flags, text, foreign callables and foreign transformations."""
    if isinstance(value, Call):
        return False
    if isinstance(value, (bool, str, optax.GradientTransformation)) or value is None:
        return True
    return callable(value) and not is_node(value)


class Accumulator(NamedTuple):
    """What a rule keeps for every parameter: a field of its state, like the parameters, float32 at least."""

    real: bool = False  # magnitudes, real where the parameters are complex
    initial: str | None = None  # the hyperparameter that it starts from; without one it starts from 0


def defined_by_rule(
    rule: Callable[..., tuple[jax.Array, ...]], state_type: type[Any], **accumulators: Accumulator
) -> Callable[[Factory], Factory]:
    """Marks a factory as the maker of optimizers that apply one rule to every leaf, and whose state is what it keeps.

    Args:
      rule: (g, *accumulators, **hyperparameters) -> (u, *accumulators), on arrays of one shape.
      state_type: a named tuple of `count` and the accumulators.
      **accumulators: the accumulators by their names in the state, in the rule's order.

    What it makes refuses another kind's state, naming both.
    """

    def init(hyperparameters: dict[str, Any], params: optax.Params) -> Any:
        count = zero_count()

        def start(name: str) -> jax.Array:
            return scalar(name, at(hyperparameters[name], count), _trees.default_float())

        held = {
            name: full_like(params, start(initial) if initial else 0, real)
            for name, (real, initial) in accumulators.items()
        }
        _trees.check_inexact(params, "params")
        return state_type(count=count, **held)

    def update(
        hyperparameters: dict[str, Any], updates: optax.Updates, state: State, params: optax.Params | None, **_: Any
    ) -> tuple[optax.Updates, Any]:
        check_state(state, state_type, state_type.__name__.removesuffix("State").lower())
        magnitudes = all(accumulator.real for accumulator in accumulators.values())
        if magnitudes and params is not None:
            _trees.check_match(updates, params, "updates", "params")
        held = {name: getattr(state, name) for name in accumulators}
        updates, *kept = apply_rule(
            rule, lambda dtype: scalars(hyperparameters, state.count, dtype), updates, magnitudes, **held
        )
        return updates, state_type(optax.safe_increment(state.count), *kept)

    return defined_by(init, update)


def check_state(state: State, due: type, factory: str) -> None:
    """Refuses what is no state of this kind of optimizer.

    Raises:
      ValueError: saying which state is due, and what came.
    """
    if not isinstance(state, due):
        came = ", ".join(type(part).__name__ for part in state) if type(state) is tuple else ""
        raise ValueError(
            f"state must be {due.__name__}, as ch5jax.{factory}(...).init(params) makes it, got "
            + (f"a tuple of {came or 'nothing'}" if type(state) is tuple else type(state).__name__)
        )


def zero_count() -> jax.Array:
    """The count of updates at the start: int32, shape ()."""
    return jnp.zeros([], jnp.int32)


def full_like(params: optax.Params, fill: Any = 0, real: bool = False) -> optax.Updates:
    """A tree like the parameters, filled with one number: float32 at least, sharded as they are.

    Args:
      params: arrays, floating or complex; `jax.ShapeDtypeStruct` will do.
      fill: a scalar.
      real: whether it holds magnitudes, real where the parameters are complex.

    Raises:
      ValueError: if a parameter is neither floating nor complex, naming its path.
    """

    def leaf(param: Any) -> jax.Array:
        dtype = _trees.accumulator_dtype(jnp.result_type(param))
        return jnp.full_like(param, fill, dtype=_trees.real_dtype(dtype) if real else dtype)

    _trees.check_inexact(params, "params")
    return jax.tree.map(leaf, params)


def scalars(hyperparameters: Mapping[str, Any], count: jax.Array, dtype: DType) -> dict[str, jax.Array]:
    """Every hyperparameter that is no flag, at a count, in one real dtype."""
    return {
        name: scalar(name, at(value, count), dtype)
        for name, value in hyperparameters.items()
        if not isinstance(value, bool)
    }


def apply_rule(
    rule: Callable[..., tuple[jax.Array, ...]],
    coefficients: Callable[[Any], dict[str, jax.Array]],
    updates: optax.Updates,
    magnitudes: bool = False,
    /,
    **accumulators: optax.Updates,
) -> tuple[optax.Updates, ...]:
    """Applies a rule on arrays to every leaf: the update in its gradient's dtype, the accumulators in their own.

    Args:
      rule: (g, *accumulators, **coefficients) -> (u, *accumulators), on arrays of one shape.
      coefficients: the rule's scalars in a given real dtype; called once for each dtype that occurs.
      updates: the gradients.
      magnitudes: whether the first of the accumulators is real for complex gradients too.
      **accumulators: trees of the state by name, the first of which the gradients have to match.

    Raises:
      ValueError: if the gradients do not match, naming the path.
    """
    for name, tree in accumulators.items():
        _trees.check_match(updates, tree, "updates", f"the state's {name}", magnitudes)
        break
    _trees.check_inexact(updates, "updates")
    cached: dict[Any, dict[str, jax.Array]] = {}

    def leaf(gradient: PyTree, *held: jax.Array) -> tuple[jax.Array, ...]:
        gradient = jnp.asarray(gradient)
        dtype = held[0].dtype if held else _trees.accumulator_dtype(gradient.dtype)
        real = _trees.real_dtype(dtype)
        if real not in cached:
            cached[real] = coefficients(real)
        if jnp.iscomplexobj(gradient):
            dtype = jnp.promote_types(real, jnp.complex64)
        new, *kept = rule(gradient.astype(dtype), *held, **cached[real])
        return (new.astype(gradient.dtype), *(k.astype(h.dtype) for k, h in zip(kept, held, strict=True)))

    leaves, structure = jax.tree.flatten(updates)
    columns = [jax.tree.leaves(tree) for tree in accumulators.values()]
    rows = [leaf(*row) for row in zip(leaves, *columns, strict=True)]
    return tuple(structure.unflatten([row[i] for row in rows]) for i in range(1 + len(columns)))


def over_root(x: chex.Array, r: chex.Array, eps: chex.Array) -> chex.Array:
    """Divides x by √r + δ, where 0/0 counts as 0.

    √ has an infinite slope at 0, which makes every hypergradient NaN (inf · 0) as soon as one gradient is exactly zero;
    so the root is taken of 1 there and thrown away.
    """
    at_zero = r == 0
    root = jnp.where(at_zero, 0, jnp.sqrt(jnp.where(at_zero, 1, r)))
    nothing = at_zero & (eps == 0) & (x == 0)
    return x / jnp.where(nothing, 1, root + eps)
