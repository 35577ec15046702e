"""Runs every benchmark in a process of its own: `python -m benchmarks [name ...]`."""

import subprocess
import sys

NAMES = ("updates", "sweep_speed", "batch_norm", "signals", "verdicts")

for name in sys.argv[1:] or NAMES:
    print(f"\n== {name}", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
