"""The scans around a layer: over depth, over time, or over a batch."""

from collections.abc import Sequence

from ch5jax.tapping._graph import Graph, Loop, Op
from ch5jax.tapping._layers import Found
from ch5jax.tapping._origins import DATA, PARAMETER, Origin
from ch5jax.tapping._primitives import LOOKUP
from ch5jax.tracing import Path


def add_loops(graph: Graph, origins: list[Origin], layers: list[Found]) -> None:
    """Writes down the scans around each layer, outermost first."""
    ordinals: dict[Path, int] = {}
    kinds: dict[Path, str] = {}
    for layer in layers:
        for path in graph.loop_paths(layer.z.path):
            ordinals.setdefault(path, len(ordinals))
            if _has_its_own_weights(graph, origins, graph.ops[layer.op], path):
                kinds[path] = "depth"
    for path in ordinals:
        if path not in kinds:
            kinds[path] = "time" if _feeds_itself(graph, layers, path) else "batch"
    for layer in layers:
        paths = graph.loop_paths(layer.z.path)
        layer.loops = tuple(Loop(ordinals[path], *graph.loops[path], kinds[path]) for path in paths)


def _inside(op: Op, path: Path) -> bool:
    return op.path[: len(path)] == path


def _has_its_own_weights(graph: Graph, origins: list[Origin], op: Op, path: Path) -> bool:
    """Whether a parameter that an op reads is another one in each iteration of the scan at this path."""
    weights = graph.upstream(
        op.ins,
        lambda node: bool(origins[node].named) and origins[node].kind != DATA,
        lambda op: op.name == "link" or _inside(op, path),
    )
    if weights & graph.varying[path]:
        return True
    makers = [graph.ops[i] for node in weights for i in graph.makers[node]]
    indices = [op.ins[1:] for op in makers if op.name in LOOKUP and origins[op.ins[0]].kind == PARAMETER]
    return any(graph.upstream(index) & graph.varying[path] for index in indices)


def _feeds_itself(graph: Graph, layers: list[Found], path: Path) -> bool:
    """Whether what a layer gives in one iteration reaches a layer in the next, as through time."""
    inside = [op for layer in layers if _inside(op := graph.ops[layer.op], path)]

    def in_one_iteration(nodes: Sequence[int]) -> set[int]:
        return graph.upstream(nodes, through=lambda op: _inside(op, path))

    before = in_one_iteration([node for op in inside for node in op.ins])
    given = {node for op in inside for node in op.outs}
    return any(op.back and op.outs[0] in before and given & in_one_iteration(op.ins) for op in graph.ops)
