"""A training as pure functions: all that a loop or a sweep knows of it."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from ch5jax._types import Hyperparameters, Metrics, Params, PyTree, State


class Variant(NamedTuple):
    """The same training with one thing changed.

    Attributes:
      name: in words, such as "standardised inputs".
      make: () -> the changed task; it takes the same hyperparameters.
      number: the name of a hyperparameter, 1 or 0, that switches the change on in that task; None if it has none.
    """

    name: str
    make: Callable[[], "Task"]
    number: str | None = None


class Once:
    """A function that is called once, when its value is first wanted; unlike `functools.cache`, it can be pickled."""

    def __init__(self, make: Callable[[], Any]):
        self._make = make

    @functools.cached_property
    def _value(self) -> Any:
        return self._make()

    def __call__(self) -> Any:
        """The value."""
        return self._value

    def __getstate__(self) -> dict[str, Any]:
        return {"_make": self._make}


class Task(NamedTuple):
    """A training as pure functions. Everything else (loops, sweeps, verdicts) is made of these.

    `hyperparameters` is any pytree; an optimizer in it is swept because it is a pytree. `index` is the loop's own count
    of steps, from 0, an int32 scalar that is never batched, so that "every 100 steps" stays a branch under `vmap`. A
    step's key is `fold_in(trial key, index)`.

    Attributes:
      init: (key, hyperparameters) -> state, any pytree of arrays.
      step: (key, index, hyperparameters, state) -> (state, metrics), where metrics is a dict of scalars. The one called
        "loss" decides whether a run has diverged.
      evaluate: (hyperparameters, state) -> metrics, a dict of scalars.
      objective: the metric of `evaluate` that selects.
      maximize: whether more of it is better.
      params: state -> parameters, for what looks at parameters.
      loss: (key, hyperparameters, state, parameters) -> scalar, the loss of a mini-batch at these parameters. Signals
        and `ch5jax.tap` differentiate it.
      lowest: the lowest value that the expected loss can have, where that is known. A verdict measures from it.
      baseline: the loss without any learning, such as that of the best constant prediction. A verdict measures the
        descent of a run that ends below it from here, however high its first loss was.
      steps: how many there are, where that is fixed: the default of `train` and `sweep`.
      predict: (hyperparameters, state, inputs) -> outputs, of new examples, for `SweepResult.predict`.
      variants: () -> `Variant`s, the same training with one thing changed, for `ch5jax.treat` to try. The same ones at
        every call.
      input_scale: the largest root mean square of an input, as the first layer sees it, where that is known; initial
        weights are made for about 1. If a run fails with much larger inputs, its verdict is UNSCALED.
      numbers: the names of what its hyperparameters may hold beside the `optimizer`, for `ch5jax.space`.

    Promises, checked by tracing before a training or a sweep begins (`ValueError` where one is broken):

    - the state that `step` gives back is like the one it got, leaf by leaf, in shape and dtype; numbers of Python's in
      the initial state become arrays;
    - `step` and `evaluate` report dicts of scalars, under different names;
    - the objective is one of `evaluate`'s, and `loss` is a real scalar.

    Example:
      >>> import ch5jax, jax, jax.numpy as jnp, optax
      >>> def step(key, index, opt, state):
      ...     w, opt_state = state
      ...     loss, g = jax.value_and_grad(lambda w: (w - jax.random.normal(key)) ** 2)(w)
      ...     updates, opt_state = opt.update(g, opt_state, w)
      ...     return (optax.apply_updates(w, updates), opt_state), {"loss": loss}
      >>> def init(key, opt):
      ...     return jnp.ones(()), opt.init(jnp.ones(()))
      >>> task = ch5jax.Task(init, step, evaluate=lambda opt, state: {"validation_loss": state[0] ** 2})
      >>> run = ch5jax.train(task, ch5jax.sgd(0.1), jax.random.key(0), steps=100)
      >>> run.metrics["loss"].shape
      (100,)
    """

    init: Callable[[jax.Array, Hyperparameters], State]
    step: Callable[[jax.Array, jax.Array, Hyperparameters, State], tuple[State, Metrics]]
    evaluate: Callable[[Hyperparameters, State], Metrics]
    objective: str = "validation_loss"
    maximize: bool = False
    params: Callable[[State], Params] | None = None
    loss: Callable[[jax.Array, Hyperparameters, State, Params], jax.Array] | None = None
    lowest: float | None = None
    baseline: float | None = None
    steps: int | None = None
    predict: Callable[[Hyperparameters, State, PyTree], PyTree] | None = None
    variants: Callable[[], tuple[Variant, ...]] = tuple
    input_scale: float | None = None
    numbers: tuple[str, ...] = ()
