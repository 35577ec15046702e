"""Where SGD's noise vanishes, seen: samples that agree at the optimum let a constant rate converge, others do not.

Least squares by single samples at a constant rate α. The inputs x are the rows of 16 random rotations of d = 16
dimensions, of length 1 and with mean xxᵀ = I/d. A step is δ ← (I − α xxᵀ) δ + α e x, where δ is w − w* and e the
sample's error at the optimum w*. The mean of e x is zero, so exactly

    E‖δ‖² ← ρ E‖δ‖² + α² mean e²,   ρ = 1 − α (2 − α)/d,   which goes to α d mean e²/(2 − α)

If the samples disagree at the optimum, the noise stays there, and a constant rate keeps that distance for ever. If all
are fitted, e = 0, it vanishes there: the same rate converges, at the same ρ a step. Noisy targets alone do not decide
it: 12 samples with random targets are fitted by 48 weights, and E‖δ‖² falls by 1 − α (2 − α) λ a step or faster, where
λ is the smallest eigenvalue of mean xxᵀ that is not 0. Source: the chapter, section 5.2 no. 4, which says that the
noise never vanishes; Ma, Bassily and Belkin, *The power of interpolation* (2018); Vaswani, Bach and Schmidt, *Fast and
faster convergence of SGD for over-parameterized models* (2019); for α = 1 Strohmer and Vershynin (2009).
"""

import jax
import jax.numpy as jnp
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

import ch5jax

mpl.use("agg")
D, ROTATIONS, STEPS, RUNS = 16, 16, 600, 500
RATES = np.array([0.25, 0.5, 1.0, 1.5])
rng = np.random.default_rng(0)
frame = np.concatenate([np.linalg.qr(rng.normal(size=(D, D)))[0] for _ in range(ROTATIONS)])
wide = rng.normal(size=(12, 48))
wide /= np.linalg.norm(wide, axis=1, keepdims=True)
fitted = frame @ rng.normal(size=D)
cases = {
    "all fitted": (frame, fitted),
    "noisy targets": (frame, fitted + 0.1 * rng.normal(size=len(frame))),
    "noise, more weights": (wide, rng.normal(size=len(wide))),
}


@jax.jit
def mean_squares(x, y, best, opts, keys):
    """The mean of ‖w − w*‖² before every step, for each optimizer, shape (rates, steps)."""

    def run(opt, key):
        def step(carry, key):
            w, state = carry
            row = jax.random.randint(key, (), 0, len(x))
            updates, state = opt.update((x[row] @ w - y[row]) * x[row], state)
            return (w + updates, state), jnp.sum((w - best) ** 2)

        w = jnp.zeros_like(best)
        return jax.lax.scan(step, (w, opt.init(w)), jax.random.split(key, STEPS))[1]

    return jax.vmap(lambda opt: jax.vmap(run, (None, 0))(opt, keys).mean(0))(opts)


opts, keys = ch5jax.grid(ch5jax.sgd, learning_rate=RATES), jax.random.split(jax.random.key(0), RUNS)
t, courses, errors, predicted = np.arange(STEPS), {}, {}, {}
for name, (x, y) in cases.items():
    best = np.linalg.pinv(x) @ y  # of the optima the one next to the start, 0
    errors[name] = np.mean((y - x @ best) ** 2)
    courses[name] = np.asarray(mean_squares(*(jnp.asarray(a, jnp.float32) for a in (x, y, best)), opts, keys), float)
    eigenvalues = np.linalg.eigvalsh(x.T @ x / len(x))
    smallest = eigenvalues[eigenvalues > 1e-9].min()  # 1/d of the frame
    rho = 1 - RATES * (2 - RATES) * smallest
    floor = RATES * errors[name] / (2 - RATES) / smallest
    predicted[name] = rho[:, None] ** t * (best @ best) + (1 - rho[:, None] ** t) * floor[:, None]

lasts, lasts_predicted = ({name: c[:, -100:].mean(1) for name, c in of.items()} for of in (courses, predicted))
factors, factors_predicted = {}, {}
for name in ("all fitted", "noise, more weights"):
    ends = np.minimum((courses[name] > 1e-6 * courses[name][:, :1]).sum(1), STEPS - 1)  # above float32's own noise
    fallen = np.take_along_axis(courses[name], ends[:, None], 1)[:, 0] / courses[name][:, 0]
    factors[name], factors_predicted[name] = fallen ** (1 / ends), predicted[name][:, 1] / predicted[name][:, 0]
print("mean e² at the optimum: " + ", ".join(f"{error:.2g} ({name})" for name, error in errors.items()))
for i, rate in enumerate(RATES):
    agree, overfitted = ((factors[name][i], factors_predicted[name][i]) for name in factors)
    noisy = lasts["noisy targets"][i], lasts_predicted["noisy targets"][i]
    print(f"α = {rate}: all fitted, ‖δ‖² × {agree[0]:.4f} a step (predicted {agree[1]:.4f})", end="")
    print(
        f", {lasts['all fitted'][i]:.0e} at the end; noisy, it stays at {noisy[0]:.4f} (predicted {noisy[1]:.4f}); ",
        end="",
    )
    print(f"noise, more weights, × {overfitted[0]:.4f} (at most {overfitted[1]:.4f})")

figure, axes = plt.subplots(1, 2, figsize=(5.4, 2.7), layout="constrained")
for i, (name, course) in enumerate(courses.items()):
    axes[0].semilogy(t, course[1], f"C{i}", label=name)
    axes[0].semilogy(
        t, predicted[name][1], "k:" if i < 2 else "C2--", linewidth=1, label=(None, "predicted", "bound")[i]
    )
axes[0].set(xlabel="step", ylabel="mean ‖w − w*‖²", ylim=(1e-13, 1e3))
axes[0].set_title(f"rate {RATES[1]}", fontsize=8)
axes[0].legend(fontsize=6)
for name, i in (("all fitted", 0), ("noisy targets", 1)):
    axes[1].semilogy(RATES, lasts[name], f"C{i}o", label=name)
fine = np.linspace(RATES[0], RATES[-1], 50)
axes[1].semilogy(fine, fine * errors["noisy targets"] * D / (2 - fine), "k:", linewidth=1, label="predicted floor")
axes[1].set(xlabel="rate α", ylabel="the same, last 100 steps", ylim=(1e-14, 10))
axes[1].legend(fontsize=6)
figure.savefig("chapter_5_2_interpolation.png", dpi=100)
plt.close(figure)
