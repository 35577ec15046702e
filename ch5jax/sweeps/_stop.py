"""Ctrl-C and its kin wait until the state is stored."""

import signal
import threading
from types import FrameType
from typing import Any, Self

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stop:
    """Inside it a signal that would stop the process is noted, and takes effect at the end; a second one at once.

    Signals come to the main thread only; elsewhere, and for those that are ignored, nothing changes.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._came: int | None = None

    @property
    def asked(self) -> bool:
        """Whether one came."""
        return self._came is not None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for one in SIGNALS:
                if (handler := signal.getsignal(one)) not in (signal.SIG_IGN, None):
                    self._before[one] = handler
                    signal.signal(one, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        self._restore()
        came, self._came = self._came, None
        if came is not None:
            signal.raise_signal(came)

    def take_effect(self) -> None:
        """Has the signal do what it does; where that does not end it all, the next one waits again."""
        self.__exit__()
        self.__enter__()

    def _note(self, number: int, frame: FrameType | None) -> None:
        first, self._came = self._came is None, number
        if not first:
            self.__exit__()

    def _restore(self) -> None:
        for one, handler in self._before.items():
            signal.signal(one, handler)
        self._before = {}
