"""Optuna's samplers for what a sweep trains: a round of settings asked for, trained as one program, and told."""

from ch5jax.searches._search import Search as Search, search as search
