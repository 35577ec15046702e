"""AdaGrad and RMSProp, seen: a rate for every parameter, which AdaGrad's past weighs down and RMSProp forgets.

Four gradients of constant size, 0.05 to 10, and of random sign: whatever the size, AdaGrad's step t has the length α/√t
and RMSProp's α/√(1 − βᵗ), which tends to α. So the rate α/√cache that AdaGrad gives a parameter is above α while the
sum of its squares is below 1, until step 1/g², and below α after that. Then gradients of G = 10 for T = 100 steps and
of g = 0.1 after: RMSProp takes steps of α/2 again after ln((G² (1 − βᵀ) − g²)/3g²)/ln(1/β) steps. AdaGrad's have the
length αg/√(T G² + n g²), α/1000, and never grow. Source: the chapter, section 5.4; Duchi, Hazan and Singer (2011);
Hinton, Srivastava and Swersky, lecture 6e (2012); the lengths follow from the rules, with the δ of 1e-7 left out.
"""

import jax
import jax.numpy as jnp
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

import ch5jax

mpl.use("agg")
RATE, STEPS, STEEP, FLAT = 0.01, 1000, 10.0, 0.1
t, sizes = np.arange(1, STEPS + 1), np.array([0.05, 0.1, 1.0, 10.0])
optimizers = {"AdaGrad": ch5jax.adagrad(RATE)}
optimizers |= {f"RMSProp, β = {decay}": ch5jax.rmsprop(RATE, decay=decay) for decay in (0.9, 0.5)}


@jax.jit
def step_lengths(opt, gradients):
    def step(state, gradient):
        updates, state = opt.update(gradient, state)
        return state, abs(updates)

    return jax.lax.scan(step, opt.init(gradients[0]), gradients)[1]


signs = jax.random.rademacher(jax.random.key(0), (STEPS, len(sizes)), float)
lengths = {name: np.asarray(step_lengths(opt, signs * jnp.float32(sizes))) for name, opt in optimizers.items()}
decays = {"RMSProp, β = 0.9": 0.9, "RMSProp, β = 0.5": 0.5}
predicted = {"AdaGrad": RATE / np.sqrt(t)} | {name: RATE / np.sqrt(1 - b**t) for name, b in decays.items()}
slopes = {}
for name, found in lengths.items():
    slopes[name] = np.polyfit(np.log(t[99:]), np.log(found[99:]).mean(1), 1)[0]
    shown = ", ".join(f"{found[i - 1, 0] / RATE:.3f} ({predicted[name][i - 1] / RATE:.3f})" for i in (1, 10, 100, 1000))
    print(f"{name:16} steps 1, 10, 100, 1000 in α, measured (predicted): {shown}; ∝ t^{slopes[name]:.2f} from 100 on")

rates = lengths["AdaGrad"] / sizes  # what a parameter's gradient is multiplied by
large_until = (rates > RATE * (1 - 1e-3)).sum(axis=0)
for size, until, first in zip(sizes, large_until, rates[0], strict=True):
    print(
        f"AdaGrad, gradients of {size:5}: a rate of {first / RATE:4.3g} α at first (predicted {1 / size:4.3g}), ",
        end="",
    )
    print(f"of α or more until step {until} (predicted {np.floor(1 / size**2 + 1e-9):.0f})")

after_steep = 100
falling = jnp.where(jnp.arange(after_steep + 300) < after_steep, STEEP, FLAT)
recovering = {name: np.asarray(step_lengths(opt, falling))[after_steep:] for name, opt in optimizers.items()}
n = np.arange(1, 301)
recovering_predicted = {"AdaGrad": RATE * FLAT / np.sqrt(after_steep * STEEP**2 + n * FLAT**2)}
back, back_predicted = {}, {}
for name, b in decays.items():
    full = STEEP**2 * (1 - b**after_steep)
    recovering_predicted[name] = RATE * FLAT / np.sqrt(b**n * full + (1 - b**n) * FLAT**2)
    back[name] = np.argmax(recovering[name] >= RATE / 2) + 1
    back_predicted[name] = np.ceil(np.log((full - FLAT**2) / (3 * FLAT**2)) / -np.log(b))
    print(
        f"{name}: {back[name]} steps after the steep part its step is α/2 again, predicted {back_predicted[name]:.0f}"
    )
last, last_predicted = (courses["AdaGrad"][-1] / RATE for courses in (recovering, recovering_predicted))
print(f"AdaGrad: 300 steps after it its step is {last:.6f} α, predicted {last_predicted:.6f}")

figure, axes = plt.subplots(1, 2, figsize=(5, 2.5), layout="constrained", sharey=True)
for name, found in lengths.items():
    axes[0].loglog(t, found[:, 0] / RATE, label=name)
    axes[0].loglog(t, predicted[name] / RATE, "k:", linewidth=1, label="predicted" if name == "AdaGrad" else None)
    axes[1].semilogy(n, recovering[name] / RATE)
    axes[1].semilogy(n, recovering_predicted[name] / RATE, "k:", linewidth=1)
axes[0].set(xlabel="step", ylabel="length of the step / α")
axes[0].set_title("gradients of one size", fontsize=8)
axes[0].legend(fontsize=6)
axes[1].set(xlabel="steps after the steep part")
axes[1].set_title("once 100 times as large", fontsize=8)
figure.savefig("chapter_5_4_adagrad_rmsprop.png", dpi=100)
plt.close(figure)
