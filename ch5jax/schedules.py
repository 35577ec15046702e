"""Schedules of the step count that are pytrees of their own numbers, so that they sweep and differentiate.

Any callable of the count serves as a schedule, Optax's too; those are compared by identity and their numbers cannot be
swept. The two here can.
"""

import jax
import jax.numpy as jnp

from ch5jax import _trees
from ch5jax._hyperparameters import ANY, POSITIVE, Call, check_number, implementation_of, implemented_by


class Schedule(Call):
    """A function of the step count and a pytree of its arguments; made by `linear_decay` or `constant`."""

    def __call__(self, count: jax.typing.ArrayLike) -> jax.Array:
        """The value at a count of steps, which starts at 0: a scalar, float32 (float64 where x64 is enabled)."""
        dtype = _trees.default_float()
        values = {name: jnp.asarray(value).astype(dtype) for name, value in self._values.items()}
        return implementation_of(self._factory)(jnp.asarray(count).astype(dtype), **values)


def _line(count: jax.Array, *, init_value: jax.Array, end_value: jax.Array, transition_steps: jax.Array) -> jax.Array:
    passed = jnp.minimum(count / transition_steps, 1)
    return (1 - passed) * init_value + passed * end_value


def _same(count: jax.Array, *, value: jax.Array) -> jax.Array:
    del count
    return value


@implemented_by(_same)
def constant(value: jax.typing.ArrayLike) -> Schedule:
    """The same value at every step.

    Where a number would do, a number is simpler; this is for programs that swap schedules of one type.

    Args:
      value: any number.

    Returns:
      A `Schedule`: call it with the step count.

    Raises:
      ValueError: if the value is not a number.

    Example:
      >>> import ch5jax
      >>> float(ch5jax.constant(0.5)(100))
      0.5
    """
    return Schedule._of(constant, {"value": check_number("value", value, ANY)}, frozenset())


@implemented_by(_line)
def linear_decay(
    init_value: jax.typing.ArrayLike, end_value: jax.typing.ArrayLike, transition_steps: jax.typing.ArrayLike
) -> Schedule:
    r"""A rate that falls in a straight line, then stays.

    .. math:: \alpha_i = (1 - i/k)\,\alpha_0 + (i/k)\,b \quad\text{for } i \le k, \qquad \alpha_i = b \text{ after}

    Both ends are met exactly: α₀ at i = 0, b from i = k on.

    Args:
      init_value: α₀, the value at the first step (count 0).
      end_value: b, the value from step k on. It may lie above α₀.
      transition_steps: k > 0, in steps. It may be traced, and need not be whole.

    Returns:
      A `Schedule`: call it with the step count.

    Raises:
      ValueError: if an argument is not a number, or k is known and not positive.

    Example:
      >>> import ch5jax
      >>> schedule = ch5jax.linear_decay(0.1, 0.001, transition_steps=100)
      >>> [round(float(schedule(count)), 4) for count in (0, 50, 100, 1000)]
      [0.1, 0.0505, 0.001, 0.001]

    Source: the chapter, section 5.2 no. 5; Goodfellow, Bengio and Courville, *Deep Learning* (2016), equation 8.14.
    `optax.linear_schedule` is the same line, but refuses a traced `transition_steps`.
    """
    values = {
        "init_value": check_number("init_value", init_value, ANY),
        "end_value": check_number("end_value", end_value, ANY),
        "transition_steps": check_number("transition_steps", transition_steps, POSITIVE),
    }
    return Schedule._of(linear_decay, values, frozenset())
