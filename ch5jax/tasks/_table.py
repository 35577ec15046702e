"""A user's own table."""

import difflib
import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np

from ch5jax._types import DataFrame, PyTree, Scalar, TableLike
from ch5jax.networks import mlp
from ch5jax.tasks._examples import Parts, part_rows, size, split
from ch5jax.tasks._supervised import supervised
from ch5jax.tasks._table_columns import encoded_like, inputs_of, listed, missing_in, values_of
from ch5jax.tasks._table_files import read_frame
from ch5jax.tasks._table_target import Kind, class_name, one_hot, target_values
from ch5jax.tasks._task import Task

_he_normal = jax.nn.initializers.he_normal()


class Table(NamedTuple):
    """A table, ready for training; made by `read_table`."""

    parts: Parts  # train, validation and test; inputs and targets of each, float32, shape (examples, ...)
    kind: Kind
    target: str  # the target column's name
    features: tuple[str, ...]  # the inputs' names; a category's is "column=value"
    classes: tuple[str, ...]  # the classes' names, in the outputs' order; () in regression
    target_mean: float  # of the training part, in the target's own unit; 0.0 in classification
    target_std: float  # likewise; 1.0 in classification
    notes: tuple[str, ...]  # a sentence on each thing that was done to the data
    columns: DataFrame = None  # the data frame that the inputs were made of
    train_rows: np.ndarray = np.zeros(0, int)  # its rows to which that was fitted

    def encode(self, data: TableLike) -> np.ndarray:
        """The inputs of new rows, prepared as the table's own were: with its training part's means and categories.

        Args:
          data: a path or a data frame, as for `read_table`, with the columns that the inputs are made of; others, such
            as the target, are left out.

        Returns:
          Inputs, float32, shape (rows, features). A category that the training part does not know is zeros.

        Raises:
          FileNotFoundError, ImportError: as `read_table`.
          ValueError: if a column is missing, or holds another kind of values than the table's own.

        Example:
          >>> import ch5jax, pandas
          >>> flowers = pandas.DataFrame({"petal": [1.4, 4.7] * 20, "species": ["setosa", "versicolor"] * 20})
          >>> table = ch5jax.tasks.read_table(flowers, "species")
          >>> table.encode(pandas.DataFrame({"petal": [1.4, 5.1]})).shape
          (2, 1)
        """
        text = [n for n in self.columns.columns if values_of(self.columns[n], []).dtype == object]
        new = read_frame(data, [], text)
        if missing := [name for name in self.columns.columns if name not in new.columns]:
            raise ValueError(f"new rows must have the table's columns, and {listed(missing)} is missing")
        return encoded_like(self.columns, new[list(self.columns.columns)], self.train_rows, self.features)

    def answers(self, outputs: PyTree) -> dict[str, np.ndarray]:
        """A model's outputs in the target's own terms.

        Args:
          outputs: shape (rows, classes), logits, or (rows, 1), numbers of the standardised target.

        Returns:
          Columns of shape (rows,): the target's name, with classes' names or numbers in its unit, and in classification
          `probability`, the softmax of the class that is named.

        Raises:
          ValueError: never.

        Example:
          >>> import ch5jax, pandas
          >>> flowers = pandas.DataFrame({"petal": [1.4, 4.7] * 20, "species": ["setosa", "versicolor"] * 20})
          >>> ch5jax.tasks.read_table(flowers, "species").answers([[0.0, 4.0]])["species"].tolist()
          ['versicolor']
        """
        outputs = np.asarray(outputs, np.float64)
        if self.kind == "regression":
            return {self.target: outputs[:, 0] * self.target_std + self.target_mean}
        shares = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        probability = "probability" if self.target != "probability" else "probability of it"
        return {self.target: np.array(self.classes)[outputs.argmax(axis=1)], probability: shares.max(axis=1)}


def read_table(data: TableLike, target: str, kind: Kind | None = None, split_key: jax.Array | None = None) -> Table:
    """Reads a table and prepares it for training; everything is fitted to the training part alone.

    - Rows without a target are left out. The rest is divided at random: 60 % for training, 20 % each for validation
      and test.
    - Numbers and truth values are standardised; a missing or infinite one becomes the training part's mean. Dates
      become days. Text is one-hot encoded, with missing text as a value of its own. A text column of which nine in ten
      values are numbers (or dates in ISO format) counts as such, the rest as missing.
    - Left out are columns that are empty or do not vary in the training part, text with more than 100 different values
      or (beyond 10) with more than half as many as rows, and row numbers without a name.
    - A regression's target is standardised.

    Args:
      data: the path of a CSV file (UTF-8, names in the first line, separated by commas, semicolons or tabs), a Parquet
        file, or an NPZ file of arrays with a row an example (the columns of a 2-D array `x` are called x[0], x[1], …);
        or a pandas DataFrame, whose index is not used. Nothing is unpickled.
      target: the name of the column to predict.
      kind: "classification" or "regression". By default it is classification if the target holds text, truth values,
        categories, two different whole numbers or up to 20 of which each comes five times on average; and else
        regression.
      split_key: the key of the division into parts, `jax.random.key(0)` by default.

    Returns:
      A `Table`, for `table`; its `notes` say in sentences what was done.

    Raises:
      FileNotFoundError: if there is no such file.
      ImportError: without pandas and scikit-learn (`ch5jax[sweep]`).
      ValueError: if the file cannot be read; two columns have one name; there is no such target, it has no two
        different values in the training part or, as classes, fewer than two rows a class; fewer than 5 rows have a
        target; or no column is left to predict from.

    Example:
      >>> import ch5jax, pandas
      >>> flowers = pandas.DataFrame({"petal": [1.4, 4.7, None, 5.1] * 10, "species": ["setosa", "versicolor"] * 20})
      >>> prepared = ch5jax.tasks.read_table(flowers, "species")
      >>> prepared.kind, prepared.classes, len(prepared.parts.train.inputs)
      ('classification', ('setosa', 'versicolor'), 24)
    """
    if kind not in (None, "classification", "regression"):
        raise ValueError(f"kind must be 'classification' or 'regression', got {kind!r}")
    notes: list[str] = []
    frame = read_frame(data, notes)
    where = os.fspath(data) if isinstance(data, (str, os.PathLike)) else "the data frame"
    target = _known(str(target), list(frame.columns), where)
    kind, values = target_values(frame[target], kind, notes)
    missing = missing_in(values)
    if missing.any():
        notes.append(f"{missing.sum()} of {len(frame)} rows without a target were left out.")
    frame, values = frame[~missing].reset_index(drop=True), values[~missing]
    if len(frame) < 5:
        raise ValueError(f"{where} must have 5 rows at least with a value of {target!r}, got {len(frame)}")
    key = jax.random.key(0) if split_key is None else split_key
    train = part_rows(len(frame), key)[0]
    if len(set(values[train])) < 2:
        raise ValueError(
            f"the target {target!r} must have two different values at least among the {len(train)} rows drawn for "
            f"training, got only {class_name(values[train][0])}: there is nothing to learn"
        )
    classes: tuple[str, ...] = ()
    mean, std = 0.0, 1.0
    if kind == "classification":
        classes, targets = one_hot(values, train, target, notes)
    else:
        mean, std = float(values[train].mean()), float(values[train].std())
        if std <= 1e-13 * abs(mean):
            raise ValueError(
                f"the target {target!r} must vary by more than rounding errors among the {len(train)} rows drawn for "
                f"training, got mean {mean:.6g} and standard deviation {std:.3g}"
            )
        targets = (values[:, None] - mean) / std
        notes.append(f"The target was standardised with the training part's mean {mean:.6g} and deviation {std:.6g}.")
    columns = frame.drop(columns=target)
    inputs, features = inputs_of(columns, train, notes)
    if not features:
        raise ValueError(f"{where} has no column to predict {target!r} from. {' '.join(notes)}")
    parts = split(inputs, targets, key)
    sizes = [size(part) for part in parts if part is not None]
    notes.append(f"{sizes[0]} rows are for training, {sizes[1]} for validation, {sizes[2]} for the test.")
    return Table(parts, kind, target, features, classes, mean, std, tuple(notes), columns, train)


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
      data: a path, a data frame, or a `Table` that `read_table` has prepared: see there.
      target: the name of the column to predict. Needed unless `data` is a `Table`.
      kind: "classification" or "regression"; by default the target's values decide: see `read_table`.
      hidden: the widths of the hidden layers; () is logistic or linear regression.
      activation: the hidden units' nonlinearity.
      batch_size: examples in a mini-batch, ≥ 1; of a training part that has fewer, as many as it has.
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
      reports `loss`; `evaluate` reports loss and accuracy, or loss and R², on the validation and the test part. The
      objective is `validation_accuracy`, or in regression `validation_loss`.

    Raises:
      FileNotFoundError: if there is no such file.
      ImportError: without pandas and scikit-learn (`ch5jax[sweep]`).
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
        hyperparameters={"initial_scale": initial_scale},
    )


def _known(target: str, columns: list[str], where: str) -> str:
    """The target's name, if there is such a column."""
    if target in columns:
        return target
    close = difflib.get_close_matches(target, columns, n=1, cutoff=0.6)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    if not close and all(name.replace(".", "").replace("-", "").isdigit() for name in columns[:-1]):
        hint = "; the first line must hold the columns' names"
    raise ValueError(f"target must be a column of {where}, which has {listed(columns, 20)}, got {target!r}{hint}")
