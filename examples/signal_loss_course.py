"""A rate too small and one too large, seen in the course of the loss, and how far each has come from its start.

Full-batch descent on a 100-dimensional quadratic with a kink: what falls as fast at the end as at half time was stopped
too early; what turns at every step bounces from wall to wall; noise alone would turn at two steps in three.
"""

import jax
import jax.numpy as jnp
import matplotlib as mpl
import matplotlib.pyplot as plt

import ch5jax
from ch5jax.diagnostics import alternation, descent, distance

mpl.use("agg")
STEPS = 200
scales = jnp.geomspace(0.1, 1, 100)
start = jnp.ones(100)


def loss(w):
    return jnp.sum(scales * jnp.sqrt(w**2 + 1e-4))


def run(opt):
    def step(w, _):
        updates, _ = opt.update(jax.grad(loss)(w), opt.init(w))
        return w + updates, loss(w)

    w, losses = jax.lax.scan(step, start, length=STEPS)
    return losses, distance(w, start)


figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
for rate in (0.003, 0.03, 0.7):
    losses, moved = jax.jit(run)(ch5jax.sgd(rate))
    middle, end = descent(losses)
    print(
        f"rate {rate:5}: falls by {middle:.2g} a step at half time and by {end:.2g} at the end, turns at "
        f"{alternation(losses[-STEPS // 4 :]):.0%} of the last steps, has travelled {moved:.2f} of its start's norm"
    )
    axes.semilogy(losses, label=f"rate {rate}")
axes.set(xlabel="step", ylabel="loss")
axes.legend(fontsize=8)
figure.savefig("signal_loss_course.png", dpi=100)
