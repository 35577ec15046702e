"""Cliffs: an unclipped step at a wall of the loss is thrown far, and a clipped one is not.

The loss is that of a recurrent network with one unit and no input, x_t = w σ(x_{t−1}) + b for 50 steps, over (w, b).
Its derivative is a sum of products of Jacobians,

    ∂x_T/∂b = Σ_t Π_{s > t} w σ'(x_{s−1})

and at the wall the state lingers where these are above 1. Gradient descent slides down a plain to that wall. Clipped to
a norm of 0.1, no step is longer than 0.1 times the rate, which falls linearly from α to α/1000 over 1,000 steps.

Source: Pascanu, Mikolov and Bengio, *On the difficulty of training recurrent neural networks* (2013), sections 2.3 and
3.2; Goodfellow, Bengio and Courville, *Deep Learning* (2016), sections 8.2.4 and 10.11.1.
"""

import jax
import jax.numpy as jnp
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import optax

import ch5jax

mpl.use("agg")
STEPS, MAX_NORM, RATES = 1000, 0.1, np.array([0.006, 0.008, 0.01, 0.012, 0.014])
problem = ch5jax.problems.rnn_cliff()
clip = ch5jax.lift(optax.clip_by_global_norm, max_norm=MAX_NORM)


def descend(rate, *before):
    opt = ch5jax.chain(*before, ch5jax.sgd(ch5jax.linear_decay(rate, rate / 1000, STEPS)))

    def step(carry, _):
        point, state = carry
        loss, gradient = jax.value_and_grad(problem.function)(point)
        updates, state = opt.update(gradient, state, point)
        return (point + updates, state), (point, loss, gradient, jnp.linalg.norm(updates))

    point = jnp.asarray(problem.start, "float32")
    return jax.lax.scan(step, (point, opt.init(point)), length=STEPS)[1]


def slope_from_jacobians(w, b):
    """∂L/∂b from the states x_0 … x_T, and the largest product of Jacobians."""
    x = [0.5]
    for _ in range(50):
        x.append(w / (1 + np.exp(-x[-1])) + b)
    y = 1 / (1 + np.exp(-np.array(x)))
    products = np.cumprod([1, *(w * y * (1 - y))[-2:0:-1]])  # over s = t + 1 … T, for t = T … 1
    return 2 * (y[-1] - 0.7) * y[-1] * (1 - y[-1]) * products.sum(), products.max()


run = jax.jit(jax.vmap(lambda rate: (descend(rate), descend(rate, clip))))
free, clipped = ([np.asarray(seen, float) for seen in runs] for runs in run(RATES))
walls, usual, before, thrown, slopes, predicted_slopes = [], [], [], [], [], []
for rate, points, losses, gradients, lengths, ends, held in zip(RATES, *free, clipped[1], clipped[3], strict=True):
    wall = int(np.argmax(np.linalg.norm(gradients, axis=1)))
    slope, product = slope_from_jacobians(*points[wall])
    walls.append(wall), usual.append(np.median(lengths[:wall])), before.append(lengths[:wall].sum())
    thrown.append(lengths[wall]), slopes.append(gradients[wall, 1]), predicted_slopes.append(slope)
    print(f"rate {rate:.3f}: unclipped, step {wall} is {thrown[-1]:.2g} long", end="; ")
    print(f"the median of those before it is {usual[-1]:.2g}, their sum {before[-1]:.2g}")
    print(f"  ∂L/∂b is {slopes[-1]:.4g} there, from products of up to {product:.3g} of Jacobians {slope:.4g}")
    print(f"  clipped, the longest step is {held.max():.2g} (rate × norm {rate * MAX_NORM:.2g})", end="; ")
    print(f"the mean loss of the last 100 steps is {ends[-100:].mean():.2g}, unclipped {losses[-100:].mean():.2g}")

figure, all_axes = plt.subplots(1, 2, figsize=(5.4, 2.9), layout="constrained")
for axes, box in zip(all_axes, ((4, 8, -3.2, 2), (4.77, 5.03, -2.6, -2.27)), strict=True):
    w, b = np.meshgrid(np.linspace(*box[:2], 90), np.linspace(*box[2:], 90))
    surface = jax.vmap(problem.function)(jnp.stack([w.ravel(), b.ravel()], 1)).reshape(w.shape)
    axes.contourf(w, b, surface, levels=np.arange(0, 0.51, 0.05), cmap="Greys")
    axes.plot(*free[0][2].T, color="C1", label="unclipped")
    axes.plot(*clipped[0][2].T, color="C0", label="clipped")
    axes.plot(*problem.start, "ko", markersize=4, label="start")
    axes.set(xlabel="w", xlim=box[:2], ylim=box[2:])
all_axes[0].set(ylabel="b")
all_axes[0].set_title(f"rate {RATES[2]:g}; darker: higher loss", fontsize=8)
all_axes[0].legend(fontsize=7)
figure.savefig("chapter_5_1_3_cliffs.png", dpi=100)
plt.close(figure)
