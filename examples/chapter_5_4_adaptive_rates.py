"""Adaptive rates, seen: AdaGrad's steps shrink like 1/√t, RMSProp's do not, and Adam has to correct its start.

Four gradients of constant size, 0.1 to 100, and of random sign: whatever the size, AdaGrad's step t has the length α/√t
in each, RMSProp's α/√(1 − βᵗ), which tends to α. Under a constant sign Adam's first steps are α long; without its bias
correction they are α (1 − β₁ᵗ)/√(1 − β₂ᵗ), several times that, and a good rate throws the weights away from their
start: of a 64-32-10 network on all scanned digits at once. Source: Duchi, Hazan and Singer (2011); Kingma and Ba
(2015); Goodfellow, Bengio and Courville, Deep Learning (2016), section 8.5; the lengths follow from the rules, δ = 0.
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
RATE, STEPS = 0.01, 1000
t, SHOWN = np.arange(1, STEPS + 1), [0, 2, 9, 29, 99, 299, 999]
sizes = jnp.array([0.1, 1.0, 10.0, 100.0])
signs = jax.random.rademacher(jax.random.key(0), (STEPS, 4), float)


@jax.jit
def step_lengths(opt, signs):
    def step(state, sign):
        updates, state = opt.update(sign * sizes, state)
        return state, abs(updates)

    return jax.lax.scan(step, opt.init(sizes), signs)[1]  # shape (steps, 4)


ones = jnp.ones_like(signs)
lengths = {
    "AdaGrad": step_lengths(ch5jax.adagrad(RATE, eps=0.0), signs),
    "RMSProp": step_lengths(ch5jax.rmsprop(RATE, eps=0.0), signs),
    "Adam": step_lengths(ch5jax.adam(RATE, eps=0.0), ones),
    "Adam, uncorrected": step_lengths(ch5jax.adam(RATE, eps=0.0, bias_correction=False), ones),
}
lengths = {name: np.asarray(found) for name, found in lengths.items()}
predicted = {
    "AdaGrad": RATE / np.sqrt(t),
    "RMSProp": RATE / np.sqrt(1 - 0.9**t),
    "Adam": np.full(STEPS, RATE),
    "Adam, uncorrected": RATE * (1 - 0.9**t) / np.sqrt(1 - 0.999**t),
}
slopes = {}
for name, found in lengths.items():
    slopes[name] = np.polyfit(np.log(t[99:]), np.log(found[99:]).mean(1), 1)[0]
    shown = ", ".join(f"{found[i - 1, 0] / RATE:.3f} ({predicted[name][i - 1] / RATE:.3f})" for i in (1, 10, 100, 1000))
    print(f"{name:17} steps 1, 10, 100, 1000 in α, measured (predicted): {shown}; ∝ t^{slopes[name]:.2f} from 100 on")

rates = np.geomspace(1e-3, 0.1, 9)
images, labels = load_digits(return_X_y=True)
images, labels = jnp.asarray(images / 16, jnp.float32), jnp.asarray(labels)
network = ch5jax.networks.mlp((64, 32, 10))
rng = np.random.default_rng(1)
starts = tuple(  # eight of them, He's normal
    ch5jax.networks.Layer(
        jnp.asarray(rng.normal(size=(8, inputs, units)) * np.sqrt(2 / inputs), jnp.float32), jnp.zeros((8, units))
    )
    for inputs, units in ((64, 32), (32, 10))
)


def digits_loss(params):
    return optax.softmax_cross_entropy_with_integer_labels(network.apply(params, images), labels).mean()


def loss_after_ten(opt, params):
    def step(carry, _):
        params, state = carry
        updates, state = opt.update(jax.grad(digits_loss)(params), state)
        return (optax.apply_updates(params, updates), state), None

    return digits_loss(jax.lax.scan(step, (params, opt.init(params)), length=10)[0][0])


of_all = jax.jit(jax.vmap(jax.vmap(loss_after_ten, (None, 0)), (0, None)))
losses = {
    name: np.asarray(of_all(ch5jax.grid(ch5jax.adam, learning_rate=rates, bias_correction=corrected), starts).mean(1))
    for name, corrected in (("Adam", True), ("Adam, uncorrected", False))
}
best = {name: rates[found.argmin()] for name, found in losses.items()}
thrown = losses["Adam, uncorrected"][rates == best["Adam"]].item()
print(
    f"digits, loss after 10 steps: at its best rate, {best['Adam']:.3g}, Adam is at {losses['Adam'].min():.2f}, ",
    end="",
)
print(f"uncorrected at {thrown:.2f}. The best rate of the uncorrected is {best['Adam, uncorrected']:.2g}, ", end="")
print(f"{best['Adam'] / best['Adam, uncorrected']:.1f} times lower; ", end="")
print(f"the first ten steps predict {predicted['Adam, uncorrected'][:10].mean() / RATE:.1f}")

figure, axes = plt.subplots(1, 2, figsize=(4.4, 2.2), layout="constrained")
for name, found in lengths.items():
    axes[0].loglog(t, found[:, 0] / RATE, label=name)
    axes[0].loglog(
        t[SHOWN],
        predicted[name][SHOWN] / RATE,
        "k.",
        markersize=3,
        label="predicted" if name == "Adam, uncorrected" else None,
    )
axes[0].set(xlabel="step", ylabel="length of the step / α", ylim=(0.003, 10))
axes[0].legend(fontsize=6)
for i, found in enumerate(losses.values()):
    axes[1].semilogx(rates, found, f"C{i + 2}")
axes[1].set(xlabel="learning rate", ylabel="digits, loss after 10 steps")
figure.savefig("chapter_5_4_adaptive_rates.png", dpi=100)
plt.close(figure)
