"""The start: every step goes downhill, and where a run started decides where it ends.

Gradient descent from grids of starts, one mapped program a function. Himmelblau's function has four equal minima. That
of Styblinski and Tang has four of which one is the lowest, in reach of a share of 0.5157² of all starts. Rosenbrock's
has one, and the way there follows the parabola y = x². The last is a hill between a well and a plain that falls for
ever: g(x) + y²/2 with g(x) = exp(−x²) − 2 exp(−(x + 3)²/2) − x/(2 √(1 + x²)). What starts to the right of the top never
returns to the well, although it goes downhill at every step.

Source: the chapter, section 5.6 no. 1, where every way down has to start somewhere; Goodfellow, Bengio and Courville,
*Deep Learning* (2016), section 8.2.7 and figure 8.4; the hill is ours.
"""

import jax
import jax.numpy as jnp
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

import ch5jax
from ch5jax import problems

mpl.use("agg")
GRID = 50


def hill(point):
    x, y = point
    return jnp.exp(-(x**2)) - 2 * jnp.exp(-((x + 3) ** 2) / 2) - x / (2 * jnp.sqrt(1 + x**2)) + y**2 / 2


def descend(problem, rate, steps, grid=GRID):
    """The starts, the ends, the length of every path, and how many steps went uphill by more than rounding."""
    task, (lower, upper) = ch5jax.tasks.surface(problem), problem.bounds
    corners = [
        np.linspace(a, b, grid, endpoint=False) + (b - a) / (2 * grid) for a, b in zip(lower, upper, strict=True)
    ]
    starts = np.stack(np.meshgrid(*corners), axis=-1).reshape(-1, 2)

    def one(start):
        setting = {"optimizer": ch5jax.sgd(rate), "start": start}
        run = ch5jax.train(task, setting, jax.random.key(0), steps, signals_every=0)
        losses, end = run.metrics["loss"], run.state.params
        uphill = jnp.diff(losses) > 1e-5 * (1 + jnp.abs(losses[1:]))
        moved = ch5jax.diagnostics.distance(end, jnp.asarray(start))
        return end, rate * run.metrics["gradient_norm"].sum(), uphill.sum(), moved

    return starts, *map(np.asarray, jax.jit(jax.vmap(one))(starts))


def reached(problem, ends):
    """The index of the minimum that was reached, −1 for none."""
    index, distance = jax.vmap(lambda end: problems.nearest(problem, end, kind="minimum"))(ends)
    return np.where(distance < 0.05, index, -1)


himmelblau, tang, rosenbrock = problems.himmelblau(), problems.styblinski_tang(), problems.rosenbrock()
starts, ends, paths, uphill, moved = descend(himmelblau, 0.002, 1500)
basins = reached(himmelblau, ends)
shares = np.bincount(basins + 1, minlength=5)[1:] / len(starts)
print(f"{himmelblau.name}: {', '.join(f'{share:.1%}' for share in shares)} of all starts reach each of the minima")
print(
    f"  {uphill.sum()} steps go uphill; the median run comes no farther than {np.median(moved):.2f} of its start's norm"
)

tang_starts, tang_ends, _, tang_uphill, _ = descend(tang, 0.002, 1500)
lowest_share, predicted_share = np.mean(reached(tang, tang_ends) == 0), 0.5157**2
print(f"{tang.name}: {lowest_share:.1%} reach the lowest minimum, predicted {predicted_share:.1%}")

valley_starts, valley_ends, valley_paths, valley_uphill, _ = descend(rosenbrock, 0.0002, 40000, 8)
detours = valley_paths / np.linalg.norm(valley_ends - valley_starts, axis=1)
print(
    f"{rosenbrock.name}: a path is {detours.mean():.2f} × as long as the straight line, and up to {detours.max():.2f}"
)

plain = problems.Problem("hill", hill, np.zeros(2), np.array([[-5.0, -3.0], [5.0, 3.0]]), ())
hill_starts, hill_ends, _, hill_uphill, _ = descend(plain, 0.05, 4000)
x = np.linspace(-5, 5.5, 10001)
height = np.asarray(jax.vmap(hill)(np.stack([x, 0 * x], axis=1)))
top = x[abs(x) < 1][np.argmax(height[abs(x) < 1])]
lost, wrong_side = hill_ends[:, 0] > top, hill_starts[:, 0] > top
print(
    f"{plain.name}: {wrong_side.mean():.1%} of all starts are on the wrong side of the top, {lost.mean():.1%} end there"
)
print(
    f"  after 4,000 steps these are at x = {hill_ends[lost, 0].min():.1f} to {hill_ends[lost, 0].max():.1f}, under way"
)

figure, (left, right) = plt.subplots(1, 2, figsize=(5.4, 2.9), layout="constrained")
left.imshow(basins.reshape(GRID, GRID), origin="lower", extent=(-5, 5, -5, 5), cmap="Set2", interpolation="nearest")
for critical in himmelblau.critical_points:
    if critical.kind == "minimum":
        left.plot(*critical.point, "k*")
left.set(xlabel="start, x", ylabel="start, y")
left.set_title("the minimum that is reached", fontsize=9)
for side, label in ((x <= top, "starts that reach the well"), (x >= top, "starts that do not")):
    right.plot(x[side], height[side], linewidth=3, label=label)
right.set(xlabel="x", ylabel="g(x)", ylim=(-1.8, 2))
right.legend(fontsize=7)
figure.savefig("chapter_5_6_start.png", dpi=100)
plt.close(figure)
