"""Many trainings as one program: groups, seeds, chunks, devices, and a store that survives being killed."""

from ch5jax.sweeps._apart import kept_apart as kept_apart
from ch5jax.sweeps._curves import Curves as Curves
from ch5jax.sweeps._executor import Progress as Progress
from ch5jax.sweeps._folder import begun_with as begun_with
from ch5jax.sweeps._groups import listed_seeds as listed_seeds
from ch5jax.sweeps._manifest import StoreError as StoreError
from ch5jax.sweeps._open import Contents as Contents, Part as Part, look as look, open_sweep as open_sweep
from ch5jax.sweeps._ray import ChunkError as ChunkError, Ray as Ray
from ch5jax.sweeps._result import Keep as Keep, SweepResult as SweepResult
from ch5jax.sweeps._rungs import (
    Bracket as Bracket,
    Rungs as Rungs,
    halving as halving,
    hyperband as hyperband,
    stop_lost as stop_lost,
)
from ch5jax.sweeps._shard import train_shard as train_shard
from ch5jax.sweeps._space import PATH as PATH, Space as Space, space as space
from ch5jax.sweeps._sweep import sweep as sweep
from ch5jax.sweeps._trial import Trial as Trial
