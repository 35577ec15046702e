"""Settings drawn from a space: scales for numbers, lists for the rest."""

from collections.abc import Callable
from typing import Any, Literal, TypeVar, get_args

import numpy as np

from ch5jax import _trees
from ch5jax._extras import require
from ch5jax._hyperparameters import shown
from ch5jax._memory import check_memory
from ch5jax.optimizers._batches import Batches, batch_of, is_categorical, is_swept, named_apart
from ch5jax.optimizers._scale import Scale

Tree = TypeVar("Tree")
Method = Literal["sobol", "random"]
_MOST_AXES = 21201  # that SciPy has direction numbers for


def sample(
    factory: Callable[..., Tree], count: int, /, *, method: Method = "sobol", seed: int = 0, **values: Any
) -> Tree:
    """Makes the batch of some settings that are drawn from a space, where `grid` makes that of all combinations.

    Args:
      factory: `ch5jax.adam`, or any function that makes a pytree of hyperparameters out of arrays, such as
        `lambda rate, scale: {"optimizer": ch5jax.adam(rate), "initial_scale": scale}`. It is called once (once for each
        combination of what makes groups), with every drawn argument as an array of shape (settings,).
      count: how many settings, ≥ 1.
      method: "sobol" fills the space evenly (Sobol's sequence, scrambled; best for powers of two), "random" draws each
        setting by itself. Either way the first settings are the same whatever the count.
      seed: of the draw, ≥ 0.
      **values: for each argument a scale (`ch5jax.linear`, `ch5jax.log`, `ch5jax.integer`), a list or an array of which
        one element is drawn, or what all settings share.

    Returns:
      As `grid`: what the factory makes, every leaf with the settings as its leading axis; where a list holds what is no
      number (flags, None, functions), a dict of such batches by name, those that nothing was drawn of left out.

    Raises:
      ValueError: if nothing is drawn, an argument is not as above, or a value is out of the factory's range.

    Example:
      >>> import ch5jax
      >>> opts = ch5jax.sample(ch5jax.adam, 8, learning_rate=ch5jax.log(1e-4, 1.0), b1=ch5jax.linear(0.8, 0.99))
      >>> opts.learning_rate.shape, opts.b2.tolist()[:2]
      ((8,), [0.999, 0.999])

    Source: random search, Bergstra & Bengio, "Random search for hyper-parameter optimization" (2012); the sequence,
    Sobol' (1967), with Owen's scrambling, as `scipy.stats.qmc` has it.
    """
    _trees.check_positive(count=count)
    if method not in get_args(Method):
        raise ValueError(f"method must be among {', '.join(get_args(Method))}, got {method!r}")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed must be an integer from 0 on, got {seed!r}")
    drawn = {name: value for name, value in values.items() if isinstance(value, Scale) or is_swept(value)}
    if not 1 <= len(drawn) <= _MOST_AXES:
        raise ValueError(
            "sample needs a scale or a list to draw from, such as learning_rate=ch5jax.log(1e-4, 1.0), for 1 to "
            f"{_MOST_AXES:,} arguments, got {values!r}"
        )
    for name, value in drawn.items():
        if not isinstance(value, Scale) and not len(value):
            raise ValueError(f"{name} must have at least one value to draw from, got none")
    check_memory(8 * count * (len(values) + len(drawn)), f"{count:,} settings")
    places = dict(zip(drawn, _places(int(count), len(drawn), method, int(seed)).T, strict=True))
    kinds = {name: value for name, value in drawn.items() if not isinstance(value, Scale) and is_categorical(value)}
    arrays = {name: _values(drawn[name], u) for name, u in places.items() if name not in kinds}
    if not kinds:
        return batch_of(factory, values | arrays, count)
    chosen = np.stack([_picks(places[name], len(value)) for name, value in kinds.items()], axis=1)
    batches: Any = Batches()
    for combination in np.unique(chosen, axis=0):
        rows = (chosen == combination).all(axis=1)
        fixed = {name: value[pick] for (name, value), pick in zip(kinds.items(), combination, strict=True)}
        name = named_apart(", ".join(f"{name}={shown(value)}" for name, value in fixed.items()), batches)
        here = {name: array[rows] for name, array in arrays.items()}
        batches[name] = batch_of(factory, values | here | fixed, int(rows.sum()))
    return batches


def _places(count: int, axes: int, method: Method, seed: int) -> np.ndarray:
    """Points in the unit cube, shape (count, axes)."""
    if method == "random":
        return np.random.default_rng(seed).random((count, axes))
    qmc = require("scipy.stats.qmc", "sweep", "sample")  # not before: it takes a second to import
    # as many as a power of two, of which SciPy does not warn
    return qmc.Sobol(axes, rng=seed).random_base2((count - 1).bit_length())[:count]


def _values(given: Any, u: np.ndarray) -> np.ndarray:
    if isinstance(given, Scale):
        return given.at(u)
    elements = np.asarray(given)
    if elements.dtype.kind not in "iuf":
        raise ValueError(f"must be a scale, or a list of numbers or of what makes groups, got {given!r}")
    return elements[_picks(u, len(elements))]


def _picks(u: np.ndarray, count: int) -> np.ndarray:
    """Which of so many, each as likely."""
    return np.minimum((u * count).astype(int), count - 1)
