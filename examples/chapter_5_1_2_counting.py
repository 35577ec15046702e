"""Counting saddles: with the dimension d all critical points become more, minima too, but their share falls.

Styblinski and Tang's function has 3^d critical points, 2^d of them minima and all but one of the others saddles. The
other functions are random: sums of waves Σ a cos kx + b sin kx, periodic in a box of side 4.5, which are Gaussian
fields of covariance exp(−r²/2), but for a percent. There the gradient does not depend on the Hessian, and the Hessian
is H = G − u with a symmetric Gaussian matrix G (variance 2 on the diagonal, 1 off it) and the height u ~ N(0, 1) of the
point. So by the formula of Kac and Rice there are, in a unit of volume,

    E|det H| / (2π)^{d/2} critical points,    E[|det H|; H > 0] / (2π)^{d/2} minima

and low points are minima, high ones maxima. Newton's method finds them from many starts. That none is missing shows in
Σ (−1)^index, which is 0 in a periodic box (Morse). Momentum, in the same field, ends in minima only.

Source: Dauphin et al., *Identifying and attacking the saddle point problem in high-dimensional non-convex optimization*
(2014); Bray and Dean, *Statistics of critical points of Gaussian fields on large-dimensional spaces* (2007).
"""

import itertools

import jax
import jax.numpy as jnp
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

import ch5jax

mpl.use("agg")
PERIOD, NEAR, DRAWS, DIMENSIONS = 4.5, 0.02, 200_000, np.arange(1, 5)
FIELDS, STARTS = {1: 150, 2: 60, 3: 16, 4: 6}, {1: 40, 2: 200, 3: 900, 4: 3000}
EDGES = np.array([-4, -1.5, -0.75, 0, 0.75, 1.5, 4])  # of heights
rng = np.random.default_rng(0)


def newton(slope_and_bend):
    """From each start, where no step is longer than 0.5: the last point, the slope's norm and the eigenvalues there."""

    def one(start, *function):
        def step(x, _):
            slope, bend = slope_and_bend(x, *function)
            move = jnp.linalg.solve(bend, slope)
            return x - move * jnp.minimum(1, 0.5 / jnp.linalg.norm(move)), None

        x, _ = jax.lax.scan(step, start, length=20)
        slope, bend = slope_and_bend(x, *function)
        return x, jnp.linalg.norm(slope), jnp.linalg.eigvalsh(bend)

    return jax.jit(lambda starts, *function: jax.vmap(lambda x: one(x, *function))(jnp.asarray(starts, "float32")))


def distinct(points, slopes, eigenvalues, level, period=None):
    """Every critical point once, and its index, the number of negative eigenvalues; without starts that get nowhere."""
    points = np.asarray(points) % period if period else np.asarray(points)
    found, left = [], np.flatnonzero(slopes < level)
    while len(left):
        found.append(left[0])
        left = left[distances(points[left], points[left[0]], period) > NEAR]
    return points[found], np.sum(np.asarray(eigenvalues)[found] < 0, axis=1)


def distances(points, others, period):
    apart = abs(points - others)
    return np.linalg.norm(np.minimum(apart, period - apart) if period else apart, axis=-1)


tang_counts, tang_listed = {}, {}
for d in (1, 2, 3, 4, 5):
    problem = ch5jax.problems.styblinski_tang(d)
    find = newton(lambda x, f=problem.function: (jax.grad(f)(x), jax.hessian(f)(x)))
    starts = rng.uniform(*problem.bounds[:, :1], size=(40 * 3**d, d))
    tang_counts[d] = np.bincount(distinct(*find(starts), level=1e-3)[1], minlength=d + 1)
    tang_listed[d] = np.bincount([np.sum(p.eigenvalues < 0) for p in problem.critical_points], minlength=d + 1)
    minima, saddles = tang_counts[d][0], tang_counts[d][1:-1].sum()
    print(f"Styblinski-Tang, d = {d}: {minima} minima, {saddles} saddles, {tang_counts[d][-1]} maximum", end="; ")
    print(f"the share of minima is {minima / tang_counts[d].sum():.3f}, predicted {(2 / 3) ** d:.3f}")


def slope_and_bend_of_field(x, waves, a, b):
    cos, sin = jnp.cos(waves @ x), jnp.sin(waves @ x)
    return waves.T @ (b * cos - a * sin), -(waves.T * (a * cos + b * sin)) @ waves


def in_bins(height, values, weights):
    totals = (np.histogram(height, EDGES, weights=weights * v)[0] for v in (values, np.ones_like(values)))
    return np.divide(*totals)


find_in_field = newton(slope_and_bend_of_field)
counts, predicted, complete, index_by_height = {}, {}, {}, {}
for d in DIMENSIONS:
    waves = 2 * np.pi / PERIOD * np.array(list(itertools.product(range(-3, 4), repeat=d)))
    waves = waves[: len(waves) // 2 + 1]  # of k and −k one, and 0; what is left out has 0.7 % of the variance of ∇f
    waves = waves[np.sum(waves**2, axis=1) < 4.2**2].astype("float32")
    power = np.exp(-np.sum(waves**2, axis=1) / 2) * np.where(waves.any(axis=1), 2, 1)
    counts[d], heights, indices = [], [], []
    for _ in range(FIELDS[d]):
        a, b = (rng.normal(size=(2, len(power))) * np.sqrt(power / power.sum())).astype("float32")
        found = find_in_field(rng.uniform(0, PERIOD, (STARTS[d], d)), waves, a, b)
        points, index = distinct(*found, level=1e-4, period=PERIOD)
        counts[d].append(np.bincount(index, minlength=d + 1))
        heights.append(np.cos(points @ waves.T) @ a + np.sin(points @ waves.T) @ b), indices.append(index)
    counts[d], heights, indices = np.stack(counts[d]), np.concatenate(heights), np.concatenate(indices)
    complete[d] = np.mean(counts[d] @ (-1) ** np.arange(d + 1) == 0)

    drawn, height = rng.normal(size=(DRAWS, d, d)), rng.normal(size=DRAWS)
    spectra = np.linalg.eigvalsh((drawn + drawn.transpose(0, 2, 1)) / 2**0.5) - height[:, None]
    index, weight = np.sum(spectra < 0, axis=1), abs(spectra.prod(axis=1))
    predicted[d] = np.bincount(index, weight) * (PERIOD / (2 * np.pi) ** 0.5) ** d / DRAWS
    index_by_height[d] = in_bins(heights, indices, 1), in_bins(height, index, weight)
    shares = counts[d].sum(axis=0) / counts[d].sum(), predicted[d] / predicted[d].sum()
    mean, error = counts[d].mean(axis=0), counts[d].std(axis=0) / FIELDS[d] ** 0.5
    print(f"field, d = {d}: {mean.sum():.1f} points, predicted {predicted[d].sum():.1f}", end="; ")
    print(
        f"{mean[0]:.2f} ± {error[0]:.2f} minima, predicted {predicted[d][0]:.2f}; their share {shares[0][0]:.3f}",
        end=", ",
    )
    print(f"predicted {shares[1][0]:.3f}; Σ (−1)^index is 0 in {complete[d]:.0%} of {FIELDS[d]} fields")
    print(f"  mean index by height: {index_by_height[d][0].round(2)}, predicted {index_by_height[d][1].round(2)}")


def wave_sum(x):
    return a @ jnp.cos(waves @ x) + b @ jnp.sin(waves @ x)


box = np.array([np.zeros(d), np.full(d, PERIOD)])  # the last field, in four dimensions
task = ch5jax.tasks.surface(ch5jax.problems.Problem("field", wave_sum, box[1] / 2, box, ()))
setting = {"optimizer": ch5jax.momentum(0.05), "start": rng.uniform(*box, size=(200, d))}


def descend(start):
    return ch5jax.train(task, setting | {"start": start}, jax.random.key(0), 400, signals_every=0).state.params


ends = np.asarray(jax.jit(jax.vmap(descend))(setting["start"])) % PERIOD
nearest = distances(ends[:, None], points[indices[-len(points) :] == 0], PERIOD)
reached, share_at_minima = len(np.unique(nearest.argmin(axis=1))), np.mean(nearest.min(axis=1) < NEAR)
print(
    f"momentum from {len(ends)} starts in the last field: {share_at_minima:.0%} end in one of its {counts[d][-1, 0]} ",
    end="",
)
print(f"minima ({reached} of them reached), although {counts[d][-1, 1:].sum()} of its {len(points)} points are none")

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(7.6, 2.7), layout="constrained")
for what, pick, color in (("all", slice(None), "C0"), ("minima", slice(1), "C1")):
    left.semilogy(DIMENSIONS, [counts[d][:, pick].sum(axis=1).mean() for d in DIMENSIONS], "o", color=color, label=what)
    left.semilogy(DIMENSIONS, [predicted[d][pick].sum() for d in DIMENSIONS], color=color)
left.set(xlabel="dimension d", ylabel="critical points of a field", xticks=DIMENSIONS)
left.legend(fontsize=7)
for name, tops, color in (("Styblinski-Tang", tang_counts, "C2"), ("random field", counts, "C1")):
    middle.semilogy(list(tops), [np.sum(c.T[0]) / np.sum(c) for c in tops.values()], "o", color=color, label=name)
middle.semilogy(list(tang_counts), [(2 / 3) ** d for d in tang_counts], color="C2")
middle.semilogy(DIMENSIONS, [predicted[d][0] / predicted[d].sum() for d in DIMENSIONS], color="C1")
middle.set(xlabel="dimension d", ylabel="share of minima", xticks=list(tang_counts))
middle.legend(fontsize=7)
for d in DIMENSIONS[1:]:
    right.plot((EDGES[1:] + EDGES[:-1]) / 2, index_by_height[d][0] / d, "o", color=f"C{d}", label=f"d = {d}")
    right.plot((EDGES[1:] + EDGES[:-1]) / 2, index_by_height[d][1] / d, color=f"C{d}")
right.set(xlabel="height of the point", ylabel="mean index / d")
right.legend(fontsize=7)
figure.savefig("chapter_5_1_2_counting.png", dpi=100)
plt.close(figure)
