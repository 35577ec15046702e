"""Runs every benchmark in a process of its own: `python -m benchmarks [--tiny] [name ...]`."""

import os
import subprocess
import sys

NAMES = (
    "updates",
    "sweep_speed",
    "crossing",
    "scale",
    "batch_norm",
    "signals",
    "verdicts",
    "public_runs",
    "treatments",
    "read_table",
    "search",
    "halving",
    "machines",
)

options = [word for word in sys.argv[1:] if word.startswith("-")]
names = [word for word in sys.argv[1:] if word not in options] or NAMES
unknown = {*options} - {"--tiny"} | {*names} - {*NAMES}
if unknown:
    raise SystemExit(
        f"benchmarks are {', '.join(NAMES)}, and --tiny is the only option, got {', '.join(sorted(unknown))}"
    )

environment = dict(os.environ)
if "--tiny" in options:  # mostly compiling, which XLA does in a fifth of the time when it hardly optimizes
    environment["XLA_FLAGS"] = f"{environment.get('XLA_FLAGS', '')} --xla_backend_optimization_level=0"

for name in names:
    print(f"\n== {name}", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *options], env=environment, check=True)
