"""Training what the store does not hold yet: chunk by chunk, a segment of steps at a time."""

import bisect
import itertools
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import numpy as np

from ch5jax._types import PyTree
from ch5jax.sweeps._history import History, Paused, from_host, to_host
from ch5jax.sweeps._plan import STATE, chunk_name, end_name, state_name
from ch5jax.sweeps._prepare import Prepared
from ch5jax.sweeps._programs import Programs
from ch5jax.sweeps._race import Race
from ch5jax.sweeps._stall import StallMonitor
from ch5jax.sweeps._stop import Stop
from ch5jax.sweeps._store import Store

SECONDS_BETWEEN_STATES = 60.0  # a long chunk's state is stored this often, which is what a kill can cost
SECONDS_A_SEGMENT = 2.0  # how long the host hears nothing: no progress, no Ctrl-C, no state stored
FIRST_SEGMENT = 50  # steps, before it is known how long one takes


class Progress(NamedTuple):
    """How far a sweep is."""

    group: str  # the group that is training
    trials_done: int  # of the whole sweep, those found in the store included
    trials: int
    steps_done: int  # configuration-steps: one step of one trial
    steps: int


class Executor:
    """Trains what the store does not hold yet."""

    def __init__(
        self,
        prepared: Prepared,
        race: Race,
        store: Store,
        progress: Callable[[Progress], object] | None,
        keep_states: bool,
        only: Callable[[int, int], bool] = lambda g, chunk: True,
    ):
        """All chunks of the stage that a race is at, or `only` some of them, by group and number."""
        *before, stage = race.stages
        self.before, groups, layouts = before[-1] if before else None, prepared.groups, stage.layouts
        self.groups, self.plan, self.layouts = groups, prepared.plan._replace(schedule=stage.schedule), layouts
        self.store, self.progress = store, progress
        self.traced, self.compiled = prepared.traced, prepared.compiled
        self.keep_states = keep_states or bool(stage.later)
        own = [[chunk for chunk in layout.chunks if only(layout.g, chunk)] for layout in layouts]
        names, count = store.names(), sum(len(layouts[g].trials(chunk)) for g, part in enumerate(own) for chunk in part)
        self.pending = [[chunk for chunk in part if chunk_name(g, chunk) not in names] for g, part in enumerate(own)]
        waiting = sum(len(layouts[g].trials(chunk)) for g, chunks in enumerate(self.pending) for chunk in chunks)
        self.begin = self.before.schedule.steps if self.before else 0
        self.is_last = not stage.later
        others = stage.trials - count
        self.trials = sum(group.trials for group in groups) - others
        self.steps_due = race.steps_due - others * stage.schedule.steps
        self.trials_done = stage.trials_left + (count - waiting) * self.is_last
        self.steps_done = stage.steps_left + waiting * self.begin + (count - waiting) * stage.schedule.steps
        self.length = FIRST_SEGMENT
        self.monitor, self.stop = StallMonitor(), Stop()

    def run(self) -> None:
        """Group after group; the next one compiles while one trains."""
        with self.monitor:
            self._run()

    def _run(self) -> None:
        queue = [g for g, chunks in enumerate(self.pending) if chunks]
        self._report(self.groups[queue[0] if queue else -1].name)
        self._forget_states_of_finished_chunks()
        pool = ThreadPoolExecutor(1)
        try:
            ready: Future[Programs] | None = pool.submit(self.compiled[queue[0]]) if queue else None
            for g, following in itertools.zip_longest(queue, queue[1:]):
                self.monitor.now(f"compiling the programs of group {self.groups[g].name!r}")
                programs = ready.result() if ready else self.compiled[g]()
                ready = pool.submit(self.compiled[following]) if following is not None else None
                self.length = FIRST_SEGMENT
                for start, chunks in self._loads(g):
                    with self.stop:
                        self._train(g, programs, start, chunks)
        finally:  # who stops a sweep does not wait for a compilation that nobody needs any more
            pool.shutdown(wait=False, cancel_futures=True)

    def _forget_states_of_finished_chunks(self) -> None:
        """A kill may have come between storing a chunk and removing its state."""
        names = self.store.names()
        for name in names:
            if name.endswith(STATE) and name.removesuffix(STATE) in names:
                self.store.remove(name)

    def _loads(self, g: int) -> list[tuple[int, list[int]]]:
        """The pending chunks of a group, as many at a time as there are devices, each lot from one step on."""
        paused: dict[int, list[int]] = {}
        for chunk in self.pending[g]:
            held = self._paused(g, chunk)
            start = int(held.step) if held else self.begin if self._at_the_rung(g, chunk) else 0
            paused.setdefault(start, []).append(chunk)
        size = len(self.plan.devices)
        return [
            (start, chunks[i : i + size])
            for start, chunks in sorted(paused.items(), reverse=True)
            for i in range(0, len(chunks), size)
        ]

    def _paused(self, g: int, chunk: int) -> Paused | None:
        """A chunk that the store holds half-way, or at the end of a sweep of fewer steps."""
        names = self.store.names()
        name = next((name for name in (state_name(g, chunk), end_name(g, chunk)) if name in names), None)
        if name is None:
            return None
        return self._read(g, name, self.layouts[g].of(name, chunk))

    def _read(self, g: int, name: str, of: str) -> Paused:
        leaves = [np.zeros(0)] * len(jax.tree.leaves(self.traced[g].init.shapes[0]))
        return self.store.read(name, Paused(np.zeros(0), leaves, self.traced[g].history(0)), of)

    def _at_the_rung(self, g: int, chunk: int) -> dict[str, tuple[str, np.ndarray]]:
        """Where a chunk's trials are as the stage before left them: files, what they are of, and the rows there.

        Nothing where there was no stage before, or its states have been forgotten: then they train from the beginning.
        """
        if self.before is None:
            return {}
        layout, found = self.before.layouts[g], {}
        chunks, rows = layout.place(self.layouts[g].trials(chunk))
        for number in np.unique(chunks).tolist():
            name = end_name(g, number)
            found[name] = layout.of(name, number), rows[chunks == number]
        return found if found.keys() <= self.store.names() else {}

    def _from_the_rung(self, g: int, chunk: int) -> Paused:
        """These trials, put side by side."""
        parts = []
        for name, (of, here) in self._at_the_rung(g, chunk).items():
            held = self._read(g, name, of)
            parts.append(jax.tree.map(lambda leaf, here=here: leaf[here], (held.carried, held.history)))
        carried, history = jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
        full = np.resize(np.arange(len(self.layouts[g].trials(chunk))), self.plan.schedule.width)
        return Paused(np.array(self.begin), [leaf[full] for leaf in carried], history)

    def _train(self, g: int, programs: Programs, start: int, chunks: list[int]) -> None:
        """Trains a chunk on each device, from a step on to the end, and stores them."""
        plan, schedule, group = self.plan, self.plan.schedule, self.groups[g]
        lots = [self.layouts[g].trials(chunk) for chunk in chunks]
        where = self._where(g, lots)
        hyperparameters, seeds = jax.device_put(group.rows(self._padded(lots)), programs.sharding)
        held = [self._paused(g, chunk) or self._from_the_rung(g, chunk) for chunk in chunks] if start else []
        histories = [paused.history for paused in held] or [self.traced[g].history(len(lot)) for lot in lots]
        self.monitor.now(f"drawing the initial states {where}")
        carried, origin = programs.init(hyperparameters, seeds, plan.key)
        if held:
            carried = self._restored(held, programs, carried)
        rows = [slice(i * schedule.width, i * schedule.width + len(trials)) for i, trials in enumerate(lots)]
        live, stored_at = sum(map(len, lots)), time.monotonic()
        taken_at = stored_at
        self.steps_done += live * (start - self.begin)

        def take(begin: int, end: int, record: Any, evaluation: Any) -> None:
            nonlocal taken_at
            self.monitor.now(f"taking steps {begin} to {end} {where}")
            (record, evaluation), now = jax.device_get((record, evaluation)), time.monotonic()
            self.length, taken_at = self._fitting(end - begin, now - taken_at), now
            recorded, whole = schedule.recorded(begin, end), schedule.probes.whole_rows(begin, end)
            for i, row in enumerate(rows):
                metrics = {name: values[: end - begin, row].T for name, values in record.metrics.items()}
                signals = jax.tree.map(lambda values, row=row: values[whole, row].swapaxes(0, 1), record.signals)
                histories[i] = histories[i].after_steps(metrics, recorded, begin, signals)
                if evaluation is not None:
                    histories[i] = histories[i].after_evaluation(*jax.tree.map(lambda v, row=row: v[row], evaluation))
            self.steps_done += live * (end - begin)
            self._report(group.name)

        waiting: tuple[Any, ...] | None = None
        begin, stops, evaluated_at = start, schedule.stops, {*schedule.evaluated_at.tolist()}
        while begin < schedule.steps:
            end = min(begin + self.length, stops[bisect.bisect(stops, begin)])
            span = np.int32(begin), np.int32(end)
            self.monitor.now(f"taking steps {begin} to {end} {where}")
            carried, record = programs.advance(hyperparameters, seeds, group.seeds, plan.key, carried, origin, *span)
            evaluation = programs.evaluate(hyperparameters, carried.state) if end in evaluated_at else None
            if waiting:  # taken in while the next segment runs
                take(*waiting)
            waiting = (begin, end, record, evaluation)
            begin = end
            if end < schedule.steps and (self.stop.asked or time.monotonic() - stored_at > SECONDS_BETWEEN_STATES):
                take(*waiting)
                waiting = None
                self._store_states(g, chunks, end, carried, histories)
                stored_at = time.monotonic()
                if self.stop.asked:
                    self.stop.take_effect()
        if waiting:
            take(*waiting)
        self._store_results(g, chunks, carried, histories)

    def _fitting(self, steps: int, seconds: float) -> int:
        """How long the next segment may be if so many steps took so many seconds."""
        return max(1, min(int(steps * SECONDS_A_SEGMENT / max(seconds, 1e-3)), 10 * self.length))

    def _padded(self, lots: list[np.ndarray]) -> np.ndarray:
        """As many trials for every device as it takes side by side: some twice, where they are too few."""
        padded = [np.resize(trials, self.plan.schedule.width) for trials in lots]
        return np.concatenate(padded + [padded[-1]] * (len(self.plan.devices) - len(lots)))

    def _where(self, g: int, lots: list[np.ndarray]) -> str:
        before = sum(group.trials for group in self.groups[:g])
        return f"of trials {before + lots[0][0]} to {before + lots[-1][-1]}, group {self.groups[g].name!r}"

    def _store_results(self, g: int, chunks: list[int], carried: Any, histories: list[History]) -> None:
        if self.keep_states:
            self._store_states(g, chunks, self.plan.schedule.steps, carried, histories)
        self.monitor.now(f"storing chunks {chunks[0]} to {chunks[-1]} of group {self.groups[g].name!r}")
        for chunk, history in zip(chunks, histories, strict=True):
            name = chunk_name(g, chunk)
            self.store.write(name, history.done(self.plan.schedule.steps), self.layouts[g].of(name, chunk))
            self.store.remove(state_name(g, chunk))
            if not self.keep_states:
                self.store.remove(end_name(g, chunk))
            self.trials_done += len(self.layouts[g].trials(chunk)) * self.is_last
        self._report(self.groups[g].name)

    def _store_states(self, g: int, chunks: list[int], step: int, carried: Any, histories: list[History]) -> None:
        self.monitor.now(f"storing the states at step {step} of group {self.groups[g].name!r}")
        leaves = to_host(carried)
        for i, (chunk, history) in enumerate(zip(chunks, histories, strict=True)):
            rows = slice(i * self.plan.schedule.width, (i + 1) * self.plan.schedule.width)
            name = (end_name if step == self.plan.schedule.steps else state_name)(g, chunk)
            held = Paused(np.array(step), [leaf[rows] for leaf in leaves], history)
            self.store.write(name, held, self.layouts[g].of(name, chunk))

    def _restored(self, held: list[Paused], programs: Programs, like: PyTree) -> Any:
        held = held + [held[-1]] * (len(self.plan.devices) - len(held))
        leaves = [np.concatenate(parts) for parts in zip(*(paused.carried for paused in held), strict=True)]
        return jax.device_put(from_host(leaves, like), programs.sharding)

    def _report(self, group: str) -> None:
        if self.progress is not None:
            done = Progress(group, self.trials_done, self.trials, self.steps_done, self.steps_due)
            self.monitor.now("reporting the progress")
            self.progress(done)
