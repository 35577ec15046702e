"""From a table, in a file or a data frame, to a network's inputs and targets: nothing happens silently."""

from ch5jax.tasks.tables._read import read_table as read_table
from ch5jax.tasks.tables._table import Table as Table
