"""The compiled loop, its step, and the signals that it takes on the way."""

from ch5jax.training._observer import (
    Looks as Looks,
    look as look,
    observer as observer,
    signal_spacing as signal_spacing,
    start_of as start_of,
    watched_step as watched_step,
)
from ch5jax.training._step import init_key as init_key, one_step as one_step
from ch5jax.training._train import recorded_steps as recorded_steps, train as train
