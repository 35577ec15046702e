"""The compiled loop, its steps, and the signals that it takes on the way."""

from ch5jax.training._driver import Driver as Driver, Recorder as Recorder
from ch5jax.training._probes import Probes as Probes, recorded_steps as recorded_steps
from ch5jax.training._run import Run as Run
from ch5jax.training._train import train as train
