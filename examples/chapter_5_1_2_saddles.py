"""Saddles: how many steps gradient descent and momentum take to leave one, predicted from the curvature alone.

Along the direction y of a saddle whose curvature is −λ, gradient descent grows as (1 + αλ)^t. Momentum follows
y(t+1) = (1 + β + αλ) y(t) − β y(t−1) from rest, whose solution is soon that of the larger root,

    y(t) ≈ c r^t y(0),   r² − (1 + β + αλ) r + β = 0,   c = r (1 − q) / (r − q) with the smaller root q = β/r

The runs start at y = 10⁻⁴, almost on the ridge into the saddle, and count as away at y = 0.1. One saddle is that of
5x² − y², the other the origin of a linear network of two layers, (w₂ w₁ − 1)²/2, which is quadratic only near it.

Source: Goodfellow, Bengio and Courville, *Deep Learning* (2016), section 8.2.3; the recurrence is the heavy ball of
Polyak, *Some methods of speeding up the convergence of iteration methods* (1964).
"""

import jax
import jax.numpy as jnp
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

import ch5jax

mpl.use("agg")
STEPS, NEAR, AWAY = 1500, 1e-4, 0.1
RATES, DECAYS = np.array([0.01, 0.05]), np.array([0.0, 0.5, 0.9, 0.99])
opts = ch5jax.grid(ch5jax.momentum, learning_rate=RATES, decay=DECAYS)  # a decay of 0 is gradient descent
rates, decays = np.asarray(opts.learning_rate, float), np.asarray(opts.decay, float)
figure, all_axes = plt.subplots(1, 2, figsize=(4.8, 2.6), sharey=True, layout="constrained")
measured, predicted, curvatures = {}, {}, {}

for problem, axes in zip((ch5jax.problems.steep_saddle(), ch5jax.problems.deep_linear(2)), all_axes, strict=True):
    saddle = jnp.zeros(2)
    found = ch5jax.diagnostics.curvature(problem.function, saddle, jax.random.key(0))
    down, up = jnp.linalg.eigh(jax.hessian(problem.function)(saddle))[1].T
    curvatures[problem.name] = float(found.smallest)

    def descend(opt, problem=problem, start=saddle + NEAR * down + 0.01 * up, down=down):
        def step(carry, _):
            w, state = carry
            updates, state = opt.update(jax.grad(problem.function)(w), state, w)
            return (w + updates, state), jnp.abs(w @ down)

        return jax.lax.scan(step, (start, opt.init(start)), length=STEPS)[1]

    courses = np.asarray(jax.jit(jax.vmap(descend))(opts))
    measured[problem.name] = np.argmax(courses >= AWAY, axis=1)
    middle = 1 + decays - rates * curvatures[problem.name]
    root = (middle + np.sqrt(middle**2 - 4 * decays)) / 2
    scale = root * (1 - decays / root) / (root - decays / root)
    predicted[problem.name] = np.ceil(np.log(AWAY / (scale * NEAR)) / np.log(root)).astype(int)

    print(f"{problem.name}: eigenvalues from {found.smallest:.3f} to {found.largest:.3f}, a saddle")
    for rate, decay, steps, due in zip(rates, decays, measured[problem.name], predicted[problem.name], strict=True):
        print(f"  rate {rate:.2f}, momentum {decay:.2f}: away after {steps:3d} steps, predicted {due:3d}")
    for i in np.flatnonzero(rates == rates[0]):
        t = np.arange(measured[problem.name][i] + 1)
        (line,) = axes.semilogy(t, courses[i, t], label=f"β = {decays[i]:g}")
        axes.plot(predicted[problem.name][i], AWAY, "v", color=line.get_color())
    axes.set_title(problem.name, fontsize=9)
    axes.set(xlabel="step")

speed_up = {name: steps[decays == 0] / steps[decays == DECAYS[2]] for name, steps in measured.items()}
print(
    f"momentum 0.9 is away {min(map(min, speed_up.values())):.1f} to {max(map(max, speed_up.values())):.1f} × as soon"
)
all_axes[0].set(ylabel="|y|, along the way down")
all_axes[0].plot([], [], "kv", label="predicted")
all_axes[0].legend(fontsize=6.5)
figure.savefig("chapter_5_1_2_saddles.png", dpi=100)
plt.close(figure)
