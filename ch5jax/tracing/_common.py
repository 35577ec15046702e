"""What many calls of a traced function have in common, apart from the rest.

The trainings of a sweep that share a seed draw the same mini-batches, whatever their settings.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.extend.core as jex

from ch5jax.tracing._jaxprs import Inner


class Piece(NamedTuple):
    """Some equations of a jaxpr: what `evaluate` needs of one."""

    constvars: list[Any]
    invars: list[Any]
    outvars: list[Any]
    eqns: list[Any]


def in_two(traced: Inner, common: Sequence[bool], varies: Sequence[bool]) -> tuple[Inner, Inner]:
    """A jaxpr as two, one after the other.

    Args:
      traced: the jaxpr.
      common: which of its inputs are common.
      varies: which of those decide: an equation goes into the first part if it reads nothing but what is common, and
        one of these, directly or not. So what a loop counter decides stays a number in the second.

    Returns:
      A jaxpr of the common inputs, whose outputs the second reads, and one of those outputs and of all inputs.
    """
    jaxpr = traced.jaxpr
    given = [var for var, one in zip(jaxpr.invars, common, strict=True) if one]
    known = {*jaxpr.constvars, *given}
    drawn = {var for var, one in zip(jaxpr.invars, varies, strict=True) if one}
    needed, first, rest = [], [], []
    for eqn in jaxpr.eqns:
        read = [atom for atom in eqn.invars if not isinstance(atom, jex.Literal)]
        if known.issuperset(read) and not eqn.effects:
            known.update(eqn.outvars)
            needed.append(eqn)
            if not drawn.isdisjoint(read):
                drawn.update(eqn.outvars)
                first.append(eqn)
                continue
        rest.append(eqn)
    written = {var for eqn in first for var in eqn.outvars}
    read = [atom for eqn in rest for atom in eqn.invars] + [*jaxpr.outvars]
    crossing = [*dict.fromkeys(atom for atom in read if not isinstance(atom, jex.Literal) and atom in written)]
    return (
        _piece(traced, given, crossing, needed if crossing else []),
        _piece(traced, [*crossing, *jaxpr.invars], jaxpr.outvars, rest),
    )


def _piece(traced: Inner, invars: list[Any], outvars: list[Any], eqns: list[Any]) -> Inner:
    """Some of the equations, with the constants that they read."""
    atoms = [atom for eqn in eqns for atom in eqn.invars] + [*outvars]
    read = {atom for atom in atoms if not isinstance(atom, jex.Literal)}
    used = [(var, const) for var, const in zip(traced.jaxpr.constvars, traced.consts, strict=True) if var in read]
    return Inner(Piece([var for var, _ in used], invars, outvars, eqns), [const for _, const in used])
