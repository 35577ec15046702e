"""What a sweep of many trainings takes on many machines that come and go: a simulation, from what is measured here.

Measured: how long a process takes to begin (imports, tracing), to compile, to train a chunk and to store it. Simulated:
machines that take chunks one after the other, are taken away at random (each after an exponential time), and come back
after a while, with everything to begin again; a chunk goes on from its last state (a part of an array job, `--shard`)
or from its beginning (a task of a Ray cluster). It is checked against real clusters of one and two Ray nodes here.
"""

import heapq
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from benchmarks.tables import table
from benchmarks.timing import at, save

WIDTH, STEPS = at(64, 4), at(1000, 20)
CHUNKS_HERE = at(16, 2)
RAY = at(True, False)
AWAY = {"never": np.inf, "every 24 h": 86400.0, "every hour": 3600.0, "every 10 min": 600.0}


class Cost(NamedTuple):
    """Seconds, of one machine of one device; and bytes."""

    begin: float  # until a process has traced the sweep
    compile: float
    chunk: float
    store: float  # of the process that stores, a chunk
    size: int  # of a chunk's file


class Simulated(NamedTuple):
    hours: float
    machine_hours: float
    lost: float  # share of the machines' time
    storing: float  # share of the time that a single storing process works


def simulate(
    cost: Cost, chunks: int, machines: int, between: float, away: float = 120.0, states: float = 60.0, seed: int = 0
) -> Simulated:
    """Machines that take chunks.

    Args:
      cost: of a chunk.
      chunks: how many there are.
      machines: how many there are.
      between: mean seconds until one of them is taken away; infinity for never.
      away: seconds until it comes back.
      states: seconds between stored states; infinity where a chunk begins anew.
      seed: of the draw.
    """
    draw = np.random.default_rng(seed)
    ready = [(0.0, number) for number in range(machines)]  # when each is free
    ends = draw.exponential(between, machines) if np.isfinite(between) else np.full(machines, np.inf)
    warm, left, useful, last, busy = np.zeros(machines, bool), [cost.chunk] * chunks, 0.0, 0.0, 0.0
    while left:
        now, number = heapq.heappop(ready)
        start = 0.0 if warm[number] else cost.begin + cost.compile
        due = left.pop()
        done = now + start + due
        if done <= ends[number]:
            warm[number] = True
            useful += due
            busy += done - now
            last = max(last, done)
            heapq.heappush(ready, (done, number))
            continue
        trained = max(0.0, ends[number] - now - start)
        kept = states * (trained // states) if np.isfinite(states) else 0.0
        left.append(due - kept)
        useful += kept
        busy += ends[number] - now
        back = ends[number] + away
        warm[number], ends[number] = False, back + draw.exponential(between)
        heapq.heappush(ready, (back, number))
    return Simulated(last / 3600, busy / 3600, 1 - useful / busy, chunks * cost.store / last)


PROGRAM = """
import time
begun = time.perf_counter()
import jax, sys, json
import numpy as np
import ch5jax
width, steps, chunks, folder = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
address = sys.argv[5] if len(sys.argv) > 5 else None
task = ch5jax.tasks.digits(hidden=(32,))
opts = ch5jax.grid(ch5jax.adam, learning_rate=np.geomspace(1e-4, 0.1, width * chunks))
at = []
ch5jax.sweep(task, opts, steps=steps, key=jax.random.key(0), width=width, store=folder, evaluate_every=steps,
             engine=ch5jax.sweeps.Ray(address) if address else None,
             progress=lambda progress: at.append((time.perf_counter() - begun, progress.trials_done)))
done = [next(t for t, d in at if d >= n * width) for n in range(chunks + 1)]
print(json.dumps(done))
"""


def timed(chunks: int, folder: str, address: str | None = None) -> list[float]:
    """Seconds from the beginning of a process until so many chunks were done, from none on."""
    words = [str(WIDTH), str(STEPS), str(chunks), folder, *([address] if address else [])]
    places = os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": places}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=True, env=environment
    )
    return [float(word) for word in done.stdout.strip().splitlines()[-1].strip("[]").split(",")]


def measured(folder: str) -> Cost:
    """On one device of this machine."""
    at_chunk = timed(max(3, CHUNKS_HERE // 2), folder)
    chunk = float(np.median(np.diff(at_chunk[1:])))
    file = next(Path(folder).glob("group000-chunk000000.npz"))
    begun = time.perf_counter()
    for number in range(20):
        (Path(folder) / f"copy{number}").write_bytes(file.read_bytes())
        with (Path(folder) / f"copy{number}").open("rb") as copy:
            os.fsync(copy.fileno())
    store = (time.perf_counter() - begun) / 20
    return Cost(at_chunk[0], at_chunk[1] - at_chunk[0] - chunk, chunk, store, file.stat().st_size)


def on_ray(nodes: int) -> float:
    """Seconds that a real cluster of so many nodes of one CPU takes for all chunks, from when the first may begin."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - of the extra

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    for _ in range(nodes - 1):
        cluster.add_node(num_cpus=1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            seconds = timed(CHUNKS_HERE, folder, cluster.address)
            return seconds[-1] - seconds[0]
    finally:
        cluster.shutdown()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        cost = measured(folder)
    print(cost, flush=True)
    checks = []
    for nodes in (1, 2) if RAY else ():
        due, real = 3600 * simulate(cost, CHUNKS_HERE, nodes, np.inf).hours, on_ray(nodes)
        seconds = {"simulated, s": due, "real, s": real, "ratio": real / due}
        checks.append({"Ray nodes": nodes, "chunks": CHUNKS_HERE, **seconds})
        print(checks[-1], flush=True)
    figures = []
    trainings = at(10**6, 10**3)
    for machines in at((100, 1000, 10_000), (2, 4)):
        for name, between in AWAY.items():
            for way, states in (("goes on", 60.0), ("anew", np.inf)):
                found = simulate(cost, -(-trainings // WIDTH), machines, between, states=states)
                figures.append(
                    {
                        "machines": machines,
                        "each is taken away": name,
                        "a chunk then": way,
                        "hours": found.hours,
                        "machine-hours": found.machine_hours,
                        "lost, %": 100 * found.lost,
                        "one process stores, % of the time": 100 * found.storing,
                    }
                )
    print(table(figures))
    save("machines", {"cost": cost._asdict(), "checks": checks, "rows": figures})


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", 1)
    main()
