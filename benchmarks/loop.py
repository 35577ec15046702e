"""What people write without a sweep: a jitted Optax step, called from Python for one configuration."""

import functools
import time
from typing import Any

import jax
import numpy as np
import optax

import ch5jax

RATE = 1e-3


class JittedLoop:
    """So many steps of Adam on an MLP a call; batches drawn by NumPy, losses read at the end."""

    def __init__(self, data: tuple[np.ndarray, np.ndarray], widths: tuple[int, ...], batch: int, steps: int):
        self.inputs, self.targets = data
        self.batch, self.work = batch, steps
        network, opt = ch5jax.networks.mlp(widths), optax.adam(RATE)

        @functools.partial(jax.jit, donate_argnums=(0, 1))
        def step(params: Any, state: Any, x: jax.Array, y: jax.Array) -> Any:
            def loss(params: Any) -> jax.Array:
                return optax.softmax_cross_entropy_with_integer_labels(network.apply(params, x), y).mean()

            value, gradients = jax.value_and_grad(loss)(params)
            updates, state = opt.update(gradients, state, params)
            return optax.apply_updates(params, updates), state, value

        self.params = network.init(jax.random.key(0))
        self.state = opt.init(self.params)
        begin = time.perf_counter()
        self.step = step
        self.params, self.state, _ = step(self.params, self.state, self.inputs[:batch], self.targets[:batch])
        self.compile_seconds = time.perf_counter() - begin
        self.generator = np.random.default_rng(0)

    def __call__(self) -> None:
        losses = []
        for _ in range(self.work):
            rows = self.generator.integers(0, len(self.inputs), self.batch)
            self.params, self.state, loss = self.step(self.params, self.state, self.inputs[rows], self.targets[rows])
            losses.append(loss)
        jax.device_get(losses)
