"""Trainings as pure functions: the contract, and ready ones on real data."""

from ch5jax.tasks._adding import adding as adding
from ch5jax.tasks._digits import digits as digits
from ch5jax.tasks._promises import check_promises as check_promises, steps_of as steps_of
from ch5jax.tasks._quadratic_deep import quadratic_deep as quadratic_deep
from ch5jax.tasks._supervised import supervised as supervised
from ch5jax.tasks._surface import surface as surface
from ch5jax.tasks._table import table as table
from ch5jax.tasks._task import Task as Task, Variant as Variant
from ch5jax.tasks._whole import whole as whole
from ch5jax.tasks.tables import Table as Table, read_table as read_table
