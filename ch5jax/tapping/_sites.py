"""Where a function's layers are, with what follows each and the loops that it stands in."""

from collections.abc import Sequence

from ch5jax.tapping._activations import Followed
from ch5jax.tapping._graph import Graph
from ch5jax.tapping._layers import Found, in_order, layer_of
from ch5jax.tapping._loops import add_loops
from ch5jax.tapping._origins import PARAMETER, find_origins


def find(graph: Graph, sizes: Sequence[tuple[int, int]], floating: Sequence[bool]) -> list[Found]:
    """All layers on the way to the loss (the first output), in the order of the depth.

    Args:
      graph: of a jaxpr whose first inputs are the parameters' leaves.
      sizes: of each leaf its size and its number of axes: the largest matrix names a layer.
      floating: whether a leaf can be differentiated; others count as data.
    """
    origins = find_origins(graph, sizes, floating)
    layers = [layer for i in range(len(graph.ops)) if (layer := layer_of(graph, origins, i, sizes)) is not None]
    parameters = {node for node, origin in enumerate(origins) if origin.kind == PARAMETER}
    to_the_loss = graph.reaching([graph.outputs[0]], parameters)  # not those that only normalise a parameter
    layers = [layer for layer in layers if layer.node in to_the_loss]
    layers = in_order(graph, Followed(graph, origins, layers).layers)
    add_loops(graph, origins, layers)
    return layers
