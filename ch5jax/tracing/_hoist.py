"""Large arrays that a function closes over, as arguments of its program instead of constants in it.

XLA reads constants when it compiles: it folds what can be computed from them, and a program's text has them in it. With
50,000 × 784 numbers closed over, a sweep of digits' size took 17.6 s to compile and 9 s to be told from another.
"""

import collections
import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from ch5jax.tracing._common import in_two
from ch5jax.tracing._evaluate import Changes, Path, Place, evaluate
from ch5jax.tracing._jaxprs import CALLS, Inner, all_eqns, inner, jaxprs_of
from ch5jax.tracing._memory import peak_bytes, size_of
from ch5jax.tracing._products import without_transposes

LARGE = 4096  # bytes
_OPENED = CALLS | {"scan", "while"}  # and branches; what has a derivative of its own keeps its constants
_MOST_KEPT = 32


class InTwo(NamedTuple):
    """A function as two, one after the other."""

    common: "Hoisted"  # (constants, *common arguments) -> what they alone decide
    rest: "Hoisted"  # (constants, that, *arguments) -> what the function returns

    @property
    def shapes(self) -> Any:
        """What the function returns, in shapes and dtypes."""
        return self.rest.shapes

    @property
    def largest(self) -> int:
        """Bytes of the largest array that the rest computes."""
        return self.rest.largest

    @property
    def peak(self) -> int:
        """Bytes that the rest holds at one time, with what it is given of the first."""
        return self.rest.peak + sum(leaf.size * leaf.dtype.itemsize for leaf in self.common.shapes)


class Hoisted(NamedTuple):
    """A function, traced, with the large arrays that it closed over apart from it."""

    function: Callable[..., Any]  # (constants, *arguments) -> what the function returns
    constants: tuple[Any, ...]  # NumPy's or JAX's
    shapes: Any  # what it returns, in shapes and dtypes
    largest: int  # bytes of the largest array that it computes
    peak: int  # bytes that it holds at one time, at most, beside what it was given


def hoist(function: Callable[..., Any], *args: Any) -> Hoisted:
    """Traces a function once for arguments like these, arrays or shapes, and takes its large constants out."""
    traced, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
    return _hoisted(without_transposes(inner(traced)), shapes)


def hoist_in_two(function: Callable[..., Any], common: Sequence[int], varies: int, *args: Any) -> InTwo:
    """The same, as two functions one after the other: what only common arguments decide, and the rest.

    Args:
      function: what is traced.
      common: the numbers of the arguments that are common to many calls.
      varies: one of those; what it has no part in is left to the rest.
      *args: arrays or shapes.
    """
    traced, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
    first, rest = in_two(
        without_transposes(inner(traced)),
        [number in common for number, arg in enumerate(args) for _ in jax.tree.leaves(arg)],
        [number == varies for number, arg in enumerate(args) for _ in jax.tree.leaves(arg)],
    )
    values = [jax.ShapeDtypeStruct(var.aval.shape, var.aval.dtype) for var in first.jaxpr.outvars]
    return InTwo(_hoisted(first, values), _hoisted(rest, shapes))


def _hoisted(traced: Inner, shapes: Any) -> Hoisted:
    run, constants = _apart(traced)

    def call(constants: Sequence[Any], *args: Any) -> Any:
        return jax.tree.unflatten(jax.tree.structure(shapes), run(constants, jax.tree.leaves(args)))

    largest = max((size_of(out) for eqn in all_eqns(traced.jaxpr) for out in eqn.outvars), default=0)
    return Hoisted(call, constants, shapes, largest, peak_bytes(traced.jaxpr))


def jit(function: Callable[..., Any], static_argnames: Sequence[str] = (), donate_argnames: Sequence[str] = ()) -> Any:
    """`jax.jit` for a function of positional arguments that may close over much data: see this module."""
    direct = jax.jit(function, static_argnames=static_argnames, donate_argnames=donate_argnames)
    parameters = [*inspect.signature(function).parameters]
    kept: collections.OrderedDict[int, _Kept] = collections.OrderedDict()
    _ALL_KEPT.append(kept)

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        traced = direct.trace(*args)  # from JAX's cache, from the second call of a kind on
        given = {name: value for name, value in zip(parameters, args, strict=True) if name not in static_argnames}
        mark, jaxpr = id(traced.jaxpr), inner(traced.jaxpr)
        if len(jaxpr.jaxpr.invars) != len(jax.tree.leaves([*given.values()])) or any(map(_is_tracer, jaxpr.consts)):
            return direct(*args)  # it closes over what is traced further out
        if mark not in kept:
            found = next(_large(jaxpr, ()), None) is not None
            kept[mark] = _Kept(traced.jaxpr, *(_compiled(jaxpr, [*given]) if found else (None, ())))
            while len(kept) > _MOST_KEPT:
                kept.popitem(last=False)
        kept.move_to_end(mark)
        one = kept[mark]
        if one.program is None:
            return direct(*args)
        donated = {name: given.pop(name) for name in donate_argnames}
        return jax.tree.unflatten(jax.tree.structure(traced.out_info), one.program(one.constants, donated, given))

    return call


def clear_caches() -> None:
    """Drops the programs that `jit` keeps, as `jax.clear_caches` does with JAX's own."""
    for kept in _ALL_KEPT:
        kept.clear()


class _Kept(NamedTuple):
    """What a traced function was compiled to."""

    jaxpr: Any  # so that no other one gets its identity
    program: Callable[..., list[Any]] | None  # None where JAX's own does: there is nothing to take out
    constants: tuple[Any, ...]  # on the device


_ALL_KEPT: list[collections.OrderedDict[int, _Kept]] = []


def _is_tracer(const: Any) -> bool:
    return isinstance(const, jax.core.Tracer)


def _compiled(jaxpr: Inner, names: list[str]) -> tuple[Callable[..., list[Any]], tuple[Any, ...]]:
    """A program of (constants, arguments to be donated, other arguments), and its constants on the device."""
    run, constants = _apart(jaxpr)

    def program(constants: Any, donated: dict[str, Any], rest: dict[str, Any]) -> list[Any]:
        values = donated | rest
        return run(constants, jax.tree.leaves([values[name] for name in names]))

    with jax.ensure_compile_time_eval():
        placed = [c if isinstance(c, jax.Array) else jax.device_put(np.asarray(c)) for c in constants]
    return jax.jit(program, donate_argnums=1), tuple(placed)


def _apart(traced: Inner) -> tuple[Callable[[Sequence[Any], Sequence[Any]], list[Any]], tuple[Any, ...]]:
    """A function of (constants, leaves) that evaluates a jaxpr, and its large constants, each once."""
    found = list(_large(traced, ()))
    numbers: dict[int, int] = {}
    for _, const in found:
        numbers.setdefault(id(const), len(numbers))
    distinct = {id(const): const for _, const in found}

    def run(constants: Sequence[Any], leaves: Sequence[Any]) -> list[Any]:
        places = {place: constants[numbers[id(const)]] for place, const in found}
        return evaluate(traced.jaxpr, traced.consts, leaves, Changes({}, {}, places), {}, ())

    return run, tuple(distinct.values())


def _large(traced: Inner, path: Path) -> Iterator[tuple[Place, Any]]:
    """The places of large constants, and the constants."""
    for i, const in enumerate(traced.consts):
        if not _is_tracer(const) and getattr(const, "nbytes", 0) >= LARGE:
            yield Place(path, -1, i), const
    for index, eqn in enumerate(traced.jaxpr.eqns):
        name = eqn.primitive.name
        if name in _OPENED or (name == "cond" and not eqn.params.get("branches_platforms")):
            for i, one in enumerate(jaxprs_of(eqn)):
                yield from _large(one, (*path, (index, i)))
