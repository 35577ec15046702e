"""Whole sweeps of many sizes, called as a user calls them, beside one `jit(vmap(scan))` of Optax's; and much data.

A second call is timed, for which everything is compiled: what is left beside the steps is tracing and the host.
"""

import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.datasets import load_digits

import ch5jax
from benchmarks.tables import table
from benchmarks.timing import alternate, at, median, save

STEPS = at(200, 4)
BATCH = 64
ON_CPU = jax.default_backend() == "cpu"
SIZES = at((64, 1024) if ON_CPU else (64, 1024, 16384, 131072), (4,))
ROUNDS = at(3, 1)
EXAMPLES = at((1_000, 50_000), (100,))
KEY = jax.random.key(0)


def by_optax() -> Callable[..., Any]:
    """The same training of one configuration, with Optax, to be mapped by hand."""
    data = load_digits()
    inputs, one_hot = jnp.float32(data.data[:1079] / 16), jax.nn.one_hot(data.target[:1079], 10)
    network = ch5jax.networks.mlp((64, 32, 10))

    def train(rate: jax.Array, key: jax.Array) -> jax.Array:
        opt = optax.adam(rate)

        def step(carry: Any, index: jax.Array) -> Any:
            params, state = carry
            rows = jax.random.randint(jax.random.fold_in(key, index), (BATCH,), 0, len(inputs))

            def loss(params: Any) -> jax.Array:
                logits = network.apply(params, inputs[rows])
                return -jnp.mean(jnp.sum(one_hot[rows] * jax.nn.log_softmax(logits), axis=-1))

            value, gradient = jax.value_and_grad(loss)(params)
            updates, state = opt.update(gradient, state, params)
            return (optax.apply_updates(params, updates), state), value

        params = network.init(key)
        return jax.lax.scan(step, (params, opt.init(params)), jnp.arange(STEPS, dtype=jnp.int32))[1]

    return jax.jit(jax.vmap(train))


def sizes() -> list[dict[str, object]]:
    task, peer = ch5jax.tasks.digits(hidden=(32,)), by_optax()
    rows: list[dict[str, object]] = []
    for size in SIZES:
        rates, keys = np.geomspace(1e-4, 1, size), jax.random.split(KEY, size)

        def ours(signals_every: int | None, rates: np.ndarray = rates) -> object:
            opts = ch5jax.grid(ch5jax.adam, learning_rate=rates)
            return ch5jax.sweep(task, opts, steps=STEPS, key=KEY, signals_every=signals_every).columns["loss"]

        def theirs(rates: np.ndarray = rates, keys: jax.Array = keys) -> object:
            return np.asarray(peer(rates.astype(np.float32), keys))

        runs = {
            "ch5jax.sweep, no signals": functools.partial(ours, 0),
            "ch5jax.sweep, with signals and verdicts": functools.partial(ours, None),
            "jit(vmap(scan)) of Optax's Adam": theirs,
        }
        seconds = alternate(runs, ROUNDS, flush=False)
        rows += [
            {
                "configurations": size,
                "how": name,
                "million configuration-steps a second": size * STEPS / median(seconds[name]) / 1e6,
                "seconds a call": median(seconds[name]),
            }
            for name in runs
        ]
    return rows


def data() -> list[dict[str, object]]:
    """The first and the second call of a sweep of two settings over more and more examples of 784 numbers."""
    rows: list[dict[str, object]] = []
    for count in EXAMPLES:
        generator = np.random.default_rng(0)
        arrays = generator.normal(size=(count, 784)).astype(np.float32), generator.integers(0, 10, count)
        task = ch5jax.tasks.supervised(ch5jax.networks.mlp((784, 32, 10)), arrays, 0.02, 0.02, batch_size=at(64, 8))
        seconds = []
        for _ in range(2):
            begin = time.perf_counter()
            ch5jax.sweep(task, ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 0.2]), steps=at(20, 2), key=KEY)
            seconds.append(time.perf_counter() - begin)
        rows.append({"examples of 784": count, "first call, s": seconds[0], "second call, s": seconds[1]})
    return rows


def main() -> None:
    found = {"sizes": sizes(), "data": data()}
    save("scale", dict(found))
    for rows in found.values():
        print(table(rows) + "\n")


if __name__ == "__main__":
    main()
