"""Configuration-steps a second of a sweep on the digits: ours, a Python loop, PyTorch, one big vmap, and the limit."""

import itertools
import os
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from sklearn.datasets import load_digits

import ch5jax
from benchmarks.loop import RATE, JittedLoop
from benchmarks.tables import table
from benchmarks.timing import alternate, at, median, ratio, save
from ch5jax.sweeps._groups import make_groups
from ch5jax.sweeps._programs import compile_programs
from ch5jax.sweeps._traced import trace_group
from ch5jax.sweeps._width import choose_width, free_memory
from ch5jax.training import Probes

BATCH = 64
STEPS = at(100, 4)  # of every configuration in one turn of ours
LOOP = at(300, 4)  # steps in one turn of a loop
ALL = at(1024, 8)  # configurations of the one vmap over all of them
PROBES = 25  # signals are taken at one step in so many, as by default
ROUNDS = at(5, 2)
WIDTHS = at({(32,): (16, 32, 128, 256), (128, 128): (2, 4, 16, 64)}, {(4,): (2,)})


def products(hidden: tuple[int, ...]) -> float:
    """Floating-point operations of one step's products: one forward, and two backward but for the first layer."""
    widths = (64, *hidden, 10)
    pairs = list(itertools.pairwise(widths))
    return 2 * BATCH * (3 * sum(a * b for a, b in pairs) - pairs[0][0] * pairs[0][1])


def digits() -> tuple[np.ndarray, np.ndarray]:
    data = load_digits()
    return (data.data[:1079] / 16).astype(np.float32), data.target[:1079]


def bare(hidden: tuple[int, ...], opt_used: bool) -> ch5jax.Task:
    """The same training on one batch, drawn never; with w ← w − αg in the optimizer's place if it is not used."""
    network = ch5jax.networks.mlp((64, *hidden, 10))
    inputs, targets = digits()
    x, one_hot = inputs[:BATCH], np.eye(10, dtype=np.float32)[targets[:BATCH]]

    def loss(params: Any) -> jax.Array:
        return -jnp.mean(jnp.sum(one_hot * jax.nn.log_softmax(network.apply(params, x)), axis=-1))

    def init(key: jax.Array, opt: Any) -> Any:
        params = network.init(key)
        return params, opt.init(params)

    def step(key: jax.Array, index: jax.Array, opt: Any, state: Any) -> Any:
        params, opt_state = state
        value, gradients = jax.value_and_grad(loss)(params)
        if opt_used:
            updates, opt_state = opt.update(gradients, opt_state, params)
        else:
            updates = jax.tree.map(lambda g: -opt.learning_rate * g, gradients)
        return (optax.apply_updates(params, updates), opt_state), {"loss": value}

    return ch5jax.Task(init, step, lambda opt, state: {"validation_loss": loss(state[0])})


class Ours:
    """The sweep's own program at a width."""

    def __init__(
        self, hidden: tuple[int, ...], width: int | None, task: ch5jax.Task | None = None, signals_every: int = 0
    ):
        rates = np.geomspace(1e-4, 1e-1, 4096)
        task = task or ch5jax.tasks.digits(hidden=hidden, batch_size=BATCH)
        (group,) = make_groups(task, ch5jax.grid(ch5jax.adam, learning_rate=rates), 1)
        key, devices = jax.random.key(0), jax.devices()
        begin = time.perf_counter()
        traced = trace_group(group, key, Probes(signals_every, STEPS))
        self.chosen = choose_width([traced], STEPS, group.trials, devices, free_memory(devices))
        self.width = width or self.chosen
        self.programs = compile_programs(traced, group, key, STEPS, self.width, devices)
        self.compile_seconds = time.perf_counter() - begin
        self.configurations = self.width * len(devices)
        rows, self.all_seeds = group.rows(np.arange(self.configurations)), group.seeds
        self.hyperparameters, self.seeds = jax.device_put(rows, self.programs.sharding)
        self.key = key
        self.carried, self.origin = self.programs.init(self.hyperparameters, self.seeds, key)

    @property
    def work(self) -> int:
        return self.configurations * STEPS

    def __call__(self) -> None:
        span = np.int32(0), np.int32(STEPS)
        self.carried, record = self.programs.advance(
            self.hyperparameters, self.seeds, self.all_seeds, self.key, self.carried, self.origin, *span
        )
        jax.device_get(record)


class Everything:
    """One jitted vmap over all configurations and a scan over the steps, on one device."""

    work = ALL * STEPS

    def __init__(self, hidden: tuple[int, ...]):
        task = ch5jax.tasks.digits(hidden=hidden, batch_size=BATCH)
        self.opts = jax.tree.map(jnp.asarray, ch5jax.grid(ch5jax.adam, learning_rate=np.geomspace(1e-4, 1e-1, ALL)))
        run = jax.jit(
            jax.vmap(lambda opt: ch5jax.train(task, opt, jax.random.key(0), STEPS, signals_every=0).metrics["loss"][-1])
        )
        begin = time.perf_counter()
        self.run = run.lower(self.opts).compile()
        self.compile_seconds = time.perf_counter() - begin

    def __call__(self) -> None:
        jax.block_until_ready(self.run(self.opts))


class TorchLoop:
    """The same in PyTorch."""

    work = LOOP
    compile_seconds = 0.0

    def __init__(self, hidden: tuple[int, ...]):
        inputs, targets = digits()
        self.inputs, self.targets = torch.tensor(inputs), torch.tensor(targets)
        widths = (64, *hidden, 10)
        layers: list[torch.nn.Module] = []
        for a, b in itertools.pairwise(widths):
            layers += [torch.nn.Linear(a, b), torch.nn.ReLU()]
        self.model = torch.nn.Sequential(*layers[:-1])
        self.opt = torch.optim.Adam(self.model.parameters(), lr=RATE)

    def __call__(self) -> None:
        for _ in range(self.work):
            rows = torch.randint(0, len(self.inputs), (BATCH,))
            loss = torch.nn.functional.cross_entropy(self.model(self.inputs[rows]), self.targets[rows])
            self.opt.zero_grad()
            loss.backward()
            self.opt.step()


class MatrixProduct:
    """The machine's limit: large square products, all cores."""

    size = at(2048, 64)

    def __init__(self) -> None:
        self.a = jnp.ones((self.size, self.size))
        self.product = jax.jit(jnp.matmul)

    def __call__(self) -> None:
        jax.block_until_ready(self.product(self.a, self.a))


def measure(hidden: tuple[int, ...]) -> list[dict[str, object]]:
    ours = Ours(hidden, None)
    contestants: dict[str, Any] = {f"ch5jax, W = {ours.width} (chosen)": ours}
    contestants |= {f"ch5jax, W = {w}": Ours(hidden, w) for w in WIDTHS[hidden] if w != ours.width}
    contestants["ch5jax, with its signals, by default"] = Ours(hidden, ours.width, signals_every=PROBES)
    contestants["ch5jax, one fixed batch"] = Ours(hidden, ours.width, bare(hidden, opt_used=True))
    contestants["ch5jax, one fixed batch, no Adam"] = Ours(hidden, ours.width, bare(hidden, opt_used=False))
    contestants |= {
        "Python loop, jitted Optax step": JittedLoop(digits(), (64, *hidden, 10), BATCH, LOOP),
        "PyTorch loop": TorchLoop(hidden),
    }
    contestants[f"one vmap of {ALL:,}"] = Everything(hidden)
    limit = MatrixProduct()
    runs: dict[str, Callable[[], object]] = {**contestants, "product": limit}
    seconds = alternate(runs, ROUNDS, flush=False)
    flops = 2 * limit.size**3 / median(seconds["product"])
    chosen = next(iter(contestants))
    rows: list[dict[str, object]] = []
    for name, run in contestants.items():
        each = [s / run.work for s in seconds[name]]
        rows.append(
            {
                "network": "-".join(map(str, (64, *hidden, 10))),
                "how": name,
                "µs a configuration-step": 1e6 * median(each),
                "× ours": ratio(each, [s / ours.work for s in seconds[chosen]]),
                "of the product limit": products(hidden) / median(each) / flops,
                "compile, s": run.compile_seconds,
            }
        )
    row = {"network": rows[0]["network"], "how": f"limit: products alone at {flops / 1e9:.0f} GFLOP/s"}
    rows.append(
        {
            **row,
            "µs a configuration-step": 1e6 * products(hidden) / flops,
            "× ours": "",
            "of the product limit": 1.0,
            "compile, s": "",
        }
    )
    return rows


def main() -> None:
    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    torch.set_num_threads(1)  # faster than two at this size
    rows = [row for hidden in WIDTHS for row in measure(hidden)]
    save("sweep_speed", {"rows": rows})
    print(table(rows))


if __name__ == "__main__":
    main()
