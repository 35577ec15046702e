"""A saddle, seen: the ends of the Hessian's spectrum along a run that starts beside one.

The loss stands still, as at a minimum; the smallest eigenvalue says that it is none. When the run has left, the
largest one and SAM's sharpness describe where it has come to.
"""

import jax
import jax.numpy as jnp
import matplotlib as mpl
import matplotlib.pyplot as plt
import optax

import ch5jax
from ch5jax import diagnostics

mpl.use("agg")
STEPS, EVERY = 800, 20
network = ch5jax.networks.mlp((8, 8, 8, 8), activation=lambda z: z)  # deep and linear: the origin is a saddle
x = jax.random.normal(jax.random.key(0), (64, 8))
target = x @ jnp.diag(jnp.linspace(0.6, 1.8, 8))


def loss(params):
    return jnp.mean((network.apply(params, x) - target) ** 2)


def run(opt, key):
    def step(carry, _):
        params, state = carry
        gradient = jax.grad(loss)(params)
        updates, state = opt.update(gradient, state, params)
        return (optax.apply_updates(params, updates), state), None

    def look(carry, key):
        params = carry[0]
        seen = loss(params), diagnostics.curvature(loss, params, key, 12), diagnostics.sharpness(loss, params)
        return jax.lax.scan(step, carry, length=EVERY)[0], seen

    params = network.init(key, scale=0.25)
    return jax.lax.scan(look, (params, opt.init(params)), jax.random.split(key, STEPS // EVERY))[1]


losses, found, sharpness = jax.jit(run)(ch5jax.sgd(0.1), jax.random.key(1))
for i in (0, 3, STEPS // EVERY - 1):
    kind = "a saddle" if found.smallest[i] < -1e-3 * found.largest[i] else "no saddle"
    print(
        f"step {i * EVERY:3d}: loss {losses[i]:.4f}, eigenvalues from {found.smallest[i]:+.4f} to "
        f"{found.largest[i]:+.3f}, {found.negative[i]} or more negative: {kind}; sharpness {sharpness[i]:.4f}"
    )
steps = range(0, STEPS, EVERY)
figure, axes = plt.subplots(2, 1, figsize=(5, 3.6), sharex=True, layout="constrained")
axes[0].plot(steps, losses)
axes[0].set(ylabel="loss")
axes[1].plot(steps, found.smallest, label="smallest")
axes[1].plot(steps, found.largest, label="largest")
axes[1].set(xlabel="step", ylabel="eigenvalue", yscale="symlog")
axes[1].axhline(0, color="gray", linewidth=0.8)
axes[1].legend(fontsize=8)
figure.savefig("signal_curvature.png", dpi=100)
