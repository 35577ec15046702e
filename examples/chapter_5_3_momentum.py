"""Momentum, seen: the terminal velocity that it gathers, and what that is worth in a narrow valley.

Under a constant gradient g the step's length after t steps is α‖g‖ (1 − βᵗ)/(1 − β). On a quadratic of condition number
κ (eigenvalues 1 and κ) the best constant rate 2/(κ+1) takes the distance to the minimum down by (κ−1)/(κ+1) a step, and
momentum with the rate 4/(√κ+1)² and the decay q² by q = (√κ−1)/(√κ+1) in the limit; from rest, the parts along the two
axes are qᵗ (1 + (1−q) t) and (−q)ᵗ (1 + (1+q) t) of what they were. Source: the chapter, section 5.3; Polyak (1964);
Goodfellow, Bengio and Courville, Deep Learning (2016), section 8.3.2.
"""

import jax
import jax.numpy as jnp
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

import ch5jax

mpl.use("agg")
RATE, DECAYS, STEPS = 0.1, np.array([0.5, 0.9, 0.97]), 100
gradient = jnp.array([3.0, -4.0])


def step_lengths(opt):
    def step(state, _):
        updates, state = opt.update(gradient, state)
        return state, jnp.linalg.norm(updates)

    return jax.lax.scan(step, opt.init(gradient), length=STEPS)[1]


lengths = np.asarray(jax.jit(jax.vmap(step_lengths))(ch5jax.grid(ch5jax.momentum, learning_rate=RATE, decay=DECAYS)))
powers = DECAYS[:, None] ** np.arange(1, STEPS + 1)
lengths_predicted = RATE * 5 * (1 - powers) / (1 - DECAYS[:, None])
for decay, found, due in zip(DECAYS, lengths, lengths_predicted, strict=True):
    print(f"decay {decay}: steps of {found[0]:.3f}, {found[9]:.3f}, {found[99]:.3f} at 1, 10, 100; ", end="")
    print(f"predicted {due[0]:.3f}, {due[9]:.3f}, {due[99]:.3f}; terminal {RATE * 5 / (1 - decay):.3f}")

CONDITIONS, LONGEST, NEAR = np.geomspace(4, 1024, 5), 8000, 1e-6
roots = np.sqrt(CONDITIONS)
q = np.stack([(CONDITIONS - 1) / (CONDITIONS + 1), (roots - 1) / (roots + 1)])  # plain, with momentum
rates = np.stack([2 / (CONDITIONS + 1), 4 / (roots + 1) ** 2])
decays = np.stack([np.zeros(len(CONDITIONS)), q[1] ** 2])  # without any, momentum is plain descent


def distances(condition, opt):
    eigenvalues = jnp.stack([jnp.ones(()), condition])

    def step(carry, _):
        w, state = carry
        updates, state = opt.update(eigenvalues * w, state)
        return (w + updates, state), jnp.linalg.norm(w + updates)

    start = jnp.full(2, 0.5**0.5)
    return jax.lax.scan(step, (start, opt.init(start)), length=LONGEST)[1]


of_conditions = jax.jit(jax.vmap(jax.vmap(distances), (None, 0)))
fallen = np.asarray(of_conditions(jnp.float32(CONDITIONS), ch5jax.momentum(np.float32(rates), np.float32(decays))))
t = np.arange(1, LONGEST + 1)
grown = ((1 + (1 - q[1, :, None]) * t) ** 2 + (1 + (1 + q[1, :, None]) * t) ** 2) / 2
fallen_predicted = q[:, :, None] ** t * np.stack([np.ones_like(grown), np.sqrt(grown)])
needed, needed_predicted = ((courses < NEAR).argmax(-1) + 1 for courses in (fallen, fallen_predicted))
factors = np.array(
    [
        [(course[n - 1] / course[n // 2 - 1]) ** (1 / (n - n // 2)) for course, n in zip(*rows, strict=True)]
        for rows in zip(fallen, needed, strict=True)
    ]
)
for i, condition in enumerate(CONDITIONS):
    for j, name in enumerate(("plain", "momentum")):
        print(f"κ = {condition:4.0f}, {name:8}: {needed[j, i]:4} steps to {NEAR:g} of the distance, ", end="")
        print(f"predicted {needed_predicted[j, i]:4}; factor {factors[j, i]:.4f} a step, in the limit {q[j, i]:.4f}")

figure, axes = plt.subplots(1, 2, figsize=(5.2, 2.8), layout="constrained")
for decay, found, due in zip(DECAYS, lengths, lengths_predicted, strict=True):
    axes[0].semilogy(found, label=f"decay {decay}")
    axes[0].semilogy(due, "k:", linewidth=1)
axes[0].set(xlabel="step", ylabel="step's length")
axes[0].legend(fontsize=7)
for found, due, name in zip(needed, needed_predicted, ("plain", "momentum"), strict=True):
    axes[1].loglog(CONDITIONS, found, "o", markersize=4, label=name)
    axes[1].loglog(CONDITIONS, due, "k:", linewidth=1, label="predicted" if name == "momentum" else None)
axes[1].set(xlabel="condition number κ", ylabel="steps needed")
axes[1].legend(fontsize=7)
figure.savefig("chapter_5_3_momentum.png", dpi=100)
plt.close(figure)
