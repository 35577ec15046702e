"""The stages of a sweep with rungs: who trains from one rung to the next. Without rungs there is one."""

from collections.abc import Iterator
from typing import NamedTuple

from ch5jax.sweeps._layout import Layout
from ch5jax.sweeps._plan import Schedule, chunk_name, end_name
from ch5jax.sweeps._store import Store


class Stage(NamedTuple):
    """Trials that train up to the same step, from the rung before."""

    schedule: Schedule  # the sweep's, up to this stage's last step
    layouts: tuple[Layout, ...]  # by group: where this stage's trials are
    later: tuple[int, ...] = ()  # the last steps of the stages that may follow
    trials_left: int = 0  # who has left before
    steps_left: int = 0  # configuration-steps that they took

    @property
    def trials(self) -> int:
        """How many it trains."""
        return sum(len(layout.members) for layout in self.layouts)

    def missing(self, store: Store) -> list[str]:
        """The chunks that the store does not hold yet."""
        names = store.names()
        return [name for layout, chunk in self._chunks() if (name := chunk_name(layout.g, chunk)) not in names]

    def held(self, store: Store) -> "Stage":
        """With those trials alone whose chunks the store holds."""
        names = store.names()
        return self._replace(
            layouts=tuple(
                layout.of_chunks([chunk for chunk in layout.chunks if chunk_name(layout.g, chunk) in names])
                for layout in self.layouts
            )
        )

    def forget_states(self, store: Store) -> None:
        """Nobody goes on from its last step any more."""
        for layout, chunk in self._chunks():
            store.remove(end_name(layout.g, chunk))

    def _chunks(self) -> Iterator[tuple[Layout, int]]:
        return ((layout, chunk) for layout in self.layouts for chunk in layout.chunks)
