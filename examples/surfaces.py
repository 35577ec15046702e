"""Where do they end? Three optimizers on test functions whose minima and saddles are known.

One program a problem: every optimizer, with 13 learning rates, from 200 random starts. Shown is the rate with which
most starts came to rest at a critical point, and how many of them at which one; then, how soon a saddle is left.
"""

import jax
import jax.numpy as jnp
import numpy as np

import ch5jax
from ch5jax import problems

STARTS, STEPS, NEAR = 200, 1000, 0.02
RATES = np.geomspace(1e-4, 1, 13)
OPTIMIZERS = {
    "sgd": ch5jax.grid(ch5jax.sgd, learning_rate=RATES),
    "momentum": ch5jax.grid(ch5jax.momentum, learning_rate=RATES, decay=[0.9]),
    "adam": ch5jax.grid(ch5jax.adam, learning_rate=RATES),
}


def descents(problem, starts):
    """The final points, shape (rates, starts, d), and all losses, shape (rates, starts, steps), of each optimizer."""
    task = ch5jax.tasks.surface(problem)

    def descend(opt, start):
        setting = {"optimizer": opt, "start": start}
        run = ch5jax.train(task, setting, jax.random.key(0), STEPS, signals_every=0)
        return run.state.params, run.metrics["loss"]

    mapped = jax.vmap(jax.vmap(descend, (None, 0)), (0, None))
    found = jax.jit(lambda optimizers: {name: mapped(batch, starts) for name, batch in optimizers.items()})(OPTIMIZERS)
    return {name: found[name] for name in OPTIMIZERS}


def line(label, cells):
    print(f"  {label:50}" + "".join(f"{cell:>14}" for cell in cells))


for problem in (problems.himmelblau(), problems.beale(), problems.rosenbrock(4)):
    print(f"\n{problem.name}, {len(problem.start)} dimensions, {STARTS} starts, {STEPS} steps")
    lower, upper = problem.bounds
    starts = jax.random.uniform(jax.random.key(1), (STARTS, len(lower)), minval=lower, maxval=upper)
    nearest = jax.jit(jax.vmap(jax.vmap(lambda point: problems.nearest(problem, point))))
    rates, shares = [], []
    for points, _ in descents(problem, starts).values():
        index, distance = map(np.asarray, nearest(points))
        best = np.argmax((distance < NEAR).sum(axis=1))  # NaN is not near
        there = np.where(distance[best] < NEAR, index[best], len(problem.critical_points))
        rates.append(f"{RATES[best]:.2g}")
        shares.append(np.bincount(there, minlength=len(problem.critical_points) + 1) / STARTS)
    line("", OPTIMIZERS)
    line("learning rate", rates)
    for critical, *row in zip(problem.critical_points, *shares, strict=False):
        point = ", ".join(f"{x:.2f}" for x in critical.point)
        line(f"{critical.kind} ({point}), f = {critical.value:.3g}", [f"{share:.0%}" for share in row])
    line("at none of them: under way, away, diverged", [f"{share[-1]:.0%}" for share in shares])

RATE = 0.01
print(f"\nsteps with learning rate {RATE} from (1, 0.001), almost on the ridge into the saddle, to f < -1")
line("", OPTIMIZERS)
for problem in (problems.saddle(), problems.steep_saddle(), problems.monkey_saddle()):
    cells = []
    for _, losses in descents(problem, jnp.asarray(problem.start)[None]).values():
        left = np.asarray(losses[np.argmin(abs(RATES - RATE)), 0]) < -1
        cells.append(int(left.argmax()) if left.any() else "never")
    (critical,) = problem.critical_points
    line(f"{problem.name}: {critical.kind}, eigenvalues {critical.eigenvalues.tolist()}", cells)
