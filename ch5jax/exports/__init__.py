"""A sweep in the tools that others look at runs with, each written by the tool's own library."""

from ch5jax.exports._mlflow import to_mlflow as to_mlflow
from ch5jax.exports._runs import LIMIT as LIMIT, Exported as Exported, Progress as Progress
from ch5jax.exports._tensorboard import to_tensorboard as to_tensorboard
from ch5jax.exports._wandb import to_wandb as to_wandb
