"""Training a model of any framework on arrays, by mini-batches."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from ch5jax import _keys
from ch5jax._types import Hyperparameters, Metrics, Params, PyTree, Scalar, State
from ch5jax.models import Model, ModelLike, as_model, parameters_of
from ch5jax.tasks._batches import Batches
from ch5jax.tasks._descent import descend
from ch5jax.tasks._examples import Pair, Parts, divide, on_device, size, take
from ch5jax.tasks._flat import AS_THEY_ARE, one_vector
from ch5jax.tasks._input_scale import input_scale
from ch5jax.tasks._losses import LOSSES, Score, check_outputs, scores_of
from ch5jax.tasks._setting import read_setting
from ch5jax.tasks._task import Once, Task
from ch5jax.tasks._variants import variants

AT_ONCE = 1000  # examples in one evaluation of the model: a sweep has that many for each trial side by side


class TrainState(NamedTuple):
    """What a supervised training carries from step to step."""

    params: Params  # the model's parameters
    opt_state: State
    order: jax.Array  # shape (examples,), int32: this epoch's order; shape (0,) where batches are drawn
    model_state: State  # batch statistics and the like; () or {} where there are none


def supervised(
    model: ModelLike,
    train: Pair,
    validation: float | Pair = 0.2,
    test: float | Pair | None = 0.2,
    *,
    loss: str | Score | None = None,
    metrics: Mapping[str, Score] | list[str] | None = None,
    batch_size: int | None = None,
    epochs: bool = False,
    augment: Callable[..., PyTree] | None = None,
    hyperparameters: Mapping[str, Scalar] | None = None,
    objective: str | None = None,
    maximize: bool | None = None,
    lowest: float | None = None,
    split_key: jax.Array | None = None,
    flat: bool = False,
    mesh: jax.sharding.Mesh | None = None,
) -> Task:
    r"""Training one's own model, of any framework, on one's own arrays.

    A step draws a mini-batch B on the device and takes one step of the optimizer down

    .. math:: L_B(w) = \frac{1}{|B|} \sum_{i \in B} \ell(f(x_i; w), y_i)

    Model state (batch statistics), keys for dropout, and training and inference mode are taken care of.

    Args:
      model: one of `ch5jax.networks`, a pair of functions (init, apply), or a module of Flax (Linen, NNX) or Equinox.
        Of NNX and Equinox, better a function that makes the module: of `rngs`, and of `key` (see `models.as_model`).
        One that is made already starts every trial with its own weights.
      train: a pair (inputs, targets) of arrays, or of pytrees of arrays, with a row an example; of any shape and number
        type: images, tokens, features; classes as whole numbers from 0 or one-hot rows, or numbers. Of floating data
        float32 and float64 are taken in JAX's default dtype, all others, bytes too, as they are.
      validation: such a pair, or the share of `train`'s examples to take out of it at random, of each class alike.
      test: likewise; None for no test part.
      loss: "cross_entropy" (of logits, in nats; the default where targets are whole numbers), "binary_cross_entropy"
        (of one logit), "squared_error" (the default elsewhere), "absolute_error", or a function (outputs, targets) → a
        number, or one for each example, whose mean is taken. It may have further parameters, which it gets by name:
        `params`, `train` (True in a step, False in `evaluate`), and hyperparameters.
      metrics: what `evaluate` reports beside the loss: names among "accuracy", "binary_accuracy", "r2" and those of
        losses, or a dict of functions like `loss`. By default accuracy for classes, R² for numbers.
      batch_size: examples in a mini-batch, from 1 to those for training; by default 64, or all if there are fewer.
      epochs: False draws every mini-batch with replacement; True goes through a new random order of all examples before
        any comes again (the last, incomplete batch of an epoch is left out).
      augment: a function (key, inputs) → inputs of a mini-batch, in training only. It may ask for hyperparameters too.
      hyperparameters: numbers by name, with their values where a sweep does not give others. Each reaches whoever has a
        parameter of that name: the model's call (of a Linen module also its fields, `nn.Dropout` included), what makes
        the model, `loss`, `augment`, metrics. "cross_entropy" has `label_smoothing`; our own networks have
        `initial_scale`, `batch_norm_momentum` and `batch_norm_eps` without being told.
      objective: the metric of `evaluate` that selects; by default `validation_accuracy` where there is one, else
        `validation_loss`.
      maximize: whether more of it is better; by default for accuracies and R².
      lowest: the lowest loss that can be had, if that is known: what a verdict measures from.
      split_key: the key that shares are drawn with, `jax.random.key(0)` by default; whatever a trial's key, its parts
        are these.
      flat: whether a training carries its parameters, and the optimizer its state, as one vector: an update of hundreds
        of small arrays is then one loop instead of hundreds. Signals, names, `result.best()` and functions that ask for
        `params` have the model's own tree all the same; an optimizer that treats arrays differently (a mask, a norm of
        each) would not, and needs False.
      mesh: devices that divide every mini-batch among them, also those of several processes (`jax.distributed`), for
        `train` and `diagnose` of a model whose activations are too large for one. Parameters are on all of them; sums
        over the batch, BatchNorm's too, are over all of it, in another order than on one device. A sweep divides its
        trials instead.

    Returns:
      A `Task`. Its hyperparameters are an optimizer, or a dict of `optimizer` and those named above. A step reports
      `loss` and `gradient_norm`; `evaluate` reports `validation_loss`, `validation_accuracy`, `test_loss` and so on, of
      all examples of a part in inference mode. Its `predict` gives the model's outputs for new inputs.

    Raises:
      ValueError: if the model is none of these, or its outputs do not fit a named loss; if the arrays are no numbers,
        not finite, or do not fit each other; if a number is out of range, a mesh's devices do not divide the
        mini-batch, or nothing takes a hyperparameter.

    Example:
      >>> import ch5jax, jax, jax.numpy as jnp, numpy as np
      >>> rng = np.random.default_rng(0)
      >>> x = rng.normal(size=(500, 4))
      >>> labels = (x[:, 0] > x[:, 1]).astype(int)
      >>> def init(key):
      ...     one, two = jax.random.split(key)
      ...     return {"in": jax.random.normal(one, (4, 32)), "out": 0.1 * jax.random.normal(two, (32, 2))}
      >>> def apply(params, x, key, train, dropout):
      ...     h = jnp.tanh(x @ params["in"])
      ...     if train:
      ...         h = jnp.where(jax.random.bernoulli(key, 1 - dropout, h.shape), h / (1 - dropout), 0)
      ...     return h @ params["out"]
      >>> task = ch5jax.tasks.supervised((init, apply), (x, labels), hyperparameters={"dropout": 0.0})
      >>> grid = {"optimizer": ch5jax.grid(ch5jax.adam, learning_rate=[0.01, 0.01]), "dropout": jnp.array([0.0, 0.5])}
      >>> result = ch5jax.sweep(task, grid, steps=300, key=jax.random.key(0), signals_every=0)
      >>> bool((result.columns["validation_accuracy"] > 0.8).all())
      True
    """
    with jax.ensure_compile_time_eval():  # a task may be made inside a program
        parts = divide(train, validation, test, jax.random.key(0) if split_key is None else split_key)
    examples = size(parts.train)
    batch_size = min(64, examples) if batch_size is None else batch_size
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or not 1 <= batch_size <= examples:
        raise ValueError(
            f"batch_size must be an integer from 1 to the {examples} training examples, got {batch_size!r}"
        )
    if mesh is not None and batch_size % mesh.size:
        raise ValueError(
            f"batch_size must be a multiple of the mesh's {mesh.size} devices, which divide it, got {batch_size}"
        )
    divided = None if mesh is None else NamedSharding(mesh, PartitionSpec(mesh.axis_names))
    batches = Batches(examples, int(batch_size), bool(epochs))
    first = take(parts.train, slice(1)).inputs
    own = as_model(model, hyperparameters)
    scores, kind = scores_of(loss, metrics, parts.train.targets)
    defaults = {**own.defaults, **(hyperparameters or {})}
    _check_taken(defaults, own, [*scores.values(), *([augment] if augment else [])])
    baseline = _check_model(own, defaults, parts, kind)
    ravel, tree = one_vector(lambda key: own.init(key, on_device(first), defaults)[0]) if flat else AS_THEY_ARE

    def setting(given: Hyperparameters) -> tuple[Any, dict[str, Any]]:
        return read_setting(given, **defaults)

    def init(key: jax.Array, given: Hyperparameters) -> TrainState:
        optimizer, named = setting(given)
        params, model_state = own.init(key, on_device(first), named)
        params = ravel(params)
        return TrainState(params, optimizer.init(params), batches.first_order(), model_state)

    def batch_loss(
        params: Params, model_state: State, rows: jax.Array, key: jax.Array, named: dict[str, Any]
    ) -> tuple[jax.Array, Any]:
        if divided is not None:
            rows = jax.lax.with_sharding_constraint(rows, divided)
        inputs, targets = on_device(parts.train, rows)
        if divided is not None:  # what is taken by divided rows is not divided by itself
            inputs, targets = jax.lax.with_sharding_constraint((inputs, targets), divided)
        if augment is not None:
            chosen = {name: value for name, value in named.items() if name in parameters_of(augment)}
            inputs = augment(jax.random.fold_in(key, _keys.AUGMENT), inputs, **chosen)
        key = jax.random.fold_in(key, _keys.DROPOUT)
        outputs, after = own.apply(params, model_state, inputs, key, True, named)
        told = named | {"params": params, "train": True}
        return _mean(scores["loss"], outputs, targets, told), _in_dtypes_of(model_state, after)

    def loss_of_a_batch(key: jax.Array, given: Hyperparameters, state: TrainState, params: Params) -> jax.Array:
        return batch_loss(params, state.model_state, batches.drawn(key), key, setting(given)[1])[0]

    def step(key: jax.Array, index: jax.Array, given: Hyperparameters, state: TrainState) -> tuple[TrainState, Metrics]:
        optimizer, named = setting(given)
        rows, order = batches.of_step(key, index, state.order)
        params, opt_state, model_state, reported = descend(
            lambda w: batch_loss(tree(w), state.model_state, rows, key, named),
            *(optimizer, state.params, state.opt_state),
        )
        return TrainState(params, opt_state, order, model_state), reported

    def predict(given: Hyperparameters, state: TrainState, inputs: PyTree) -> Any:
        return _outputs(own, state._replace(params=tree(state.params)), inputs, setting(given)[1])

    def evaluate(given: Hyperparameters, state: TrainState) -> Metrics:
        _, named = setting(given)
        reported: Metrics = {}
        for name, part in (("validation", parts.validation), ("test", parts.test)):
            if part is not None:
                outputs, targets = predict(given, state, part.inputs), on_device(part.targets)
                told = named | {"params": tree(state.params), "train": False}
                reported |= {f"{name}_{k}": _mean(score, outputs, targets, told) for k, score in scores.items()}
        return reported

    remake = functools.partial(
        supervised, model=model, train=parts.train, validation=parts.validation, test=parts.test, loss=loss,
        metrics=metrics, batch_size=int(batch_size), epochs=epochs, augment=augment, hyperparameters=hyperparameters,
        objective=objective, maximize=maximize, lowest=lowest, flat=flat, mesh=mesh,
    )  # fmt: skip
    selects = objective or ("validation_accuracy" if "accuracy" in scores else "validation_loss")
    return Task(
        init,
        step,
        evaluate,
        selects,
        selects.endswith(("accuracy", "r2")) if maximize is None else maximize,
        lambda state: tree(state.params),
        loss_of_a_batch,
        lowest=lowest,
        baseline=baseline,
        predict=predict,
        variants=Once(lambda: variants(remake, model, own, parts)),
        input_scale=input_scale(own, defaults, parts.train.inputs),
        numbers=tuple(defaults),
    )


def _check_taken(named: Mapping[str, Any], model: Model, functions: list[Callable[..., Any]]) -> None:
    """Every hyperparameter has somebody who asks for it."""
    for name in ("optimizer", "params", "train"):
        if name in named:
            raise ValueError(f"hyperparameters must not have one that is called {name!r}")
    asked = model.takes.union(*map(parameters_of, functions))
    if lost := [name for name in named if name not in asked]:
        raise ValueError(
            f"hyperparameters must be asked for by the model, loss, metrics or augment; got {', '.join(lost)}, and "
            f"they ask for {', '.join(sorted(asked)) or 'none'}"
        )


def _check_model(model: Model, named: dict[str, Any], parts: Parts, kind: str | None) -> float | None:
    """Traces the model on one example, and looks whether its outputs fit a named loss; that loss's baseline."""

    def one(key: jax.Array) -> Any:
        inputs = on_device(take(parts.train, slice(1)).inputs)
        params, state = model.init(key, inputs, named)
        return model.apply(params, state, inputs, None, False, named)[0]

    outputs = jax.eval_shape(one, jax.random.key(0))
    if kind is None:
        return None
    check_outputs(kind, outputs, {name: part.targets for name, part in parts._asdict().items() if part is not None})
    targets = parts.train.targets
    return LOSSES[kind].baseline(targets, outputs.shape[1:] == targets.shape[1:])


def _in_dtypes_of(before: State, after: State) -> State:
    """A model's new state in the old one's dtypes: under x64, Flax's batch statistics would become float64."""

    def cast(old: Any, new: Any) -> Any:
        floating = hasattr(old, "dtype") and jnp.issubdtype(old.dtype, jnp.inexact) and hasattr(new, "astype")
        return new.astype(old.dtype) if floating else new

    same = jax.tree.structure(before) == jax.tree.structure(after)
    return jax.tree.map(cast, before, after) if same else after


def _mean(score: Callable[..., Any], outputs: PyTree, targets: PyTree, told: dict[str, Any]) -> jax.Array:
    """A score of a batch, told what it asks for."""
    names = parameters_of(score)[2:]
    return jnp.mean(score(outputs, targets, **{name: value for name, value in told.items() if name in names}))


def _outputs(model: Model, state: TrainState, inputs: PyTree, named: dict[str, Any]) -> Any:
    """A model's outputs in inference mode, some examples at a time."""

    def run(inputs: PyTree) -> Any:
        return model.apply(state.params, state.model_state, inputs, None, False, named)[0]

    inputs = jax.tree.map(lambda leaf: np.asarray(leaf) if not isinstance(leaf, jax.Array) else leaf, inputs)
    count = len(jax.tree.leaves(inputs)[0])
    whole = count // AT_ONCE * AT_ONCE
    if count <= AT_ONCE:
        return run(on_device(inputs))
    stacked = jax.tree.map(lambda leaf: leaf[:whole].reshape(-1, AT_ONCE, *leaf.shape[1:]), inputs)
    outputs = jax.lax.map(lambda part: run(on_device(part)), jax.tree.map(jnp.asarray, stacked))
    outputs = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), outputs)
    if whole == count:
        return outputs
    rest = run(on_device(jax.tree.map(lambda leaf: leaf[whole:], inputs)))  # cut here: what is left out is no argument
    return jax.tree.map(lambda one, other: jnp.concatenate([one, other]), outputs, rest)
