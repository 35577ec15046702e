"""Layers: the linear maps of data with a parameter, and their order."""

import dataclasses
from collections.abc import Sequence

from ch5jax.tapping._graph import Graph, Loop, Op
from ch5jax.tapping._origins import PARAMETER, Origin, is_lookup, which_is_the_parameter
from ch5jax.tapping._primitives import ELEMENTWISE, LINEAR, LOOKUP, is_elementwise_call
from ch5jax.tracing import Path, Place, all_eqns, jaxprs_of


@dataclasses.dataclass
class Found:
    """A layer, as found in a graph."""

    node: int  # its output z
    op: int
    leaves: list[int]  # the parameters that name it
    z: Place
    units: tuple[int, ...]  # axes of z
    loops: tuple[Loop, ...] = ()
    before: tuple[Place, ...] = ()
    after: Place | None = None
    before_node: int = -1
    after_node: int = -1
    active_units: tuple[int, ...] = ()


def layer_of(graph: Graph, origins: list[Origin], number: int, sizes: Sequence[tuple[int, int]]) -> Found | None:
    """The layer that the op of this number is, if it is one."""
    op = graph.ops[number]
    if op.eqn is None or not op.ins:
        return None
    ins = [origins[node] for node in op.ins]
    output = 0
    if op.name in LINEAR:
        found = which_is_the_parameter(graph, op, ins, sizes)
        if found is None:
            return None
        parameter, units = found, _units(op, found)
    elif op.name in LOOKUP and ins[0].kind == PARAMETER:
        if not is_lookup(op, ins):
            return None
        numbers = op.eqn.params.get("dimension_numbers")
        parameter, units = 0, tuple(numbers.offset_dims) if numbers else (len(graph.shape(op.outs[0])) - 1,)
    elif op.name not in ELEMENTWISE and not is_elementwise_call(op.eqn) and _hides_a_layer(op):
        matrices = [i for i, one in enumerate(ins) if one.kind == PARAMETER and len(graph.shape(op.ins[i])) > 1]
        outputs = [i for i, node in enumerate(op.outs) if graph.floating(node)]
        if not matrices or not outputs or all(one.kind == PARAMETER for one in ins):
            return None
        parameter, output = matrices[0], outputs[0]
        units = tuple(range(len(graph.shape(op.outs[output]))))[-1:]
    else:
        return None
    node = op.outs[output]
    if not graph.floating(node):
        return None
    name = max(sorted(ins[parameter].named), key=lambda leaf: (sizes[leaf][1] >= 2, sizes[leaf][0]))
    return Found(node, number, [name], Place(op.path, op.index, output), units)


def _hides_a_layer(op: Op) -> bool:
    """Whether there is a linear map in something that is not looked into: a custom derivative, `while`, `shard_map`."""
    return any(eqn.primitive.name in LINEAR for one in jaxprs_of(op.eqn) for eqn in all_eqns(one.jaxpr))


def _units(op: Op, parameter: int) -> tuple[int, ...]:
    """The output's axes that run over units: those that the parameter brings."""
    numbers, out = op.eqn.params.get("dimension_numbers"), op.eqn.outvars[0].aval
    if op.name == "conv_general_dilated":
        return (numbers.out_spec[1],)
    if op.name == "dot_general":
        (left, _right), (batch, _) = numbers
        free_left = op.eqn.invars[0].aval.ndim - len(left) - len(batch)
        free = range(len(batch), len(batch) + free_left) if parameter == 0 else range(len(batch) + free_left, out.ndim)
        return (*range(len(batch)), *free)
    return (out.ndim - 1,)


def in_order(graph: Graph, layers: list[Found]) -> list[Found]:
    """Layers by how many lie before them, then as in the program; those of one loop stay together."""
    layer_ops = {layer.op for layer in layers}
    depth = [0] * len(graph.avals)
    for i, op in enumerate(graph.ops):
        if not op.back:
            reached = max((depth[node] for node in op.ins), default=0) + (i in layer_ops)
            for node in op.outs:
                depth[node] = max(depth[node], reached)
    place = {layer.op: (depth[layer.node], layer.op) for layer in layers}
    around = {layer.op: graph.loop_paths(layer.z.path) for layer in layers}
    loops: dict[Path, tuple[int, int]] = {}
    for number, paths in around.items():
        for path in paths:
            loops[path] = min(loops.get(path, place[number]), place[number])
    return sorted(layers, key=lambda layer: (*(loops[path] for path in around[layer.op]), place[layer.op]))
