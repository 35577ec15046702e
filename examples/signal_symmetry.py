"""Symmetry, seen: units that start equal stay equal, and thirty-two of them learn what one could.

The initial kernels are one number everywhere, plus noise of a given size: nothing at all, next to nothing, or enough.
"""

import jax
import matplotlib as mpl
import matplotlib.pyplot as plt

import ch5jax

mpl.use("agg")
STEPS = 400


def nearly_constant(noise):
    def init(key, shape, dtype):
        return 0.1 + noise * jax.random.normal(key, shape, dtype)

    return init


figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
for noise in (0.0, 1e-7, 0.1):
    task = ch5jax.tasks.digits(hidden=(32,), kernel_init=nearly_constant(noise))
    run = ch5jax.train(task, ch5jax.momentum(0.05), jax.random.key(0), STEPS, signals_every=10)
    twins = run.signals.duplicate_units[:, 0]
    print(
        f"noise {noise:g}: {twins[0]} of 32 hidden units have a twin at step 10, {twins[-1]} at the end; "
        f"accuracy {run.last()['validation_accuracy']:.1%}"
    )
    axes.plot(ch5jax.recorded_steps(STEPS, 10), twins, label=f"noise {noise:g}")
axes.set(xlabel="step", ylabel="hidden units with a twin")
axes.legend(fontsize=8)
figure.savefig("signal_symmetry.png", dpi=100)
