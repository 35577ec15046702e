"""Where sweeping in one program stops paying: networks and batches of many sizes, beside a loop of a jitted step.

A call of n steps and one of 4 n are timed, both the second of their kind, so that nothing compiles: their difference
is what a step costs, and the rest what a call does beside its steps, which are tracing, drawing the initial states,
an evaluation and the table. The loop trains one configuration after the other and reads the losses at the end.
"""

import functools
import itertools
import os
from typing import Any

import jax
import numpy as np

import ch5jax
from benchmarks.loop import JittedLoop
from benchmarks.tables import table
from benchmarks.timing import alternate, at, median, ratio, save

ON_CPU = os.environ.get("JAX_PLATFORMS", "cpu") == "cpu"
INPUTS = 784
EXAMPLES = at(4096, 64)
HIDDEN = at(((32,), (128, 128), (512, 512), (1024, 1024)), ((8,),))
BATCHES = at((32, 128, 512), (16,))
CONFIGURATIONS = at(8, 2)
WORK = at(5e10 if ON_CPU else 5e12, 1e5)  # floating-point operations of the shorter call
LONGER = 4
ROUNDS = at(3, 1)
PROBES = 25  # signals are taken at one step in so many, as by default


def steps_of(hidden: tuple[int, ...], batch: int) -> int:
    """How many steps of each configuration make up a call's work."""
    products = sum(a * b for a, b in itertools.pairwise((INPUTS, *hidden, 10)))
    return int(np.clip(WORK / (6 * batch * products * CONFIGURATIONS), at(20, 2), 500))


def measure(data: Any, hidden: tuple[int, ...], batch: int) -> dict[str, object]:
    steps = steps_of(hidden, batch)
    task = ch5jax.tasks.supervised(ch5jax.networks.mlp((INPUTS, *hidden, 10)), data, batch_size=batch)
    opts = ch5jax.grid(ch5jax.adam, learning_rate=np.geomspace(1e-4, 1e-2, CONFIGURATIONS))
    widths = []

    def ours(signals_every: int, steps: int) -> None:
        result = ch5jax.sweep(task, opts, steps=steps, key=jax.random.key(0), signals_every=signals_every)
        widths.append(result.width)

    runs: dict[str, Any] = {}
    for length in (steps, LONGER * steps):
        runs[f"plain {length}"] = functools.partial(ours, 0, length)
        runs[f"signals {length}"] = functools.partial(ours, PROBES, length)
        runs[f"loop {length}"] = JittedLoop(data, (INPUTS, *hidden, 10), batch, length)
    seconds = alternate(runs, ROUNDS, flush=False)

    def marginal(name: str) -> list[float]:
        """Seconds that a step costs."""
        pairs = zip(seconds[f"{name} {steps}"], seconds[f"{name} {LONGER * steps}"], strict=True)
        return [(longer - shorter) / (LONGER - 1) / steps for shorter, longer in pairs]

    each = [CONFIGURATIONS * s for s in marginal("loop")]
    return {
        "network": "-".join(map(str, (INPUTS, *hidden, 10))),
        "batch": batch,
        "width": widths[-1],
        "loop, µs a step": 1e6 * median(marginal("loop")),
        "ours, µs a configuration-step": 1e6 * median(marginal("plain")) / CONFIGURATIONS,
        "ours / loop": ratio(marginal("plain"), each),
        "with signals": ratio(marginal("signals"), each),
        "beside the steps, s": median(seconds[f"plain {steps}"]) - steps * median(marginal("plain")),
    }


def main() -> None:
    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(EXAMPLES, INPUTS)).astype(np.float32)
    data = inputs, (inputs @ generator.normal(size=(INPUTS, 10))).argmax(axis=1)
    rows = []
    for hidden, batch in itertools.product(HIDDEN, BATCHES):
        rows.append(measure(data, hidden, batch))
        print(rows[-1], flush=True)
    save("crossing", {"rows": rows})
    print(table(rows))


if __name__ == "__main__":
    main()
