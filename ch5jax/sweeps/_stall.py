"""A sweep that has made no progress for long says so, and where."""

import logging
import threading
import time
from typing import Self

SECONDS = 120.0  # without progress, before it is said for the first time; each time after that takes twice as long

_log = logging.getLogger("ch5jax.sweeps")


class StallMonitor:
    """Logs a warning when nothing has been heard for long, from a thread of its own: the one that waits cannot.

    Whether the process computes or waits for something that never comes shows in the processor time that it has used.
    """

    def __init__(self, seconds: float | None = None):
        self._seconds = SECONDS if seconds is None else seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="ch5jax stall monitor", daemon=True)
        self.now("starting")

    def now(self, doing: str) -> None:
        """There was progress; this is what is done next."""
        self._doing = doing, time.monotonic(), time.process_time()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        told: tuple[str, float, float] | None = None
        patience = self._seconds
        while True:
            doing, since, used = seen = self._doing
            if seen is not told:
                told, patience = seen, self._seconds
            if self._ended.wait(max(since + patience - time.monotonic(), 0)):
                return
            if self._doing is seen:
                _log.warning(
                    "No progress for %.0f s, while %s. The process used %.0f s of processor time meanwhile: near zero, "
                    "it waits for something that may never come; else it may just be slow.",
                    time.monotonic() - since,
                    doing,
                    time.process_time() - used,
                )
                patience *= 2
