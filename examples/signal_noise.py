"""Noisy gradients, seen: the noise scale of mini-batches of 4, 32 and 256 while the digits are learned.

At the start a handful of examples tells the way. Later the expected gradient is small, and a step of a small batch is
mostly noise: over 10, and with a loss that falls no more, a larger batch (or a smaller rate) is what helps.
"""

import jax
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

import ch5jax
from ch5jax.diagnostics import noise_scale

mpl.use("agg")
STEPS, OPT = 200, ch5jax.sgd(0.1)
figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
for batch_size in (4, 32, 256):
    task = ch5jax.tasks.digits(hidden=(32,), batch_size=batch_size)
    keys = jax.random.split(jax.random.key(0), 8)
    run = jax.jit(jax.vmap(lambda key, task=task: ch5jax.train(task, OPT, key, STEPS, signals_every=10).signals))
    signals = run(keys)
    noise, squared_norm = np.mean(signals.noise, axis=0), np.mean(signals.squared_norm, axis=0)
    scale = np.asarray(noise_scale(noise, squared_norm))
    late = float(noise_scale(noise[-10:].mean(), squared_norm[-10:].mean()))  # means first, then the ratio
    print(f"batches of {batch_size:3d}: noise / gradient {scale[0]:6.3f} at step 10, {late:7.2f} in the second half")
    axes.semilogy(ch5jax.recorded_steps(STEPS, 10), scale, label=f"batches of {batch_size}")
axes.axhline(1, color="gray", linewidth=0.8)
axes.set(xlabel="step", ylabel="noise / gradient")
axes.legend(fontsize=8)
figure.savefig("signal_noise.png", dpi=100)
