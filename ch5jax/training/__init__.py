"""The compiled loop, its steps, and the signals that it takes on the way."""

from ch5jax.training._driver import (
    Carried as Carried,
    Driver as Driver,
    empty as empty,
    joined as joined,
    with_row as with_row,
)
from ch5jax.training._probes import Probes as Probes, recorded_steps as recorded_steps
from ch5jax.training._run import Run as Run
from ch5jax.training._train import train as train
