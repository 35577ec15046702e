"""Descending a test function, with noise if wanted."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ch5jax import _trees
from ch5jax._hyperparameters import NON_NEGATIVE, check_number, scalar
from ch5jax._types import Hyperparameters, Metrics, Scalar, State
from ch5jax.problems import Problem, nearest
from ch5jax.tasks._descent import descend
from ch5jax.tasks._setting import read_setting
from ch5jax.tasks._task import Task


class SurfaceState(NamedTuple):
    """Where a descent is."""

    params: jax.Array  # the point, shape (d,)
    opt_state: State


class Setting(NamedTuple):
    """What hyperparameters say, and the defaults for what they do not."""

    optimizer: optax.GradientTransformationExtraArgs
    start: jax.Array
    noise: jax.Array | None  # None where it is known to be 0, so that nothing is drawn
    start_spread: jax.Array | None


def surface(
    problem: Problem,
    *,
    noise: Scalar = 0.0,
    start: jax.typing.ArrayLike | None = None,
    start_spread: Scalar = 0.0,
    project: bool = False,
) -> Task:
    r"""Descending a test function.

    .. math:: f_t(x) = f(x) + s\, \varepsilon_t^\top x, \qquad \varepsilon_t \sim N(0, I)

    So a step's gradient is ∇f plus Gaussian noise of standard deviation s in every coordinate, and the noise scale is
    known: tr Σ = s² d.

    Args:
      problem: a `Problem`, such as `problems.beale()`, or one of your own. Of one with `parts`, step t descends f =
        parts[t mod len(parts)].
      noise: s ≥ 0.
      start: the point to start from, shape (d,); the problem's by default.
      start_spread: ≥ 0, the standard deviation of the starting point around it, in every coordinate. With 0, trials
        that differ in their seed differ in their noise only.
      project: whether every step ends with a projection on the problem's box, as for `problems.reddi`.

    Returns:
      A `Task` whose parameters are the point. Its hyperparameters are an optimizer, or a dict of `optimizer` and any of
      `noise`, `start` and `start_spread`, to sweep them: a grid of starts is a map of who ends where. A step reports
      `loss`, f_t before it, and `gradient_norm`, that of ∇f_t. `evaluate` reports `validation_loss`, f without noise
      (the mean of the parts), and `distance_to_minimum`, that to the nearest minimum, if the problem knows any. The
      objective is `validation_loss`. `loss(key, ...)` is the f_t of a step with that key; with `parts`, whose order is
      known to the step only, it is that of a random one.

    Raises:
      ValueError: if the problem is none (its factory has to be called), a number is out of range, or the start has
        another shape.

    Example:
      >>> import ch5jax, jax
      >>> problem = ch5jax.problems.beale()
      >>> task = ch5jax.tasks.surface(problem)
      >>> run = ch5jax.train(task, ch5jax.adam(0.05), jax.random.key(0), steps=1000)
      >>> run.state.params.round(2).tolist(), bool(run.last()["distance_to_minimum"] < 0.01)
      ([3.0, 0.5], True)
      >>> noisy = {"optimizer": ch5jax.grid(ch5jax.sgd, learning_rate=[0.001, 0.01]), "noise": jax.numpy.ones(2)}
      >>> result = ch5jax.sweep(task, noisy, steps=1000, key=jax.random.key(0), seeds=4)
      >>> len(result)
      8
    """
    if not isinstance(problem, Problem):
        raise ValueError(f"problem must be a Problem, such as ch5jax.problems.beale(), got {problem!r}")
    defaults = {"noise": noise, "start": problem.start if start is None else start, "start_spread": start_spread}
    _checked(defaults, problem)
    has_minimum = any(point.kind == "minimum" for point in problem.critical_points)
    parts = problem.parts or (problem.function,)

    def setting(hyperparameters: Hyperparameters) -> Setting:
        optimizer, own = read_setting(hyperparameters, **defaults)
        return Setting(optimizer, **_checked(own, problem))

    def init(key: jax.Array, hyperparameters: Hyperparameters) -> SurfaceState:
        chosen = setting(hyperparameters)
        point = jnp.copy(chosen.start)  # a state is donated, and hyperparameters are not
        if chosen.start_spread is not None:
            point = point + chosen.start_spread * jax.random.normal(key, point.shape, point.dtype)
        return SurfaceState(point, chosen.optimizer.init(point))

    def noisy(point: jax.Array, key: jax.Array, part: jax.Array, noise: jax.Array | None) -> jax.Array:
        value = jax.lax.switch(part, parts, point) if len(parts) > 1 else parts[0](point)
        if noise is None:
            return value
        tilt = jnp.sum(jax.random.normal(key, point.shape, point.dtype) * point)
        return value + noise.astype(point.dtype) * tilt

    def loss(key: jax.Array, hyperparameters: Hyperparameters, state: State, params: jax.Array) -> jax.Array:
        del state
        key_noise, key_part = jax.random.split(key)
        part = jax.random.randint(key_part, (), 0, len(parts))
        return noisy(params, key_noise, part, setting(hyperparameters).noise)

    def step(
        key: jax.Array, index: jax.Array, hyperparameters: Hyperparameters, state: SurfaceState
    ) -> tuple[SurfaceState, Metrics]:
        chosen = setting(hyperparameters)
        key_noise, _ = jax.random.split(key)  # the other is for `loss`, which has no index
        point, opt_state, _, metrics = descend(
            lambda x: (noisy(x, key_noise, index % len(parts), chosen.noise), None), chosen.optimizer, *state
        )
        if project:
            lower, upper = jnp.asarray(problem.bounds, point.dtype)
            point = jnp.clip(point, lower, upper)
        return SurfaceState(point, opt_state), metrics

    def evaluate(hyperparameters: Hyperparameters, state: SurfaceState) -> Metrics:
        del hyperparameters
        metrics = {"validation_loss": problem.function(state.params)}
        if has_minimum:
            metrics["distance_to_minimum"] = nearest(problem, state.params, kind="minimum").distance
        return metrics

    return Task(init, step, evaluate, params=lambda state: state.params, loss=loss, lowest=problem.lowest)


def _checked(own: dict[str, Any], problem: Problem) -> dict[str, jax.Array | None]:
    """The task's own hyperparameters as arrays of the default float."""
    dtype = _trees.default_float()
    start = jnp.asarray(own["start"])
    if jnp.iscomplexobj(start) or not jnp.issubdtype(start.dtype, jnp.number):
        raise ValueError(f"start must be real numbers, got dtype {start.dtype.name}")
    if start.shape != (shape := np.shape(problem.start)):
        raise ValueError(f"start must have shape {shape}, as {problem.name}'s has, got {start.shape}")
    return {"start": start.astype(dtype)} | {
        name: None if isinstance(number, float) and number == 0 else scalar(name, number, dtype)
        for name in ("noise", "start_spread")
        for number in (check_number(name, own[name], NON_NEGATIVE),)
    }
