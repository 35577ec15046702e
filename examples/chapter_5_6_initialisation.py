"""The start, seen: equal units stay one unit, and regularising towards the start is a prior around it.

Sixteen rectified units with equal weights in and out, w and a, are one unit with √16 w and √16 a: the loss takes the
same course under the same rate, until the symmetry is broken. Then linear regression: with noise of variance s² and the
prior w ~ N(w₀, σ² I), the most probable w minimises ½ mean (Xw − y)² + ½ λ‖w − w₀‖² for λ = s²/(n σ²), and is
(XᵀX/n + λ I)⁻¹ (Xᵀy/n + λ w₀). Descent with a decay towards the start ends there, for all λ in one program. Source:
the chapter, section 5.6 nos. 2 and 4; Goodfellow, Bengio and Courville, Deep Learning (2016), section 8.4; the two
formulas are ours.
"""

import jax
import jax.numpy as jnp
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import optax

import ch5jax
from ch5jax.diagnostics import distance, duplicate_units

mpl.use("agg")
UNITS, STEPS = 16, 400
rng = np.random.default_rng(0)
x = jnp.asarray(rng.normal(size=(128, 6)), jnp.float32)
hidden = np.maximum(x @ rng.normal(size=(6, 4)), 0)
target = jnp.asarray(hidden @ rng.normal(size=(4, 3)) / 4, jnp.float32)  # what four units make of x
one_unit = rng.normal(size=(6, 1)) * 0.2, np.zeros(1), rng.normal(size=(1, 3)) * 0.2, np.zeros(3)
noise = rng.normal(size=(6, UNITS)) * 0.2, np.zeros(UNITS), rng.normal(size=(UNITS, 3)) * 0.2, np.zeros(3)


def network_of(kernel_in, bias_in, kernel_out, bias_out):
    kernel_in, bias_in, kernel_out, bias_out = (
        jnp.asarray(part, jnp.float32) for part in (kernel_in, bias_in, kernel_out, bias_out)
    )
    return ch5jax.networks.Layer(kernel_in, bias_in), ch5jax.networks.Layer(kernel_out, bias_out)


@jax.jit
def trained(params, opt):
    network = ch5jax.networks.mlp((6, len(params[0].bias), 3))

    def step(carry, _):
        params, state = carry
        loss, slope = jax.value_and_grad(lambda p: jnp.mean((network.apply(p, x) - target) ** 2))(params)
        updates, state = opt.update(slope, state)
        return (optax.apply_updates(params, updates), state), (loss, duplicate_units(params[0].kernel))

    (params, _), seen = jax.lax.scan(step, (params, opt.init(params)), length=STEPS)
    return params, *seen


root = UNITS**0.5
equal = [np.tile(one_unit[0] / root, UNITS), np.zeros(UNITS), np.tile(one_unit[2] / root, (UNITS, 1)), np.zeros(3)]
broken = [part + size for part, size in zip(equal, noise, strict=True)]
courses, twins = {}, {}
for name, start in {"one unit": one_unit, "16 equal units": equal, "16 units, broken": broken}.items():
    params, losses, twins[name] = trained(network_of(*start), ch5jax.sgd(0.1))
    courses[name] = np.asarray(losses)
    print(f"{name:16}: loss {losses[0]:.4f} at first, {losses[-1]:.4f} at last; units with a twin: {twins[name][-1]}")
apart = float(np.max(abs(courses["16 equal units"] / courses["one unit"] - 1)))
print(f"the equal units' loss and the one unit's are never further apart than {apart:.0e} of it")


def decay_towards_start(weight_decay):
    """An Optax factory of one's own: adds λ (w − w₀) to the gradient, and keeps w₀ in its state."""

    def update(updates, start, params):
        return jax.tree.map(lambda u, w, w0: u + weight_decay * (w - w0), updates, params, start), start

    return optax.GradientTransformation(lambda params: params, update)


def regularised(weight_decay):
    return ch5jax.chain(ch5jax.lift(decay_towards_start, weight_decay=weight_decay), ch5jax.sgd(0.15))


DECAYS, ROWS, NOISE = np.geomspace(1e-3, 10, 13), 60, 0.5
inputs = rng.normal(size=(ROWS, 5)) * np.geomspace(1, 0.2, 5)
outputs, w0 = inputs @ rng.normal(size=5) + NOISE * rng.normal(size=ROWS), rng.normal(size=5)


@jax.jit
@jax.vmap
def descended(opt):
    rows, values, start = (jnp.asarray(part, jnp.float32) for part in (inputs, outputs, w0))

    def step(carry, _):
        w, state = carry
        updates, state = opt.update(rows.T @ (rows @ w - values) / ROWS, state, w)
        return (w + updates, state), None

    return jax.lax.scan(step, (start, opt.init(start)), length=4000)[0][0]


found = np.asarray(descended(ch5jax.grid(regularised, weight_decay=DECAYS)))
square, product = inputs.T @ inputs / ROWS, inputs.T @ outputs / ROWS
closed = np.stack([np.linalg.solve(square + decay * np.eye(5), product + decay * w0) for decay in DECAYS])
moved = np.array([distance(jnp.asarray(w), jnp.float32(w0)) for w in found])
moved_closed = np.linalg.norm(closed - w0, axis=1) / np.linalg.norm(w0)
for i in range(0, len(DECAYS), 3):
    print(f"λ = {DECAYS[i]:5.3g}, a prior of σ = {NOISE / np.sqrt(ROWS * DECAYS[i]):.3f}: ends {moved[i]:.4f} ", end="")
    print(f"of ‖w₀‖ from the start, closed form {moved_closed[i]:.4f}; w off by {abs(found[i] - closed[i]).max():.0e}")

figure, axes = plt.subplots(1, 2, figsize=(5, 2.7), layout="constrained")
for (name, losses), style in zip(courses.items(), ("-", "k:", "-"), strict=True):
    axes[0].semilogy(losses, style, label=name)
axes[0].set(xlabel="step", ylabel="loss")
axes[0].legend(fontsize=7)
axes[1].semilogx(DECAYS, moved, "o", markersize=4, label="descent")
axes[1].semilogx(DECAYS, moved_closed, "k:", label="closed form")
axes[1].set(xlabel="decay λ towards the start", ylabel="‖w − w₀‖ / ‖w₀‖")
axes[1].legend(fontsize=7)
figure.savefig("chapter_5_6_initialisation.png", dpi=100)
plt.close(figure)
