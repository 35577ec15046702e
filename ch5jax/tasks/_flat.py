"""Parameters as one vector: what hundreds of small arrays cost is not memory, but a loop for each of them.

Of 600 arrays with 1.25 M numbers, one update of Adam's took 9.9 ms of a core, and 1.0 as one vector (`benchmarks/`).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.flatten_util

from ch5jax._types import Params


class Form(NamedTuple):
    """How a training carries its parameters."""

    carried: Callable[[Params], Params]  # from the model's own tree
    tree: Callable[[Params], Params]  # and back


AS_THEY_ARE = Form(lambda params: params, lambda params: params)


def one_vector(init: Callable[[jax.Array], Params]) -> Form:
    """Parameters of one dtype as a vector; `init`, which is traced, makes them of a key."""
    params = jax.eval_shape(init, jax.random.key(0))
    if len(dtypes := {str(leaf.dtype) for leaf in jax.tree.leaves(params)}) != 1:
        raise ValueError(f"flat must be False unless all parameters have one dtype, got {sorted(dtypes)}")
    backs = []

    def ravel(params: Params) -> jax.Array:
        vector, back = jax.flatten_util.ravel_pytree(params)
        backs.append(back)
        return vector

    jax.eval_shape(ravel, params)
    return Form(lambda params: jax.flatten_util.ravel_pytree(params)[0], backs[0])
