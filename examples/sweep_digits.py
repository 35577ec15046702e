"""A thousand lines of log, or one table: two optimizers, a grid and four seeds on the scanned digits.

Run it twice: the second time everything is already there. Stop it half way, and it goes on.
"""

import tempfile

import jax
import numpy as np

import ch5jax

result = ch5jax.sweep(
    ch5jax.tasks.digits(hidden=(32,)),
    {
        "momentum": ch5jax.grid(ch5jax.momentum, learning_rate=np.geomspace(1e-3, 1, 7), decay=[0.8, 0.95]),
        "adam, decaying": ch5jax.grid(
            ch5jax.adam,
            learning_rate=[ch5jax.linear_decay(rate, rate / 100, 200) for rate in np.geomspace(1e-4, 0.1, 7)],
        ),
    },
    steps=200,
    key=jax.random.key(0),
    seeds=4,
    evaluate_every=50,
    store=f"{tempfile.mkdtemp()}/digits",
)
for number in result.ranking()[:3]:
    row = {name: column[number] for name, column in result.columns.items()}
    print(f"{row['group']:>15} seed {row['seed']}: validation {row['validation_accuracy']:.3f}", end=" ")
    print(f"test {row['test_accuracy']:.3f} {result.trial(number).hyperparameters}")
best = result.rerun(result.ranking()[0])
print(f"the best one's loss over its {len(best.metrics['loss'])} steps fell to {best.metrics['loss'][-10:].mean():.3f}")
