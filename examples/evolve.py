"""A population of learning rates and decays on a noisy surface: who goes on from whom, and the best one's schedule."""

import jax
import numpy as np

import ch5jax

task = ch5jax.tasks.surface(ch5jax.problems.rosenbrock(), noise=1.0)
population = ch5jax.sample(ch5jax.momentum, 20, learning_rate=ch5jax.log(1e-5, 1e-2), decay=ch5jax.linear(0.0, 0.99))
arguments = {"steps": 1000, "every": 100, "key": jax.random.key(0)}
evolved = ch5jax.evolve(task, population, **arguments, perturb={"learning_rate": ch5jax.log(1e-7, 1e-2)})
alone = ch5jax.evolve(task, population, **arguments, fraction=0)  # nobody is replaced: random search

print(f"lost after the first round: {int(np.sum(evolved.lost[0]))}, after the last: {int(np.sum(evolved.lost[-1]))}")
for name, found in (("population", evolved), ("random search", alone)):
    print(f"best loss of the {name}: {float(found.scores[-1, found.best()]):.4g}")
print("the best one's line:", evolved.lineage().tolist())
print("its learning rates:", [f"{rate:.2g}" for rate in evolved.schedule().learning_rate])
