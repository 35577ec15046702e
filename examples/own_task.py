"""A Task of your own, swept: noisy gradient descent on a quadratic, momentum against its learning rate.

The loss is w'Hw/2 with eigenvalues from 1 to 100, its gradient seen through noise. Theory: the steepest direction
diverges above a rate of 2 (1 + decay) / 100.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax

import ch5jax

EIGENVALUES = jnp.logspace(0, 2, 10)


def init(key, opt):
    w = jax.random.normal(key, EIGENVALUES.shape)
    return w, opt.init(w)


def loss(w):
    return jnp.sum(EIGENVALUES * w**2) / 2


def step(key, index, opt, state):
    w, opt_state = state
    noisy = jax.grad(loss)(w) + 0.1 * jax.random.normal(key, w.shape)
    updates, opt_state = opt.update(noisy, opt_state, w)
    return (optax.apply_updates(w, updates), opt_state), {"loss": loss(w)}


def evaluate(opt, state):
    return {"validation_loss": loss(state[0])}


task = ch5jax.Task(init, step, evaluate)
settings = ch5jax.grid(ch5jax.momentum, decay=[0.0, 0.5, 0.9], learning_rate=np.geomspace(1e-3, 1e-1, 13))
result = ch5jax.sweep(task, settings, steps=300, key=jax.random.key(0), seeds=8)

for decay in (0.0, 0.5, 0.9):
    mine = result.columns["decay"] == decay
    lost = mine & (result.columns["diverged_at"] >= 0)
    limit = 2 * (1 + decay) / 100
    first = result.columns["learning_rate"][lost].min(initial=np.inf)
    best = min(np.flatnonzero(mine), key=lambda i: result.columns["validation_loss"][i])
    print(
        f"decay {decay}: best learning rate {result.columns['learning_rate'][best]:.3g}, "
        f"diverges from {first:.3g} on (theory: above {limit:.3g})"
    )
