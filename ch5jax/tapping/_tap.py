"""`tap`: a loss with zeros added at every layer, so that a gradient can be read there."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax import _trees
from ch5jax._types import DType, Params, PyTree, Scalar
from ch5jax.tapping._graph import Graph, Loop
from ch5jax.tapping._layers import Found
from ch5jax.tapping._sites import find
from ch5jax.tracing import Changes, Place, evaluate

# (params, ...) -> a scalar, or (a scalar, aux)
Loss: TypeAlias = Callable[..., Scalar | tuple[Scalar, PyTree]]


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=("z", "before", "after"),
    meta_fields=("name", "loops", "units", "active_units"),
)
@dataclasses.dataclass(frozen=True)
class Site:
    """A layer: zeros of its output's shape, or the gradient of the loss with respect to them."""

    z: jax.Array  # like the layer's output; within loops with an axis for each of them in front, outermost first
    before: jax.Array | None  # like what goes into the nonlinearity that follows; None where that is z
    after: jax.Array | None  # like what comes out of it; None where there is none, or it is not asked for
    name: str  # the parameter's path
    loops: tuple[Loop, ...] = ()  # the scans that the layer stands in
    units: tuple[int, ...] = ()  # which axes of z run over units, not counting those of the loops
    active_units: tuple[int, ...] = ()  # and which of `after`


class Traced:
    """A loss traced once: its layers, their zeros, and the loss with them."""

    def __init__(self, loss: Loss, activations: bool, params: Params, args: Any, kwargs: Any) -> None:
        paths, self._tree = jax.tree_util.tree_flatten_with_path(params)
        leaves = [leaf for _, leaf in paths]
        self._changing = [i for i, leaf in enumerate(leaves) if _is_number(leaf)]
        self._leaves = leaves
        others, structure = jax.tree.flatten((args, kwargs))
        abstract = [i for i, leaf in enumerate(others) if isinstance(leaf, jax.ShapeDtypeStruct)]

        def flat(changing: Sequence[Any], shapes: Sequence[Any]) -> Any:
            all_others = list(others)
            for i, value in zip(abstract, shapes, strict=True):
                all_others[i] = value
            args, kwargs = jax.tree.unflatten(structure, all_others)
            result = loss(jax.tree.unflatten(self._tree, self._filled(changing)), *args, **kwargs)
            _check_scalar(result)
            self._results, self._result = jax.tree.flatten(result)
            return [leaf for leaf in self._results if _trees.is_array(leaf)]

        numbers = [leaves[i] for i in self._changing]
        closed = jax.make_jaxpr(flat)(numbers, [others[i] for i in abstract])
        self._results = [None if _trees.is_array(leaf) else leaf for leaf in self._results]
        self._jaxpr, self._consts = closed.jaxpr, closed.consts
        graph = Graph(self._jaxpr, self._consts)
        avals = [graph.avals[node] for node in graph.inputs]
        mine = avals[: len(numbers)]
        floating = [jnp.issubdtype(aval.dtype, jnp.inexact) for aval in mine]
        self._found = find(graph, [(aval.size, aval.ndim) for aval in mine], floating)
        names = [jax.tree_util.keystr(paths[i][0]) or "params" for i in self._changing]
        self._specs = [_spec(graph, layer, names, activations) for layer in self._found]
        self.names = tuple(spec.name for spec in self._specs)

    def _filled(self, changing: Sequence[Any]) -> list[Any]:
        leaves = list(self._leaves)
        for i, value in zip(self._changing, changing, strict=True):
            leaves[i] = value
        return leaves

    def zeros(self) -> tuple[Site, ...]:
        """Zeros for every layer."""
        return jax.tree.map(_zeros, tuple(self._specs))

    def __call__(self, params: Params, sites: Sequence[Site]) -> PyTree:
        """The loss with something added at its layers."""
        changing = [leaf for leaf in jax.tree.leaves(params) if _is_number(leaf)]
        outputs: dict[Place, int] = {}
        operands: dict[Place, int] = {}
        terms: dict[int, Any] = {}

        def add(where: dict[Place, int], places: Sequence[Place], term: Any) -> None:
            where.update(dict.fromkeys(places, len(terms)))
            terms[len(terms)] = term

        for layer, spec, site in zip(self._found, self._specs, sites, strict=True):
            add(outputs, [layer.z], site.z)
            if spec.before is not None:
                add(operands, layer.before, site.before)
            if spec.after is not None and layer.after is not None:
                add(outputs, [layer.after], site.after)
        results = evaluate(self._jaxpr, self._consts, changing, Changes(outputs, operands, {}), terms, ())
        arrays = iter(results)
        leaves = [next(arrays) if leaf is None else leaf for leaf in self._results]
        return jax.tree.unflatten(self._result, leaves)


def _is_number(leaf: Any) -> bool:
    """Whether a parameter is traced; anything else, such as an integer of Python's or a function, stays as it is."""
    if isinstance(leaf, np.ndarray | np.generic):
        return jnp.issubdtype(leaf.dtype, jnp.number)
    return isinstance(leaf, jax.Array | jax.ShapeDtypeStruct | float | complex)


def _check_scalar(result: Any) -> None:
    """The loss is a scalar, or a pair of one and something else."""
    value = result[0] if isinstance(result, tuple) and len(result) == 2 else result
    if not _trees.is_array(value) or jnp.shape(value) or not jnp.issubdtype(jnp.result_type(value), jnp.floating):
        got = jax.tree.map(
            lambda leaf: f"{jnp.result_type(leaf)}{list(jnp.shape(leaf))}" if _trees.is_array(leaf) else leaf, result
        )
        raise ValueError(f"loss must return a real scalar, or a pair (scalar, aux), got {got}")


def _spec(graph: Graph, layer: Found, names: Sequence[str], activations: bool) -> Site:
    """A layer's site, with shapes in the place of arrays."""
    lengths = tuple(loop.length for loop in layer.loops)

    def like(node: int) -> _Like:
        aval = graph.avals[node]
        return _Like((*lengths, *aval.shape), aval.dtype, tuple(sorted(aval.manual_axis_type.varying)))

    name = " + ".join(dict.fromkeys(names[leaf] for leaf in layer.leaves))
    if not activations or layer.after is None:
        return Site(like(layer.node), None, None, name, layer.loops, layer.units)
    before = like(layer.before_node) if layer.before else None
    return Site(like(layer.node), before, like(layer.after_node), name, layer.loops, layer.units, layer.active_units)


@dataclasses.dataclass(frozen=True)
class _Like:
    """What zeros are to look like."""

    shape: tuple[int, ...]
    dtype: DType
    varying: tuple[str, ...]  # the axes of a mesh over which a `shard_map` has them vary


def _zeros(like: _Like) -> jax.Array:
    zeros = jnp.zeros(like.shape, like.dtype)
    return jax.lax.pcast(zeros, like.varying, to="varying") if like.varying else zeros


@dataclasses.dataclass(frozen=True)
class Tapped:
    """A loss that takes zeros for its layers; made by `tap`."""

    loss: Loss
    activations: bool

    def __call__(self, params: Params, zeros: tuple[Site, ...], /, *args: Any, **kwargs: Any) -> PyTree:
        """The loss with `zeros` added at its layers, and what else it returns."""
        traced = self.trace(params, *args, **kwargs)
        due = jax.eval_shape(traced.zeros)
        if jax.tree.structure(zeros) != jax.tree.structure(due):
            raise ValueError(
                f"zeros must be what `zeros(params, ...)` gives for these arguments, with sites at "
                f"{', '.join(traced.names) or 'no layer'}, got {jax.tree.structure(zeros)}"
            )
        for (path, one), like in zip(jax.tree_util.tree_leaves_with_path(zeros), jax.tree.leaves(due), strict=True):
            if jnp.shape(one) != like.shape or jnp.result_type(one) != like.dtype:
                raise ValueError(
                    f"zeros{jax.tree_util.keystr(path)} must have shape {like.shape} and dtype {like.dtype}, "
                    f"got {jnp.shape(one)} and {jnp.result_type(one)}"
                )
        return traced(params, zeros)

    def zeros(self, params: Params, /, *args: Any, **kwargs: Any) -> tuple[Site, ...]:
        """Zeros for every layer.

        Args:
          params: the parameters, as for the loss.
          *args: what else the loss takes.
          **kwargs: the same.

        Returns:
          In the order of the depth a `Site` for each, with one array as its leaf.
        """
        traced = self.trace(params, *args, **kwargs)
        if not traced.names:
            raise ValueError(
                "loss must have a layer to be tapped: a matrix product or convolution of data with a parameter, on the "
                f"way to the loss; {_name(self.loss)} has none"
            )
        return traced.zeros()

    def names(self, params: Params, /, *args: Any, **kwargs: Any) -> tuple[str, ...]:
        """The parameters' paths of the layers.

        Args:
          params: the parameters, as for the loss.
          *args: what else the loss takes.
          **kwargs: the same.

        Returns:
          In the order of `zeros`; () where there is no layer.
        """
        return self.trace(params, *args, **kwargs).names

    def trace(self, params: Params, /, *args: Any, **kwargs: Any) -> Traced:
        """All of it from one tracing.

        Args:
          params: the parameters, as for the loss.
          *args: what else the loss takes.
          **kwargs: the same.

        Returns:
          `names`, `zeros()`, and a function of (params, zeros) for these arguments.
        """
        return Traced(self.loss, self.activations, params, args, kwargs)


def _name(function: Any) -> str:
    return getattr(function, "__name__", None) or repr(function)


def tap(loss: Loss, *, activations: bool = False) -> Tapped:
    r"""A loss that takes zeros for every layer, so that the gradient with respect to them is ∂L/∂z there.

    .. math:: \tilde L(w, \zeta) = L \text{ with } z_l + \zeta_l \text{ in the place of } z_l,
       \qquad \frac{\partial \tilde L}{\partial \zeta_l}\Big|_{\zeta = 0} = \frac{\partial L}{\partial z_l}

    Like `jax.grad` or `jax.vmap` it takes a function and gives a function, and the network knows nothing of it: the
    loss is traced to a jaxpr, and evaluated with something added where a layer is.

    - A layer's z is the output of a linear map of data (arguments, constants, random numbers) with a parameter: a
      matrix product, a convolution, or the rows that an embedding is asked for. The parameter may be sliced, reshaped,
      transposed, cast, masked or normalised first. A parameter that is used twice makes two layers. A linear map whose
      result goes nowhere but to metrics, or behind a `stop_gradient`, is none.
    - Layers whose outputs are only added to each other are one, since their gradient is the same: z = x W + h U has the
      name of both.
    - It goes into `jit`, `checkpoint`, `scan` and `cond`. In a `scan` a layer has one gradient for each iteration: over
      depth where the weights are sliced; over time where they are shared and one iteration feeds the next; else, as in
      `lax.map`, iterations count as examples.
    - Functions with a derivative of their own (`custom_vjp`, `custom_jvp`), `while` loops and `shard_map` are not
      looked into: their derivative would not see what is added inside. With a linear map inside, each is one layer, at
      its output.

    Args:
      loss: a function (params, ...) → scalar, or (scalar, aux); params any pytree, with anything that is no number in
        it taken as it is (None, a function). Further arguments are not traced by `tap`: they may be arrays, tracers,
        or anything static.
      activations: whether a layer has two more arrays, around the elementwise nonlinearity that follows it and leads on
        to another layer, for `diagnostics.flat_units`: `before` (None where that is ∂L/∂z itself) and `after`.

    Returns:
      A `Tapped`, a function (params, zeros, ...) with the value of `loss(params, ...)`, and

      - `.zeros(params, ...)`: a tuple of `Site`, in the order of the depth, each with an array like the layer's output,
        of its dtype, with one more axis in front for each `scan` that it is in. `jax.tree.leaves` gives the arrays.
        `Site.units` says which axes run over units: where the loss maps over examples, they may come first.
      - `.names(params, ...)`: the path of each one's parameter, such as `['Dense_0']['kernel']`. Shapes will do.

      Under `jit` the value is the same to the last bit wherever XLA fuses both alike, which it does as a rule, and it
      costs what zeros placed by hand cost. Outside, every call traces the loss anew.

      Weights that are computed from data, by a hypernetwork or an inner step of descent, are not known as such.

    Raises:
      ValueError: if `loss` is no function, or does not return a real scalar (and aux); by `.zeros`, if there is no
        layer; by the call, if `zeros` are not like those of `.zeros`.

    Example:
      >>> import ch5jax, jax, jax.numpy as jnp
      >>> def loss(params, x):
      ...     for layer in params["hidden"]:
      ...         x = jnp.tanh(x @ layer["kernel"] + layer["bias"])
      ...     return jnp.mean((x @ params["out"]) ** 2)
      >>> layer = {"kernel": jnp.full((4, 4), 0.1), "bias": jnp.ones(4)}
      >>> params, x = {"hidden": [layer, layer], "out": jnp.ones((4, 1))}, jnp.ones((8, 4))
      >>> tapped = ch5jax.tap(loss)
      >>> tapped.names(params, x)
      ("['hidden'][0]['kernel']", "['hidden'][1]['kernel']", "['out']")
      >>> gradients = jax.grad(tapped, argnums=1)(params, tapped.zeros(params, x), x)
      >>> [site.z.shape for site in gradients]
      [(8, 4), (8, 4), (8, 1)]
      >>> ch5jax.diagnostics.layer_gradient_norms(gradients).shape
      (3,)

    Source: the chapter, section 5.1.4; gradients at pre-activations as in Glorot and Bengio, *Understanding the
    difficulty of training deep feedforward neural networks* (2010), section 4.2.
    """
    if not callable(loss):
        raise ValueError(f"loss must be a function of (params, ...), got {loss!r}")
    return Tapped(loss, activations)
