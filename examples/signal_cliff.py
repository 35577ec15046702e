"""A cliff, seen: gradient descent on a one-unit recurrent network meets a wall, and a recorder says at which step.

The gradient there is many times what it was in all recent steps. Unclipped, the step throws the parameters far away;
clipped, it does not.
"""

import jax
import matplotlib as mpl
import matplotlib.pyplot as plt
import optax

import ch5jax
from ch5jax.diagnostics import recorder

mpl.use("agg")
STEPS = 300
problem = ch5jax.problems.rnn_cliff()


def descend(opt):
    """The loss, the spike of the gradient and the step's length at every step, and the recorder's last state."""

    def step(carry, _):
        w, state = carry
        loss, gradient = jax.value_and_grad(problem.function)(w)
        updates, state = opt.update(gradient, state, w)
        moved = jax.numpy.linalg.norm(updates)
        return (optax.apply_updates(w, updates), state), (loss, optax.tree.get(state, "update_spike"), moved)

    w = jax.numpy.asarray(problem.start, "float32")
    (_, state), seen = jax.lax.scan(step, (w, opt.init(w)), length=STEPS)
    return seen, state[0]


figure, axes = plt.subplots(2, 1, figsize=(5, 3.6), sharex=True, layout="constrained")
clip = ch5jax.lift(optax.clip_by_global_norm, max_norm=0.1)
for name, opt in {
    "unclipped": ch5jax.chain(recorder(), ch5jax.sgd(0.01)),
    "clipped": ch5jax.chain(recorder(), clip, ch5jax.sgd(0.01)),
}.items():
    (losses, spikes, moved), record = jax.jit(descend)(opt)
    at, before = int(record.spiked_at), moved[: record.spiked_at].sum()
    print(f"{name:9}: the largest gradient was {record.largest_spike:.3g} × the usual, at step {at}", end="; ")
    print(f"that step was {moved[at]:.3g} long, all steps before it together {before:.2g}")
    axes[0].semilogy(losses, label=name)
    axes[1].semilogy(spikes, label=name)
axes[0].set(ylabel="loss")
axes[1].set(xlabel="step", ylabel="gradient / usual")
axes[1].axhline(10, color="gray", linewidth=0.8)
axes[0].legend(fontsize=8)
figure.savefig("signal_cliff.png", dpi=100)
