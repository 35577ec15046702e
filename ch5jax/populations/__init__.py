"""A population that trains, copies its best and changes the copies: hyperparameters that move while it learns."""

from ch5jax.populations._evolution import Evolution as Evolution
from ch5jax.populations._evolve import evolve as evolve
