"""Low minima: width to spare makes high local minima rare, while size alone makes them common.

A student of n ReLU units, Σ relu(w_i·x), learns a teacher of k of them with orthonormal weights, on all Gaussian inputs
at once: the loss is half the mean squared error, a sum over pairs of units at the angle θ of

    E relu(w·x) relu(v·x) = ‖w‖ ‖v‖ (sin θ + (π − θ) cos θ) / 2π

The global minimum is 0. Many starts go down until the gradient is next to nothing; who ends at a high loss is looked at
more closely: it is a minimum if every eigenvalue of the Hessian is positive. Then networks of growing width learn the
scanned digits, from many starts: how far apart these end.

Source: Safran and Shamir, *Spurious local minima are common in two-layer ReLU neural networks* (2018), who find high
minima from k = 6 on if n = k, and hardly any if n is larger by one or two; Choromanska, Henaff, Mathieu, Ben Arous and
LeCun, *The loss surfaces of multilayer networks* (2015), for the spread of the test loss by width.
"""

import jax
import jax.numpy as jnp
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

import ch5jax

mpl.use("agg")
STARTS, STEPS, HIGH, STILL = 40, 1000, 1e-3, 1e-6
SIZES = [(6, 6), (10, 10), (14, 14), (10, 11), (14, 15), (14, 16)]  # of the teacher, and of the student


@jax.custom_jvp
def arc(cosine):
    return jnp.sqrt(1 - cosine**2) + (jnp.pi - jnp.arccos(cosine)) * cosine


@arc.defjvp
def arc_slope(cosine, change):  # in which infinite terms cancel
    return arc(*cosine), (jnp.pi - jnp.arccos(*cosine)) * change[0]


def pairs(w, v):
    """E relu(w_i·x) relu(v_j·x) for each pair."""
    lengths = jnp.linalg.norm(w, axis=1)[:, None] * jnp.linalg.norm(v, axis=1)
    return lengths * arc((1 - 1e-14) * (w @ v.T) / lengths) / (2 * jnp.pi)  # cos θ = 1 has no second derivative


def loss_of(teacher, student):
    signs = np.hstack([(1 - np.eye(student)) / 2, -np.ones((student, teacher))])  # of pairs within and between
    among_teachers = (teacher / 2 + teacher * (teacher - 1) / (2 * np.pi)) / 2  # θ = π/2 between them

    def loss(flat):
        w = flat.reshape(student, teacher)
        return jnp.sum(signs * pairs(w, jnp.concatenate([w, jnp.eye(teacher)]))) + jnp.sum(w**2) / 4 + among_teachers

    return loss


def train(start, problem):
    setting = {"optimizer": ch5jax.momentum(3 / len(problem.start) ** 0.5, 0.95), "start": start}
    w = ch5jax.train(ch5jax.tasks.surface(problem), setting, jax.random.key(0), STEPS, signals_every=0).state.params
    return w, problem.function(w), jnp.linalg.norm(jax.grad(problem.function)(w))


points, losses, slopes, least = {}, {}, {}, {}  # by the units of the teacher and the student
with jax.enable_x64(True):
    for size in SIZES:
        n, loss = size[0] * size[1], loss_of(*size)
        problem = ch5jax.problems.Problem("student", loss, np.zeros(n), np.array([[-1.0] * n, [1.0] * n]), ())
        starts = jax.random.normal(jax.random.key(0), (STARTS, n)) / size[0] ** 0.5
        found = jax.jit(jax.vmap(lambda start, problem=problem: train(start, problem)))(starts)
        points[size], losses[size], slopes[size] = map(np.asarray, found)
        high, still = losses[size] > HIGH, slopes[size] < STILL
        print(f"teacher {size[0]}, student {size[1]}: {high.mean():.0%} of {STARTS} starts end above {HIGH}", end=", ")
        print(f"the highest at {losses[size].max():.3f}; {np.mean(~still):.0%} still have a gradient above {STILL}")
        if (high & still).any():
            spectra = np.linalg.eigvalsh(jax.jit(jax.vmap(jax.hessian(loss)))(points[size][high & still][:12]))
            least[size] = spectra[:, 0]
            print(f"  of {len(spectra)} high ends looked at, {np.mean(spectra[:, 0] > 0):.0%} are minima", end=", ")
            print(f"with eigenvalues of {spectra[:, 0].min():.2g} at least and {spectra.max():.2g} at most")

WIDTHS, SEEDS, NETWORK_STEPS = np.array([2, 4, 8, 16]), 12, 450
task = ch5jax.tasks.digits(hidden=(WIDTHS.max(),), activation=jnp.tanh, batch_size=32)
opt = ch5jax.adam(ch5jax.linear_decay(0.02, 0.0005, NETWORK_STEPS))


def scores(width, key):
    """Units without weights stay without: their gradients are 0 and Adam's steps too. So one program has all widths."""
    state, used = task.init(key, opt), jnp.arange(WIDTHS.max()) < width
    hidden, outputs = state.params
    params = hidden._replace(kernel=hidden.kernel * used), outputs._replace(kernel=outputs.kernel * used[:, None])
    run = ch5jax.train(task, opt, key, NETWORK_STEPS, signals_every=0, state=state._replace(params=params))
    return (
        run.metrics["loss"][-100:].mean(),
        run.last()["test_loss"],
        sum(jnp.sum(w != 0) for w in jax.tree.leaves(run.state.params)),
    )


of_widths = jax.jit(jax.vmap(jax.vmap(scores, (None, 0)), (0, None)))
training, test, weights = map(np.asarray, of_widths(WIDTHS, jax.random.split(jax.random.key(0), SEEDS)))
for width, a, b in zip(WIDTHS, training, test, strict=True):
    print(
        f"digits, {width:2d} hidden units: training loss {a.mean():.3f} ± {a.std():.3f}, from {a.min():.3f} to", end=" "
    )
    print(f"{a.max():.3f}; test loss {b.mean():.3f} ± {b.std():.3f}, from {b.min():.3f} to {b.max():.3f}")

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(7.6, 2.7), layout="constrained")
for extra in range(3):
    sizes = [size for size in SIZES if size[1] - size[0] == extra]
    shares = [np.mean(losses[size] > HIGH) for size in sizes]
    left.plot([size[0] for size in sizes], shares, "o-", label=f"n = k + {extra}" if extra else "n = k")
    ends = np.sort(losses[14, 14 + extra])
    middle.plot(np.arange(STARTS) / (STARTS - 1), ends, label=f"k = 14, n = {14 + extra}")
left.set(xlabel="units of the teacher k", ylabel="starts that end high", ylim=(-0.03, 1), xticks=(6, 10, 14))
left.legend(fontsize=7)
middle.set(xlabel="share of the starts", ylabel="loss at the end")
middle.legend(fontsize=7)
for name, values, color in (("test", test, "C0"), ("training", training, "C1")):
    right.loglog(np.repeat(WIDTHS, SEEDS), values.ravel(), ".", color=color, markersize=4, label=name)
right.set(xlabel="hidden units", ylabel="loss on the digits")
right.set_xticks(WIDTHS, WIDTHS)
right.minorticks_off()
right.legend(fontsize=7)
figure.savefig("chapter_5_1_1_low_minima.png", dpi=100)
plt.close(figure)
