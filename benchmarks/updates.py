"""One update with its apply_updates, donated: ours, Optax, PyTorch fused, and the measured bandwidth."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch

import ch5jax
from benchmarks.bandwidth import DEVICE, TRIAD, triad, wait
from benchmarks.tables import table
from benchmarks.timing import alternate, at, median, ratio, save

ROUNDS = at(31, 2)
REPEATS = {"large": 1, "small": 5}
PEERS: dict[str, tuple[Any, Any]] = {
    "sgd": (ch5jax.sgd(1e-3), optax.sgd(1e-3)),
    "momentum": (ch5jax.momentum(1e-3, 0.9), optax.sgd(1e-3, momentum=0.9)),
    "adagrad": (ch5jax.adagrad(1e-3), optax.adagrad(1e-3)),
    "rmsprop": (ch5jax.rmsprop(1e-3), optax.rmsprop(1e-3, eps_in_sqrt=False)),
    "adam": (ch5jax.adam(1e-3), optax.adam(1e-3)),
}
# bytes a parameter that have to move: gradient in; parameter and state in and out
BYTES = {"sgd": 12, "momentum": 20, "adagrad": 20, "rmsprop": 20, "adam": 28}


def workload(kind: str) -> list[np.ndarray]:
    shapes = [at((2048, 2048), (8, 8), gpu=(8192, 8192))] * 4 if kind == "large" else [(64, 64), (64,)] * at(300, 2)
    generator = np.random.default_rng(0)
    return [generator.standard_normal(shape, np.float32) for shape in shapes]


class Jax:
    """A jitted update that keeps its parameters and state, and gives their buffers away at each call."""

    def __init__(self, opt: Any, leaves: Any, gradients: Any, prepare: Callable[[Any], Any] = lambda g: g):
        @functools.partial(jax.jit, donate_argnums=(0, 1))
        def update(params: Any, state: Any, gradients: Any) -> Any:
            updates, state = opt.update(prepare(gradients), state, params)
            return optax.apply_updates(params, updates), state

        self.params = jax.tree.map(jnp.array, leaves)
        self.state = opt.init(self.params)
        self.gradients = jax.tree.map(jnp.array, gradients)
        self.update = update

    def __call__(self, repeats: int = 1) -> None:
        for _ in range(repeats):
            self.params, self.state = self.update(self.params, self.state, self.gradients)
        jax.block_until_ready(self.params)


class Torch:
    """PyTorch's fused Adam."""

    def __init__(self, leaves: list[np.ndarray], gradients: list[np.ndarray]):
        self.params = [torch.nn.Parameter(torch.tensor(leaf, device=DEVICE)) for leaf in leaves]
        for param, gradient in zip(self.params, gradients, strict=True):
            param.grad = torch.tensor(gradient, device=DEVICE)
        self.opt = torch.optim.Adam(self.params, lr=1e-3, eps=1e-7, fused=True)

    def __call__(self, repeats: int = 1) -> None:
        for _ in range(repeats):
            self.opt.step()
        wait()


def flat(leaves: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([leaf.ravel() for leaf in leaves])


def measure(kind: str) -> list[dict[str, object]]:
    leaves = workload(kind)
    gradients = [leaf[::-1].copy() * 0.1 for leaf in leaves]
    count = sum(leaf.size for leaf in leaves)
    contestants: dict[str, Callable[[], object]] = {"triad": triad()}
    runs: dict[str, Any] = {}
    for name, (ours, peer) in PEERS.items():
        runs[f"{name} ch5jax"] = Jax(ours, leaves, gradients)
        runs[f"{name} optax"] = Jax(peer, leaves, gradients)
    runs["adam torch fused"] = Torch(leaves, gradients)
    if kind == "small":
        one = flat(leaves)

        def join(tree):
            return jnp.concatenate([leaf.ravel() for leaf in tree])

        runs["adam ch5jax, all flat"] = Jax(PEERS["adam"][0], one, flat(gradients))
        runs["adam ch5jax, gradients joined"] = Jax(PEERS["adam"][0], one, gradients, join)
        runs["adam optax.flatten"] = Jax(optax.flatten(optax.adam(1e-3)), leaves, gradients)
    repeats = REPEATS[kind]
    contestants |= {name: functools.partial(run, repeats) for name, run in runs.items()}
    seconds = alternate(contestants, ROUNDS)
    bandwidth = 12 * TRIAD / median(seconds["triad"])
    rows: list[dict[str, object]] = []
    for name in runs:
        rule = name.split()[0]
        limit = BYTES[rule] * count / bandwidth
        rows.append(
            {
                "parameters": kind,
                "update": name,
                "ms": 1e3 * median(seconds[name]) / repeats,
                "× Optax": ratio(seconds[name], seconds[f"{rule} optax"]),
                "× bandwidth limit": median(seconds[name]) / repeats / limit,
            }
        )
    rows.append(
        {"parameters": kind, "update": "triad, GB/s", "ms": bandwidth / 1e9, "× Optax": "", "× bandwidth limit": ""}
    )
    return rows


def main() -> None:
    torch.set_num_threads(len(jax.devices()) if len(jax.devices()) > 1 else torch.get_num_threads())
    rows = [row for kind in ("large", "small") for row in measure(kind)]
    save("updates", {"rows": rows})
    print(table(rows))


if __name__ == "__main__":
    main()
