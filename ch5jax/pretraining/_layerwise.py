"""Layer after layer of a multilayer perceptron."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ch5jax import _keys, _trees
from ch5jax._hyperparameters import DECAY, check_number
from ch5jax._types import DType, Params, PyTree
from ch5jax.networks import Layer
from ch5jax.pretraining._autoencoder import LOSSES, Design, train_layer


class Pretrained(NamedTuple):
    """What `pretrain_layerwise` gives."""

    params: tuple[Layer, ...]  # the network's: hidden layers trained, the output layer as it was
    losses: jax.Array  # shape (hidden layers, steps): the denoising loss of each step's batch, before its update
    error_before: jax.Array  # shape (hidden layers,): mean squared error per number of the layer's reconstruction of
    error_after: jax.Array  # its inputs, uncorrupted, before and after its training


def pretrain_layerwise(
    params: Sequence[Layer],
    inputs: jax.typing.ArrayLike,
    optimizer: optax.GradientTransformation,
    key: jax.Array,
    steps: int,
    *,
    activation: Callable[[jax.Array], jax.Array],
    batch_size: int = 64,
    corruption: jax.typing.ArrayLike | Sequence[float] = 0.3,
    loss: Literal["cross_entropy", "squared_error"] = "cross_entropy",
    tied: bool = True,
) -> Pretrained:
    r"""Trains the hidden layers of an `mlp` one after the other, without labels, as denoising autoencoders.

    A layer learns to restore its inputs x, which are what the trained layers below it make of the data, from a copy x̃
    in which each number is 0 with probability p:

    .. math:: h = \phi(\tilde x W + b), \qquad z = h W^\top + c, \qquad
       L = -\sum_i x_i \log \sigma(z_i) + (1 - x_i) \log(1 - \sigma(z_i)) \quad\text{or}\quad \sum_i (z_i - x_i)^2

    in the mean over a mini-batch, drawn with replacement. Then W and b stay as they are, and c is thrown away. The
    output layer keeps its start. All is one compiled program for all values of the numbers, and maps with `jax.vmap`
    over keys, parameters, optimizers and corruptions.

    Training with labels starts from there as from any other parameters: in a loop of one's own, or by a task whose
    `init` pretrains, as in the example.

    Args:
      params: where to start: an `mlp`'s parameters, without BatchNorm and with one hidden layer at least.
      inputs: unlabelled data, shape (examples, features); from 0 to 1 for the cross-entropy.
      optimizer: any; it starts anew in every layer. One of Optax's comes as data, by `ch5jax.lift`.
      key: draws batches and corruption. It may be the one that `params` or a training are drawn with. Step i of layer
        l, both from 0, splits fold_in(fold_in(fold_in(key, 2³² − 2), l), i) in two. By the first `randint` draws the
        rows of the batch. By the second `uniform` draws a number for each input, which is hidden where that is below p.
      steps: how many steps each layer is trained, ≥ 1.
      activation: φ, the one that the `mlp` has. With two hidden layers or more it must stay in [0, 1] for the
        cross-entropy, as the logistic sigmoid does.
      batch_size: examples in a mini-batch, ≥ 1.
      corruption: p in [0, 1), a number or one for each hidden layer; it may be traced.
      loss: "cross_entropy", for numbers from 0 to 1, with σ(z) as the reconstruction; or "squared_error", with z.
      tied: whether the decoder's kernel is the transpose of W; if not, it is a parameter that starts there.

    Returns:
      A `Pretrained`:

      - `params`: those that came, with trained hidden layers.
      - `losses`, shape (hidden layers, steps): the loss of each step's batch, before its update.
      - `error_before` and `error_after`, shape (hidden layers,): the mean squared error per number of each layer's
        reconstruction of all its inputs, uncorrupted, before and after its training.

    Raises:
      ValueError: if params are no such layers; if the inputs have another width or no example; if inputs or activations
        are known and leave [0, 1] under the cross-entropy; if a number is none or is known and out of range; if the
        optimizer is none or holds functions; if there is no such loss.

    Example:
      >>> import ch5jax, jax, numpy, pandas
      >>> frame = pandas.DataFrame(numpy.random.default_rng(0).normal(size=(100, 6)), columns=[*"abcdef"])
      >>> data = ch5jax.tasks.read_table(frame, target="f")
      >>> inputs, phi = data.parts.train.inputs, jax.numpy.tanh
      >>> task = ch5jax.tasks.table(data, hidden=(8, 4), activation=phi)
      >>> def init(key, opt):
      ...     state = task.init(key, opt)
      ...     start = ch5jax.pretrain_layerwise(
      ...         state.params, inputs, ch5jax.adam(0.01), key, 100, activation=phi, loss="squared_error"
      ...     )
      ...     return state._replace(params=start.params, opt_state=opt.init(start.params))
      >>> run = ch5jax.train(task._replace(init=init), ch5jax.sgd(0.1), jax.random.key(0), steps=100)
      >>> run.metrics["loss"].shape
      (100,)

    Source: the chapter, section 5.6 no. 6; Goodfellow, Bengio and Courville, *Deep Learning* (2016), sections 14.5 and
    15.1; Bengio, Lamblin, Popovici and Larochelle, *Greedy layer-wise training of deep networks* (NIPS 2006); Vincent,
    Larochelle, Lajoie, Bengio and Manzagol, *Stacked denoising autoencoders* (JMLR 2010), who hide a fixed share of
    each example's numbers; here each number is hidden with that probability.
    """
    layers = _checked_layers(params)
    if loss not in LOSSES:
        raise ValueError(f"loss must be {' or '.join(map(repr, LOSSES))}, got {loss!r}")
    if not isinstance(optimizer, optax.GradientTransformation):
        raise ValueError(f"optimizer must be an Optax transformation, such as ch5jax.adam(1e-3), got {optimizer!r}")
    _trees.check_data(optimizer, "optimizer")
    _trees.check_positive(steps=steps, batch_size=batch_size)
    inputs = inputs if isinstance(inputs, jax.Array) else np.asarray(inputs)
    x = _checked_inputs(inputs, layers[0].kernel)
    if loss == "cross_entropy":
        _check_unit_interval("inputs", inputs)
        if len(layers) > 2:
            _check_unit_interval("activation", _probed(activation, x.dtype))
    design = Design(activation, loss, bool(tied), int(batch_size), int(steps))
    return _pretrain(layers, x, optimizer, key, _checked_corruption(corruption, len(layers) - 1), design)


@functools.partial(jax.jit, static_argnames="design")
def _pretrain(
    layers: tuple[Layer, ...],
    inputs: jax.Array,
    optimizer: optax.GradientTransformation,
    key: jax.Array,
    corruption: jax.Array,
    design: Design,
) -> Pretrained:
    """`pretrain_layerwise`, compiled; corruption has shape (hidden layers,)."""
    key = jax.random.fold_in(key, _keys.PRETRAINING)
    trained = []
    for i, layer in enumerate(layers[:-1]):
        trained.append(train_layer(layer, inputs, optimizer, jax.random.fold_in(key, i), corruption[i], design))
        inputs = trained[-1].hidden
    params = (*(result.layer for result in trained), layers[-1])
    reports = [(result.losses, result.error_before, result.error_after) for result in trained]
    return Pretrained(params, *map(jnp.stack, zip(*reports, strict=True)))


def _checked_layers(params: Params) -> tuple[Layer, ...]:
    """The parameters as arrays, if they are an mlp's."""
    layers = tuple(params)
    if len(layers) < 2:
        raise ValueError(f"params must be those of an mlp with a hidden layer at least, got {len(layers)} layer(s)")
    for i, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise ValueError(f"params[{i}] must be a Layer, as in an mlp without BatchNorm, got {type(layer).__name__}")
    layers = jax.tree.map(jnp.asarray, layers)
    width = None
    for i, (kernel, bias) in enumerate(layers):
        if not jnp.issubdtype(kernel.dtype, jnp.floating):
            raise ValueError(f"params[{i}].kernel must be floating, got dtype {kernel.dtype.name}")
        if kernel.ndim != 2 or (width is not None and kernel.shape[0] != width):
            due = "inputs" if width is None else width
            raise ValueError(f"params[{i}].kernel must have shape ({due}, units), got {kernel.shape}")
        if bias.shape != kernel.shape[1:]:
            raise ValueError(f"params[{i}].bias must have shape {kernel.shape[1:]}, got {bias.shape}")
        width = kernel.shape[1]
    return layers


def _checked_inputs(inputs: PyTree, kernel: jax.Array) -> jax.Array:
    """The data in the kernel's dtype, if it has a row an example and a column for each of its inputs."""
    dtype, shape = inputs.dtype, inputs.shape
    if not any(jnp.issubdtype(dtype, kind) for kind in (jnp.floating, jnp.integer, jnp.bool_)):
        raise ValueError(f"inputs must be real numbers, got dtype {dtype.name}")
    if len(shape) != 2 or shape[1] != kernel.shape[0] or not shape[0]:
        raise ValueError(f"inputs must have shape (examples, {kernel.shape[0]}), one example at least, got {shape}")
    return jnp.asarray(inputs).astype(kernel.dtype)


def _check_unit_interval(name: str, values: Any) -> None:
    """Refuses what leaves [0, 1], unless it is traced."""
    if isinstance(values, jax.core.Tracer):
        return
    with jax.ensure_compile_time_eval():
        low, high = float(jnp.min(values)), float(jnp.max(values))
    if not (low >= 0 and high <= 1):
        raise ValueError(
            f"{name} must stay in [0, 1] for the cross-entropy, got {low:g} to {high:g}; "
            "loss='squared_error' takes all numbers"
        )


def _probed(activation: Callable[[jax.Array], jax.Array], dtype: DType) -> jax.Array:
    """What an elementwise function makes of some numbers."""
    with jax.ensure_compile_time_eval():
        return activation(jnp.asarray([-100, -10, -1, -0.1, 0, 0.1, 1, 10, 100], dtype))


def _checked_corruption(corruption: Any, hidden: int) -> jax.Array:
    """One probability for each hidden layer."""
    value = np.asarray(corruption) if isinstance(corruption, (list, tuple)) else corruption
    value = check_number("corruption", value, DECAY)
    if jnp.shape(value) not in ((), (hidden,)):
        raise ValueError(
            f"corruption must be a number or one for each of {hidden} hidden layers, got shape {jnp.shape(value)}"
        )
    return jnp.broadcast_to(jnp.asarray(value).astype(_trees.default_float()), (hidden,))
