"""The gradient at every layer of a network of Flax's, which knows nothing of it: `ch5jax.tap` takes the loss.

A convolutional network with BatchNorm on the scanned digits: after some steps at a rate that is far too large, most of
the units of its dense layer are dead, and the layers before it hear next to nothing.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from sklearn.datasets import load_digits

import ch5jax
from ch5jax import diagnostics


class Net(nn.Module):
    """Two convolutions with BatchNorm, and two dense layers."""

    @nn.compact
    def __call__(self, x, train):
        for features in (8, 16):
            x = nn.Conv(features, (3, 3), use_bias=False)(x)
            x = nn.max_pool(nn.relu(nn.BatchNorm(use_running_average=not train)(x)), (2, 2), (2, 2))
        x = nn.relu(nn.Dense(32)(x.reshape(len(x), -1)))
        return nn.Dense(10)(x)


data, net = load_digits(), Net()
images, labels = jnp.float32(data.images[..., None] / 16)[:256], jnp.asarray(data.target)[:256]
variables = net.init(jax.random.key(0), images, train=True)


def loss(params, stats):
    logits, new = net.apply({"params": params, "batch_stats": stats}, images, train=True, mutable=["batch_stats"])
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), new["batch_stats"]


tapped = ch5jax.tap(loss, activations=True)


@jax.jit
def step(params, stats, rate):
    (gradient, sites), stats = jax.grad(tapped, (0, 1), has_aux=True)(params, tapped.zeros(params, stats), stats)
    flat = diagnostics.flat_units(sites)
    return jax.tree.map(lambda w, g: w - rate * g, params, gradient), stats, sites, flat


for rate in (0.1, 3.0):
    params, stats = variables["params"], variables["batch_stats"]
    for _ in range(20):
        params, stats, sites, flat = step(params, stats, rate)
    print(f"rate {rate:g}: loss {loss(params, stats)[0]:.3g}")
    shares = dict(zip(diagnostics.activation_names(sites), flat, strict=True))
    for name, norm in zip(diagnostics.layer_names(sites), diagnostics.layer_gradient_norms(sites), strict=True):
        dead = f", {shares[name]:.0%} of its units flat" if name in shares else ""
        print(f"  {name:25} gradient {norm:8.2g}{dead}")
