"""The chapter's update rules, and what makes optimizers into data: chains, lifted Optax factories, batches."""

from ch5jax.optimizers._adagrad import AdagradState, adagrad
from ch5jax.optimizers._adam import AdamState, adam
from ch5jax.optimizers._batches import Batches, grid, is_swept, named_apart, stack, unstack
from ch5jax.optimizers._chain import Chain, chain
from ch5jax.optimizers._lift import Lifted, lift
from ch5jax.optimizers._master_weights import MasterWeightsState, master_weights
from ch5jax.optimizers._momentum import MomentumState, momentum
from ch5jax.optimizers._rmsprop import RmspropState, rmsprop
from ch5jax.optimizers._sample import Method, sample
from ch5jax.optimizers._scale import Scale, integer, linear, log
from ch5jax.optimizers._sgd import SgdState, sgd
from ch5jax.optimizers._transformation import Transformation, defined_by, make

# The chapter's update rules by name, as the command line knows them: a new one is its file and a line here.
RULES = {"sgd": sgd, "momentum": momentum, "adagrad": adagrad, "rmsprop": rmsprop, "adam": adam}

__all__ = [
    "RULES",
    "AdagradState",
    "AdamState",
    "Batches",
    "Chain",
    "Lifted",
    "MasterWeightsState",
    "Method",
    "MomentumState",
    "RmspropState",
    "Scale",
    "SgdState",
    "Transformation",
    "adagrad",
    "adam",
    "chain",
    "defined_by",
    "grid",
    "integer",
    "is_swept",
    "lift",
    "linear",
    "log",
    "make",
    "master_weights",
    "momentum",
    "named_apart",
    "rmsprop",
    "sample",
    "sgd",
    "stack",
    "unstack",
]
