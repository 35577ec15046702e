"""`tap`: the gradient at every layer of any loss, by a transformation."""

from ch5jax.tapping._graph import Loop as Loop
from ch5jax.tapping._sequence import (
    activation_names as activation_names,
    counts as counts,
    in_sequence as in_sequence,
    layer_names as layer_names,
    loops_of as loops_of,
)
from ch5jax.tapping._tap import Site as Site, Tapped as Tapped, tap as tap
