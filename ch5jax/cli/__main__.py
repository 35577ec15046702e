"""Makes `python -m ch5jax.cli` the command `ch5jax`."""

from ch5jax.cli import main

main()
