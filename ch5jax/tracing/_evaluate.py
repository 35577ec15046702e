"""A jaxpr evaluated with something changed on the way, opened only where something is to be changed."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.extend.core as jex

from ch5jax.tracing._jaxprs import jaxprs_of, scan_parts

Path = tuple[tuple[int, int], ...]  # the equations that lead to a sub-jaxpr: (index, which of its jaxprs)


class Place(NamedTuple):
    """One thing that an equation writes or reads, or a constant of a jaxpr."""

    path: Path
    eqn: int  # its index there; −1 for a constant
    number: int  # of its outputs, of its operands, or of the constants


class Changes(NamedTuple):
    """What is changed where."""

    outputs: dict[Place, int]  # added to what is written: an index into a list of terms
    operands: dict[Place, int]  # likewise, to what is read
    consts: dict[Place, Any]  # in the place of a constant: an array, the same in every iteration of a loop

    def below(self, path: Path) -> frozenset[int]:
        """The terms that belong into the jaxpr at this path, or into one inside it."""
        both = (*self.outputs.items(), *self.operands.items())
        return frozenset(number for place, number in both if place.path[: len(path)] == path)

    def touch(self, path: Path) -> bool:
        """Whether anything is changed there or inside it."""
        return any(place.path[: len(path)] == path for where in self for place in where)


def evaluate(
    jaxpr: Any, consts: Sequence[Any], args: Sequence[Any], changes: Changes, terms: dict[int, Any], path: Path
) -> list[Any]:
    """The jaxpr's outputs, with `terms` added and constants replaced.

    Args:
      jaxpr: an open one.
      consts: of it.
      args: its inputs.
      changes: what belongs where.
      terms: the arrays, by their number: those below this path.
      path: where this jaxpr stands.
    """
    given = [changes.consts.get(Place(path, -1, i), const) for i, const in enumerate(consts)]
    env: dict[Any, Any] = dict(zip(jaxpr.constvars, given, strict=True))
    env.update(zip(jaxpr.invars, args, strict=True))
    for index, eqn in enumerate(jaxpr.eqns):
        values = [
            _plus(_read(env, atom), terms, changes.operands.get(Place(path, index, i)))
            for i, atom in enumerate(eqn.invars)
        ]
        with eqn.ctx.manager:
            results = _equation(eqn, values, changes, terms, (path, index))
        results = [_plus(value, terms, changes.outputs.get(Place(path, index, i))) for i, value in enumerate(results)]
        env.update(zip(eqn.outvars, results, strict=True))
    return [_read(env, atom) for atom in jaxpr.outvars]


def _read(env: dict[Any, Any], atom: Any) -> Any:
    return atom.val if isinstance(atom, jex.Literal) else env[atom]


def _plus(value: Any, terms: dict[int, Any], number: int | None) -> Any:
    return value if number is None else value + terms[number]


def _equation(
    eqn: Any, values: list[Any], changes: Changes, terms: dict[int, Any], at: tuple[Path, int]
) -> Sequence[Any]:
    """One equation as it is, or with its sub-jaxprs evaluated here."""
    path, index = at
    bodies = jaxprs_of(eqn)
    paths = [(*path, (index, i)) for i in range(len(bodies))]
    if not any(map(changes.touch, paths)):
        results = eqn.primitive.bind(*values, **eqn.primitive.get_bind_params(eqn.params))
        return results if eqn.primitive.multiple_results else [results]
    own = [{number: terms[number] for number in changes.below(one)} for one in paths]

    def body(i: int) -> Any:
        def run(own: dict[int, Any], *args: Any) -> list[Any]:
            return evaluate(bodies[i].jaxpr, bodies[i].consts, args, changes, own, paths[i])

        return run

    if eqn.primitive.name == "scan":
        return _scan(eqn, body(0), own[0], values)
    if eqn.primitive.name == "while":
        return _while(eqn, body, values)
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


def _while(eqn: Any, body: Any, values: list[Any]) -> Any:
    """A loop into which nothing is added: a derivative in there is seen by nobody."""
    names = [name for name, value in eqn.params.items() if hasattr(value, "eqns")]  # in the order of `jaxprs_of`
    of_cond, of_body = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
    cond, step = (body(names.index(name)) for name in ("cond_jaxpr", "body_jaxpr"))
    given, carry = values[of_cond : of_cond + of_body], values[of_cond + of_body :]
    return jax.lax.while_loop(
        lambda carry: cond({}, *values[:of_cond], *carry)[0], lambda carry: step({}, *given, *carry), carry
    )
