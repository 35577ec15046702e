"""A jaxpr evaluated with something added on the way, opened only where something is to be added."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.extend.core as jex

from ch5jax.tapping._graph import Path, Place, scan_parts
from ch5jax.tapping._primitives import jaxprs_of


class Additions(NamedTuple):
    """What is added where: indices into a list of arrays."""

    outputs: dict[Place, int]
    operands: dict[Place, int]

    def below(self, path: Path) -> frozenset[int]:
        """Those that belong into the jaxpr at this path, or into one inside it."""
        both = (*self.outputs.items(), *self.operands.items())
        return frozenset(number for place, number in both if place.path[: len(path)] == path)


def evaluate(
    jaxpr: Any, consts: Sequence[Any], args: Sequence[Any], additions: Additions, terms: dict[int, Any], path: Path
) -> list[Any]:
    """The jaxpr's outputs, with `terms` added.

    Args:
      jaxpr: an open one.
      consts: of it.
      args: its inputs.
      additions: what belongs where.
      terms: the arrays, by their number: those below this path.
      path: where this jaxpr stands.
    """
    env: dict[Any, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
    env.update(zip(jaxpr.invars, args, strict=True))
    for index, eqn in enumerate(jaxpr.eqns):
        values = [
            _plus(_read(env, atom), terms, additions.operands.get(Place(path, index, i)))
            for i, atom in enumerate(eqn.invars)
        ]
        with eqn.ctx.manager:
            results = _equation(eqn, values, additions, terms, (path, index))
        results = [_plus(value, terms, additions.outputs.get(Place(path, index, i))) for i, value in enumerate(results)]
        env.update(zip(eqn.outvars, results, strict=True))
    return [_read(env, atom) for atom in jaxpr.outvars]


def _read(env: dict[Any, Any], atom: Any) -> Any:
    return atom.val if isinstance(atom, jex.Literal) else env[atom]


def _plus(value: Any, terms: dict[int, Any], number: int | None) -> Any:
    return value if number is None else value + terms[number]


def _equation(
    eqn: Any, values: list[Any], additions: Additions, terms: dict[int, Any], at: tuple[Path, int]
) -> Sequence[Any]:
    """One equation as it is, or with its sub-jaxprs evaluated here."""
    path, index = at
    bodies = jaxprs_of(eqn)
    wanted = [additions.below((*path, (index, i))) for i in range(len(bodies))]
    if not any(wanted):
        results = eqn.primitive.bind(*values, **eqn.primitive.get_bind_params(eqn.params))
        return results if eqn.primitive.multiple_results else [results]
    own = [{number: terms[number] for number in numbers} for numbers in wanted]

    def body(i: int) -> Any:
        def run(own: dict[int, Any], *args: Any) -> list[Any]:
            return evaluate(bodies[i].jaxpr, bodies[i].consts, args, additions, own, (*path, (index, i)))

        return run

    if eqn.primitive.name == "scan":
        return _scan(eqn, body(0), own[0], values)
    if eqn.primitive.name == "cond":
        branches = [lambda own, args, i=i: body(i)(own[i], *args) for i in range(len(bodies))]
        return jax.lax.switch(values[0], branches, own, values[1:])
    return _call(eqn, body(0))(own[0], *values)


def _call(eqn: Any, run: Any) -> Any:
    """The function that an equation calls, under the same transformation."""
    params = eqn.params
    if "policy" in params:
        return jax.checkpoint(run, prevent_cse=params["prevent_cse"], policy=params["policy"])
    if "in_shardings" not in params:
        return run
    said = [s if isinstance(s, jax.sharding.Sharding) else None for s in params["in_shardings"]]
    promised = [s if isinstance(s, jax.sharding.Sharding) else None for s in params["out_shardings"]]
    run.__name__ = str(params["name"])
    if not any(said) and not any(promised):
        return jax.jit(run)
    return jax.jit(run, in_shardings=(None, *said), out_shardings=promised)


def _scan(eqn: Any, run: Any, own: dict[int, Any], values: list[Any]) -> list[Any]:
    parts = scan_parts(eqn)
    split = parts.consts + parts.carry

    def step(carry: Any, now: tuple[dict[int, Any], list[Any]]) -> tuple[Any, list[Any]]:
        own, slices = now
        results = run(own, *values[: parts.consts], *carry, *slices)
        return results[: parts.carry], results[parts.carry :]

    carry, stacked = jax.lax.scan(
        step,
        values[parts.consts : split],
        (own, values[split:]),
        parts.length,
        parts.reverse,
        eqn.params["unroll"],
    )
    return [*carry, *stacked]
