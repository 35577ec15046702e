"""The adding problem over a short and a long delay: what a recurrent network learns to remember, and what it does not.

Two numbers of a sequence are marked, one in each half, and their sum is wanted after the last step. A network that has
learned nothing answers 1, with a mean squared error of 1/6; one that remembers only one of the two gets to 1/12. Each
delay is one sweep of clipped Adam over learning rates and seeds. 800 steps are enough for a delay of 10, and nothing
for one of 50. One of 100 takes more than ten times as many, at the lower rates (0.03 to 0.06 after 16,000 steps).
"""

import jax
import numpy as np
import optax

import ch5jax

STEPS, SEQUENCES = 800, 2_000


def clipped_adam(learning_rate):
    """The gradient's norm is limited to 1: what explodes through time must not throw the weights away."""
    return ch5jax.chain(ch5jax.lift(optax.clip_by_global_norm, max_norm=1.0), ch5jax.adam(learning_rate))


optimizers = ch5jax.grid(clipped_adam, learning_rate=np.array([0.001, 0.003, 0.01, 0.03]))
# (target − 1)² has mean 1/6 and variance 1/15 − 1/36
deviation = np.sqrt((1 / 15 - 1 / 36) / SEQUENCES)
print(f"answering 1: mean squared error 1/6 = {1 / 6:.3f}, ± {deviation:.3f} on {SEQUENCES:,} sequences")
for delay in (10, 50):
    task = ch5jax.tasks.adding(time=delay, hidden=16, validation_size=SEQUENCES)
    result = ch5jax.sweep(task, optimizers, steps=STEPS, key=jax.random.key(0), seeds=2)
    best = result.ranking()[0]
    error, share = (result.columns[f"validation_{name}"][best] for name in ("loss", "accuracy"))
    print(f"{delay:3d} steps, the best of {len(result)} trainings: {error:.3f}, {share:.0%} of the sums within 0.08")
