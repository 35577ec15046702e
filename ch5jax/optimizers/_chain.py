"""Several transformations, one after the other."""

from typing import Any

import optax

from ch5jax.optimizers._transformation import Transformation, defined_by, is_static


class Chain(Transformation):
    """A chain of transformations; `.transforms` holds them."""

    @property
    def transforms(self) -> tuple[optax.GradientTransformation, ...]:
        """The parts, in the order in which they are applied."""
        return tuple(self._values.values())

    def _arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return self.transforms, {}

    def replace(self, **changes: Any) -> "Chain":
        """A chain of other parts: `replace(transforms=...)`.

        Args:
          **changes: `transforms`, a tuple of transformations.

        Returns:
          The chain.
        """
        if changes.keys() != {"transforms"}:
            raise ValueError(f"chain has only transforms to replace, got {', '.join(sorted(changes)) or 'nothing'}")
        return chain(*changes["transforms"])


def _init(parts: dict[str, Any], params: optax.Params) -> optax.OptState:
    return optax.chain(*parts.values()).init(params)


def _update(
    parts: dict[str, Any], updates: optax.Updates, state: optax.OptState, params: optax.Params | None, **extra_args: Any
) -> tuple[optax.Updates, optax.OptState]:
    return optax.chain(*parts.values()).update(updates, state, params, **extra_args)


@defined_by(_init, _update)
def chain(*transforms: optax.GradientTransformation) -> Chain:
    """What `optax.chain` means, as a pytree of its parts' hyperparameters.

    Args:
      *transforms: transformations in the order in which they are applied, of ch5jax or of Optax. An Optax one belongs
        to the structure, compared by identity; to sweep its numbers, make it with `ch5jax.lift`.

    Returns:
      A `Transformation`, whose parts are `.transforms` and whose state is the tuple of their states, as in Optax.

    Raises:
      ValueError: if there is no part, or one is no transformation.

    Example:
      >>> import ch5jax, jax, optax
      >>> opt = ch5jax.chain(optax.clip(1.0), ch5jax.adam(learning_rate=1e-3))
      >>> opt.transforms[1].learning_rate
      0.001
      >>> len(jax.tree.leaves(opt))
      4

    Source: `optax.chain`, which does the work.
    """
    for position, part in enumerate(transforms):
        if not isinstance(part, optax.GradientTransformation):
            raise ValueError(f"transforms[{position}] must be an optax.GradientTransformation, got {part!r}")
    if not transforms:
        raise ValueError("chain needs at least one transformation, got none")
    values = {f"transforms[{position}]": part for position, part in enumerate(transforms)}
    return Chain._of(chain, values, frozenset(name for name, part in values.items() if is_static(part)))
