"""BatchNorm forward, and forward + backward: ours, Flax with either variance, the formula, PyTorch, the bandwidth.

A compiled step's outputs (y, and the gradient of x) go into buffers that it was given, as in a training that goes on;
what they are in a fresh buffer is mostly page faults (26 of 29 ms for 51 MB). PyTorch takes its memory from malloc: the
second run tells malloc to keep freed memory, which helps nobody else.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import linen

import ch5jax
from benchmarks.bandwidth import DEVICE, TRIAD, triad, wait
from benchmarks.tables import table
from benchmarks.timing import alternate, at, median, on_gpu, ratio, save

SHAPES: list[tuple[int, ...]] = at(
    [(256, 512), (32, 28, 28, 128), (64, 56, 56, 64)],
    [(16, 8), (4, 3, 3, 8)],
    gpu=[(65536, 2048), (256, 28, 28, 512), (256, 56, 56, 256)],
)
DTYPES = ("float32", "bfloat16")
ROUNDS = dict(zip(SHAPES, at((61, 25, 15), (2, 2), gpu=(25, 25, 25)), strict=True))
EPS = 1e-5
PASSES = (
    8  # forward: read x for its mean, for its variance, for y, and write y; backward: read x and g, write dx: 3 of 4
)
KEPT = {
    "MALLOC_MMAP_THRESHOLD_": str(8 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(16 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
}
BatchNorm = Callable[[Any, Any, Any], tuple[Any, Any]]  # (x, scale, bias) -> y, running statistics


def ours(features: int, dtype: str) -> BatchNorm:
    _, state = ch5jax.batch_norm_init(features)
    return lambda x, scale, bias: ch5jax.batch_norm(x, ch5jax.BatchNormParams(scale, bias), state)


def flax(features: int, dtype: str, fast: bool) -> BatchNorm:
    layer = linen.BatchNorm(
        use_running_average=False, momentum=0.9, epsilon=EPS, use_fast_variance=fast, dtype=jnp.dtype(dtype)
    )
    stats = {"mean": jnp.zeros(features), "var": jnp.ones(features)}

    def apply(x: Any, scale: Any, bias: Any) -> tuple[Any, Any]:
        variables = {"params": {"scale": scale, "bias": bias}, "batch_stats": stats}
        return layer.apply(variables, x, mutable=["batch_stats"])

    return apply


def naive(features: int, dtype: str) -> BatchNorm:
    def apply(x: Any, scale: Any, bias: Any) -> tuple[Any, Any]:
        axes, values = tuple(range(x.ndim - 1)), x.astype(jnp.float32)
        mean = values.mean(axes)
        var = ((values - mean) ** 2).mean(axes)
        y = (values - mean) / jnp.sqrt(var + EPS) * scale + bias
        return y.astype(x.dtype), (0.9 * jnp.zeros(features) + 0.1 * mean, 0.9 + 0.1 * var)

    return apply


JAX_PEERS: dict[str, Callable[[int, str], BatchNorm]] = {
    "ch5jax": ours,
    "Flax, default": lambda features, dtype: flax(features, dtype, fast=True),
    "Flax, use_fast_variance=False": lambda features, dtype: flax(features, dtype, fast=False),
    "autodiff of the formula": naive,
}


class Jax:
    """Compiled steps that write y and dx over the last ones."""

    def __init__(self, batch_norm: BatchNorm, x: np.ndarray, g: np.ndarray, dtype: str):
        self.function = batch_norm
        self.x, self.g = (jnp.asarray(a).astype(dtype) for a in (x, g))
        self.params = jnp.ones(x.shape[-1]), jnp.zeros(x.shape[-1])

        def forward(x: Any, scale: Any, bias: Any, old: Any) -> Any:
            return batch_norm(x, scale, bias)

        def both(x: Any, g: Any, scale: Any, bias: Any, old: Any) -> Any:
            y, pull, state = jax.vjp(batch_norm, x, scale, bias, has_aux=True)
            dx, *slopes = pull(g)
            return (y, dx), slopes, state

        self._forward = jax.jit(forward, donate_argnames="old", keep_unused=True)
        self._both = jax.jit(both, donate_argnames="old", keep_unused=True)
        self.y, self.pair = self.x + 0, (self.x + 0, self.x + 0)

    def forward(self) -> None:
        self.y, state = self._forward(self.x, *self.params, self.y)
        jax.block_until_ready((self.y, state))

    def both(self) -> None:
        self.pair, *rest = self._both(self.x, self.g, *self.params, self.pair)
        jax.block_until_ready((self.pair, rest))

    def error(self, x: np.ndarray, due: np.ndarray, dtype: str) -> float:
        y, _ = jax.jit(self.function)(jnp.asarray(x).astype(dtype), *self.params)
        return float(np.abs(np.asarray(y, np.float64) - due).max())

    def kept(self) -> float:
        """Bytes held for the backward pass, as a multiple of x's."""
        _, pull, _ = jax.vjp(self.function, self.x, *self.params, has_aux=True)
        leaves = [leaf for leaf in jax.tree.leaves(pull) if isinstance(leaf, jax.Array)]
        return sum({leaf.unsafe_buffer_pointer(): leaf.nbytes for leaf in leaves}.values()) / self.x.nbytes


class Torch:
    """`torch.nn.functional.batch_norm`, with x in one of PyTorch's layouts."""

    def __init__(self, channels_last: bool, x: np.ndarray, g: np.ndarray, dtype: str):
        self.channels_last = channels_last
        self.x, self.g = (self.tensor(a, dtype) for a in (x, g))
        features = x.shape[-1]
        on = {"device": DEVICE}
        self.scale = torch.ones(features, requires_grad=True, **on)
        self.bias = torch.zeros(features, requires_grad=True, **on)
        self.running = torch.zeros(features, **on), torch.ones(features, **on)
        self.x.requires_grad_()

    def tensor(self, array: np.ndarray, dtype: str) -> torch.Tensor:
        tensor = torch.tensor(array).to(DEVICE, getattr(torch, dtype))
        if tensor.ndim == 2:
            return tensor
        tensor = tensor.permute(0, 3, 1, 2)
        return tensor if self.channels_last else tensor.contiguous()

    def apply(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.batch_norm(x, *self.running, self.scale, self.bias, True, 0.1, EPS)

    def forward(self) -> None:
        with torch.no_grad():
            self.apply(self.x)
        wait()

    def both(self) -> None:
        torch.autograd.grad(self.apply(self.x), (self.x, self.scale, self.bias), self.g)
        wait()

    def error(self, x: np.ndarray, due: np.ndarray, dtype: str) -> float:
        with torch.no_grad():
            y = self.apply(self.tensor(x, dtype)).to(torch.float64)
        y = y if y.ndim == 2 else y.permute(0, 2, 3, 1)
        return float(np.abs(y.cpu().numpy() - due).max())

    def kept(self) -> float:
        sizes: dict[int, int] = {}

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            sizes[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            self.apply(self.x)
        return sum(sizes.values()) / (self.x.numel() * self.x.element_size())


def measure(shape: tuple[int, ...], dtype: str) -> list[dict[str, object]]:
    generator = np.random.default_rng(0)
    x, g = (generator.standard_normal(shape, np.float32) for _ in range(2))
    # bfloat16 knows multiples of 64 only around 10⁴
    far = np.asarray(jnp.asarray(1e4 + (1 if dtype == "float32" else 100) * x).astype(dtype).astype(jnp.float32))
    exact, axes = far.astype(np.float64), tuple(range(len(shape) - 1))
    due = (exact - exact.mean(axes)) / np.sqrt(exact.var(axes) + EPS)
    contestants: dict[str, Jax | Torch] = {
        name: Jax(factory(shape[-1], dtype), x, g, dtype) for name, factory in JAX_PEERS.items()
    }
    if len(shape) == 2:
        contestants["PyTorch"] = Torch(True, x, g, dtype)
    else:
        contestants["PyTorch, channels first"] = Torch(False, x, g, dtype)
        contestants["PyTorch, channels last"] = Torch(True, x, g, dtype)
    rounds = ROUNDS[shape]
    forward = alternate({name: c.forward for name, c in contestants.items()}, rounds)
    both = alternate({name: c.both for name, c in contestants.items()} | {"triad": triad()}, rounds)
    limit = PASSES * x.size * (4 if dtype == "float32" else 2) / (12 * TRIAD / median(both["triad"]))
    rows: list[dict[str, object]] = []
    for name, contestant in contestants.items():
        rows.append(
            {
                "shape": str(shape),
                "dtype": dtype,
                "": name,
                "forward, ms": 1e3 * median(forward[name]),
                "× ours": ratio(forward[name], forward["ch5jax"]),
                "forward + backward, ms": 1e3 * median(both[name]),
                "× ours ": ratio(both[name], both["ch5jax"]),
                "× limit of 8 passes": median(both[name]) / limit,
                "error at mean 1e4": contestant.error(far, due, dtype),
                "kept, × x": contestant.kept(),
            }
        )
    return rows


def main() -> None:
    kept = all(os.environ.get(name) == value for name, value in KEPT.items())
    rows = [row for dtype in DTYPES for shape in SHAPES for row in measure(shape, dtype)]
    print("freed memory is " + ("kept by malloc" if kept else "given back, as by default"))
    print(table(rows))
    save("batch_norm_memory_kept" if kept else "batch_norm", {"rows": rows})
    if not kept and not on_gpu():
        subprocess.run(
            [sys.executable, "-m", "benchmarks.batch_norm", *sys.argv[1:]], env={**os.environ, **KEPT}, check=True
        )


if __name__ == "__main__":
    main()
