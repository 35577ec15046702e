"""What every value is made of: constants, parameters, or data."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from ch5jax.tapping._graph import Graph, Op
from ch5jax.tapping._primitives import ELEMENTWISE, LINEAR, LOOKUP

# A value's origin: constants; parameters; parameters joined, elementwise, with data that no parameter has touched, that
# is masked weights or scaled inputs (their use tells); data.
CONSTANT, PARAMETER, MASKED, DATA = range(4)


class Origin(NamedTuple):
    """What a value is made of."""

    kind: int
    leaves: frozenset[int]  # the parameters
    size: int  # of what it was before it was broadcast
    named: frozenset[int] = frozenset()  # the parameters that name it: those of its largest part


def find_origins(graph: Graph, sizes: Sequence[tuple[int, int]], floating: Sequence[bool]) -> list[Origin]:
    """The origin of every node, to a fixed point: what a loop carries is joined over its iterations."""
    nothing: frozenset[int] = frozenset()
    origins = [
        Origin(CONSTANT if makers or node in graph.literals else DATA, nothing, math.prod(graph.shape(node)))
        for node, makers in enumerate(graph.makers)
    ]
    for i, node in enumerate(graph.inputs[: len(floating)]):
        if floating[i]:
            origins[node] = origins[node]._replace(kind=PARAMETER, leaves=frozenset({i}), named=frozenset({i}))
    changed = True
    while changed:
        changed = False
        for op in graph.ops:
            made = _made(graph, origins, op, sizes)
            for node in op.outs:
                new = _joined(origins[node], made) if op.name == "link" else made
                if new != origins[node]:
                    origins[node], changed = new, True
    return origins


def _joined(a: Origin, b: Origin) -> Origin:
    return Origin(max(a.kind, b.kind), a.leaves | b.leaves, max(a.size, b.size), a.named | b.named)


def _made(graph: Graph, origins: list[Origin], op: Op, sizes: Sequence[tuple[int, int]]) -> Origin:
    """The origin of what an op writes."""
    ins = [origins[node] for node in op.ins]
    size = math.prod(graph.shape(op.outs[0]))
    nothing: frozenset[int] = frozenset()
    leaves = nothing.union(*(one.leaves for one in ins))
    largest = max((one.size for one in ins if one.named), default=0)
    named = nothing.union(*(one.named for one in ins if one.size == largest))
    kind = max((one.kind for one in ins), default=CONSTANT)
    if op.name in ("link", "broadcast_in_dim"):
        return Origin(kind, leaves, min(size, ins[0].size), named)
    if op.name in LOOKUP and ins[0].kind == PARAMETER:
        return Origin(DATA if is_lookup(op, ins) else PARAMETER, ins[0].leaves, size, ins[0].named)
    if op.name in LINEAR and which_is_the_parameter(graph, op, ins, sizes) is not None:
        return Origin(DATA, leaves, size, nothing)
    if kind >= MASKED and op.name in ELEMENTWISE:
        return Origin(_of_elementwise(ins), leaves, size, named)
    return Origin(kind, leaves, size, named)


def _of_elementwise(ins: list[Origin]) -> int:
    """A parameter stays one when it is divided by a norm of its own, whatever statistics are in that."""
    of_parameters = [one for one in ins if one.kind in (PARAMETER, MASKED)]
    data = [one for one in ins if one.kind == DATA]
    if not of_parameters:
        return DATA
    whole = max(of_parameters, key=lambda one: one.size)
    own = frozenset().union(*(one.leaves for one in of_parameters))
    if data and all(one.leaves and one.leaves <= own and one.size < whole.size for one in data):
        return max(one.kind for one in of_parameters)
    return DATA if any(one.leaves for one in data) else MASKED


def is_lookup(op: Op, ins: list[Origin]) -> bool:
    """Whether rows of a parameter are asked for by data, as an embedding's, and not slices of stacked weights."""
    if all(one.kind < MASKED for one in ins[1:]):
        return False
    return sum(length > 1 for length in op.eqn.params["slice_sizes"]) <= 1


def which_is_the_parameter(graph: Graph, op: Op, ins: list[Origin], sizes: Sequence[tuple[int, int]]) -> int | None:
    """The operand of a linear map that is the layer's; None where both are parameters, or neither is."""

    def may_be(i: int) -> bool:  # what is masked has to have a parameter of as many axes as a matrix
        axes = max((sizes[leaf][1] for leaf in ins[i].named), default=0)
        return ins[i].kind == MASKED and axes >= min(2, len(graph.shape(op.ins[i])))

    sure = [i for i in (0, 1) if ins[i].kind == PARAMETER]
    if sure:
        return sure[0] if len(sure) == 1 else None
    masked = [i for i in (0, 1) if may_be(i)]
    return max(masked, key=lambda i: max(sizes[leaf][0] for leaf in ins[i].named)) if masked else None
