"""A table's own columns, and metrics of the same names kept apart from them."""

from collections.abc import Collection, Mapping
from typing import Any

from ch5jax._types import Hyperparameters
from ch5jax.tasks import Task, check_promises

STEPS_TRAINED = "steps_trained"
OWN_COLUMNS = ("trial", "group", "seed", "diverged_at", "best_step", "verdict", "difficulties", "remedy", STEPS_TRAINED)


def kept_apart(task: Task, hyperparameters: Hyperparameters) -> Task:
    """A task whose metrics have no name of the table's own, nor `step`, which the curves' file has.

    Args:
      task: the task.
      hyperparameters: one setting, arrays or their shapes.

    Returns:
      The task itself, or one that calls such a metric `metric seed` in the place of `seed`, and its objective likewise.

    Raises:
      ValueError: if the task breaks a promise.

    Example:
      >>> import ch5jax
      >>> task = ch5jax.tasks.surface(ch5jax.problems.beale())
      >>> ch5jax.sweeps.kept_apart(task, ch5jax.sgd(0.1)) is task
      True
    """
    names = check_promises(task, hyperparameters)
    taken = {*OWN_COLUMNS, f"best_{task.objective}", "step"}
    if not taken & names:
        return task
    apart = {name: _free(f"metric {name}", names) for name in names if name in taken}
    step, evaluate = task.step, task.evaluate

    def renamed(metrics: Mapping[str, Any]) -> dict[str, Any]:
        return {apart.get(name, name): value for name, value in metrics.items()}

    def stepped(*args: Any) -> tuple[Any, dict[str, Any]]:
        state, metrics = step(*args)
        return state, renamed(metrics)

    return task._replace(
        step=stepped,
        evaluate=lambda *args: renamed(evaluate(*args)),
        objective=apart.get(task.objective, task.objective),
    )


def _free(name: str, names: Collection[str]) -> str:
    return _free(f"metric {name}", names) if name in names else name
