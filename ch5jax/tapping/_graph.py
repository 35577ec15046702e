"""A traced function as one flat graph: what every equation reads and writes, calls and loops opened.

Beside `jax.extend.core` this package needs what JAX does not promise: the names of primitives and of the parameters of
`dot_general`, `conv_general_dilated`, `gather`, `scan`, `jit` and `checkpoint`; that a jaxpr among an equation's
parameters has `eqns`; and, to evaluate one, `eqn.ctx.manager`, `Primitive.get_bind_params` and `aval.manual_axis_type`.
"""

import collections
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax.extend.core as jex
import jax.numpy as jnp

OPENED = frozenset({"jit", "pjit", "remat", "remat2", "checkpoint", "closed_call", "core_call", "call"})

Path = tuple[tuple[int, int], ...]  # the equations that lead to a sub-jaxpr: (index, which of its jaxprs)


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


class Inner(NamedTuple):
    """A sub-jaxpr, whatever class it has: JAX 0.12 made one of two."""

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
        self.uses: dict[int, list[int]] = collections.defaultdict(list)  # node: the ops that read it
        self.makers: dict[int, list[int]] = collections.defaultdict(list)  # node: the ops that write it, in order
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
            if name in OPENED and not is_activation(eqn):
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


# Where every element of the result depends on one element of each operand.
AFFINE = frozenset({"add", "sub", "neg", "mul", "div", "convert_element_type", "copy", "add_any", "reduce_precision"})
BENT = frozenset(
    {"max", "min", "clamp", "select_n", "abs", "tanh", "logistic", "erf", "erfc", "sin", "cos", "atan", "asinh", "sign"}
)
ELEMENTWISE = (
    AFFINE
    | BENT
    | frozenset(
        {
            *("exp", "exp2", "expm1", "log", "log1p", "pow", "integer_pow", "square", "sqrt", "rsqrt", "cbrt"),
            *("gt", "lt", "ge", "le", "eq", "ne", "and", "or", "not", "is_finite", "floor", "ceil", "round", "sinh"),
            *("cosh", "tan", "atan2", "acosh", "atanh", "lgamma", "digamma", "erf_inv", "rem", "stop_gradient"),
        }
    )
)
CUSTOM = frozenset({"custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"})


def is_elementwise_call(eqn: Any) -> bool:
    """Whether a call, or a function with a derivative of its own, is elementwise as a whole."""
    if eqn.primitive.name not in OPENED | CUSTOM or len(eqn.outvars) != 1:
        return False
    shape = eqn.outvars[0].aval.shape
    if any(atom.aval.shape not in (shape, ()) for atom in eqn.invars):
        return False
    names = {one.primitive.name for one in all_eqns(jaxprs_of(eqn)[0].jaxpr)} - OPENED - CUSTOM
    return names <= ELEMENTWISE | {"broadcast_in_dim"}  # of scalars, as in full_like


def is_activation(eqn: Any) -> bool:
    """Whether a call is one elementwise function of one array that bends it: a composite such as SiLU."""
    if not is_elementwise_call(eqn):
        return False
    arrays = [a for a in eqn.invars if a.aval.shape == eqn.outvars[0].aval.shape and not isinstance(a, jex.Literal)]
    return len(arrays) == 1 and bends(eqn)


def bends(eqn: Any) -> bool:
    """Whether a function has a kink or flattens somewhere; a square or an exponential has neither."""
    return eqn.primitive.name in BENT or any(bends(one) for sub in jaxprs_of(eqn) for one in sub.jaxpr.eqns)
