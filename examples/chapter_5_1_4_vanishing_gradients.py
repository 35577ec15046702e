"""Vanishing gradients: in a deep sigmoid network they shrink by a factor a layer, and BatchNorm restores them.

Ten hidden layers of 32 logistic units on the scanned digits, weights N(0, 1/16). From a layer to the one before it
the layer gradient ∂L/∂z is multiplied by random weights and by σ'(z) ≤ 1/4. So its norm takes on a factor of
√(2 E[σ'(z)²]) a layer, √2/4 at most; z is about N(0, q), where q = 2 E[σ(z)²] comes from layer to layer. BatchNorm
divides by the standard deviation of z, which is that of the weights times that of σ(ẑ), where ẑ is about N(0, 1): the
weights cancel, and the factor is about √(E[σ'(ẑ)²] / Var σ(ẑ)). That is 1 or more, for every activation, by Poincaré's
inequality.

Source: Goodfellow, Bengio and Courville, *Deep Learning* (2016), sections 8.2.5 and 8.7.1; Glorot and Bengio,
*Understanding the difficulty of training deep feedforward neural networks* (2010), section 4.2; the fixed point is that
of Schoenholz, Gilmer, Ganguli and Sohl-Dickstein, *Deep information propagation* (2017).
"""

import jax
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

import ch5jax
from ch5jax import diagnostics

mpl.use("agg")
DEPTH, STEPS, SEEDS = 10, 200, 4
opts = ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 1.0])
nodes, weights = np.polynomial.hermite_e.hermegauss(40)


def mean(function, variance=1.0):
    """Over a normal variable of mean 0."""
    return np.sum(weights * function(np.sqrt(variance) * nodes)) / weights.sum()


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def slope_squared(z):
    return (sigmoid(z) * (1 - sigmoid(z))) ** 2


variance = 1.0
for _ in range(50):
    variance = 2 * mean(lambda z: sigmoid(z) ** 2, variance)
predicted = {
    "plain": np.sqrt(2 * mean(slope_squared, variance)),
    "BatchNorm": np.sqrt(mean(slope_squared) / (mean(lambda z: sigmoid(z) ** 2) - 0.25)),  # E σ(ẑ) = 1/2
}

figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
factors, ratios, accuracies = {}, {}, {}
for name, due in predicted.items():
    options = {"activation": jax.nn.sigmoid, "kernel_init": ch5jax.initializers.gaussian(0.25)}
    task = ch5jax.tasks.digits(hidden=(32,) * DEPTH, batch_norm=name == "BatchNorm", **options)

    def look(key, state, task=task):
        tapped = ch5jax.tap(lambda params: task.loss(key, opts, state, params))
        return diagnostics.layer_gradient_norms(jax.grad(tapped, 1)(state.params, tapped.zeros(state.params)))

    def train(opt, task=task):
        return ch5jax.train(task, opt, jax.random.key(0), STEPS, signals_every=0).last()["validation_accuracy"]

    keys = jax.random.split(jax.random.key(1), SEEDS)
    networks = jax.vmap(lambda key, task=task: task.init(key, opts))(keys)
    norms = np.asarray(jax.jit(jax.vmap(look))(keys, networks))
    factors[name] = np.exp(-np.asarray(diagnostics.depth_slope(norms[:, 1:DEPTH])))  # between equal hidden layers
    ratios[name] = np.asarray(diagnostics.first_over_last(norms))
    accuracies[name] = np.asarray(jax.jit(jax.vmap(train))(opts))
    print(
        f"{name}: the layer gradient × {factors[name].mean():.3f} ± {factors[name].std():.3f} a layer, "
        f"predicted {due:.3f}; at the first layer {ratios[name].mean():.2g} of the last; "
        f"after {STEPS} steps of SGD an accuracy of "
        + " and ".join(f"{a:.0%} (rate {r:g})" for a, r in zip(accuracies[name], opts.learning_rate, strict=True))
    )
    layers = np.arange(2, DEPTH + 1)
    (line,) = axes.semilogy(range(1, DEPTH + 2), np.exp(np.log(norms).mean(axis=0)), "o", markersize=4, label=name)
    anchor = np.exp(np.log(norms[:, DEPTH - 1]).mean())
    axes.semilogy(layers, anchor * due ** (DEPTH - layers), color=line.get_color(), label=f"× {due:.2f} a layer")
axes.set(xlabel="layer", ylabel="layer gradient ‖∂L/∂z‖")
axes.legend(fontsize=8)
figure.savefig("chapter_5_1_4_vanishing_gradients.png", dpi=100)
plt.close(figure)
