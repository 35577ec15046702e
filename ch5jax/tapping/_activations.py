"""What follows a layer: the sums it goes into, and its nonlinearity."""

import math
from typing import NamedTuple

from ch5jax.tapping._graph import Graph, Op
from ch5jax.tapping._layers import Found
from ch5jax.tapping._origins import DATA, PARAMETER, Origin
from ch5jax.tapping._primitives import (
    ADDITIONS,
    AFFINE,
    CUSTOM,
    ELEMENTWISE,
    LINEAR,
    REDUCTIONS,
    bends,
    is_elementwise_call,
)
from ch5jax.tracing import CALLS, Place


class _Region(NamedTuple):
    """A value that is an elementwise function of another one, its base, and of nothing else but parameters."""

    base: int
    straight: bool  # affine in it
    bent: bool
    plain: bool = True  # made by an affine step from another member


class Followed:
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
        self.onward = graph.reaching(data)
        for base, members in self.members.items():
            self._activate(base, members)
        self.layers = [layer for i, layer in enumerate(layers) if i not in self.merged]

    def _start(self, node: int, layer: int, units: tuple[int, ...], same: bool) -> None:
        self.owner[node] = layer, units
        self.region[node], self.members[node] = _Region(node, True, False), []
        if same:
            self.same.add(node)

    def _follow(self, op: Op) -> None:
        """One op: what it writes belongs to a region, starts a new one, or is not followed."""
        pending = [node for node in dict.fromkeys(op.ins) if node in self.region]
        if not pending or op.name in REDUCTIONS or op.name in LINEAR:
            return
        out = op.outs[0]
        call = op.eqn.primitive.name in CALLS | CUSTOM and is_elementwise_call(op.eqn)
        if (op.name in ELEMENTWISE or call) and op.name != "stop_gradient":
            bases = {self.region[node].base for node in pending}
            others = [n for n in op.ins if n not in pending]
            if len(bases) == 1 and all(self._fixed(n) for n in others):
                self._extend(op, out, pending, bases.pop(), call)
                return
            if op.name in ADDITIONS and self._merge(op, out, pending):
                return
        going = [node for node in pending if self.region[node].straight and node in self.owner]
        if not going or not self.graph.floating(out):
            return
        node = max(going, key=lambda n: self.owner[n][0])
        layer, units = self.owner[node]
        for number, target in enumerate(op.outs):
            moved = self._moved(op, node, target, units)
            if moved is not None:
                adds = op.name in ADDITIONS | {"sub"} and op.ins[0] == node and number == 0
                self._start(target, layer, moved, adds and node in self.same and self._alone(node))

    def _fixed(self, node: int) -> bool:
        return self.origins[node].kind != DATA

    def _alone(self, node: int) -> bool:
        """Whether one op reads it, once."""
        return len(self.graph.uses[node]) == 1 and node not in self.graph.outputs

    def _extend(self, op: Op, out: int, pending: list[int], base: int, call: bool) -> None:
        inside = [self.region[node] for node in pending]
        straight = all(one.straight for one in inside)
        affine = op.name in AFFINE and (len(pending) == 1 or op.name in ADDITIONS | {"sub"})
        affine = affine and not (op.name == "div" and op.ins[0] not in pending)
        affine = affine and op.ins.count(pending[0]) == 1
        affine = affine or (op.name == "select_n" and len(pending) == 1 and op.ins[0] not in pending)  # a constant mask
        affine = affine or (call and not bends(op.eqn))  # the identity with a gradient of its own, for instance
        bent = any(one.bent for one in inside) or (not affine and bends(op.eqn))
        self.region[out] = _Region(base, straight and affine, bent, affine)
        self.owner[out] = self.owner[base]
        self.members[base].append(out)
        adds = op.name in ADDITIONS or (op.name == "sub" and op.ins[0] == pending[0])
        alone = len(pending) == 1 and pending[0] in self.same and self._alone(pending[0])
        if adds and alone and self.graph.shape(out) == self.graph.shape(pending[0]):
            self.same.add(out)

    def _merge(self, op: Op, out: int, pending: list[int]) -> bool:
        """The sum of two layers' outputs, neither of them used elsewhere: one layer, since ∂L/∂z is the same."""
        if len(op.ins) != 2 or len(pending) != 2 or any(n not in self.same or not self._alone(n) for n in pending):
            return False
        (one, units), (other, _) = (self.owner[node] for node in pending)
        first, last = sorted((one, other))
        shapes = {self.graph.shape(self.found[i].node) for i in (first, last)} | {self.graph.shape(out)}
        paths = {self.found[i].z.path for i in (first, last)}
        if first == last or len(shapes) > 1 or len(paths) > 1:
            return False
        self.merged[first] = last
        self.found[last].leaves = [*self.found[first].leaves, *self.found[last].leaves]
        self._start(out, last, units, True)
        return True

    def _moved(self, op: Op, source: int, target: int, units: tuple[int, ...]) -> tuple[int, ...] | None:
        """Where the axes of the units are in what an op writes; None where it is not followed."""
        old, new = self.graph.shape(source), self.graph.shape(target)
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
        if self.graph.loop_paths(op.path) != self.graph.loop_paths(layer.z.path):
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


def _axes_after(old: tuple[int, ...], new: tuple[int, ...], axis: int) -> tuple[int, ...] | None:
    """Where an axis is after a reshape, if it is still there, in one piece or several."""
    before = math.prod(old[:axis])
    for first in range(len(new)):
        if math.prod(new[:first]) == before:
            for last in range(first, len(new)):
                if math.prod(new[first : last + 1]) == old[axis]:
                    return tuple(range(first, last + 1))
    return None
