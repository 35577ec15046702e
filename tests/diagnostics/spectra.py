"""Losses whose Hessian is known."""

import jax.numpy as jnp
import numpy as np


def rotated(eigenvalues, seed=0):
    """A symmetric matrix of these eigenvalues."""
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(eigenvalues),) * 2))
    return q @ np.diag(eigenvalues) @ q.T


def quadratic(matrix):
    """w'Hw/2 of a vector."""
    return lambda w: w @ jnp.asarray(matrix, w.dtype) @ w / 2
