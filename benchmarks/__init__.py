"""Side-by-side runs against the peers and the machine's limits; `python -m benchmarks` runs them all."""
