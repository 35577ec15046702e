"""How much memory a traced function takes, before anything is compiled."""

from typing import Any

import jax.extend.core as jex

from ch5jax.tracing._jaxprs import CALLS, jaxprs_of


def peak_bytes(jaxpr: Any) -> int:
    """The most that is held at one time of what a jaxpr computes, its results among it, its inputs not.

    Equation after equation, each result from where it is written to where it is last read. XLA writes less where it
    fuses, and holds copies that are not seen here.
    """
    last = {atom: i for i, eqn in enumerate(jaxpr.eqns) for atom in eqn.invars if not isinstance(atom, jex.Literal)}
    last |= {atom: len(jaxpr.eqns) for atom in jaxpr.outvars if not isinstance(atom, jex.Literal)}
    ends: dict[int, int] = {}
    held = most = 0
    for i, eqn in enumerate(jaxpr.eqns):
        written = [(var, size_of(var)) for var in eqn.outvars]
        inside = max((peak_bytes(one.jaxpr) for one in jaxprs_of(eqn)), default=0)
        results = sum(size for _, size in written)
        of_a_call = eqn.primitive.name in CALLS  # whose results are among what is held inside
        most = max(most, held + (max(inside, results) if of_a_call else inside + results))
        held += results
        for var, size in written:
            end = last.get(var, i)
            ends[end] = ends.get(end, 0) + size
        held -= ends.pop(i, 0)
    return most


def size_of(var: Any) -> int:
    """Bytes of what a variable holds."""
    return int(var.aval.size * var.aval.dtype.itemsize) if hasattr(var.aval, "size") else 0
