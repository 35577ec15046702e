"""Losses and metrics by name."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ch5jax import _trees
from ch5jax._types import PyTree, Scalar

Score = Callable[..., jax.Array]  # (outputs, targets, ...) -> a number, or one for each example


class Loss(NamedTuple):
    """A loss, and what goes with it."""

    function: Score
    metrics: dict[str, Score]  # reported beside it
    baseline: Callable[[np.ndarray, bool], float]  # (targets, whether shares) -> the best constant prediction's loss


def cross_entropy(
    outputs: jax.Array, targets: jax.Array, *, label_smoothing: Scalar = 0.0, train: bool = False
) -> jax.Array:
    """Mean cross-entropy of logits in nats; targets are classes or shares of them. Smoothed in training only."""
    outputs = _wide(outputs)
    # a product with one-hot targets: picking by integer label makes the backward pass a scatter
    shares = _shares(targets, outputs)
    if train and not (isinstance(label_smoothing, int | float) and label_smoothing == 0):
        shares = optax.smooth_labels(shares, label_smoothing)
    return -jnp.mean(jnp.sum(shares * jax.nn.log_softmax(outputs), axis=-1))


def binary_cross_entropy(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Mean cross-entropy of one logit in nats; targets are 0 and 1."""
    outputs = _fitting(_wide(outputs), targets)
    return jnp.mean(optax.sigmoid_binary_cross_entropy(outputs, targets.astype(outputs.dtype)))


def squared_error(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Mean squared error."""
    return jnp.mean((_fitting(_wide(outputs), targets) - targets) ** 2)


def absolute_error(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Mean absolute error."""
    return jnp.mean(jnp.abs(_fitting(_wide(outputs), targets) - targets))


def accuracy(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """The share of right answers; outputs that are not finite are wrong."""
    right = targets if targets.ndim < outputs.ndim else jnp.argmax(targets, axis=-1)
    finite = jnp.all(jnp.isfinite(outputs), axis=-1)  # the largest of NaN would be class 0
    return jnp.mean((jnp.argmax(outputs, axis=-1) == right) & finite, dtype=_wide(outputs).dtype)


def balanced_accuracy(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """The mean over the classes that there are of the share of each that is answered right; not finite is wrong."""
    shares = _shares(targets, _wide(outputs))
    right = (jnp.argmax(outputs, axis=-1) == jnp.argmax(shares, axis=-1)) & jnp.all(jnp.isfinite(outputs), axis=-1)
    counts = shares.sum(axis=0)
    recalls = (shares * right[:, None]).sum(axis=0) / jnp.where(counts > 0, counts, 1)
    return recalls.sum() / (counts > 0).sum()


def binary_accuracy(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """The share of right answers, by the logit's sign; outputs that are not finite are wrong."""
    outputs = _fitting(outputs, targets)
    return jnp.mean(((outputs > 0) == (targets > 0.5)) & jnp.isfinite(outputs), dtype=_wide(outputs).dtype)


def r2(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """The share of the targets' variance, about the mean of each of their columns, that is explained (R²)."""
    spread = jnp.mean(jnp.var(targets, axis=0))
    return 1 - squared_error(outputs, targets) / jnp.where(spread > 0, spread, 1)


def _wide(outputs: jax.Array) -> jax.Array:
    """In float32 at least: in bfloat16 a mean of 2,399 right and wrong answers is 1."""
    return outputs.astype(_trees.accumulator_dtype(outputs.dtype))


def _shares(targets: jax.Array, outputs: jax.Array) -> jax.Array:
    """Targets as a distribution over classes."""
    if targets.ndim < outputs.ndim:
        return jax.nn.one_hot(targets.astype(jnp.int32), outputs.shape[-1], dtype=outputs.dtype)
    return targets.astype(outputs.dtype)


def _fitting(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Outputs of the targets' shape: broadcast against each other, (n, 1) and (n,) would be n² errors."""
    if outputs.shape == (*targets.shape, 1):
        return outputs[..., 0]
    if outputs.shape != targets.shape:
        raise ValueError(f"outputs must have the targets' shape {targets.shape}, got {outputs.shape}")
    return outputs


def _entropy(targets: np.ndarray, of_shares: bool) -> float:
    """Of the classes' shares, in nats."""
    if of_shares:
        shares = np.asarray(targets, np.float64).reshape(-1, targets.shape[-1]).mean(axis=0)
    else:
        shares = np.unique(targets, return_counts=True)[1] / targets.size
    return float(-(shares * np.log(np.where(shares > 0, shares, 1))).sum())


def _binary_entropy(targets: np.ndarray, of_shares: bool) -> float:
    del of_shares
    ones = np.asarray(targets, np.float64).reshape(len(targets), -1).mean(axis=0)
    shares = np.stack([ones, 1 - ones])
    return float(-(shares * np.log(np.where(shares > 0, shares, 1))).sum(axis=0).mean())


def _variance(targets: np.ndarray, of_shares: bool) -> float:
    del of_shares
    return float(np.asarray(targets, np.float64).var(axis=0).mean())


def _deviation(targets: np.ndarray, of_shares: bool) -> float:
    del of_shares
    targets = np.asarray(targets, np.float64)
    return float(np.abs(targets - np.median(targets, axis=0)).mean())


LOSSES = {
    "cross_entropy": Loss(cross_entropy, {"accuracy": accuracy}, _entropy),
    "binary_cross_entropy": Loss(binary_cross_entropy, {"accuracy": binary_accuracy}, _binary_entropy),
    "squared_error": Loss(squared_error, {"r2": r2}, _variance),
    "absolute_error": Loss(absolute_error, {"r2": r2}, _deviation),
}
METRICS = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "binary_accuracy": binary_accuracy,
    "r2": r2,
} | {name: loss.function for name, loss in LOSSES.items()}


def scores_of(loss: Any, metrics: Any, targets: PyTree) -> tuple[dict[str, Callable[..., Any]], str | None]:
    """The loss and the metrics by name, and the loss's own name."""
    if loss is None:
        whole = all(leaf.dtype.kind in "iub" for leaf in jax.tree.leaves(targets))
        loss = "cross_entropy" if whole else "squared_error"
    if not callable(loss) and (not isinstance(loss, str) or loss not in LOSSES):
        raise ValueError(f"loss must be one of {', '.join(LOSSES)}, or a function (outputs, targets), got {loss!r}")
    if isinstance(loss, str):
        if not isinstance(targets, np.ndarray):
            raise ValueError(f"targets must be one array for the loss {loss!r}, got {jax.tree.structure(targets)}")
        named = LOSSES[loss]
        function, others, kind = named.function, named.metrics, loss
    else:
        function, others, kind = loss, {}, None
    if metrics is not None:
        if isinstance(metrics, str) or not isinstance(metrics, Mapping | list | tuple):
            raise ValueError(f"metrics must be a list of names or a dict of functions, got {metrics!r}")
        if not isinstance(metrics, Mapping):
            if unknown := [name for name in metrics if name not in METRICS]:
                raise ValueError(f"metrics must be among {', '.join(METRICS)}, or a dict of functions, got {unknown}")
            metrics = {name: METRICS[name] for name in metrics}
        if "loss" in metrics:
            raise ValueError('metrics must not have one that is called "loss": that is the loss\'s own name')
        others = dict(metrics)
    return {"loss": function, **others}, kind


def check_outputs(name: str, outputs: Any, parts: dict[str, np.ndarray]) -> None:
    """Refuses a model or targets that do not fit a named loss.

    Args:
      name: the loss's.
      outputs: the shape and dtype of what the model gives for one example, a row.
      parts: each part's targets, by its name.
    """
    if not hasattr(outputs, "shape"):
        raise ValueError(f"model must return one array for the loss {name!r}, got {outputs}")
    due, got = parts["train"].shape[1:], outputs.shape[1:]
    if name == "cross_entropy":
        if got != due and (not got or got[:-1] != due):
            raise ValueError(f"model must return logits of shape (examples, *{due}, classes), got (examples, *{got})")
        for part, targets in parts.items():
            _check_classes(part, targets, got, of_shares=got == due)
    elif got not in (due, (*due, 1)):
        raise ValueError(f"model must return outputs of the targets' shape (examples, *{due}), got (examples, *{got})")
    elif name == "binary_cross_entropy":
        for part, targets in parts.items():
            if targets.min() < 0 or targets.max() > 1:
                raise ValueError(
                    f"{part} targets must lie from 0 to 1 for the loss {name!r}, got {targets.min()} to {targets.max()}"
                )


def _check_classes(part: str, targets: np.ndarray, got: tuple[int, ...], of_shares: bool) -> None:
    if of_shares:
        values = np.asarray(targets, np.float64)
        if not got or got[-1] < 2 or values.min() < 0 or np.abs(values.sum(axis=-1) - 1).max() > 1e-3:
            raise ValueError(
                f"{part} targets of the outputs' shape must be shares of two classes or more, which sum to 1, for the "
                "loss 'cross_entropy'; one logit, or several that do not exclude each other, take "
                "'binary_cross_entropy'"
            )
        return
    if targets.dtype.kind not in "iub":
        raise ValueError(f"{part} targets must be whole numbers for the loss 'cross_entropy', got {targets.dtype}")
    if targets.min() < 0 or targets.max() >= got[-1]:
        raise ValueError(
            f"model must return a logit for each class, and {part} targets go from {targets.min()} to {targets.max()}, "
            f"got {got[-1]}"
        )
