"""DeepOBS's stochastic quadratic in a hundred dimensions."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ch5jax import _trees
from ch5jax._types import Hyperparameters, Metrics, State
from ch5jax.diagnostics import norm
from ch5jax.problems import NOISE_LEVEL, Spectrum
from ch5jax.tasks._batches import Batches
from ch5jax.tasks._descent import descend
from ch5jax.tasks._setting import read_setting
from ch5jax.tasks._task import Task

EXAMPLES = 1000
_SEEDS = {"train": 42, "validation": 44, "test": 43}


class QuadraticDeepState(NamedTuple):
    """What a training on the quadratic carries from step to step."""

    params: jax.Array  # θ, shape (100,)
    opt_state: State
    order: jax.Array  # shape (examples,), int32: this epoch's order; shape (0,) where batches are drawn


def quadratic_deep(*, batch_size: int = 128, epochs: bool = False) -> Task:
    r"""DeepOBS's stochastic quadratic in a hundred dimensions, where everything is known.

    .. math:: L(\theta) = \frac1B \sum_n \tfrac12 (\theta - x_n)^\top Q\,(\theta - x_n)

    Q has 90 eigenvalues drawn from (0, 1) and 10 from (30, 60), along axes turned at random; the 1,000 examples x of
    each part are drawn from N(0, 0.36 I). What is known of the loss over the distribution of x (see
    `problems.quadratic_deep`; tr Q = Σ λ = 477.61, tr Q² = Σ λ² = 19,585):

    - its Hessian is Q, for every mini-batch, everywhere;
    - its minimum is at 0, with 0.18 tr Q = 85.970; at the start, θ = 1, it is 353.50. The minimum over the 1,000
      training examples is at their mean, with 84.770; the validation loss there is 85.611, the test loss 87.129;
    - one example's gradient Q(θ − x) has the covariance Σ = 0.36 Q² at every θ, and tr Σ = 0.36 tr Q² = 7,050.6; among
      the training examples it is 6,940.9. So the noise scale tr Σ/‖Qθ‖² is known at every point;
    - gradient descent with a rate α < 0.0376 ends in a cloud around the minimum, of variance 0.36 α λ/((2 − α λ) B)
      along an axis with curvature λ, and its expected loss is higher by 0.18/B · Σ α λ²/(2 − α λ).

    Args:
      batch_size: B, examples in a mini-batch, 1 to 1,000.
      epochs: False draws every mini-batch with replacement; True goes through a new random order of all training
        examples before any comes again, and leaves out the last, incomplete batch, as DeepOBS does.

    Returns:
      A `Task` of 100 parameters that start at 1. Its hyperparameters are an optimizer, or a dict of `optimizer`. A step
      reports `loss` and `gradient_norm`, `evaluate` the losses on all of the validation and the test part, and
      `distance_to_minimum`, that to the mean of the training examples. The objective is `validation_loss`.

    Raises:
      ValueError: if the batch size is not such a number.

    Example:
      >>> import ch5jax, jax
      >>> task = ch5jax.tasks.quadratic_deep()
      >>> run = ch5jax.train(task, ch5jax.sgd(0.01), jax.random.key(0), steps=700)
      >>> bool(abs(run.evaluations["test_loss"][-1] - 87) < 2)
      True

    Source: Schneider, Balles and Hennig, *DeepOBS: a deep learning optimizer benchmark suite* (2019). As in DeepOBS,
    NumPy's `RandomState(42)` draws the eigenvalues and then the rotation, by the subgroup algorithm, and the examples
    come from `RandomState` 42 (training), 43 (test) and 44 (validation). DeepOBS trains for 100 epochs of 7
    mini-batches of 128, and leaves the last 104 examples of a part out of its evaluation too; here all 1,000 count.
    """
    whole = isinstance(batch_size, int | np.integer) and not isinstance(batch_size, bool)
    if not whole or not 1 <= batch_size <= EXAMPLES:
        raise ValueError(f"batch_size must be an integer from 1 to {EXAMPLES}, got {batch_size!r}")
    batches = Batches(EXAMPLES, int(batch_size), bool(epochs))
    eigenvalues, rotation = Spectrum.drawn()
    # in Q's axes a product with Q is one with its eigenvalues: a hundredth of the work for every example
    turned = {name: _examples(seed) @ rotation.T for name, seed in _SEEDS.items()}

    def turn(theta: jax.Array) -> jax.Array:
        return jnp.matmul(jnp.asarray(rotation, theta.dtype), theta, precision="highest")

    def batch_loss(theta: jax.Array, rows: jax.Array) -> jax.Array:
        x = jnp.asarray(turned["train"], theta.dtype)[rows]
        squares = jnp.mean((jnp.broadcast_to(turn(theta), x.shape) - x) ** 2, axis=0)
        return jnp.sum(jnp.asarray(eigenvalues, theta.dtype) * squares) / 2

    def floor_of(x: np.ndarray) -> float:
        """What no θ takes away of the loss over all of a part."""
        return float(np.sum(eigenvalues * x.var(axis=0)) / 2)

    def whole_loss(theta: jax.Array, x: np.ndarray) -> jax.Array:
        """The loss over all of a part: the mean's, and its floor."""
        mean, floor = x.mean(axis=0), floor_of(x)
        squares = (turn(theta) - jnp.asarray(mean, theta.dtype)) ** 2
        return jnp.sum(jnp.asarray(eigenvalues, theta.dtype) * squares) / 2 + floor

    def init(key: jax.Array, hyperparameters: Hyperparameters) -> QuadraticDeepState:
        del key
        optimizer, _ = read_setting(hyperparameters)
        theta = jnp.ones(len(eigenvalues), _trees.default_float())
        return QuadraticDeepState(theta, optimizer.init(theta), batches.first_order())

    def loss(key: jax.Array, hyperparameters: Hyperparameters, state: State, params: jax.Array) -> jax.Array:
        del hyperparameters, state
        return batch_loss(params, batches.drawn(key))

    def step(
        key: jax.Array, index: jax.Array, hyperparameters: Hyperparameters, state: QuadraticDeepState
    ) -> tuple[QuadraticDeepState, Metrics]:
        optimizer, _ = read_setting(hyperparameters)
        rows, order = batches.of_step(key, index, state.order)
        theta, opt_state, _, metrics = descend(
            lambda theta: (batch_loss(theta, rows), None), optimizer, state.params, state.opt_state
        )
        return QuadraticDeepState(theta, opt_state, order), metrics

    def evaluate(hyperparameters: Hyperparameters, state: QuadraticDeepState) -> Metrics:
        del hyperparameters
        theta = state.params
        mean = jnp.asarray(turned["train"].mean(axis=0), theta.dtype)  # turning keeps distances
        losses = {f"{name}_loss": whole_loss(theta, turned[name]) for name in ("validation", "test")}
        return {**losses, "distance_to_minimum": norm(turn(theta) - mean)}

    lowest = floor_of(turned["train"])
    return Task(init, step, evaluate, params=lambda state: state.params, loss=loss, lowest=lowest)


def _examples(seed: int) -> np.ndarray:
    """1,000 examples, shape (1000, 100), rounded to float32 as DeepOBS has them."""
    drawn = np.random.RandomState(seed).normal(0.0, NOISE_LEVEL, (EXAMPLES, 100))
    return drawn.astype(np.float32).astype(float)
