"""Networks as pure functions on plain pytrees."""

from ch5jax.networks._mlp import Layer as Layer, NormalizedLayer as NormalizedLayer, mlp as mlp
from ch5jax.networks._network import Network as Network
from ch5jax.networks._rnn import RecurrentLayer as RecurrentLayer, rnn as rnn
