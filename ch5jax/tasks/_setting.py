"""What a task reads from its hyperparameters."""

from typing import Any

import optax

from ch5jax._types import Hyperparameters


def read_setting(
    hyperparameters: Hyperparameters, /, **defaults: Any
) -> tuple[optax.GradientTransformationExtraArgs, dict[str, Any]]:
    """The optimizer, and the task's own hyperparameters by name.

    Args:
      hyperparameters: an optimizer, or a dict of `optimizer` and whichever of the others are not the default.
      **defaults: the task's own hyperparameters and their values where they are not given.

    Raises:
      ValueError: if there is no optimizer, or something unknown.
    """
    if not isinstance(hyperparameters, dict):
        hyperparameters = {"optimizer": hyperparameters}
    names = ["optimizer", *defaults]
    named = " and ".join([", ".join(names[:-1]), names[-1]]) if defaults else "optimizer"
    if unknown := hyperparameters.keys() - set(names):
        raise ValueError(f"hyperparameters hold {named}, got {', '.join(sorted(map(str, unknown)))}")
    if "optimizer" not in hyperparameters:
        raise ValueError(f"hyperparameters must hold an optimizer, got only {', '.join(hyperparameters) or 'nothing'}")
    optimizer = hyperparameters["optimizer"]
    if not isinstance(optimizer, optax.GradientTransformation):
        raise ValueError(f"hyperparameters must be an optimizer, or a dict with {named}, got {optimizer!r}")
    return optax.with_extra_args_support(optimizer), {
        name: hyperparameters.get(name, default) for name, default in defaults.items()
    }
