"""How much of the memory a table may take."""

from ch5jax._memory import host_memory


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
            f"{what} would take {needed / 1e9:,.3g} GB, more than half of this machine's memory, {most / 1e9:.3g} GB"
        )


def memory() -> int:
    """Bytes of this machine's memory; 16 GiB where it does not say."""
    host = host_memory()
    return 16 << 30 if host is None else int(host.total)
