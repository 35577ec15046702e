"""A process that was forked from one in which JAX runs: its threads are not there, and a program waits for ever."""

import os

_first: set[int] = set()  # the process in which the first training was asked for


def check_not_forked() -> None:
    """Says so before anything waits.

    Raises:
      ValueError: in a fork of a process that has trained.
    """
    if not _first:
        _first.add(os.getpid())
    if os.getpid() not in _first:
        raise ValueError(
            f"this process was forked from {min(_first)}, in which JAX runs, and would "
            'wait for ever: start it by multiprocessing.get_context("spawn")'
        )
