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
    """A group's trials in chunks of a fixed width; the last chunk of the sweep and of each extension may be short.

    After a rung, those that go on have chunks of their own, behind the chunks that were there.
    """

    g: int
    width: int
    sweep: str  # a hash of all that the sweep and the group are but their trials and steps
    steps: int  # how many the sweep has: what a finished chunk is of, and no state
    ids: np.ndarray  # shape (trials, ...), uint8: what tells a trial from all others of its group
    slots: np.ndarray  # shape (trials,), int64: chunk · width + row; −1 for who has left the sweep

    @functools.cached_property
    def members(self) -> np.ndarray:
        """The trials that have a place, in their order."""
        return np.flatnonzero(self.slots >= 0)

    @functools.cached_property
    def chunks(self) -> tuple[int, ...]:
        """The numbers of the chunks that have trials."""
        return tuple(np.unique(self._by_slot[1] // self.width).tolist())

    @functools.cached_property
    def _by_slot(self) -> tuple[np.ndarray, np.ndarray]:
        order = self.members[np.argsort(self.slots[self.members])]
        return order, self.slots[order]

    def trials(self, chunk: int) -> np.ndarray:
        """The trials of a chunk, by the order of their rows there."""
        order, slots = self._by_slot
        first, last = np.searchsorted(slots, [chunk * self.width, (chunk + 1) * self.width])
        return order[first:last]

    def place(self, trials: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The chunk of each of some members, and its row there."""
        slots, all_slots = self.slots[trials], self._by_slot[1]
        chunks = slots // self.width
        return chunks, np.searchsorted(all_slots, slots) - np.searchsorted(all_slots, chunks * self.width)

    def after_rung(self, steps: int, members: np.ndarray) -> "Layout":
        """For those that go on, up to so many steps: side by side, in chunks behind those that were there."""
        slots = np.full(len(self.slots), -1)
        slots[members] = self.width * (self.slots.max() // self.width + 1) + np.arange(len(members))
        return dataclasses.replace(self, steps=steps, slots=slots)

    def of_chunks(self, chunks: Iterable[int]) -> "Layout":
        """With the trials of some chunks alone."""
        there = np.isin(self.slots // self.width, [*chunks]) & (self.slots >= 0)
        return dataclasses.replace(self, slots=np.where(there, self.slots, -1))

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
    if schedule.rungs and new.any():
        raise StoreError("the store holds a sweep with rungs, which cannot be extended; choose another folder")
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
