"""Losses and metrics by name."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ch5jax._types import PyTree

Score = Callable[..., jax.Array]  # (outputs, targets, ...) -> a number, or one for each example


class Loss(NamedTuple):
    """A loss, and what goes with it."""

    function: Score
    metrics: dict[str, Score]  # reported beside it
    baseline: Callable[[np.ndarray], float] | None = None  # targets -> the loss of the best constant prediction


def cross_entropy(outputs: jax.Array, targets: jax.Array, *, label_smoothing: Any = 0.0, train: bool = False) -> Any:
    """Mean cross-entropy of logits in nats; targets are classes or shares of them. Smoothed in training only."""
    # a product with one-hot targets: picking by integer label makes the backward pass a scatter
    shares = _shares(targets, outputs)
    if train and not (isinstance(label_smoothing, int | float) and label_smoothing == 0):
        shares = optax.smooth_labels(shares, label_smoothing)
    return -jnp.mean(jnp.sum(shares * jax.nn.log_softmax(outputs), axis=-1))


def binary_cross_entropy(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Mean cross-entropy of one logit in nats; targets are 0 and 1."""
    outputs = _fitting(outputs, targets)
    return jnp.mean(optax.sigmoid_binary_cross_entropy(outputs, targets.astype(outputs.dtype)))


def squared_error(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Mean squared error."""
    return jnp.mean((_fitting(outputs, targets) - targets) ** 2)


def absolute_error(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Mean absolute error."""
    return jnp.mean(jnp.abs(_fitting(outputs, targets) - targets))


def accuracy(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """The share of right answers."""
    right = targets if targets.ndim < outputs.ndim else jnp.argmax(targets, axis=-1)
    return jnp.mean(jnp.argmax(outputs, axis=-1) == right, dtype=outputs.dtype)


def binary_accuracy(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """The share of right answers, by the logit's sign."""
    return jnp.mean((_fitting(outputs, targets) > 0) == (targets > 0.5), dtype=outputs.dtype)


def r2(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """The share of the targets' variance that is explained (R²)."""
    spread = jnp.var(targets)
    return 1 - squared_error(outputs, targets) / jnp.where(spread > 0, spread, 1)


def _shares(targets: jax.Array, outputs: jax.Array) -> jax.Array:
    """Targets as a distribution over classes."""
    if targets.ndim < outputs.ndim:
        return jax.nn.one_hot(targets, outputs.shape[-1], dtype=outputs.dtype)
    return targets


def _fitting(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Outputs of the targets' shape: broadcast against each other, (n, 1) and (n,) would be n² errors."""
    return outputs[..., 0] if outputs.shape == (*targets.shape, 1) else outputs


def _entropy(targets: np.ndarray) -> float:
    """Of the classes' shares, in nats."""
    if np.issubdtype(targets.dtype, np.floating):
        shares = np.asarray(targets, np.float64).reshape(-1, targets.shape[-1]).mean(axis=0)
    else:
        shares = np.unique(targets, return_counts=True)[1] / targets.size
    return float(-(shares * np.log(np.where(shares > 0, shares, 1))).sum())


def _binary_entropy(targets: np.ndarray) -> float:
    ones = np.asarray(targets, np.float64).reshape(len(targets), -1).mean(axis=0)
    shares = np.stack([ones, 1 - ones])
    return float(-(shares * np.log(np.where(shares > 0, shares, 1))).sum(axis=0).mean())


def _variance(targets: np.ndarray) -> float:
    return float(np.asarray(targets, np.float64).var(axis=0).mean())


def _deviation(targets: np.ndarray) -> float:
    targets = np.asarray(targets, np.float64)
    return float(np.abs(targets - np.median(targets, axis=0)).mean())


LOSSES = {
    "cross_entropy": Loss(cross_entropy, {"accuracy": accuracy}, _entropy),
    "binary_cross_entropy": Loss(binary_cross_entropy, {"accuracy": binary_accuracy}, _binary_entropy),
    "squared_error": Loss(squared_error, {"r2": r2}, _variance),
    "absolute_error": Loss(absolute_error, {"r2": r2}, _deviation),
}
METRICS = {"accuracy": accuracy, "binary_accuracy": binary_accuracy, "r2": r2} | {
    name: loss.function for name, loss in LOSSES.items()
}


def check_outputs(name: str, outputs: PyTree, targets: PyTree, largest: int) -> None:
    """Refuses a model whose outputs do not fit a named loss's targets.

    Args:
      name: the loss's.
      outputs: the shape and dtype of what the model gives for one example, a row.
      targets: likewise, its target.
      largest: the largest class, where targets are whole numbers.
    """
    if not hasattr(outputs, "shape"):
        raise ValueError(f"model must return one array for the loss {name!r}, got {outputs}")
    due, got = targets.shape[1:], outputs.shape[1:]
    if name == "cross_entropy":
        if not (got[:-1] == due and got) and got != due:
            raise ValueError(f"model must return logits of shape (examples, *{due}, classes), got (examples, *{got})")
        if got != due and got[-1] <= largest:
            raise ValueError(f"model must return a logit for each class, and targets go up to {largest}, got {got[-1]}")
    elif got not in (due, (*due, 1)):
        raise ValueError(f"model must return outputs of the targets' shape (examples, *{due}), got (examples, *{got})")
