"""A linearly decaying rate, seen: it ends the noise and the bouncing that a constant rate keeps.

First a quadratic of eigenvalues 1, 2 and 4 whose gradient has noise of standard deviation s in every coordinate, at
the optimum too, as where samples disagree there (`chapter_5_2_interpolation.py` has those that agree): a constant rate
α leaves E f = Σ ½ α s² / (2 − αλ) for ever, and under any rates E w² ← (1 − α_t λ)² E w² + α_t² s². Then f(w) =
√(w² + ε²) without noise, whose curvature at the minimum is 1/ε: a rate over 2ε bounces between the walls at |w| =
√(α²/4 − ε²), until it has fallen to 2ε. Source: the chapter, section 5.2; Goodfellow, Bengio and Courville, Deep
Learning (2016), section 8.3.1 and equation 8.14; the two formulas are ours.
"""

import jax
import jax.numpy as jnp
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

import ch5jax

mpl.use("agg")
STEPS, DECAYS_UNTIL, RATE, END, RUNS, NOISE = 400, 300, 0.2, 0.002, 2000, 1.0
EIGENVALUES = np.array([1.0, 2.0, 4.0])
schedules = [ch5jax.linear_decay(RATE, end, DECAYS_UNTIL) for end in (RATE, END)]
problem = ch5jax.problems.quadratic(eigenvalues=EIGENVALUES)
task = ch5jax.tasks.surface(problem, noise=NOISE)


def losses_of(opt, key):
    run = ch5jax.train(task, opt, key, STEPS, evaluate_every=1, signals_every=0)
    return run.evaluations["validation_loss"]  # without the noise


of_runs = jax.vmap(losses_of, (None, 0))
optimizers = ch5jax.grid(ch5jax.sgd, learning_rate=schedules)
mean_losses = jax.jit(lambda opts, keys: jax.vmap(of_runs, (0, None))(opts, keys).mean(1))
noisy = np.asarray(mean_losses(optimizers, jax.random.split(jax.random.key(0), RUNS)))  # (schedules, steps)

rates = np.stack([jax.vmap(schedule)(jnp.arange(STEPS)) for schedule in schedules])
squares, predicted = np.tile(problem.start**2, (2, 1)), []
for rate in rates.T[:, :, None]:
    squares = (1 - rate * EIGENVALUES) ** 2 * squares + rate**2 * NOISE**2
    predicted.append(squares @ EIGENVALUES / 2)
predicted = np.stack(predicted, 1)
floor = float(np.sum(RATE * NOISE**2 / (2 - RATE * EIGENVALUES) / 2))
end_measured, end_predicted = noisy[:, -1], predicted[:, -1]
print(
    f"noise: loss at a constant rate {noisy[0, STEPS // 2 :].mean():.4f} in the mean of {RUNS} runs, floor {floor:.4f}"
)
print(f"with linear decay {end_measured[1]:.5f} at the end, predicted {end_predicted[1]:.5f}: ", end="")
print(f"{end_measured[0] / end_measured[1]:.0f} times lower, predicted {end_predicted[0] / end_predicted[1]:.0f}")

WIDTH = 0.05


def positions_of(opt):
    def step(carry, _):
        w, state = carry
        updates, state = opt.update(jax.grad(lambda w: jnp.sqrt(w**2 + WIDTH**2))(w), state)
        return (w + updates, state), w

    w = jnp.float32(1.05)
    return jax.lax.scan(step, (w, opt.init(w)), length=STEPS)[1]


positions = np.asarray(jax.jit(jax.vmap(positions_of))(optimizers))
turning = np.asarray(ch5jax.diagnostics.alternation(positions[:, -STEPS // 4 :]))
walls = np.sqrt(np.maximum(rates**2 / 4 - WIDTH**2, 0))
calm_from = (RATE - 2 * WIDTH) / (RATE - END) * DECAYS_UNTIL
print(
    f"walls: a constant rate turns at {turning[0]:.0%} of the last steps, |w| = {abs(positions[0, -1]):.4f}, ", end=""
)
print(f"predicted {walls[0, -1]:.4f}; with linear decay the walls meet at step {calm_from:.0f}:")
for at in (75, 100, 125, 175, 399):
    print(f"  step {at}: |w| = {abs(positions[1, at]):.4f}, predicted {walls[1, at]:.4f}")

figure, axes = plt.subplots(2, 1, figsize=(5, 3.4), layout="constrained", sharex=True)
for i, name in enumerate(("constant rate", "linear decay")):
    axes[0].semilogy(range(1, STEPS + 1), noisy[i], label=name)
    axes[0].semilogy(range(1, STEPS + 1), predicted[i], "k:", linewidth=1, label="predicted" if i else None)
    axes[1].plot(abs(positions[i]))
axes[0].axhline(floor, color="gray", linewidth=0.8)
axes[0].set(ylabel="mean loss")
axes[0].legend(fontsize=8)
axes[1].plot(walls.T, "k:", linewidth=1)
axes[1].set(xlabel="step", ylabel="bounce |w|", ylim=(-0.005, 0.12))
figure.savefig("chapter_5_2_sgd.png", dpi=100)
plt.close(figure)
