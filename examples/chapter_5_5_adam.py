"""Adam, seen: the start that it corrects, which of the other rules it contains, and the rates that it works with.

Under a gradient of constant sign Adam's steps have the length α, whatever the gradient's size. Without the correction
step t has α (1 − β₁ᵗ)/√(1 − β₂ᵗ): the first α (1 − β₁)/√(1 − β₂); the longest, for β₂ near 1, is step 1.256/ln(1/β₁),
by the root of eˢ = 1 + 2s. With β₁ = 0 and without correction the rule is RMSProp's. With β₂ = 0 it is not momentum but
momentum over the present gradient's size, u = −α v̂/(|g| + δ). Plain momentum, at the rate α (1 − β₁)/δ, is the limit
of large δ, where uncorrected steps are short by √r/(√r + δ). Last a sweep of five optimizers on the scanned digits:
a loss that is multiplied by 100 does the same to the rates of SGD and momentum, and nothing to the other three. Source:
the chapter, section 5.5; Kingma and Ba (2015); the lengths and limits follow from the rule, mostly with δ left out.
"""

import jax
import jax.numpy as jnp
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import optax

import ch5jax

mpl.use("agg")
RATE, STEPS, B1, B2 = 0.01, 5000, 0.9, 0.999
t = np.arange(1, STEPS + 1)


@jax.jit
def updates_of(opt, gradients):
    def step(state, gradient):
        updates, state = opt.update(gradient, state)
        return state, updates

    return jax.lax.scan(step, opt.init(gradients[0]), gradients)[1]


constant = jnp.broadcast_to(jnp.array([-0.1, 1.0, 10.0, 100.0]), (STEPS, 4))
corrected, uncorrected = (
    np.asarray(updates_of(ch5jax.adam(RATE, bias_correction=flag), constant)) / RATE for flag in (True, False)
)
predicted = (1 - B1**t) / np.sqrt(1 - B2**t)
ratio = -uncorrected[:, 1]
longest, settled = int(ratio.argmax()) + 1, int(np.flatnonzero(ratio > 1.01)[-1]) + 2
longest_predicted, settled_predicted = 1.2564 / -np.log(B1), np.log(1 - 1.01**-2) / np.log(B2)
print(f"the first step in α, for gradients of -0.1, 1, 10 and 100: {corrected[0].round(4)}, predicted 1 against g")
print(f"uncorrected {uncorrected[0].round(4)}, predicted {predicted[0]:.4f}; the longest is step {longest}, ", end="")
print(f"{ratio.max():.3f} α (predicted {longest_predicted:.1f}, {predicted.max():.3f} α); ", end="")
print(f"from step {settled} on it is within 1 % of α (predicted {settled_predicted:.0f})")

problem, n = ch5jax.problems.rosenbrock(), np.arange(1, 301)[:, None]
way = np.linspace(problem.start, np.ones(2), len(n), endpoint=False)  # from its start straight to its minimum
met = jax.vmap(jax.grad(problem.function))(jnp.asarray(way, jnp.float32))
g = np.asarray(met, float)
rmsprop = np.asarray(updates_of(ch5jax.rmsprop(RATE, decay=B2), met))
as_rmsprop = np.asarray(updates_of(ch5jax.adam(RATE, b1=0.0, b2=B2, bias_correction=False), met))
corrected_rmsprop = np.asarray(updates_of(ch5jax.adam(RATE, b1=0.0, b2=B2), met))
off_corrected = np.max(abs(corrected_rmsprop / (rmsprop * np.sqrt(1 - B2**n)) - 1))
print(f"β₁ = 0: {np.sum(as_rmsprop != rmsprop)} of {rmsprop.size} updates differ from RMSProp's in a bit; ", end="")
print(f"corrected they are √(1 − β₂ᵗ) times as long, to {off_corrected:.0e}")

momentum = np.asarray(updates_of(ch5jax.momentum(RATE * (1 - B1), B1), met), float)  # −α v
normalised = momentum / ((1 - B1**n) * (abs(g) + 1e-7))
usual, present_only = (np.asarray(updates_of(ch5jax.adam(RATE, b2=b2), met), float) for b2 in (B2, 0.0))
off_normalised = np.max(abs(present_only - normalised) / abs(normalised).max())
print(f"β₂ = 0: momentum over the present |g|, to {off_normalised:.0e}; its longest step is ", end="")
print(f"{abs(present_only).max() / RATE:.1f} α, that of β₂ = {B2} {abs(usual).max() / RATE:.2f} α")

root = np.sqrt((1 - B2) * np.array([B2 ** np.arange(i, -1, -1) @ g[: i + 1] ** 2 for i in range(len(n))]))  # √r
short, short_predicted = [], []
for eps in (1e2, 1e3, 1e4):
    opt = ch5jax.adam(RATE * eps, b2=B2, eps=eps, bias_correction=False)
    short.append(np.max(1 - np.asarray(updates_of(opt, met)) / momentum))
    short_predicted.append(np.max(root / (root + eps)))
    print(f"δ = {eps:g}: short of plain momentum by up to {short[-1]:.2g}, predicted {short_predicted[-1]:.2g}")

names, rates = ("sgd", "momentum", "adagrad", "rmsprop", "adam"), np.geomspace(10**-3.5, 1, 8)


def with_losses(factory):
    def of_loss(learning_rate, multiplied):
        return ch5jax.chain(ch5jax.lift(optax.scale, step_size=multiplied), factory(learning_rate))

    return ch5jax.grid(of_loss, learning_rate=rates, multiplied=np.array([1.0, 100.0]))


optimizers = {name: with_losses(getattr(ch5jax, name)) for name in names}
task = ch5jax.tasks.digits(hidden=(32,), batch_size=32)
result = ch5jax.sweep(task, optimizers, steps=400, key=jax.random.key(0), seeds=2, signals_every=0)
accuracy = result.columns["validation_accuracy"].reshape(len(names), len(rates), 2, -1).mean(3)
works = accuracy > accuracy.max() - 0.05
print(f"digits, {len(rates)} rates, {accuracy.max():.1%} at best; rates within 5 points of that:")
for name, found, good in zip(names, accuracy, works, strict=True):
    spans = (f"{good[:, i].sum()} from {rates[good[:, i]].min():.2g} to {rates[good[:, i]].max():.2g}" for i in (0, 1))
    print(f"  {name:8}: {found.max():.1%} at best; {next(spans)}, with the loss × 100 {next(spans)}; ", end="")
    print(f"{good.all(1).sum()} in both; {found[1, 0]:.1%} and {found[1, 1]:.1%} at {rates[1]:.0e}")

figure, axes = plt.subplots(1, 2, figsize=(6, 2.6), layout="constrained")
axes[0].semilogx(t, ratio, label="uncorrected")
axes[0].semilogx(t, -corrected[:, 1], label="corrected")
axes[0].semilogx(t, predicted, "k:", linewidth=1, label="predicted")
axes[0].set(xlabel="step", ylabel="length of the step / α", ylim=(0, None))
axes[0].legend(fontsize=7)
for i, (name, found) in enumerate(zip(names, accuracy, strict=True)):
    axes[1].semilogx(rates, found[:, 0], f"C{i}", label=name)
    axes[1].semilogx(rates, found[:, 1], f"C{i}--", linewidth=1)
axes[1].axvline(1e-3, color="gray", linewidth=0.8)
axes[1].set(xlabel="learning rate", ylabel="digits, accuracy", ylim=(0, 1))
axes[1].set_title("dashed: loss × 100", fontsize=8)
axes[1].legend(fontsize=6, loc="center left", bbox_to_anchor=(1, 0.5))
figure.savefig("chapter_5_5_adam.png", dpi=100)
plt.close(figure)
