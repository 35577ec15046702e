"""The loss around a trained network, in a plane, with the way that its training took."""

import os
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from ch5jax import _keys
from ch5jax._types import Params
from ch5jax.report._descents import Contours, drawn_heights
from ch5jax.report._numbers import number
from ch5jax.report._surface_page import surface_page
from ch5jax.report._whole import write_whole
from ch5jax.sweeps import Trial
from ch5jax.training import train

BATCHES = 8  # over which the loss is averaged, the same at every point
PLACES = 60  # of the way

Directions = Literal["path", "random"]


class Landscape(NamedTuple):
    """Made by `landscape`. The plane's origin is where the training ended."""

    x: np.ndarray  # float64, shape (points,): along the first direction
    y: np.ndarray  # along the second
    loss: np.ndarray  # float64, shape (points, points), a row for each y; NaN where it is not finite
    steps: np.ndarray  # int, shape (places,): after how many steps
    path: np.ndarray  # float64, shape (places, 2): where the training was then, projected on the plane
    path_loss: np.ndarray  # float64, shape (places,): the loss there, not of the projection
    explained: float  # the share of the way's variation that lies in the plane
    directions: str  # "path" or "random"


def landscape(
    trial: Trial, *, directions: Directions = "path", points: int = 41, key: jax.Array | None = None
) -> Landscape:
    r"""The loss in a plane through a trial's last parameters, and the trial's way there, projected on it.

    .. math:: L(w^* + a\\, d_1 + b\\, d_2)

    With "path" the directions are the first two principal components of the way, seen from its end, of unit length and
    at right angles. With "random" they are Gaussian and filter-normalised: every filter (a
    matrix's column, the weights into a unit) has the norm of the network's own, and vectors, such as biases, are left
    out; then a = 1 is a step as long as the filters are, and the way, which is hardly in a plane that it knows nothing
    of, is short on it.

    Args:
      trial: `result.trial(i)`; it is trained once more, for the places on its way.
      directions: "path" or "random".
      points: along each side, from 5 to 401; the grid is one vmapped program.
      key: for random directions and the mini-batches of the loss; by default `jax.random.key(0)`.

    Returns:
      A `Landscape`, for `write_landscape`.

    Raises:
      ValueError: if the trial's task does not say its parameters and loss, or an argument is not as above.

    Example:
      >>> import ch5jax, ch5jax.report, jax
      >>> opts = ch5jax.grid(ch5jax.adam, learning_rate=[0.01])
      >>> result = ch5jax.sweep(ch5jax.tasks.digits(hidden=(4,)), opts, steps=60, key=jax.random.key(0))
      >>> found = ch5jax.report.landscape(result.trial(0), points=9)
      >>> found.loss.shape, found.path[-1].tolist(), found.explained > 0.5
      ((9, 9), [0.0, 0.0], True)

    Source: Li et al., Visualizing the Loss Landscape of Neural Nets (2018), whose ways are in principal components too.
    """
    task = trial.task
    if task.params is None or task.loss is None:
        raise ValueError("trial must be of a task that says its parameters and loss (Task.params, Task.loss)")
    if directions not in ("path", "random"):
        raise ValueError(f"directions must be 'path' or 'random', got {directions!r}")
    if isinstance(points, bool) or not isinstance(points, int) or not 5 <= points <= 401:
        raise ValueError(f"points must be an integer from 5 to 401, got {points!r}")
    key = jax.random.key(0) if key is None else key
    key_directions, key_batches = jax.random.split(key)
    steps, way, state = _way(trial)
    flat, unravel = ravel_pytree(task.params(state))
    offsets = np.asarray(way, float) - np.asarray(flat, float)
    plane = _principal(offsets) if directions == "path" else _filters(key_directions, task.params(state))
    projected = _coordinates(offsets, plane)
    hyperparameters, of_a_batch = jax.tree.map(jnp.asarray, trial.hyperparameters), task.loss

    def loss(vector: jax.Array) -> jax.Array:
        keys = jax.random.split(key_batches, BATCHES)
        return jnp.mean(jax.vmap(lambda one: of_a_batch(one, hyperparameters, state, unravel(vector)))(keys))

    x, y = (_side(projected[:, axis], directions, points) for axis in (0, 1))
    axes = jnp.asarray(plane, flat.dtype)

    def at(place: jax.Array) -> jax.Array:
        return loss(flat + place @ axes)

    grid = jnp.asarray(np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2), flat.dtype)
    many = jax.jit(lambda places: jax.lax.map(at, places, batch_size=64))
    heights = np.asarray(many(grid), float).reshape(points, points)
    on_the_way = np.asarray(jax.jit(lambda vectors: jax.lax.map(loss, vectors, batch_size=8))(way), float)
    left = offsets - projected @ plane
    total = float((offsets**2).sum())
    return Landscape(
        *(x, y, np.where(np.isfinite(heights), heights, np.nan), steps, projected, on_the_way),
        *(1 - float((left**2).sum()) / total if total else 1.0, directions),
    )


def write_landscape(
    found: Landscape, path: str | os.PathLike[str], *, title: str = "The loss around a training"
) -> Path:
    """Writes a page with the loss's contours and the training on its way over them, to play, pause and scrub.

    Args:
      found: what `landscape` gave.
      path: where to write; the file appears whole or not at all.
      title: the page's title.

    Returns:
      The path.

    Raises:
      ImportError: without Jinja2 and Plotly (`ch5jax[sweep]`).
      OSError: if the file cannot be written.

    Example:
      >>> import ch5jax, ch5jax.report, jax, os, tempfile
      >>> opts = ch5jax.grid(ch5jax.adam, learning_rate=[0.01])
      >>> result = ch5jax.sweep(ch5jax.tasks.digits(hidden=(4,)), opts, steps=20, key=jax.random.key(0))
      >>> found = ch5jax.report.landscape(result.trial(0), points=5)
      >>> ch5jax.report.write_landscape(found, os.path.join(tempfile.mkdtemp(), "loss.html")).name
      'loss.html'
    """
    surface = Contours(found.x, found.y, found.loss, drawn_heights(found.loss))
    what = "principal components of the way" if found.directions == "path" else "random, filter-normalised directions"
    lead = (
        f"The loss in a plane through the last parameters, along two {what}; {100 * found.explained:.0f} % of the "
        f"way's variation lies in it. It went from {number(found.path_loss[0])} to {number(found.path_loss[-1])}."
    )
    page = surface_page(
        surface,
        {"training": (found.path, found.path_loss)},
        found.steps,
        title=title,
        lead=lead,
        height="Loss above the lowest seen",
        caption="The contours are of the logarithm of the loss: the darker, the lower. The training is projected on "
        "the plane, and the value beside it is its own, not that of the plane below it.",
        axes=("along the first direction", "along the second"),
        sides=("first", "second"),
    )
    return write_whole(path, page.encode())


def _way(trial: Trial) -> tuple[np.ndarray, Any, Any]:
    """How many steps had been taken at each place, the parameters there as vectors, and the last state."""
    task = trial.task
    assert task.params is not None
    size = max(1, trial.steps // PLACES)
    hyperparameters = jax.tree.map(jnp.asarray, trial.hyperparameters)
    state = jax.jit(task.init)(jax.random.fold_in(trial.key, _keys.INIT), hyperparameters)
    taken, way = [0], [np.array(ravel_pytree(task.params(state))[0])]  # copies: train makes use of the state's room
    while (done := taken[-1]) < trial.steps:
        count = min(size, trial.steps - done)
        run = train(
            task, hyperparameters, trial.key, count, record_every=count, signals_every=0, state=state, start=done
        )
        state = run.state
        taken.append(done + count)
        way.append(np.array(ravel_pytree(task.params(state))[0]))
    return np.array(taken), jnp.asarray(np.stack(way)), state


def _principal(offsets: np.ndarray) -> np.ndarray:
    """Two directions at right angles, shape (2, parameters), that keep most of what the offsets are."""
    directions = np.linalg.svd(offsets, full_matrices=False)[2]
    if len(directions) < 2 or offsets.shape[1] < 2:
        raise ValueError("trial must have two parameters and two steps at least, to have a way in a plane")
    return directions[:2]


def _filters(key: jax.Array, params: Params) -> np.ndarray:
    """Two random directions, each filter of which is as long as the network's own; they are nearly at right angles."""

    def one(key: jax.Array) -> np.ndarray:
        leaves, structure = jax.tree.flatten(params)
        made = []
        for key_leaf, leaf in zip(jax.random.split(key, len(leaves)), leaves, strict=True):
            if leaf.ndim < 2:
                made.append(jnp.zeros_like(leaf))
                continue
            drawn = jax.random.normal(key_leaf, leaf.shape, leaf.dtype)
            inputs = tuple(range(leaf.ndim - 1))
            own, its = (jnp.sqrt(jnp.sum(jnp.square(one), axis=inputs, keepdims=True)) for one in (leaf, drawn))
            made.append(drawn * own / its)
        return np.asarray(ravel_pytree(structure.unflatten(made))[0], float)

    return np.stack([one(half) for half in jax.random.split(key)])


def _coordinates(offsets: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """Of the nearest points of the plane, shape (places, 2)."""
    found = np.linalg.lstsq(plane.T, offsets.T, rcond=None)[0].T
    return np.where(np.abs(found) < 1e-12 * max(1.0, float(np.abs(found).max())), 0.0, found)


def _side(projected: np.ndarray, directions: str, points: int) -> np.ndarray:
    """The places of the grid along a direction: around the way and where it ended."""
    low, high = min(projected.min(), 0.0), max(projected.max(), 0.0)
    room = 0.3 * (high - low) or 1.0
    if directions == "random":
        low, high, room = min(low, -1.0), max(high, 1.0), 0.0
    return np.linspace(low - room, high + room, points)
