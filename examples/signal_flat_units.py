"""Dead units, seen: too large a learning rate kills ReLUs for good, and what is left cannot learn.

One sweep of SGD's learning rate; the share of units that are flat over a whole mini-batch, layer by layer, is among its
signals.
"""

import jax
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

import ch5jax

mpl.use("agg")
rates = np.geomspace(0.05, 50, 16)
result = ch5jax.sweep(
    ch5jax.tasks.digits(hidden=(32, 32)),
    ch5jax.grid(ch5jax.sgd, learning_rate=rates),
    steps=200,
    key=jax.random.key(0),
    seeds=4,
    signals_every=20,
)
flat = result.curves["sgd"].signals.flat_units[:, -1].max(axis=1).reshape(-1, 4).mean(axis=1)  # of the worst layer
accuracy = result.columns["validation_accuracy"].reshape(-1, 4).mean(axis=1)
for rate, share, right in zip(rates, flat, accuracy, strict=True):
    print(f"learning rate {rate:6.2f}: {share:4.0%} of a layer flat at the end, accuracy {right:.1%}")
figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
axes.semilogx(rates, flat, label="flat units of the worst layer")
axes.semilogx(rates, accuracy, label="validation accuracy")
axes.set(xlabel="learning rate", ylabel="share")
axes.legend(fontsize=8)
figure.savefig("signal_flat_units.png", dpi=100)
