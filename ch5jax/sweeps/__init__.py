"""Many trainings as one program: groups, seeds, chunks, devices, and a store that survives being killed."""

from ch5jax.sweeps._result import Curves as Curves, Rerun as Rerun, SweepResult as SweepResult, Trial as Trial
from ch5jax.sweeps._run import Progress as Progress
from ch5jax.sweeps._store import StoreError as StoreError
from ch5jax.sweeps._sweep import sweep as sweep
