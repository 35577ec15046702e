"""A training loop of your own around an Optax chain, jitted once for all its numbers.

The optimizer is an argument of the compiled function: another learning rate or clipping norm is another number, not
another program. `optax.chain(optax.clip_by_global_norm(1.0), ch5jax.adam(1e-3))` works in any loop as well, but is a
pair of closures, and compiles anew each time; `ch5jax.chain` and `ch5jax.lift` keep the numbers in reach.
"""

import jax
import jax.numpy as jnp
import optax

import ch5jax

inputs = jax.random.normal(jax.random.key(0), (256, 8))
targets = jnp.sin(inputs @ jnp.arange(8.0))
network = ch5jax.networks.mlp((8, 32, 1), jnp.tanh)
traces = []


@jax.jit
def train(opt, key):
    traces.append(None)  # runs when JAX traces, not when the program runs

    def loss(params):
        return jnp.mean((network.apply(params, inputs)[:, 0] - targets) ** 2)

    def step(carry, _):
        params, state = carry
        value, gradients = jax.value_and_grad(loss)(params)
        updates, state = opt.update(gradients, state, params)
        return (optax.apply_updates(params, updates), state), value

    params = network.init(key)
    _, losses = jax.lax.scan(step, (params, opt.init(params)), length=300)
    return losses[-1]


def optimizer(learning_rate, max_norm=1.0):
    clip = ch5jax.lift(optax.clip_by_global_norm, max_norm=max_norm)
    return ch5jax.chain(clip, ch5jax.adam(learning_rate=learning_rate))


key = jax.random.key(1)
for learning_rate in (1e-3, 1e-2, 1e-1):
    print(f"learning rate {learning_rate:g}: final loss {train(optimizer(learning_rate), key):.4f}")
print(f"three trainings, {len(traces)} compilation(s)")

rates = jnp.logspace(-4, 0, 16)
finals = jax.vmap(train, in_axes=(0, None))(ch5jax.grid(optimizer, learning_rate=rates), key)
print(f"sixteen at once: the best learning rate is {rates[jnp.argmin(finals)]:.2g}")

slope = jax.grad(train)(optimizer(1e-2), key).transforms[1].learning_rate
print(f"at 0.01 the final loss changes by {slope:+.3f} a unit of learning rate")
