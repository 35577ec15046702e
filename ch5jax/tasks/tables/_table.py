"""A user's own table, prepared."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax._types import PyTree, TableLike
from ch5jax.tasks._examples import Parts
from ch5jax.tasks._losses import METRICS, Score, squared_error
from ch5jax.tasks.tables._columns import Encoder
from ch5jax.tasks.tables._csv import Reading
from ch5jax.tasks.tables._files import read_frame, where
from ch5jax.tasks.tables._split import Rows
from ch5jax.tasks.tables._target import Kind
from ch5jax.tasks.tables._words import listed

_SKEWED = 5  # times as many rows of one class as of another


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
    warnings: tuple[str, ...]  # those of them that bear on how far a score can be trusted
    rows: Rows  # which rows of the data the parts have
    encoder: Encoder  # what makes inputs of rows
    reading: Reading  # how the file was read

    @property
    def skewed(self) -> bool:
        """Whether a class has five times as many rows for training as another: accuracy says little then."""
        counts = self.parts.train.targets.sum(axis=0)
        return self.kind == "classification" and bool(counts.max() >= _SKEWED * counts.min())

    @property
    def metrics(self) -> dict[str, Score]:
        """What `evaluate` reports beside the loss: functions of outputs and targets, by name; `rmse` in own units."""
        if self.kind == "classification":
            names = ("accuracy", "balanced_accuracy") if self.skewed else ("accuracy",)
            return {name: METRICS[name] for name in names}

        def rmse(outputs: jax.Array, targets: jax.Array) -> jax.Array:
            return self.target_std * jnp.sqrt(squared_error(outputs, targets))

        return {"r2": METRICS["r2"], "rmse": rmse}

    def encode(self, data: TableLike) -> np.ndarray:
        """The inputs of new rows, prepared as the table's own were: with its training part's means and categories.

        Args:
          data: a path or a data frame, as for `read_table`, with the columns that the inputs are made of; others, such
            as the target, are left out.

        Returns:
          Inputs, float32, shape (rows, features). A category that the training part does not know is zeros.

        Raises:
          FileNotFoundError, ImportError: as `read_table`.
          ValueError: if a column is missing. What a column cannot hold counts as missing.

        Example:
          >>> import ch5jax, pandas
          >>> flowers = pandas.DataFrame({"petal": [1.4, 4.7] * 20, "species": ["setosa", "versicolor"] * 20})
          >>> table = ch5jax.tasks.read_table(flowers, "species")
          >>> table.encode(pandas.DataFrame({"petal": [1.4, 5.1]})).shape
          (2, 1)
        """
        columns = self.encoder.columns
        plain = [name for name, reader in columns.items() if reader.kind == "number" and reader.form == "."]
        new, _ = read_frame(data, [], self.reading, {*columns} - {*plain})
        if missing := [name for name in columns if name not in new.columns]:
            raise ValueError(
                f"new rows must have the table's columns, {listed(columns, 20)}: {listed(missing)} "
                f"{'is' if len(missing) == 1 else 'are'} missing in {where(data)}"
            )
        return self.encoder.encode(new)

    def answers(self, outputs: PyTree) -> dict[str, np.ndarray]:
        """A model's outputs in the target's own terms.

        Args:
          outputs: shape (rows, classes), logits, or (rows, 1), numbers of the standardised target.

        Returns:
          Columns of shape (rows,): the target's name, with classes' names or numbers in its unit, and in classification
          `probability`, the softmax of the class that is named.

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
