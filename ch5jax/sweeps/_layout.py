"""Where a store keeps each trial of a group: what a sweep was extended by lies behind what was there."""

import dataclasses
import functools
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ch5jax.sweeps._manifest import StoreError
from ch5jax.sweeps._outline import Outline, reopened
from ch5jax.sweeps._plan import Schedule, chunk_name, end_name, group_name, state_name
from ch5jax.sweeps._store import Store


@dataclass(frozen=True)
class Layout:
    """A group's trials in chunks of a fixed width; the last chunk of the sweep and of each extension may be short."""

    g: int
    width: int
    sweep: str  # a hash of all that the sweep and the group are but their trials and steps
    steps: int  # how many the sweep has: what a finished chunk is of, and no state
    ids: np.ndarray  # shape (trials, ...), uint8: what tells a trial from all others of its group
    slots: np.ndarray  # shape (trials,), int64: chunk · width + row

    @property
    def chunks(self) -> range:
        """Their numbers."""
        return range(int(self.slots.max()) // self.width + 1)

    @functools.cached_property
    def _by_slot(self) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(self.slots)
        return order, self.slots[order]

    def trials(self, chunk: int) -> np.ndarray:
        """The trials of a chunk, by the order of their rows there."""
        order, slots = self._by_slot
        first, last = np.searchsorted(slots, [chunk * self.width, (chunk + 1) * self.width])
        return order[first:last]

    def rows(self) -> np.ndarray:
        """For each trial its row in all chunks, one below the other."""
        return np.argsort(self._by_slot[0])

    def of(self, name: str, chunk: int | None = None) -> str:
        """What a file has to be of: which of which sweep, and with which trials."""
        ids = b"" if chunk is None else self.ids[self.trials(chunk)].tobytes()
        after = f", {self.steps} steps" if chunk is not None and name == chunk_name(self.g, chunk) else ""
        return f"{name} of sweep {hashlib.sha256(self.sweep.encode() + ids).hexdigest()[:32]}{after}"

    def files(self) -> dict[str, str]:
        """What each of the group's files has to be of."""
        found = {group_name(self.g): self.of(group_name(self.g))}
        for chunk in self.chunks:
            for name in (chunk_name(self.g, chunk), state_name(self.g, chunk), end_name(self.g, chunk)):
                found[name] = self.of(name, chunk)
        return found

    def write(self, outline: Outline, store: Store) -> None:
        """Keeps what is known of the group beforehand, unless it is there already."""
        name = group_name(self.g)
        if name in store.names() and np.array_equal(self.read(outline.settings, store)["ids"], self.ids):
            return
        store.write(name, {**outline.arrays(), "ids": self.ids, "slots": self.slots}, self.of(name))

    def read(self, settings: Iterable[str], store: Store) -> dict[str, Any]:
        """What the store has of the group beforehand, of which the settings' names are known."""
        like = {"settings": dict.fromkeys(settings, 0), "seeds": 0, "ids": 0, "slots": 0}
        return store.read(group_name(self.g), like, self.of(group_name(self.g)))


def lay_out(g: int, outline: Outline, ids: np.ndarray, schedule: Schedule, sweep: str, store: Store) -> Layout:
    """Gives every trial its place: that which it has in the store, or one behind all that are there.

    Raises:
      StoreError: if the store has trials that are not among these, or its file is damaged.
    """
    fresh = Layout(g, schedule.width, sweep, schedule.steps, ids, np.arange(len(ids)))
    if group_name(g) not in store.names():
        return fresh
    held = fresh.read(outline.settings, store)
    places = dict(zip(map(bytes, held["ids"]), held["slots"].tolist(), strict=True))
    slots = np.array([places.pop(bytes(one), -1) for one in ids])
    if places:
        raise StoreError(
            f"the store belongs to another sweep: of the {len(held['ids']):,} trials of group {outline.name!r} there, "
            f"{len(places):,} are not among this one's hyperparameters and seeds; a sweep can be extended, not cut: "
            "choose another folder"
        )
    new = slots < 0
    slots[new] = schedule.width * (held["slots"].max() // schedule.width + 1) + np.arange(new.sum())
    return dataclasses.replace(fresh, slots=slots)


def read_layout(
    g: int, described: dict[str, Any], schedule: Schedule, sweep: str, store: Store
) -> tuple[Outline, Layout]:
    """A group's outline and layout as a store holds them.

    Args:
      g: the group's number.
      described: what the manifest says of it.
      schedule: the sweep's.
      sweep: the hash of what the sweep and the group are.
      store: where its file is.
    """
    empty = Layout(g, schedule.width, sweep, schedule.steps, np.zeros(0), np.zeros(0))
    arrays = empty.read(described["settings"], store)
    whole = dataclasses.replace(empty, ids=arrays["ids"], slots=arrays["slots"])
    return reopened(described["name"], described, arrays), whole
