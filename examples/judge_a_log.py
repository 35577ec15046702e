"""What went wrong in a loop that knows nothing of ch5jax: its losses and gradient norms, judged when it is over."""

import numpy as np

import ch5jax

rng = np.random.default_rng(0)
inputs = rng.normal(size=(256, 5)) * [1.0, 1.0, 1.0, 1.0, 3.0]
targets = inputs @ [1.0, -2.0, 3.0, -4.0, 5.0]


def train(learning_rate):
    weights, losses, norms = np.zeros(5), [], []
    for _ in range(400):
        errors = inputs @ weights - targets
        gradient = inputs.T @ errors / len(inputs)
        weights = weights - learning_rate * gradient
        losses.append(np.mean(errors**2) / 2)
        norms.append(np.linalg.norm(gradient))
    return losses, norms


for rate in (1e-4, 0.05, 0.22):
    print(f"learning rate {rate:g}\n{ch5jax.verdicts.judge_history(*train(rate), best=0.0)}\n")
