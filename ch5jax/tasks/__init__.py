"""Trainings as pure functions: the contract, and ready ones on real data."""

from ch5jax.tasks._digits import digits as digits
from ch5jax.tasks._task import Task as Task
