"""Where a function's layers are: linear maps of a parameter, and the nonlinearities behind them."""

import dataclasses
import math
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp

from ch5jax.tapping._graph import (
    AFFINE,
    CUSTOM,
    ELEMENTWISE,
    OPENED,
    Graph,
    Loop,
    Op,
    Path,
    all_eqns,
    bends,
    is_elementwise_call,
    jaxprs_of,
)

LINEAR = frozenset({"dot_general", "conv_general_dilated", "ragged_dot", "ragged_dot_general"})
REDUCTIONS = frozenset(
    {
        *("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or", "argmax", "argmin"),
        *("reduce", "reduce_precision_sum", "sort", "top_k"),
    }
)
# A value's origin: constants; parameters; parameters joined, elementwise, with data that no parameter has touched, that
# is masked weights or scaled inputs (their use tells); data.
CONSTANT, PARAMETER, MASKED, DATA = range(4)


class Origin(NamedTuple):
    """What a value is made of."""

    kind: int
    leaves: frozenset[int]  # the parameters
    size: int  # of what it was before it was broadcast
    named: frozenset[int] = frozenset()  # the parameters that name it: those of its largest part


class Place(NamedTuple):
    """Where zeros are added: to what an equation writes, or to one thing that it reads."""

    path: Path
    eqn: int  # its index there
    number: int  # of its outputs, or of its operands


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


def find(graph: Graph, sizes: Sequence[tuple[int, int]], floating: Sequence[bool]) -> list[Found]:
    """All layers on the way to the loss (the first output), in the order of the depth.

    Args:
      graph: of a jaxpr whose first inputs are the parameters' leaves.
      sizes: of each leaf its size and its number of axes: the largest matrix names a layer.
      floating: whether a leaf can be differentiated; others count as data.
    """
    origins = _origins(graph, sizes, floating)
    layers = [found for i, op in enumerate(graph.ops) if (found := _layer(graph, origins, i, op, sizes)) is not None]
    parameters = {node for node, origin in enumerate(origins) if origin.kind == PARAMETER}
    to_the_loss = _reaching(graph, [graph.outputs[0]], parameters)  # not those that only normalise a parameter
    layers = [layer for layer in layers if layer.node in to_the_loss]
    layers = _in_order(graph, _Followed(graph, origins, layers).layers)
    _add_loops(graph, origins, layers)
    return layers


# What a value is made of


def _origins(graph: Graph, sizes: Sequence[tuple[int, int]], floating: Sequence[bool]) -> list[Origin]:
    """The origin of every node, to a fixed point: what a loop carries is joined over its iterations."""
    nothing: frozenset[int] = frozenset()
    origins = [Origin(CONSTANT, nothing, _size(aval)) for aval in graph.avals]
    for node in (*graph.consts, *graph.inputs[len(floating) :]):
        origins[node] = origins[node]._replace(kind=DATA)
    for i, node in enumerate(graph.inputs[: len(floating)]):
        own = frozenset({i})
        origins[node] = (
            Origin(PARAMETER, own, _size(graph.avals[node]), own) if floating[i] else origins[node]._replace(kind=DATA)
        )
    arrays = {node for op in graph.ops for node in op.ins if node not in graph.makers} - graph.literals
    for node in arrays - {*graph.inputs, *graph.consts}:  # constants of calls, arrays among the literals
        origins[node] = origins[node]._replace(kind=DATA)
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


def _size(aval: Any) -> int:
    return math.prod(getattr(aval, "shape", ()))


def _joined(a: Origin, b: Origin) -> Origin:
    return Origin(max(a.kind, b.kind), a.leaves | b.leaves, max(a.size, b.size), a.named | b.named)


def _made(graph: Graph, origins: list[Origin], op: Op, sizes: Sequence[tuple[int, int]]) -> Origin:
    """The origin of what an op writes."""
    ins = [origins[node] for node in op.ins]
    size = _size(graph.avals[op.outs[0]])
    nothing: frozenset[int] = frozenset()
    leaves = nothing.union(*(one.leaves for one in ins))
    largest = max((one.size for one in ins if one.named), default=0)
    named = nothing.union(*(one.named for one in ins if one.size == largest))
    kind = max((one.kind for one in ins), default=CONSTANT)
    if op.name in ("link", "broadcast_in_dim"):
        return Origin(kind, leaves, min(size, ins[0].size), named)
    if op.name in ("dynamic_slice", "gather") and ins[0].kind == PARAMETER:
        return Origin(DATA if _is_lookup(op, ins) else PARAMETER, ins[0].leaves, size, ins[0].named)
    if op.name in LINEAR and _which_is_the_parameter(graph, op, ins, sizes) is not None:
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


def _is_lookup(op: Op, ins: list[Origin]) -> bool:
    """Whether rows of a parameter are asked for by data, as an embedding's, and not slices of stacked weights."""
    if all(one.kind < MASKED for one in ins[1:]):
        return False
    return sum(length > 1 for length in op.eqn.params["slice_sizes"]) <= 1


def _which_is_the_parameter(graph: Graph, op: Op, ins: list[Origin], sizes: Sequence[tuple[int, int]]) -> int | None:
    """The operand of a linear map that is the layer's; None where both are parameters, or neither is."""

    def may_be(i: int) -> bool:  # what is masked has to have a parameter of as many axes as a matrix
        axes = max((sizes[leaf][1] for leaf in ins[i].named), default=0)
        return ins[i].kind == MASKED and axes >= min(2, len(graph.avals[op.ins[i]].shape))

    sure = [i for i in (0, 1) if ins[i].kind == PARAMETER]
    if sure:
        return sure[0] if len(sure) == 1 else None
    masked = [i for i in (0, 1) if may_be(i)]
    return max(masked, key=lambda i: max(sizes[leaf][0] for leaf in ins[i].named)) if masked else None


# Linear maps


def _layer(graph: Graph, origins: list[Origin], number: int, op: Op, sizes: Sequence[tuple[int, int]]) -> Found | None:
    """The layer that an op is, if it is one."""
    if op.eqn is None or not op.ins:
        return None
    ins = [origins[node] for node in op.ins]
    output = 0
    if op.name in LINEAR:
        found = _which_is_the_parameter(graph, op, ins, sizes)
        if found is None:
            return None
        parameter, units = found, _units(op, found)
    elif op.name in ("gather", "dynamic_slice") and ins[0].kind == PARAMETER:
        if not _is_lookup(op, ins):
            return None
        numbers = op.eqn.params.get("dimension_numbers")
        parameter, units = 0, tuple(numbers.offset_dims) if numbers else (len(graph.avals[op.outs[0]].shape) - 1,)
    elif op.name not in ELEMENTWISE and not is_elementwise_call(op.eqn) and _hides_a_layer(op):
        matrices = [i for i, one in enumerate(ins) if one.kind == PARAMETER and len(graph.avals[op.ins[i]].shape) > 1]
        outputs = [i for i, node in enumerate(op.outs) if _floating(graph.avals[node])]
        if not matrices or not outputs or all(one.kind == PARAMETER for one in ins):
            return None
        parameter, output = matrices[0], outputs[0]
        units = (len(graph.avals[op.outs[output]].shape) - 1,) if graph.avals[op.outs[output]].shape else ()
    else:
        return None
    node = op.outs[output]
    if not _floating(graph.avals[node]):
        return None
    name = max(sorted(ins[parameter].named), key=lambda leaf: (sizes[leaf][1] >= 2, sizes[leaf][0]))
    return Found(node, number, [name], Place(op.path, op.index, output), units)


def _floating(aval: Any) -> bool:
    return hasattr(aval, "dtype") and jnp.issubdtype(aval.dtype, jnp.inexact)


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


def _add_loops(graph: Graph, origins: list[Origin], layers: list[Found]) -> None:
    """Writes down the scans around each layer, outermost first."""
    ordinals: dict[Path, int] = {}
    kinds: dict[Path, str] = {}
    for layer in layers:
        op = graph.ops[layer.op]
        for path in _loop_paths(graph, op.path):
            ordinals.setdefault(path, len(ordinals))
            if _from_slices(graph, origins, op, path):
                kinds[path] = "depth"
    for path in ordinals:
        if path not in kinds:
            kinds[path] = "time" if _feeds_itself(graph, layers, path) else "batch"
    for layer in layers:
        paths = _loop_paths(graph, graph.ops[layer.op].path)
        layer.loops = tuple(Loop(ordinals[path], *graph.loops[path], kinds[path]) for path in paths)


def _from_slices(graph: Graph, origins: list[Origin], op: Op, path: Path) -> bool:
    """Whether a parameter that an op reads is another one in each iteration of the scan at this path."""
    todo, seen = [node for node in op.ins if origins[node].named and origins[node].kind != DATA], set()
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        if node in graph.varying[path]:
            return True
        for i in graph.makers[node]:
            maker = graph.ops[i]
            if maker.path[: len(path)] != path and maker.name != "link":
                continue
            sliced = maker.name in ("dynamic_slice", "gather") and origins[maker.ins[0]].kind == PARAMETER
            if sliced and _reached_from(graph, maker.ins[1:]) & graph.varying[path]:
                return True
            todo += [one for one in maker.ins if origins[one].named and origins[one].kind != DATA]
    return False


def _feeds_itself(graph: Graph, layers: list[Found], path: Path) -> bool:
    """Whether what a layer gives in one iteration reaches a layer in the next, as through time."""
    inside = [graph.ops[layer.op] for layer in layers if graph.ops[layer.op].path[: len(path)] == path]
    before = _reached_from(graph, [node for op in inside for node in op.ins], path)
    given = {node for op in inside for node in op.outs}
    return any(
        op.back and op.outs[0] in before and given & _reached_from(graph, op.ins, path)
        for op in graph.ops
        if op.name == "link"
    )


def _reached_from(graph: Graph, nodes: Sequence[int], path: Path | None = None) -> set[int]:
    """The nodes that some nodes are made of; with a path, those inside one iteration of that loop."""
    found, todo = set(), list(nodes)
    while todo:
        node = todo.pop()
        if node in found:
            continue
        found.add(node)
        for i in graph.makers[node]:
            if path is None or graph.ops[i].path[: len(path)] == path:
                todo += graph.ops[i].ins
    return found


# What follows a layer


def _reaching(graph: Graph, targets: Sequence[int], without: Collection[int] = ()) -> set[int]:
    """The nodes from which a derivative gets to one of these, on a way that avoids some."""
    found, todo = set(), list(targets)
    while todo:
        node = todo.pop()
        if node in found or node in without or not _floating(graph.avals[node]):
            continue
        found.add(node)
        for i in graph.makers[node]:
            if graph.ops[i].name != "stop_gradient":
                todo += graph.ops[i].ins
    return found


class _Region(NamedTuple):
    """A value that is an elementwise function of another one, its base, and of nothing else but parameters."""

    base: int
    straight: bool  # affine in it
    bent: bool
    plain: bool = True  # made by an affine step from another member


class _Followed:
    """Layers with what follows each: those that are only added to each other are one, and each has its activation."""

    def __init__(self, graph: Graph, origins: list[Origin], layers: list[Found]) -> None:
        self.graph, self.origins = graph, origins
        self.owner: dict[int, tuple[int, tuple[int, ...]]] = {}  # node: the layer it comes from, and its units' axes
        self.same: set[int] = set()  # nodes with the gradient of their layer's output
        self.region: dict[int, _Region] = {}
        self.members: dict[int, list[int]] = {}  # base: the nodes of its region, in order
        self.merged: dict[int, int] = {}  # layer: the one it is a part of
        self.found = layers
        by_op = {layer.op: i for i, layer in enumerate(layers)}
        for i, op in enumerate(graph.ops):
            if i in by_op:
                layer = layers[by_op[i]]
                self._start(layer.node, by_op[i], layer.units, True)
            elif op.name != "link":
                self._follow(op)
        data = [node for layer in layers for node in graph.ops[layer.op].ins if origins[node].kind != PARAMETER]
        self.onward = _reaching(graph, data)
        for base, members in self.members.items():
            self._activate(base, members)
        self.layers = [layer for i, layer in enumerate(layers) if i not in self.merged]

    def _start(self, node: int, layer: int, units: tuple[int, ...], same: bool) -> None:
        self.owner[node] = layer, units
        self.region[node], self.members[node] = _Region(node, True, False), []
        if same:
            self.same.add(node)

    def _shape(self, node: int) -> tuple[int, ...]:
        return getattr(self.graph.avals[node], "shape", ())

    def _follow(self, op: Op) -> None:
        """One op: what it writes belongs to a region, starts a new one, or is not followed."""
        pending = [node for node in dict.fromkeys(op.ins) if node in self.region]
        if not pending or op.name in REDUCTIONS or op.name in LINEAR:
            return
        out = op.outs[0]
        call = op.eqn.primitive.name in OPENED | CUSTOM and is_elementwise_call(op.eqn)
        if (op.name in ELEMENTWISE or call) and op.name != "stop_gradient":
            bases = {self.region[node].base for node in pending}
            others = [n for n in op.ins if n not in pending]
            if len(bases) == 1 and all(self._fixed(n) for n in others):
                self._extend(op, out, pending, bases.pop(), call)
                return
            if op.name in ("add", "add_any") and self._merge(op, out, pending):
                return
        going = [node for node in pending if self.region[node].straight and node in self.owner]
        if not going or not _floating(self.graph.avals[out]):
            return
        node = max(going, key=lambda n: self.owner[n][0])
        layer, units = self.owner[node]
        for number, target in enumerate(op.outs):
            moved = self._moved(op, node, target, units)
            if moved is not None:
                adds = op.name in ("add", "add_any", "sub") and op.ins[0] == node and number == 0
                self._start(target, layer, moved, adds and node in self.same and self._alone(node))

    def _fixed(self, node: int) -> bool:
        return self.origins[node].kind != DATA

    def _alone(self, node: int) -> bool:
        """Whether one op reads it, once."""
        return len(self.graph.uses[node]) == 1 and node not in self.graph.outputs

    def _extend(self, op: Op, out: int, pending: list[int], base: int, call: bool) -> None:
        inside = [self.region[node] for node in pending]
        straight = all(one.straight for one in inside)
        affine = op.name in AFFINE and (len(pending) == 1 or op.name in ("add", "sub", "add_any"))
        affine = affine and not (op.name == "div" and op.ins[0] not in pending)
        affine = affine and op.ins.count(pending[0]) == 1
        affine = affine or (op.name == "select_n" and len(pending) == 1 and op.ins[0] not in pending)  # a constant mask
        affine = affine or (call and not bends(op.eqn))  # the identity with a gradient of its own, for instance
        bent = any(one.bent for one in inside) or (not affine and bends(op.eqn))
        self.region[out] = _Region(base, straight and affine, bent, affine)
        self.owner[out] = self.owner[base]
        self.members[base].append(out)
        adds = op.name in ("add", "add_any") or (op.name == "sub" and op.ins[0] == pending[0])
        alone = len(pending) == 1 and pending[0] in self.same and self._alone(pending[0])
        if adds and alone and self._shape(out) == self._shape(pending[0]):
            self.same.add(out)

    def _merge(self, op: Op, out: int, pending: list[int]) -> bool:
        """The sum of two layers' outputs, neither of them used elsewhere: one layer, since ∂L/∂z is the same."""
        if len(op.ins) != 2 or len(pending) != 2 or any(n not in self.same or not self._alone(n) for n in pending):
            return False
        (one, units), (other, _) = (self.owner[node] for node in pending)
        first, last = sorted((one, other))
        shapes = {self._shape(self.found[i].node) for i in (first, last)} | {self._shape(out)}
        paths = {self.found[i].z.path for i in (first, last)}
        if first == last or len(shapes) > 1 or len(paths) > 1:
            return False
        self.merged[first] = last
        self.found[last].leaves = [*self.found[first].leaves, *self.found[last].leaves]
        self._start(out, last, units, True)
        return True

    def _moved(self, op: Op, source: int, target: int, units: tuple[int, ...]) -> tuple[int, ...] | None:
        """Where the axes of the units are in what an op writes; None where it is not followed."""
        old, new = self._shape(source), self._shape(target)
        if op.name == "transpose":
            permutation = op.eqn.params["permutation"]
            return tuple(sorted(permutation.index(axis) for axis in units))
        if op.name in ("reshape", "squeeze", "expand_dims"):
            moved = [_axes_after(old, new, axis) for axis in units]
            return None if None in moved else tuple(axis for axes in moved for axis in axes or ())
        if op.name == "broadcast_in_dim":
            return tuple(op.eqn.params["broadcast_dimensions"][axis] for axis in units)
        return units if len(old) == len(new) else None

    def _activate(self, base: int, members: list[int]) -> None:
        """Gives a layer the nonlinearity of this region, as a whole, if it leads on to another layer."""
        layer_number, units = self.owner[base]
        layer = self.found[self._root(layer_number)]
        if layer.after is not None or not any(self.region[node].bent for node in members):
            return
        bent = [node for node in members if self.region[node].bent and not self.region[node].plain]
        candidates = [node for node in bent if node in self.onward]
        if not candidates:
            return
        closing = [node for node in candidates if self._closes(base, members, node)]
        chosen = closing[-1] if closing else candidates[0]
        maker = self.graph.makers[chosen][0]
        op = self.graph.ops[maker]
        if _loop_paths(self.graph, op.path) != _loop_paths(self.graph, layer.z.path):
            return  # in another loop than its layer
        inside = [i for i in self.graph.uses[base] if i <= maker and self._within(base, i)]
        exact = base in self.same and len(inside) == len(self.graph.uses[base]) and base not in self.graph.outputs
        layer.after, layer.after_node = Place(op.path, op.index, op.outs.index(chosen)), chosen
        layer.active_units = units
        layer.before_node = base
        if not exact:
            layer.before = tuple(
                Place(self.graph.ops[i].path, self.graph.ops[i].index, number)
                for i in dict.fromkeys(inside)
                for number, node in enumerate(self.graph.ops[i].ins)
                if node == base
            )

    def _root(self, layer: int) -> int:
        while layer in self.merged:
            layer = self.merged[layer]
        return layer

    def _within(self, base: int, op: int) -> bool:
        out = self.graph.ops[op].outs[0]
        return out in self.region and self.region[out].base == base and out != base

    def _closes(self, base: int, members: list[int], chosen: int) -> bool:
        """Whether all of the nonlinearity has come together in this value."""
        last = self.graph.makers[chosen][0]
        for node in (base, *members):
            if node == chosen:
                return True
            for use in self.graph.uses[node]:
                if self._within(base, use):
                    if use > last:
                        return False
                elif not self.region[node].straight:
                    return False
        return True


def _loop_paths(graph: Graph, path: Path) -> list[Path]:
    return [path[:i] for i in range(1, len(path) + 1) if path[:i] in graph.loops]


def _axes_after(old: tuple[int, ...], new: tuple[int, ...], axis: int) -> tuple[int, ...] | None:
    """Where an axis is after a reshape, if it is still there, in one piece or several."""
    before = math.prod(old[:axis])
    for first in range(len(new)):
        if math.prod(new[:first]) == before:
            for last in range(first, len(new)):
                if math.prod(new[first : last + 1]) == old[axis]:
                    return tuple(range(first, last + 1))
    return None


# The order of the depth


def _in_order(graph: Graph, layers: list[Found]) -> list[Found]:
    """Layers by how many lie before them, then as in the program; those of one loop stay together."""
    layer_ops = {layer.op for layer in layers}
    depth = [0] * len(graph.avals)
    for i, op in enumerate(graph.ops):
        if not op.back:
            reached = max((depth[node] for node in op.ins), default=0) + (i in layer_ops)
            for node in op.outs:
                depth[node] = max(depth[node], reached)
    place = {layer.op: (depth[layer.node], layer.op) for layer in layers}
    around = {layer.op: _loop_paths(graph, graph.ops[layer.op].path) for layer in layers}
    loops: dict[Path, tuple[int, int]] = {}
    for number, paths in around.items():
        for path in paths:
            loops[path] = min(loops.get(path, place[number]), place[number])
    return sorted(layers, key=lambda layer: (*(loops[path] for path in around[layer.op]), place[layer.op]))
