"""What is inside a jaxpr, whatever JAX calls it.

Beside `jax.extend.core` this package needs what JAX does not promise: the names of primitives and of the parameters of
`scan`, `while`, `jit` and `checkpoint`; that a jaxpr among an equation's parameters has `eqns`; and, to evaluate one,
`eqn.ctx.manager` and `Primitive.get_bind_params`.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

CALLS = frozenset({"jit", "pjit", "remat", "remat2", "checkpoint", "closed_call", "core_call", "call"})


class Inner(NamedTuple):
    """A jaxpr and its constants, whatever class it has: JAX 0.12 made one of two."""

    jaxpr: Any
    consts: Sequence[Any]


def inner(jaxpr: Any) -> Inner:
    """A jaxpr and its constants."""
    if hasattr(jaxpr, "jaxpr"):
        return Inner(jaxpr.jaxpr, jaxpr.consts)
    return Inner(jaxpr, getattr(jaxpr, "consts", ()))


def jaxprs_of(eqn: Any) -> list[Inner]:
    """All jaxprs among an equation's parameters."""
    found = []
    for value in eqn.params.values():
        for item in value if isinstance(value, tuple | list) else (value,):
            if hasattr(item, "eqns"):
                found.append(inner(item))
    return found


def all_eqns(jaxpr: Any) -> Iterator[Any]:
    """Its equations, and those inside them."""
    for eqn in jaxpr.eqns:
        yield eqn
        for one in jaxprs_of(eqn):
            yield from all_eqns(one.jaxpr)


class ScanParts(NamedTuple):
    """Which of a scan's operands are constants, carry and slices; read off the shapes, whatever the parameters say."""

    consts: int
    carry: int
    body: Inner
    length: int
    reverse: bool


def scan_parts(eqn: Any) -> ScanParts:
    """The parts of a scan's equation."""
    body = jaxprs_of(eqn)[0]
    carry = sum(outer.aval.ndim == one.aval.ndim for outer, one in zip(eqn.outvars, body.jaxpr.outvars, strict=True))
    sliced = sum(outer.aval.ndim > one.aval.ndim for outer, one in zip(eqn.invars, body.jaxpr.invars, strict=True))
    return ScanParts(
        len(eqn.invars) - sliced - carry, carry, body, int(eqn.params["length"]), bool(eqn.params["reverse"])
    )
