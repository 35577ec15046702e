"""Vanishing and exploding gradients, seen: the gradient at every layer of deep networks on the scanned digits.

`ch5jax.tap` makes of a loss one that takes zeros for every layer; the gradient with respect to them is the layer
gradient ∂L/∂z there.
"""

import jax
import matplotlib as mpl
import matplotlib.pyplot as plt

import ch5jax
from ch5jax import diagnostics

mpl.use("agg")
DEPTH = 30
key, opt = jax.random.key(0), ch5jax.sgd(0.1)
orthogonal = jax.nn.initializers.orthogonal()
networks = {
    "linear, gain 1.5": ({"activation": lambda z: z, "kernel_init": orthogonal}, 1.5),
    "linear, gain 0.67": ({"activation": lambda z: z, "kernel_init": orthogonal}, 0.67),
    "sigmoid": ({"activation": jax.nn.sigmoid}, 1.0),
    "sigmoid, BatchNorm": ({"activation": jax.nn.sigmoid, "batch_norm": True}, 1.0),
    "ReLU, He": ({"activation": jax.nn.relu}, 1.0),
}
figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
for name, (options, scale) in networks.items():
    task = ch5jax.tasks.digits(hidden=(32,) * DEPTH, initial_scale=scale, **options)
    state = task.init(key, opt)
    params = task.params(state)
    tapped = ch5jax.tap(lambda params, task=task, state=state: task.loss(key, opt, state, params))
    norms = diagnostics.layer_gradient_norms(jax.jit(jax.grad(tapped, 1))(params, tapped.zeros(params)))
    ratio = float(diagnostics.first_over_last(norms))
    factor = float(jax.numpy.exp(-diagnostics.depth_slope(norms)))
    verdict = "vanishing" if ratio < 1e-3 else "exploding" if ratio > 1e3 else "healthy"
    print(f"{name:20} gradient at the first layer / at the last: {ratio:8.2g}, × {factor:.2f} a layer: {verdict}")
    axes.semilogy(range(1, DEPTH + 2), norms, label=name)
axes.set(xlabel="layer", ylabel="layer gradient ‖∂L/∂z‖")
axes.legend(fontsize=7)
figure.savefig("signal_depth.png", dpi=100)
