"""Noisy gradients: a few mislabelled samples throw single-sample descent and hardly touch mini-batches.

Linear regression in 10 dimensions on 1,024 examples, by SGD at a constant rate of 0.01, from the solution of the
least squares, so that all that moves it is noise. In one data set the targets have noise of 0.1; in the other 2 % of
them also have the wrong sign and 10 times the size. Around a minimum with the Hessian H, where tr Σ is the variance of
one example's gradient, the mini-batch gradient has the variance tr Σ/B, and with H near the identity the excess loss is

    E[f − f*] ≈ α tr Σ / (4 B)

Source: Goodfellow, Bengio and Courville, *Deep Learning* (2016), sections 8.1.3 and 8.2.6, for the variance; Mandt,
Hoffman and Blei, *Stochastic gradient descent as approximate Bayesian inference* (2017), for the excess loss.
"""

import jax
import jax.numpy as jnp
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

import ch5jax
from ch5jax.diagnostics import noise_of_pair

mpl.use("agg")
EXAMPLES, RATE, STEPS, SEEDS, SIZES = 1024, 0.01, 3000, 16, np.array([1, 4, 16, 64])
rng = np.random.default_rng(0)
inputs = rng.normal(size=(EXAMPLES, 10))
true = inputs @ rng.normal(size=10)
clean = true + 0.1 * rng.normal(size=EXAMPLES)
wrong = np.where(np.arange(EXAMPLES) % 50 == 7, -10 * true, clean)  # 2 % of them


def run(targets, best, rows_a_step, key):
    """The excess loss and the distance from the best weights at every step, and the noise of pairs of batches."""
    x, y = jnp.asarray(inputs, "float32"), jnp.asarray(targets, "float32")
    start, opt = jnp.asarray(best, "float32"), ch5jax.sgd(RATE)
    shares = (jnp.arange(SIZES.max()) < rows_a_step) / rows_a_step  # the first B of 64 are the mini-batch

    def gradient(w, key):
        rows = jax.random.randint(key, (SIZES.max(),), 0, EXAMPLES)
        return jax.grad(lambda w: shares @ (x[rows] @ w - y[rows]) ** 2 / 2)(w)

    def step(w, key):
        key_step, key_pair = jax.random.split(key)
        g = gradient(w, key_step)
        updates, _ = opt.update(g, opt.init(w), w)
        excess = jnp.mean((x @ (w - start)) ** 2) / 2
        noise = noise_of_pair(gradient(start, key_step), gradient(start, key_pair)).noise
        return w + updates, (excess, jnp.linalg.norm(updates), noise)

    return jax.lax.scan(step, start, jax.random.split(key, STEPS))[1]


mapped = jax.vmap(jax.vmap(jax.vmap(run, (None, None, None, 0)), (None, None, 0, None)), (0, 0, None, None))
targets, keys = np.stack([clean, wrong]), jax.random.split(jax.random.key(0), SEEDS)
best = np.linalg.lstsq(inputs, targets.T, rcond=None)[0].T
excess, lengths, noise = map(np.asarray, jax.jit(mapped)(targets, best, SIZES, keys))
late, spread = excess[..., STEPS // 2 :].mean(axis=(2, 3)), excess[..., STEPS // 2 :].std(axis=3).mean(axis=2)
largest = lengths.max(axis=(2, 3))
errors = inputs @ best.T - targets.T
variance = np.mean(np.sum(inputs**2, axis=1)[:, None] * errors**2, axis=0)  # tr Σ, since the mean gradient is 0
predicted = RATE * variance[:, None] / (4 * SIZES)
noise_ratio = noise.mean(axis=(2, 3)) * SIZES / variance[:, None]

whole = np.mean(true**2) / 2
print(f"the excess loss of not knowing anything is {whole:.2f}; the weights are {np.linalg.norm(best[0]):.2f} long")
for i, name in enumerate(("clean", "2 % mislabelled")):
    for j, size in enumerate(SIZES):
        print(f"{name}, B = {size}: excess loss {late[i, j]:.2g} ± {spread[i, j]:.2g}", end=", ")
        print(f"α tr Σ / 4B {predicted[i, j]:.2g}; longest step {largest[i, j]:.2g}", end="; ")
        print(f"variance of the gradient {noise_ratio[i, j]:.3f} × tr Σ/B")
slopes = np.polyfit(np.log(SIZES), np.log(late).T, 1)[0]
print(f"log excess loss over log B falls with slopes of {slopes[0]:.3f} and {slopes[1]:.3f}, predicted -1")

figure, (left, right) = plt.subplots(1, 2, figsize=(4.8, 2.6), layout="constrained")
for i, name in enumerate(("clean", "2 % mislabelled")):
    left.loglog(SIZES, late[i], "o", color=f"C{i}", label=name)
    left.loglog(SIZES, predicted[i], color=f"C{i}")
for j, label in ((0, "B = 1"), (3, "B = 64")):
    right.semilogy(np.arange(100, STEPS, 100), excess[1, j, 0, 100::100], ".-", linewidth=0.8, label=label)
left.set(xlabel="batch size B", ylabel="excess loss")
right.set(xlabel="step", ylim=(3e-4, 20), xticks=(0, 1500, 3000))
right.set_title("2 % mislabelled", fontsize=9)
right.axhline(whole, color="gray", linewidth=0.8, label="w = 0")
left.legend(fontsize=7)
right.legend(fontsize=7, loc="lower right")
figure.savefig("chapter_5_1_5_noisy_gradients.png", dpi=100)
plt.close(figure)
