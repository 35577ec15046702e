"""A part of a sweep's chunks, trained beside others that train the rest in the same folder."""

import os
from collections.abc import Callable, Mapping, Sequence

import jax

from ch5jax._types import Hyperparameters
from ch5jax.diagnostics import nan_is_data
from ch5jax.sweeps._executor import Executor, Progress
from ch5jax.sweeps._folder import Folder
from ch5jax.sweeps._prepare import prepare
from ch5jax.tasks import Task


def train_shard(
    shard: tuple[int, int],
    task: Task | Mapping[str, Task],
    hyperparameters: Hyperparameters,
    *,
    steps: int | None = None,
    key: jax.Array,
    seeds: int | Sequence[int] = 1,
    store: str | os.PathLike[str],
    record_every: int | None = None,
    evaluate_every: int | None = None,
    signals_every: int | None = None,
    width: int | None = None,
    progress: Callable[[Progress], object] | None = None,
    keep_states: bool = False,
) -> int:
    """Trains one of n parts of a sweep, in a folder that all parts share: such as one of an array job's.

    The first to come chooses width and spacings, and the others take them. What is stored is that of `sweep`, which
    with the same arguments and folder trains what is missing, and gives the result; it waits for nobody, and is refused
    while a part is at work. A part that was stopped goes on where it was; run by another machine of the same kind too.

    Args:
      shard: which of how many, (1, 16) to (16, 16). More parts than chunks have nothing to do.
      task: as for `sweep`, and so are all others; of rungs there are none, since these rank all trials together.
      hyperparameters: as for `sweep`.
      steps: as for `sweep`; a folder of fewer steps is extended by `sweep` alone.
      key: the sweep's.
      seeds: as for `sweep`.
      store: the folder, on a file system that all parts see, with locks (`flock`).
      record_every: as for `sweep`.
      evaluate_every: as for `sweep`.
      signals_every: as for `sweep`.
      width: as for `sweep`; by default such that all parts have something to do.
      progress: called with a `Progress` of this part's trials.
      keep_states: as for `sweep`.

    Returns:
      How many of the sweep's chunks are still missing in the folder.

    Raises:
      ValueError: as `sweep`, or if there is no such part. `StoreError`, if somebody else works at the same part, or at
        all of them.
      OSError: as `sweep`.

    Example:
      >>> import ch5jax, jax, tempfile
      >>> task = ch5jax.tasks.surface(ch5jax.problems.beale())
      >>> opts = ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 0.2, 0.3, 0.4])
      >>> sweep = {"steps": 20, "key": jax.random.key(0), "store": tempfile.mkdtemp(), "width": 1}
      >>> [ch5jax.sweeps.train_shard((i, 2), task, opts, **sweep) for i in (1, 2)]
      [2, 0]
      >>> len(ch5jax.sweep(task, opts, **sweep))
      4
    """
    i, n = _checked(shard)
    folder = Folder(store, (i, n))
    with folder.beginning():
        prepared = prepare(
            task,
            hyperparameters,
            steps=steps,
            key=key,
            seeds=seeds,
            store=store,
            record_every=record_every,
            evaluate_every=evaluate_every,
            signals_every=signals_every,
            width=width,
            keep_states=keep_states,
            workers=n,
        )
        with nan_is_data(), folder.held(prepared.manifest) as kept:
            race = prepared.race(kept)
    with nan_is_data(), folder.held(prepared.manifest) as kept:
        (stage,) = race.stages
        chunks = [(layout.g, chunk) for layout in stage.layouts for chunk in layout.chunks]
        own = {*chunks[i - 1 :: n]}
        Executor(prepared, race, kept, progress, keep_states, lambda g, chunk: (g, chunk) in own).run()
        return len(stage.missing(kept))


def _checked(shard: tuple[int, int]) -> tuple[int, int]:
    if (
        not isinstance(shard, tuple)
        or len(shard) != 2
        or not all(isinstance(part, int) and not isinstance(part, bool) for part in shard)
        or not 1 <= shard[0] <= shard[1]
    ):
        raise ValueError(f"shard must be which of how many, from (1, n) to (n, n), got {shard!r}")
    return shard
