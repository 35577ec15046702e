"""`tap`: the signal at every layer of any loss, by a transformation."""

from ch5jax.tapping._graph import Loop as Loop
from ch5jax.tapping._sequence import (
    activation_names as activation_names,
    in_sequence as in_sequence,
    layer_names as layer_names,
)
from ch5jax.tapping._tap import Site as Site, Tapped as Tapped, tap as tap
