"""A whole training, as one function, in the place of a task."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ch5jax import _trees
from ch5jax._types import Hyperparameters
from ch5jax.tasks._task import Task


class WholeState(NamedTuple):
    """What a training gave, and how far it has been told."""

    metrics: dict[str, jax.Array]  # by name: numbers, or curves of shape (steps,)
    step: jax.Array  # (), int32


def whole(
    train: Callable[[jax.Array, Hyperparameters], Mapping[str, jax.typing.ArrayLike]],
    *,
    steps: int = 1,
    objective: str = "validation_loss",
    maximize: bool = False,
    lowest: float | None = None,
    baseline: float | None = None,
) -> Task:
    """A whole training, one function (key, hyperparameters) → metrics, as a task: swept and judged as it is.

    The task's first step runs the whole training. Every step reports the next point of the curves.

    Args:
      train: a function of JAX's (key, hyperparameters) → a dict of numbers, and of curves of shape (steps,), one point
        for each step of an optimizer, or for each epoch, or whatever is counted. The curve that is called "loss"
        decides whether a run has diverged and how it went; one called "gradient_norm" tells of cliffs.
      steps: how many points the curves have; 1 where there are none. It is what `ch5jax.train` and `ch5jax.sweep` take
        for their `steps` if they are not told.
      objective: the number that selects, or a curve, whose point at an evaluation it is: by default the last. Of the
        curve "loss" that point is called `final_loss`.
      maximize: whether more of it is better.
      lowest: as in `Task`.
      baseline: as in `Task`.

    Returns:
      A `Task` with `steps`. Its step reports the curves (and a number called "loss"), `evaluate` all other numbers and
      the objective. There are no parameters, so that verdicts come from the curves alone. When a sweep
      is stopped, the trainings under way are lost, and run again.

    Raises:
      ValueError: if `train` is no function or `steps` no positive integer; where it is traced, if it does not give such
        a dict, or without the objective.

    Example:
      >>> import ch5jax, jax, jax.numpy as jnp
      >>> def train(key, rate):
      ...     w0 = jax.random.normal(key)
      ...     def step(w, _):
      ...         return w - rate * 2 * w, w**2
      ...     w, losses = jax.lax.scan(step, w0, length=100)
      ...     return {"loss": losses, "validation_loss": w**2}
      >>> task = ch5jax.tasks.whole(train, steps=100)
      >>> result = ch5jax.sweep(task, jnp.array([0.1, 1.2]), key=jax.random.key(0), seeds=2)
      >>> result.columns["verdict"].tolist()
      ['healthy', 'healthy', 'diverged', 'diverged']
    """
    chosen = "final_loss" if objective == "loss" else objective
    if not callable(train):
        raise ValueError(f"train must be a function (key, hyperparameters) -> metrics, got {train!r}")
    _trees.check_positive(steps=steps)
    steps = int(steps)

    def run(key: jax.Array, hyperparameters: Hyperparameters) -> dict[str, jax.Array]:
        metrics = train(key, hyperparameters)
        if not isinstance(metrics, Mapping):
            raise ValueError(f"train must return a dict of numbers and curves, got {type(metrics).__name__}")
        arrays = {name: jnp.asarray(value) for name, value in metrics.items()}
        for name, value in arrays.items():
            if value.shape not in ((), (steps,)):
                raise ValueError(
                    f"train must return numbers, and curves of shape ({steps},), and its {name!r} has {value.shape}; "
                    "steps says how many points there are"
                )
        if objective not in arrays:
            raise ValueError(f"train must return the objective {objective!r}, got {', '.join(arrays) or 'nothing'}")
        return arrays

    def init(key: jax.Array, hyperparameters: Hyperparameters) -> WholeState:
        shapes = jax.eval_shape(run, key, hyperparameters)
        return WholeState(jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes), jnp.zeros((), jnp.int32))

    def step(
        key: jax.Array, index: jax.Array, hyperparameters: Hyperparameters, state: WholeState
    ) -> tuple[WholeState, Any]:
        metrics = jax.lax.cond(index == 0, lambda: run(key, hyperparameters), lambda: state.metrics)
        now = {name: _at(value, index) for name, value in metrics.items()}
        told = (name for name, value in metrics.items() if value.ndim or name == "loss")
        return WholeState(metrics, jnp.asarray(index, jnp.int32)), {n: now[n] for n in told if n != chosen}

    def evaluate(hyperparameters: Hyperparameters, state: WholeState) -> dict[str, jax.Array]:
        del hyperparameters
        numbers = (name for name, value in state.metrics.items() if not value.ndim and name != "loss")
        metrics = state.metrics | ({chosen: state.metrics[objective]} if chosen != objective else {})
        return {name: _at(metrics[name], state.step) for name in {*numbers, chosen}}

    return Task(init, step, evaluate, chosen, maximize, lowest=lowest, baseline=baseline, steps=steps)


def _at(value: jax.Array, index: jax.Array) -> jax.Array:
    """A curve's point, or the number itself."""
    return value[index] if value.ndim else value
