"""What signals cost, as a multiple of the plain step: inside a training, and one by one, beside those of others.

The plain step is SGD's, the cheapest there is, so that every ratio is at its largest.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matfree import decomp

import ch5jax
from benchmarks.tables import table
from benchmarks.timing import alternate, at, median, ratio, save
from ch5jax import diagnostics
from ch5jax.sweeps._groups import make_groups
from ch5jax.sweeps._programs import compile_programs
from ch5jax.sweeps._traced import trace_group
from ch5jax.tasks import supervised
from ch5jax.training import Probes

WIDTHS, BATCH = at((784, 256, 256, 10), (8, 8, 4)), at(128, 8)
OPT = ch5jax.sgd(1e-2)
KEY = jax.random.key(0)
LANCZOS = at(10, 2)
SPACING = at(100, 5)  # steps between curvatures


def mlp_task() -> ch5jax.Task:
    rng = np.random.default_rng(0)

    def examples(count: int) -> tuple[np.ndarray, np.ndarray]:
        inputs = rng.normal(size=(count, WIDTHS[0])).astype(np.float32)
        return inputs, np.eye(WIDTHS[-1], dtype=np.float32)[rng.integers(0, WIDTHS[-1], count)]

    parts = examples(at(2048, 32)), examples(BATCH), examples(BATCH)
    network = ch5jax.networks.mlp(WIDTHS)
    return supervised(network, *parts, loss="cross_entropy", batch_size=BATCH)


def rnn_task() -> ch5jax.Task:
    return ch5jax.tasks.adding(time=at(50, 5), hidden=at(64, 4), batch_size=32, validation_size=BATCH, test_size=BATCH)


def training(task: ch5jax.Task, steps: int, signals_every: int, opt: Any = OPT) -> Callable[[jax.Array], Any]:
    """A whole training from a key."""
    return lambda key: ch5jax.train(task, opt, key, steps, record_every=steps, signals_every=signals_every)


def with_curvature(task: ch5jax.Task, steps: int, spacing: int) -> Callable[[jax.Array], Any]:
    """The plain training, with the Hessian's ends of the batch's loss every so many steps."""

    def run(key: jax.Array) -> Any:
        def segment(state: Any, start: jax.Array) -> tuple[Any, Any]:
            spacings = {"record_every": spacing, "signals_every": 0}
            state = ch5jax.train(task, OPT, key, spacing, state=state, start=start, **spacings).state
            found = diagnostics.curvature(
                lambda params: task.loss(key, OPT, state, params), task.params(state), key, LANCZOS
            )
            return state, found

        return jax.lax.scan(segment, task.init(key, OPT), jnp.arange(0, steps, spacing, dtype=jnp.int32))

    return run


def sgd_with_norms(learning_rate: Any) -> optax.GradientTransformation:
    """What people write: Optax's norms of gradient, update and weights at every step, kept in the state."""
    opt = optax.sgd(learning_rate)

    def init(params: Any) -> Any:
        return opt.init(params), jnp.zeros(3)

    def update(updates: Any, state: Any, params: Any = None, **extra: Any) -> Any:
        new, inner = opt.update(updates, state[0], params)
        return new, (inner, jnp.stack([optax.tree.norm(updates), optax.tree.norm(new), optax.tree.norm(params)]))

    return optax.GradientTransformationExtraArgs(init, update)


class Swept:
    """A segment of a sweep's own program on one device, again and again from where it left off."""

    def __init__(self, task: ch5jax.Task, width: int, steps: int, signals_every: int):
        (group,) = make_groups(task, ch5jax.grid(ch5jax.sgd, learning_rate=[1e-2] * width), 1)
        self.rows, self.of_all = group.rows(np.arange(width)), (group.seeds, KEY)
        traced = trace_group(group, KEY, Probes(signals_every, steps))
        self.programs = compile_programs(traced, group, KEY, steps, width, jax.devices()[:1])
        self.carried, self.origin = self.programs.init(*self.rows, KEY)
        self.span = np.int32(0), np.int32(steps)

    def __call__(self) -> None:
        self.carried, record = self.programs.advance(*self.rows, *self.of_all, self.carried, self.origin, *self.span)
        jax.block_until_ready((self.carried, record))


def in_a_training(name: str, task: ch5jax.Task, width: int, steps: int, rounds: int) -> list[dict[str, object]]:
    ways = {
        "plain": training(task, steps, 0),
        "all signals, every 25 steps (default)": training(task, steps, 25),
        "all signals, every step": training(task, steps, 1),
        f"curvature of {LANCZOS} products, every {SPACING} steps": with_curvature(task, steps, SPACING),
        "recorder, every step": training(task, steps, 0, ch5jax.chain(diagnostics.recorder(), OPT)),
        "Optax's norms by hand, every step": training(task, steps, 0, ch5jax.lift(sgd_with_norms, learning_rate=1e-2)),
    }
    keys = jax.random.split(KEY, width)
    compiled = {way: jax.jit(jax.vmap(run)).lower(keys).compile() for way, run in ways.items()}
    runs: dict[str, Callable[[], object]] = {
        way: lambda c=c: jax.block_until_ready(c(keys)) for way, c in compiled.items()
    }
    plain = "plain"
    if width > 1:
        plain = "a sweep's program, plain"
        runs |= {
            plain: Swept(task, width, steps, 0),
            "a sweep's program, all signals, every 25 steps (default)": Swept(task, width, steps, 25),
        }
    times = alternate(runs, rounds)
    return [
        {
            "network": name,
            "trials": width,
            "what": way,
            "µs a step": 1e6 * median(seconds) / steps / width,
            "× plain": ratio(seconds, times[plain if way.startswith("a sweep") else "plain"]),
        }
        for way, seconds in times.items()
    ]


def one_by_one(task: ch5jax.Task, rounds: int) -> list[dict[str, object]]:
    """Each signal of the MLP as a program of its own, beside one step."""
    network = ch5jax.networks.mlp(WIDTHS)
    params = network.init(KEY)
    x = jax.random.normal(KEY, (BATCH, WIDTHS[0]))
    y = jax.nn.one_hot(jnp.arange(BATCH) % WIDTHS[-1], WIDTHS[-1])
    mean_loss = functools.partial(batch_loss, network)
    gradient = jax.jit(jax.grad(mean_loss))(params, x, y)
    vector, unravel = jax.flatten_util.ravel_pytree(params)

    def step(params: Any) -> Any:
        updates, _ = OPT.update(jax.grad(mean_loss)(params, x, y), OPT.init(params), params)
        return optax.apply_updates(params, updates)

    def from_taps(params: Any) -> Any:
        traced = ch5jax.tap(mean_loss, activations=True).trace(params, x, y)
        gradients, sites = jax.grad(traced, (0, 1))(params, traced.zeros())
        updates, _ = OPT.update(gradients, OPT.init(params), params)
        return optax.apply_updates(params, updates), sites

    def by_hand(params: Any) -> Any:
        def loss(params: Any, zeros: Any) -> jax.Array:
            h = x
            for i, layer in enumerate(params):
                h = h @ layer.kernel + layer.bias + zeros[i][0]
                h = jax.nn.relu(h) + zeros[i][1] if i < len(params) - 1 else h
            return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(h), axis=-1))

        zeros = [(jnp.zeros((BATCH, width)),) * 2 for width in WIDTHS[1:]]
        gradients, at_layers = jax.grad(loss, (0, 1))(params, zeros)
        updates, _ = OPT.update(gradients, OPT.init(params), params)
        norms = [diagnostics.norm(before) for before, _ in at_layers]
        flat = [1 - jnp.mean(jnp.any(abs(z) > 0.01 * abs(h), axis=0)) for z, h in at_layers[:-1]]
        return optax.apply_updates(params, updates), norms, flat

    def example_norms(params: Any) -> Any:
        new, sites = from_taps(params)
        inputs = [x]
        for layer in params[:-1]:
            inputs.append(jax.nn.relu(inputs[-1] @ layer.kernel + layer.bias))
        return new, diagnostics.example_square_norms(inputs, [site.z for site in sites])

    def naive_example_norms(params: Any) -> Any:
        gradients = jax.vmap(jax.grad(mean_loss), (None, 0, 0))(params, x[:, None], y[:, None])
        squares = [jnp.sum(g.reshape(BATCH, -1) ** 2, axis=1) for g in jax.tree.leaves(gradients)]
        return step(params), sum(squares)

    def matfree(params: Any) -> Any:
        def product(v: jax.Array) -> jax.Array:
            return jax.jvp(jax.grad(lambda w: mean_loss(unravel(w), x, y)), (vector,), (v,))[1]

        lanczos = decomp.tridiag_sym(LANCZOS, reortho="full", materialize=False)
        diagonal, beside = lanczos(product, jax.random.normal(KEY, vector.shape)).J_small
        return jnp.linalg.eigvalsh(jnp.diag(diagonal) + jnp.diag(beside, 1) + jnp.diag(beside, -1))

    def at(loss: Callable[..., Any], **options: Any) -> Callable[[Any], Any]:
        return lambda params: loss(lambda w: mean_loss(w, x, y), params, **options)

    ways: dict[str, Callable[[Any], Any]] = {
        "a step of SGD": step,
        "a step, its layer gradients' norms and flat units": lambda p: (
            (both := from_taps(p))[0],
            diagnostics.layer_gradient_norms(both[1]),
            diagnostics.flat_units(both[1]),
        ),
        "the same with zeros placed by hand": by_hand,
        "a step and per-example norms, from layer gradients": example_norms,
        "a step and per-example norms, vmap of grad": naive_example_norms,
        "norm of the gradient": diagnostics.norm,
        "norm of the gradient, optax.tree.norm": optax.tree.norm,
        "update ratios": lambda p: diagnostics.update_ratio(gradient, p),
        "noise of a pair of gradients": lambda p: diagnostics.noise_of_pair(gradient, p),
        "twins in all layers": lambda p: [diagnostics.duplicate_units(layer.kernel) for layer in p],
        "sharpness": at(diagnostics.sharpness),
        "Hutchinson's trace, 10 products": at(diagnostics.hessian_trace, key=KEY, samples=10),
        f"curvature, {LANCZOS} products": at(diagnostics.curvature, key=KEY, iterations=LANCZOS),
        f"curvature, {LANCZOS} products, matfree": matfree,
    }
    compiled = {way: jax.jit(run).lower(params).compile() for way, run in ways.items()}
    times = alternate({way: lambda c=c: jax.block_until_ready(c(params)) for way, c in compiled.items()}, rounds)
    return [
        {"what": way, "ms": 1e3 * median(seconds), "× a step": ratio(seconds, times["a step of SGD"])}
        for way, seconds in times.items()
    ]


def batch_loss(network: Any, params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
    return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(network.apply(params, x)), axis=-1))


def zero_hessian() -> dict[str, bool]:
    """Which Lanczos survives a Hessian of zeros."""
    ours = diagnostics.curvature(jnp.sum, jnp.ones(20), KEY, LANCZOS)
    diagonal, _ = decomp.tridiag_sym(LANCZOS, reortho="full", materialize=False)(lambda v: 0 * v, jnp.ones(20)).J_small
    return {"ch5jax": bool(jnp.isfinite(ours.largest)), "matfree": bool(jnp.isfinite(diagonal).all())}


if __name__ == "__main__":
    mlp, rnn = mlp_task(), rnn_task()
    nets = {"MLP 784-256-256-10, batch 128": mlp, "RNN 2-64-1, 50 steps, batch 32": rnn}
    rows = [
        row
        for trials, steps, rounds in at(((1, 200, 5), (64, 100, 3)), ((2, 10, 1),))
        for name, task in nets.items()
        for row in in_a_training(name, task, trials, steps, rounds)
    ]
    print(table(rows), flush=True)
    single = one_by_one(mlp, at(25, 1))
    print(table(single))
    finite = zero_hessian()
    print(f"finite on a zero Hessian: {finite}")
    save("signals", {"rows": rows, "finite on a zero Hessian": finite})
    save("signals_one_by_one", {"rows": single})
