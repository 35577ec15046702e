"""A model of any framework as pure functions."""

from ch5jax.models._as_model import as_model as as_model
from ch5jax.models._model import Model as Model, ModelLike as ModelLike, Named as Named
from ch5jax.models._signature import parameters_of as parameters_of
