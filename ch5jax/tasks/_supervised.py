"""Training a network on a fixed data set by mini-batches: what `digits` and `table` share."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ch5jax import _trees
from ch5jax.diagnostics import norm
from ch5jax.networks import Network
from ch5jax.tasks._setting import read_setting
from ch5jax.tasks._task import Task


class Examples(NamedTuple):
    """Part of a data set, on the host."""

    inputs: np.ndarray  # shape (examples, features), float32
    targets: np.ndarray  # shape (examples, outputs), float32: one-hot classes, or numbers to predict


class Parts(NamedTuple):
    """A data set, divided."""

    train: Examples
    validation: Examples
    test: Examples


class TrainState(NamedTuple):
    """What a supervised training carries from step to step."""

    params: Any  # the network's parameters
    opt_state: Any
    order: jax.Array  # shape (examples,), int32: this epoch's order; shape (0,) where batches are drawn
    batch_norm: Any  # the network's running statistics; () without BatchNorm


class Setting(NamedTuple):
    """What hyperparameters say, and the defaults for what they do not."""

    optimizer: optax.GradientTransformationExtraArgs
    scale: Any
    momentum: Any  # of BatchNorm
    eps: Any  # of BatchNorm


def split(inputs: np.ndarray, targets: np.ndarray, key: jax.Array) -> Parts:
    """Divides a data set at random into 60 % for training, 20 % for validation and 20 % for the test."""
    inputs, targets = np.asarray(inputs, np.float32), np.asarray(targets, np.float32)
    return Parts(*(Examples(inputs[rows], targets[rows]) for rows in part_rows(len(inputs), key)))


def part_rows(examples: int, key: jax.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rows of the training, validation and test parts: disjoint, and all rows together."""
    if examples < 5:
        raise ValueError(f"a data set needs 5 examples at least, to have some in every part, got {examples}")
    order = np.asarray(jax.random.permutation(key, examples))
    held_out = examples // 5
    return order[2 * held_out :], order[:held_out], order[held_out : 2 * held_out]


def supervised(
    parts: Parts,
    network: Network,
    *,
    classify: bool,
    batch_size: int,
    initial_scale: Any,
    epochs: bool,
    lowest: float | None = None,
) -> Task:
    """A task of training a network on divided data; see `digits` for what its arguments mean."""
    examples = len(parts.train.inputs)
    if not isinstance(batch_size, int | np.integer) or not 1 <= batch_size <= examples:
        raise ValueError(
            f"batch_size must be an integer from 1 to the {examples} training examples, got {batch_size!r}"
        )
    batch_size = int(batch_size)
    batches = examples // batch_size
    score = _classification if classify else _regression

    def on_device(array: np.ndarray) -> jax.Array:
        return jnp.asarray(array, _trees.default_float())

    normalized = network.apply_training is not None
    setting = functools.partial(_setting, initial_scale=initial_scale, normalized=normalized)

    def init(key: jax.Array, hyperparameters: Any) -> TrainState:
        optimizer, scale, *_ = setting(hyperparameters)
        params = network.init(key, scale)
        order = jnp.arange(examples if epochs else 0, dtype=jnp.int32)
        return TrainState(params, optimizer.init(params), order, network.init_state())

    def batch_loss(params: Any, batch_norm: Any, rows: jax.Array, chosen: Setting) -> tuple[jax.Array, Any]:
        x = on_device(parts.train.inputs)[rows]
        if network.apply_training is None:
            outputs = network.apply(params, x)
        else:
            options = {"momentum": chosen.momentum, "eps": chosen.eps}
            outputs, batch_norm = network.apply_training(params, batch_norm, x, **options)
        return score(outputs, on_device(parts.train.targets)[rows])["loss"], batch_norm

    def drawn(key: jax.Array) -> jax.Array:
        return jax.random.randint(key, (batch_size,), 0, examples)

    def loss(key: jax.Array, hyperparameters: Any, state: TrainState, params: Any) -> jax.Array:
        return batch_loss(params, state.batch_norm, drawn(key), setting(hyperparameters))[0]

    def step(
        key: jax.Array, index: jax.Array, hyperparameters: Any, state: TrainState
    ) -> tuple[TrainState, dict[str, Any]]:
        chosen = setting(hyperparameters)
        order = state.order
        if epochs:
            position = index % batches
            order = jax.lax.cond(
                position == 0, lambda: jax.random.permutation(key, examples).astype(jnp.int32), lambda: state.order
            )
            rows = jax.lax.dynamic_slice_in_dim(order, position * batch_size, batch_size)
        else:
            rows = drawn(key)
        slope = jax.value_and_grad(batch_loss, has_aux=True)
        (value, batch_norm), gradients = slope(state.params, state.batch_norm, rows, chosen)
        updates, opt_state = chosen.optimizer.update(gradients, state.opt_state, state.params, value=value)
        params = optax.apply_updates(state.params, updates)
        metrics = {"loss": value, "gradient_norm": norm(gradients)}
        return TrainState(params, opt_state, order, batch_norm), metrics

    def evaluate(hyperparameters: Any, state: TrainState) -> dict[str, Any]:
        options = {"state": state.batch_norm, "eps": setting(hyperparameters).eps} if normalized else {}
        metrics: dict[str, Any] = {}
        for name, part in (("validation", parts.validation), ("test", parts.test)):
            outputs = network.apply(state.params, on_device(part.inputs), **options)
            metrics |= {f"{name}_{k}": v for k, v in score(outputs, on_device(part.targets)).items()}
        return metrics

    objective = "validation_accuracy" if classify else "validation_loss"
    return Task(
        init,
        step,
        evaluate,
        objective,
        classify,
        lambda state: state.params,
        loss,
        lowest=lowest,
        baseline=_baseline(parts, classify),
    )


def _setting(hyperparameters: Any, initial_scale: Any, normalized: bool) -> Setting:
    """Reads and checks a task's hyperparameters."""
    batch_norm = {"batch_norm_momentum": 0.9, "batch_norm_eps": 1e-5} if normalized else {}
    optimizer, own = read_setting(hyperparameters, initial_scale=initial_scale, **batch_norm)
    return Setting(optimizer, own["initial_scale"], own.get("batch_norm_momentum"), own.get("batch_norm_eps"))


def _baseline(parts: Parts, classify: bool) -> float:
    """The training loss of the best constant prediction: the classes' entropy in nats, or the targets' variance."""
    targets = np.asarray(parts.train.targets, np.float64)
    shares = targets.mean(axis=0)
    if not classify:
        return float(targets.var(axis=0).mean())
    return float(-(shares * np.log(np.where(shares > 0, shares, 1))).sum())


def _classification(logits: jax.Array, one_hot: jax.Array) -> dict[str, jax.Array]:
    """Mean cross-entropy in nats, and the share of right answers."""
    # a product with one-hot targets: picking by integer label makes the backward pass a scatter
    cross_entropy = -jnp.mean(jnp.sum(one_hot * jax.nn.log_softmax(logits), axis=-1))
    right = jnp.mean(jnp.argmax(logits, axis=-1) == jnp.argmax(one_hot, axis=-1), dtype=logits.dtype)
    return {"loss": cross_entropy, "accuracy": right}


def _regression(outputs: jax.Array, targets: jax.Array) -> dict[str, jax.Array]:
    """Mean squared error, and the share of the targets' variance that is explained (R²)."""
    error = jnp.mean((outputs - targets) ** 2)
    spread = jnp.var(targets)
    return {"loss": error, "r2": 1 - error / jnp.where(spread > 0, spread, 1)}
