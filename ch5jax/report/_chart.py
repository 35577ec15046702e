"""A chart of the report."""

from typing import NamedTuple

from ch5jax.report._plotly import Figure


class Chart(NamedTuple):
    """A figure with its heading and what a reader must know of it."""

    heading: str
    caption: str
    figure: Figure
    near: list[float] | None = None  # a range of y in which the best differ, if it is much less than the whole
