"""Greedy layer-wise pretraining, seen: it starts a deep network of logistic units that otherwise stays at chance.

Seven layers of 32 logistic units on the scanned digits with 100 labels, from He's normal weights and from the same
weights after each layer was trained, without labels, to restore its inputs from a corrupted copy. Both are then trained
by momentum at three rates. Source: the chapter, section 5.6 no. 6; Goodfellow, Bengio and Courville, Deep Learning
(2016), sections 8.7.4 and 15.1; Bengio, Lamblin, Popovici and Larochelle (2006); Vincent et al. (2010).
`pretraining.py` has more depths and starts.
"""

import jax
import jax.numpy as jnp
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import optax
from sklearn.datasets import load_digits

import ch5jax

mpl.use("agg")
DEPTH, WIDTH, LABELS, SEEDS, STEPS, PRETRAINING_STEPS = 7, 32, 100, 2, 300, 400
RATES = np.geomspace(0.03, 0.3, 3)
images, classes = load_digits(return_X_y=True)
images, labels = jnp.asarray(images / 16, jnp.float32), jnp.asarray(classes)
keys = jax.random.split(jax.random.key(0), SEEDS)
network = ch5jax.networks.mlp((64, *[WIDTH] * DEPTH, 10), jax.nn.sigmoid)


rng = np.random.default_rng(0)
order = jnp.stack([jnp.asarray(rng.permutation(len(images))) for _ in range(SEEDS)])
he_normal = tuple(
    ch5jax.networks.Layer(
        jnp.asarray(rng.normal(size=(SEEDS, inputs, units)) * np.sqrt(2 / inputs), jnp.float32),
        jnp.zeros((SEEDS, units)),
    )
    for inputs, units in zip((64, *[WIDTH] * DEPTH), (*[WIDTH] * DEPTH, 10), strict=True)
)


@jax.jit
@jax.vmap
def starts_of(start, order, key):
    """Two starts, random and pretrained on all images but the test's; the errors of reconstruction around it."""
    learnt = ch5jax.pretrain_layerwise(
        start, images[order[400:]], ch5jax.adam(3e-3), key, PRETRAINING_STEPS, activation=jax.nn.sigmoid
    )
    return ch5jax.stack([start, learnt.params]), learnt.error_before, learnt.error_after


def fine_tuned(opt, start, order):
    """Its loss on the labelled images at every step, and its accuracy on the test images at the end."""
    known, test = order[-LABELS:], order[:400]

    def step(carry, _):
        params, state = carry

        def loss_of(params):
            logits = network.apply(params, images[known])
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels[known]).mean()

        loss, slope = jax.value_and_grad(loss_of)(params)
        updates, state = opt.update(slope, state)
        return (optax.apply_updates(params, updates), state), loss

    (params, _), losses = jax.lax.scan(step, (start, opt.init(start)), length=STEPS)
    right = jnp.argmax(network.apply(params, images[test]), 1) == labels[test]
    return losses, jnp.mean(right, dtype=jnp.float32)


starts, before, after = starts_of(he_normal, order, keys)
of_starts = jax.vmap(fine_tuned, (None, 0, None))
of_seeds = jax.vmap(of_starts, (None, 0, 0))
optimizers = ch5jax.grid(ch5jax.momentum, learning_rate=RATES)
losses, accuracy = jax.jit(jax.vmap(of_seeds, (0, None, None)))(optimizers, starts, order)
losses, accuracy = np.asarray(losses), np.asarray(accuracy)  # (rates, seeds, starts, ...)
before, after = np.sqrt(before), np.sqrt(after)

print("layer by layer, the root mean square error with which it restores its inputs (pixels are from 0 to 1):")
print("   " + ", ".join(f"{a:.2f} → {b:.3f}" for a, b in zip(before.mean(0), after.mean(0), strict=True)))
guess = np.bincount(classes).max() / len(classes)
best = accuracy.mean(1).argmax(0)
for i, name in enumerate(("He normal", "pretrained")):
    found = accuracy[:, :, i]
    by_rate = ", ".join(f"{mean:.1%} at {rate:.2g}" for mean, rate in zip(found.mean(1), RATES, strict=True))
    print(f"{name:10}: test accuracy {by_rate}; the best of all seeds and rates {found.max():.1%}")
print(f"the commonest class alone: {guess:.1%}, a loss of ln 10 = {np.log(10):.2f}")

figure, axes = plt.subplots(1, 2, figsize=(5, 2.7), layout="constrained")
for i, name in enumerate(("He normal", "pretrained")):
    axes[0].plot(losses[best[1], :, i].mean(0), label=name)
axes[0].axhline(np.log(10), color="gray", linewidth=0.8)
axes[0].set(xlabel="step", ylabel="loss on 100 labels", ylim=(0, 3))
axes[0].legend(fontsize=7)
axes[1].plot(range(1, DEPTH + 1), before.mean(0), "o-", markersize=4, label="before")
axes[1].plot(range(1, DEPTH + 1), after.mean(0), "o-", markersize=4, label="after")
axes[1].set(xlabel="layer", ylabel="reconstruction error", ylim=(0, None))
axes[1].legend(fontsize=7)
figure.savefig("chapter_5_6_pretraining.png", dpi=100)
plt.close(figure)
