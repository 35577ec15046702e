"""How fast this machine moves memory: the limit of what only reads and writes."""

from collections.abc import Callable

import torch

from benchmarks.timing import at

TRIAD = at(1 << 24, 1 << 10)  # elements


def triad(elements: int = TRIAD) -> Callable[[], object]:
    """a ← a + s·b by PyTorch, 12 bytes an element and the pattern of an update: it ran faster than the same by XLA."""
    a, b = torch.ones(elements), torch.ones(elements)
    return lambda: a.add_(b, alpha=1e-3)
