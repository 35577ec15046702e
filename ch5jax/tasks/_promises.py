"""What a task promises, looked at before anything long starts: traced, never run."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from ch5jax import _trees
from ch5jax._types import Hyperparameters, PyTree
from ch5jax.tasks._task import Task


def check_promises(task: Task, hyperparameters: Hyperparameters, key: jax.Array | None = None) -> frozenset[str]:
    """Refuses a task whose functions do not fit together, or fit no loop.

    Args:
      task: the task.
      hyperparameters: one setting, arrays or their shapes.
      key: one such as the task will get, where that is no typed key.

    Returns:
      The names of its metrics.

    Raises:
      ValueError: that names the function, what it has to give and what it gave, if `task` is none; `step` does not
        return a pair of a state like the one it got and a dict of scalars; `evaluate` returns no such dict, or without
        the objective; both use one name; or `loss` returns no real scalar.

    Example:
      >>> import ch5jax
      >>> task = ch5jax.tasks.surface(ch5jax.problems.beale())
      >>> sorted(ch5jax.tasks.check_promises(task, ch5jax.sgd(0.1)))
      ['distance_to_minimum', 'gradient_norm', 'loss', 'validation_loss']
    """
    if not isinstance(task, Task):
        raise ValueError(f"task must be a ch5jax.Task, such as ch5jax.tasks.digits(), got {task!r}")

    names: set[str] = set()

    def trial(hyperparameters: Hyperparameters, given: jax.Array | None) -> None:
        key, index = jax.random.key(0) if given is None else given, jnp.zeros((), jnp.int32)
        state = jax.tree.map(jnp.asarray, task.init(key, hyperparameters))
        stepped = task.step(key, index, hyperparameters, state)
        if not isinstance(stepped, tuple) or len(stepped) != 2:
            raise ValueError(f"task.step must return a pair (state, metrics), got {_shapes(stepped)}")
        _check_state(state, stepped[0])
        of_step = _check_metrics(stepped[1], "task.step")
        evaluation = _check_metrics(task.evaluate(hyperparameters, state), "task.evaluate")
        if both := of_step & evaluation:
            raise ValueError(
                f"step and evaluate must name their metrics differently, both have {', '.join(sorted(both))}"
            )
        names.update(of_step, evaluation)
        if task.objective not in evaluation:
            gives = ", ".join(sorted(evaluation)) or "nothing"
            raise ValueError(
                f"task.objective must be a metric of task.evaluate, which gives {gives}; got {task.objective!r}"
            )
        if task.params is not None and task.loss is not None:
            loss = task.loss(key, hyperparameters, state, task.params(state))
            if not _is_scalar(loss):
                raise ValueError(f"task.loss must return a real scalar, got {_shapes(loss)}")

    jax.eval_shape(trial, hyperparameters, key)
    return frozenset(names)


def steps_of(task: Task, steps: int | None) -> int:
    """How many steps a training of a task has: as many as asked for, or, where they are fixed, the task's own.

    Args:
      task: the task.
      steps: how many were asked for, ≥ 1; None for the task's own.

    Returns:
      An integer.

    Raises:
      ValueError: if there is no number, it is not from 1 to 2³¹ − 1, or it is not the task's own.

    Example:
      >>> import ch5jax
      >>> whole = ch5jax.tasks.whole(lambda key, rate: {"validation_loss": rate}, steps=10)
      >>> ch5jax.tasks.steps_of(whole, None)
      10
    """
    fixed = task.steps if isinstance(task, Task) else None
    taken = fixed if steps is None else steps
    if taken is None:
        raise ValueError("steps must be a positive integer, and may be left out only for a task with steps of its own")
    _trees.check_positive(steps=steps)
    if taken > _trees.MOST_STEPS:
        raise ValueError(f"steps must be at most 2³¹ − 1, which is how far they are counted, got {taken}")
    if steps is not None and fixed is not None and steps != fixed:
        raise ValueError(f"steps must be the task's own, {fixed}, or be left out, got {steps}")
    return int(taken)


def _check_state(before: Any, after: Any) -> None:
    """A step gives back what it got, with other numbers in it."""
    _trees.check_match(after, before, "the state that task.step returns", "the one it got")
    for (path, one), other in zip(jax.tree_util.tree_leaves_with_path(before), jax.tree.leaves(after), strict=True):
        due, came = jnp.result_type(one), jnp.result_type(other)
        if due != came:
            where = jax.tree_util.keystr(path)
            raise ValueError(
                f"the state that task.step returns{where} must have dtype {due.name} like the one it got, "
                f"got {came.name}"
            )


def _check_metrics(metrics: Any, whose: str) -> set[str]:
    """A dict of scalars; its names."""
    if not isinstance(metrics, Mapping):
        raise ValueError(f"{whose} must report a dict of scalars, got {_shapes(metrics)}")
    for name, value in metrics.items():
        if not isinstance(name, str):
            raise ValueError(f"{whose} must name its metrics in words, got the name {name!r}")
        if not _is_scalar(value):
            raise ValueError(f"{whose} must report scalars, and its {name!r} is {_shapes(value)}")
    return set(metrics)


def _is_scalar(value: Any) -> bool:
    """Whether it is one real number, or a truth value."""
    if not _trees.is_array(value):
        return False
    dtype = jnp.result_type(value)
    real = jnp.issubdtype(dtype, jnp.floating) or jnp.issubdtype(dtype, jnp.integer) or dtype == jnp.bool_
    return jnp.shape(value) == () and real


def _shapes(tree: PyTree) -> Any:
    """A tree in words: dtypes and shapes in the place of arrays."""
    return jax.tree.map(_Said, tree)


class _Said:
    """A leaf in words."""

    def __init__(self, leaf: Any) -> None:
        self.leaf = leaf

    def __repr__(self) -> str:
        if not _trees.is_array(self.leaf):
            return repr(self.leaf)
        return f"{jnp.result_type(self.leaf).name}{list(jnp.shape(self.leaf))}"
