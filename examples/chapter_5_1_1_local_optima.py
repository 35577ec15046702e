"""Local optima: the noise of mini-batches leaves a shallow basin in which full-batch descent stays.

256 examples have the losses f_i(x) = x⁴/4 − x²/2 + (0.15 + ε_i) x, where the ε_i have mean 0 and standard deviation
2.5. Their mean f has a shallow basin, where every run starts, and a deep one. A mini-batch of B examples is SGD at the
temperature T = α σ²/(2B). So the number of steps until the deep minimum is reached grows exponentially with B:

    τ = 2π / (α √(f''(min) |f''(top)|)) · exp(Δf/T)

Source: Goodfellow, Bengio and Courville, *Deep Learning* (2016), sections 8.1.3 and 8.2.2; the formula is that of
Kramers, *Brownian motion in a field of force* (1940), for Δf/T large and α small.
"""

import jax
import jax.numpy as jnp
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

import ch5jax

mpl.use("agg")
RATE, NOISE, TILT, EXAMPLES, STEPS, SEEDS = 0.05, 2.5, 0.15, 256, 4000, 128
SIZES = np.array([1, 2, 3, 4, 5, 6, 8, 16])
tilts = np.random.default_rng(0).normal(size=EXAMPLES)
tilts = NOISE * (tilts - tilts.mean()) / tilts.std()
f = np.poly1d([1 / 4, 0, -1 / 2, TILT, 0])
deep, top, shallow = np.sort(f.deriv().roots.real)


def full(point):
    return jnp.polyval(jnp.asarray(f.coeffs, point.dtype), point[0])


def init(key, setting):
    x = jnp.full(1, shallow)
    return x, setting["optimizer"].init(x), jnp.asarray(jnp.inf)


def step(key, index, setting, state):
    x, opt_state, reached = state
    rows = jax.random.randint(key, (SIZES.max(),), 0, EXAMPLES)  # of which the first B are the mini-batch
    share = (jnp.arange(SIZES.max()) < setting["batch_size"]) / setting["batch_size"]
    loss, gradient = jax.value_and_grad(lambda x: full(x) + share @ jnp.asarray(tilts, x.dtype)[rows] * x[0])(x)
    updates, opt_state = setting["optimizer"].update(gradient, opt_state, x)
    x = x + updates
    return (x, opt_state, jnp.minimum(reached, jnp.where(x[0] <= deep, index + 1.0, jnp.inf))), {"loss": loss}


def evaluate(setting, state):
    return {"validation_loss": full(state[0]), "end": state[0][0], "reached": state[2]}


settings = {"optimizer": ch5jax.grid(ch5jax.sgd, learning_rate=np.full(len(SIZES), RATE)), "batch_size": SIZES}
task = ch5jax.Task(init, step, evaluate)
columns = ch5jax.sweep(task, settings, steps=STEPS, key=jax.random.key(0), seeds=SEEDS, signals_every=0).columns
reached, end = (np.asarray(columns[name]).reshape(len(SIZES), SEEDS) for name in ("reached", "end"))
escaped, ended_deep = np.isfinite(reached).mean(axis=1), (end < top).mean(axis=1)
with np.errstate(divide="ignore"):  # the likeliest mean of exponential times of which some are cut off
    escape_steps = np.minimum(reached, STEPS).sum(axis=1) / np.isfinite(reached).sum(axis=1)

predicted_slope = 2 * (f(top) - f(shallow)) / (RATE * NOISE**2)  # of log τ over B
curvatures = abs(f.deriv(2)(shallow) * f.deriv(2)(top))
predicted_steps = 2 * np.pi / (RATE * np.sqrt(curvatures)) * np.exp(predicted_slope * SIZES)
fitted = (SIZES >= 3) & (escaped > 0.2)
slope = np.polyfit(SIZES[fitted], np.log(escape_steps[fitted]), 1)[0]

surface = ch5jax.tasks.surface(ch5jax.problems.Problem("basins", full, np.ones(1), np.array([[-2.0], [2.0]]), ()))
starts, opt = np.linspace(top + 0.01, 2, SEEDS)[:, None], ch5jax.sgd(RATE)


def end_of(start):
    return ch5jax.train(surface, {"optimizer": opt, "start": start}, jax.random.key(0), STEPS).state.params


full_batch_ends = np.asarray(jax.vmap(end_of)(starts))[:, 0]

print(f"full batch: {np.mean(full_batch_ends < top):.0%} of {SEEDS} starts on its side leave the shallow basin")
for size, share, end, steps, kramers in zip(SIZES, escaped, ended_deep, escape_steps, predicted_steps, strict=True):
    print(f"B = {size:2d}: {share:.0%} of seeds reach the deep minimum, {end:.0%} end in its basin", end="; ")
    print(f"mean steps {steps:.0f}, Kramers {kramers:.0f} (Δf/T = {predicted_slope * size:.1f})")
print(f"log of the steps over B rises by {slope:.2f} from B = 3 to 6, predicted {predicted_slope:.2f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(5.6, 3), layout="constrained")
x = np.linspace(-1.6, 1.5, 200)
left.plot(x, f(x), color="black")
left.plot(shallow, f(shallow), "o", label="start, and end\nof full batch")
left.plot(deep, f(deep), "s", label="deep minimum")
left.set(xlabel="x", ylabel="f(x)")
left.legend(fontsize=8)
seen = escaped > 0
right.semilogy(SIZES[seen], escape_steps[seen], "o", label="measured")
right.semilogy(SIZES[seen], predicted_steps[seen], color="gray", label="Kramers")
right.set(xlabel="batch size B", ylabel="steps to the deep minimum")
right.legend(fontsize=8)
figure.savefig("chapter_5_1_1_local_optima.png", dpi=100)
plt.close(figure)
