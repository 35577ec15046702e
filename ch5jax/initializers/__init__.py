"""Initialisers that are pytrees of their own numbers, so that they sweep, stack and differentiate like optimizers.

They have the signature of `jax.nn.initializers`, (key, shape, dtype), and serve wherever those do. What JAX has is not
here again: scales that follow a layer's size (`glorot_uniform`, `he_normal`, `lecun_normal`, …) and `orthogonal`.
"""

from ch5jax.initializers._constant import constant as constant
from ch5jax.initializers._gaussian import gaussian as gaussian
from ch5jax.initializers._initializer import Initializer as Initializer
from ch5jax.initializers._sparse import sparse as sparse
from ch5jax.initializers._uniform import uniform as uniform
