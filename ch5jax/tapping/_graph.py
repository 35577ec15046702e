"""A traced function as one flat graph: what every equation reads and writes, calls and loops opened.

Beside `jax.extend.core` and what `tracing` says, this package needs what JAX does not promise: the names of primitives,
the parameters of `dot_general`, `conv_general_dilated` and `gather`, and `aval.manual_axis_type`.
"""

import dataclasses
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import jax.extend.core as jex
import jax.numpy as jnp

from ch5jax.tapping._primitives import is_activation
from ch5jax.tracing import CALLS, Inner, Path, jaxprs_of, scan_parts


class Loop(NamedTuple):
    """A `scan` that a layer stands in."""

    at: int  # which scan, counted in the order of the depth: sites of one loop have it in common
    length: int
    reverse: bool
    over: str  # "depth": each iteration has weights of its own; "time": one follows the other; "batch": neither


@dataclasses.dataclass(frozen=True)
class Op:
    """An equation, or a link by which values get into a loop or a branch and out of it."""

    path: Path  # of the jaxpr that it stands in
    index: int  # in that jaxpr; -1 for a link
    name: str
    ins: tuple[int, ...]  # nodes
    outs: tuple[int, ...]
    eqn: Any = None
    back: bool = False  # from one iteration to the next


class Graph:
    """Nodes are values, ops what makes them; a value that goes into a call is one node inside and outside."""

    def __init__(self, jaxpr: Any, consts: Sequence[Any]) -> None:
        self.avals: list[Any] = []
        self.ops: list[Op] = []
        self.literals: set[int] = set()
        self.loops: dict[Path, tuple[int, bool]] = {}  # the path of a scan's body: length, reverse
        self.varying: dict[Path, set[int]] = {}  # the path of a scan's body: what it is handed anew in each iteration
        env: dict[Any, int] = {}
        self.consts = [self._write(env, var) for var in jaxpr.constvars]
        self.inputs = [self._write(env, var) for var in jaxpr.invars]
        self._walk(jaxpr, env, ())
        self.outputs = [self._read(env, atom) for atom in jaxpr.outvars]
        self.uses: list[list[int]] = [[] for _ in self.avals]  # of each node: the ops that read it
        self.makers: list[list[int]] = [[] for _ in self.avals]  # the ops that write it; none of what is given
        for i, op in enumerate(self.ops):
            for node in op.ins:
                self.uses[node].append(i)
            for node in op.outs:
                self.makers[node].append(i)

    def _new(self, aval: Any) -> int:
        self.avals.append(aval)
        return len(self.avals) - 1

    def _write(self, env: dict[Any, int], var: Any) -> int:
        env[var] = self._new(var.aval)
        return env[var]

    def _read(self, env: dict[Any, int], atom: Any) -> int:
        if isinstance(atom, jex.Literal):
            node = self._new(atom.aval)
            if not atom.aval.shape:
                self.literals.add(node)
            return node
        return env[atom]

    def _link(self, path: Path, source: int, target: int, back: bool = False) -> None:
        self.ops.append(Op(path, -1, "link", (source,), (target,), None, back))

    def _frame(self, one: Inner, nodes: Sequence[int], path: Path) -> list[int]:
        env = {var: self._new(var.aval) for var in one.jaxpr.constvars}
        env.update(zip(one.jaxpr.invars, nodes, strict=True))
        self._walk(one.jaxpr, env, path)
        return [self._read(env, atom) for atom in one.jaxpr.outvars]

    def _walk(self, jaxpr: Any, env: dict[Any, int], path: Path) -> None:
        for index, eqn in enumerate(jaxpr.eqns):
            name, ins = eqn.primitive.name, [self._read(env, atom) for atom in eqn.invars]
            if name in CALLS and not is_activation(eqn):
                outs = self._frame(jaxprs_of(eqn)[0], ins, (*path, (index, 0)))
                env.update(zip(eqn.outvars, outs, strict=True))
            elif name == "scan":
                env.update(zip(eqn.outvars, self._scan(eqn, ins, (*path, (index, 0))), strict=True))
            elif name == "cond" and not eqn.params.get("branches_platforms"):
                outs = [self._write(env, var) for var in eqn.outvars]
                for i, branch in enumerate(jaxprs_of(eqn)):
                    results = self._frame(branch, ins[1:], (*path, (index, i)))
                    for result, out in zip(results, outs, strict=True):
                        self._link(path, result, out)
            else:
                outs = [self._write(env, var) for var in eqn.outvars]
                if outs:  # a print, for instance, has none
                    self.ops.append(Op(path, index, name, tuple(ins), tuple(outs), eqn))

    def _scan(self, eqn: Any, ins: list[int], path: Path) -> list[int]:
        parts = scan_parts(eqn)
        self.loops[path] = parts.length, parts.reverse
        variables, nodes = parts.body.jaxpr.invars, list(ins[: parts.consts])
        for source, var in zip(ins[parts.consts :], variables[parts.consts :], strict=True):
            nodes.append(self._new(var.aval))
            self._link(path[:-1], source, nodes[-1])
        counters = [n for n in nodes[parts.consts :][: parts.carry] if jnp.issubdtype(self.avals[n].dtype, jnp.integer)]
        self.varying[path] = {*nodes[parts.consts + parts.carry :], *counters}
        results = self._frame(parts.body, nodes, path)
        outs = [self._new(var.aval) for var in eqn.outvars]
        for result, out in zip(results, outs, strict=True):
            self._link(path[:-1], result, out)
        carried = zip(results[: parts.carry], nodes[parts.consts : parts.consts + parts.carry], strict=True)
        for result, node in carried:
            self._link(path[:-1], result, node, back=True)
        return outs

    def shape(self, node: int) -> tuple[int, ...]:
        """A value's shape; () of what has none, such as a token."""
        return getattr(self.avals[node], "shape", ())

    def floating(self, node: int) -> bool:
        """Whether a value can be differentiated."""
        return jnp.issubdtype(getattr(self.avals[node], "dtype", jnp.bool_), jnp.inexact)

    def loop_paths(self, path: Path) -> list[Path]:
        """The scans around a place, outermost first."""
        return [path[:i] for i in range(1, len(path) + 1) if path[:i] in self.loops]

    def upstream(
        self,
        nodes: Sequence[int],
        keep: Callable[[int], bool] = lambda node: True,
        through: Callable[[Op], bool] = lambda op: True,
    ) -> set[int]:
        """The nodes that some nodes are made of, themselves with them: those to keep, through some ops."""
        found: set[int] = set()
        todo = list(nodes)
        while todo:
            node = todo.pop()
            if node not in found and keep(node):
                found.add(node)
                todo += [one for i in self.makers[node] if through(self.ops[i]) for one in self.ops[i].ins]
        return found

    def reaching(self, targets: Sequence[int], without: Collection[int] = ()) -> set[int]:
        """The nodes from which a derivative gets to one of these, on a way that avoids some."""
        return self.upstream(
            targets, lambda node: self.floating(node) and node not in without, lambda op: op.name != "stop_gradient"
        )
