"""How much of the memory a table may take."""

import os


def check_memory(needed: int, what: str) -> None:
    """Refuses what takes more than half of this machine's memory.

    Args:
      needed: bytes.
      what: what takes them, for the message.

    Raises:
      ValueError: if they are too many.
    """
    if needed > (most := memory() // 2):
        raise ValueError(
            f"{what} would take {needed / 1e9:,.3g} GB, more than half of this machine's memory ({most / 1e9:.3g} GB)"
        )


def memory() -> int:
    """Bytes of this machine's memory; 16 GiB where it does not say."""
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names:
        return 16 << 30
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
