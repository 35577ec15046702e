"""How fast this machine moves memory: the limit of what only reads and writes."""

from collections.abc import Callable

import torch

from benchmarks.timing import at, on_gpu

TRIAD = at(1 << 24, 1 << 10, gpu=1 << 28)  # elements
DEVICE = "cuda" if on_gpu() else "cpu"


def wait() -> None:
    """Until PyTorch's device has done what it was asked."""
    if on_gpu():
        torch.cuda.synchronize()


def triad(elements: int = TRIAD) -> Callable[[], object]:
    """a ← a + s·b by PyTorch, 12 bytes an element and the pattern of an update: it ran faster than the same by XLA."""
    a, b = torch.ones(elements, device=DEVICE), torch.ones(elements, device=DEVICE)

    def run() -> None:
        a.add_(b, alpha=1e-3)
        wait()

    return run
