"""Predicting a column of one's own table."""

from collections.abc import Callable, Sequence

import jax
import numpy as np

from ch5jax._types import Scalar, TableLike
from ch5jax.networks import mlp
from ch5jax.tasks._supervised import supervised
from ch5jax.tasks._task import Task
from ch5jax.tasks.tables._read import read_table
from ch5jax.tasks.tables._table import Table
from ch5jax.tasks.tables._target import Kind

_he_normal = jax.nn.initializers.he_normal()


def table(
    data: TableLike,
    *,
    target: str | None = None,
    kind: Kind | None = None,
    hidden: Sequence[int] = (32,),
    activation: Callable[[jax.Array], jax.Array] = jax.nn.relu,
    batch_size: int = 64,
    initial_scale: Scalar = 1.0,
    epochs: bool = False,
    split_key: jax.Array | None = None,
    batch_norm: bool = False,
    kernel_init: Callable[..., jax.Array] = _he_normal,
) -> Task:
    """Predicting a column of one's own table from the others with a multilayer perceptron.

    The loss of a mini-batch is the mean cross-entropy in nats in classification. In regression it is the mean squared
    error of the standardised target: 1 is about what the mean as the answer gives, and `Table.target_std` squared times
    the loss is in the target's own unit.

    Args:
      data: a path, a data frame, or a `Table` that `read_table` has prepared: see there for how a file is read.
      target: the name of the column to predict. Needed unless `data` is a `Table`.
      kind: "classification" or "regression"; by default the target's values decide: see `read_table`.
      hidden: the widths of the hidden layers; () is logistic or linear regression.
      activation: the hidden units' nonlinearity.
      batch_size: examples in a mini-batch, ≥ 1; at most those of the training part.
      initial_scale: what the initial kernels are multiplied by: a number, or one for each layer.
      epochs: False draws every mini-batch with replacement, as in the chapter; True goes through a new random order of
        all examples before any comes again (the last, incomplete batch of an epoch is left out).
      split_key: the key of the division into parts, `jax.random.key(0)` by default; whatever a trial's key, its parts
        are these.
      batch_norm: whether the hidden layers have BatchNorm: with the mini-batch's own statistics in training, with
        running ones in `evaluate`.
      kernel_init: what draws every layer's kernel, with JAX's signature (key, shape, dtype); He's normal by default.
        After `ch5jax.initializers.gaussian(1.0)`, `initial_scale` is the standard deviation, swept for each layer if it
        is an array of shape (settings, layers).

    Returns:
      A `Task`. Its hyperparameters are an optimizer, or a dict of `optimizer` and `initial_scale` to sweep both; with
      BatchNorm the dict may have `batch_norm_momentum` (0.9) and `batch_norm_eps` (1e-5), as in `batch_norm`. A step
      reports `loss`; `evaluate` reports loss and accuracy on the validation and the test part, and balanced accuracy if
      one class has five times the rows of another; in regression loss, R² and `rmse`, the root of the mean squared
      error in the target's own unit. The objective is `validation_accuracy`, or in regression `validation_loss`.

    Raises:
      FileNotFoundError: if there is no such file.
      ImportError: without pandas (`ch5jax[sweep]`).
      ValueError: as `read_table`; if the batch size or a width is not a positive integer; if target, kind or split_key
        contradict a `Table`.

    Example:
      >>> import ch5jax, jax, numpy, pandas
      >>> x = numpy.linspace(-3, 3, 200)
      >>> task = ch5jax.tasks.table(pandas.DataFrame({"x": x, "y": numpy.sin(x)}), target="y")
      >>> run = ch5jax.train(task, ch5jax.adam(1e-2), jax.random.key(0), steps=300)
      >>> bool(run.evaluations["validation_r2"][-1] > 0.9)
      True
    """
    if isinstance(data, Table):
        for name, value, own in (("target", target, data.target), ("kind", kind, data.kind)):
            if value is not None and value != own:
                raise ValueError(f"{name} must be that of the Table, {own!r}, or be left out, got {value!r}")
        if split_key is not None:
            raise ValueError("split_key must be left out with a Table, which is divided; give it to read_table")
        prepared = data
    elif target is None:
        raise ValueError("target must be the name of the column to predict, got None")
    else:
        prepared = read_table(data, target, kind, split_key)
    if isinstance(batch_size, int | np.integer):
        batch_size = min(batch_size, len(prepared.parts.train.inputs))
    network = mlp(
        (len(prepared.features), *hidden, len(prepared.classes) or 1), activation, kernel_init, batch_norm=batch_norm
    )
    return supervised(
        network,
        *prepared.parts,
        loss="cross_entropy" if prepared.kind == "classification" else "squared_error",
        batch_size=batch_size,
        epochs=epochs,
        metrics=prepared.metrics,
        hyperparameters={"initial_scale": initial_scale},
    )
