"""The scanned digits."""

from collections.abc import Callable, Sequence

import jax
import numpy as np

from ch5jax._extras import require
from ch5jax._types import Scalar
from ch5jax.networks import mlp
from ch5jax.tasks._examples import split
from ch5jax.tasks._supervised import supervised
from ch5jax.tasks._task import Task

_he_normal = jax.nn.initializers.he_normal()


def digits(
    *,
    hidden: Sequence[int] = (32,),
    activation: Callable[[jax.Array], jax.Array] = jax.nn.relu,
    batch_size: int = 64,
    initial_scale: Scalar = 1.0,
    epochs: bool = False,
    split_key: jax.Array | None = None,
    batch_norm: bool = False,
    kernel_init: Callable[..., jax.Array] = _he_normal,
) -> Task:
    """Recognising scanned digits with a multilayer perceptron.

    The 1,797 images of 8 × 8 pixels that scikit-learn ships, pixels from 0 to 1, ten classes; 1,079 for training, 359
    for validation, 359 for the test, drawn by `split_key`. The loss is the mean cross-entropy of a mini-batch in nats.

    Args:
      hidden: the widths of the hidden layers; () is logistic regression.
      activation: the hidden units' nonlinearity.
      batch_size: examples in a mini-batch.
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
      reports `loss`; `evaluate` reports loss and accuracy on the validation and the test part. The objective is
      `validation_accuracy`.

    Raises:
      ImportError: without scikit-learn (`ch5jax[sweep]`).
      ValueError: if the batch size or a width is not a positive integer.

    Example:
      >>> import ch5jax, jax
      >>> task = ch5jax.tasks.digits(hidden=(32,))
      >>> run = ch5jax.train(task, ch5jax.adam(1e-2), jax.random.key(0), steps=200)
      >>> bool(run.evaluations["validation_accuracy"][-1] > 0.9)
      True

    Source: Alpaydin and Kaynak, *Optical Recognition of Handwritten Digits*, UCI (1998); the test set, as in
    `sklearn.datasets.load_digits`.
    """
    data = require("sklearn.datasets", "sweep", "tasks.digits").load_digits()
    parts = split(data.data / 16.0, np.eye(10)[data.target], jax.random.key(0) if split_key is None else split_key)
    network = mlp((64, *hidden, 10), activation, kernel_init, batch_norm=batch_norm)
    return supervised(
        network,
        *parts,
        loss="cross_entropy",
        batch_size=batch_size,
        epochs=epochs,
        hyperparameters={"initial_scale": initial_scale},
        lowest=0.0,  # a plane divides any class's training examples from the others
    )
