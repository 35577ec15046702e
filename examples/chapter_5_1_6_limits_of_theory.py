"""The limits of theory: how much of a bound a run uses, and what is left of the bounds in a network.

- Descent on convex f with curvatures up to L, from the distance D: f − f* ≤ LD²/(2t) at the rate 1/L. It is within a
  factor of 2 of what happens on the function that is straight beyond D/(2t+1), and a quadratic uses 1/2e of it at most.
- On quadratics of condition κ, at the best constants, f − f* ≤ L/2 (qᵗD)² with q = (κ−1)/(κ+1); with momentum it is
  L/2 (qᵗ (1 + (1+q) t) D)² with q = (√κ−1)/(√κ+1).
- On Nesterov's chain of d weights t steps reach t weights, and so no method comes below L/8 (1/(t+1) − 1/(d+1)), which
  at d = 2t+1 is no less than 3LD²/(32 (t+1)²).
- SGD at the rates 2/(μ (γ+t)), with 2κ = γ+1 and gradients of variance tr Σ: E f − f* ≤ max(2L tr Σ/μ², 2κ f₁)/(γ+t).
- Online, AdaGrad at the rate D/√2 has a regret of √2 D Σ ‖g_i‖ at most in a box of width D. Under random signs that of
  every method is E Σ |Σ g_i|, which is 28 % of it. Adam has no such bound: on Reddi's sequence it goes the wrong way.

In a network L is no constant: from 100 steps on αL stays about 2 at the larger rates, where a quadratic would diverge.

Source: Nesterov, *Introductory Lectures on Convex Optimization* (2004), section 2.1; Drori and Teboulle (2014); Bottou,
Curtis and Nocedal (2018), theorem 4.7; Duchi, Hazan and Singer (2011), corollary 6; Reddi, Kale and Kumar (2018); Cohen
et al., *Gradient descent on neural networks typically occurs at the edge of stability* (2021).
"""

import jax
import jax.numpy as jnp
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from jax.flatten_util import ravel_pytree
from sklearn.datasets import load_digits

import ch5jax
from ch5jax.problems import Problem, quadratic, reddi

mpl.use("agg")
bounds, predicted, measured = {}, {}, {}


def report(name, bound, due, found):
    bounds[name], predicted[name], measured[name] = float(bound), float(due), float(found)
    print(f"{name}: bound {bound:.3g}, predicted {due:.3g}, measured {found:.3g}: {found / bound:.2g} of the bound")


def losses_of(opts, problem, steps, key=None, **options):
    """f after each step, without noise, for each of the optimizers or of the keys."""
    task = ch5jax.tasks.surface(problem, **options)
    axes = (0, None) if key is None else (None, 0)

    def one(opt, key):
        run = ch5jax.train(task, opt, key, steps, evaluate_every=1, signals_every=0)
        return run.evaluations["validation_loss"]

    return np.asarray(jax.jit(jax.vmap(one, axes))(opts, jax.random.key(0) if key is None else key))


def own(name, function, start):
    return Problem(name, function, start, np.stack([start - 1, start + 1]), ())


STEPS, KAPPA = 60, 100.0
bowl, root = quadratic(condition=KAPPA, dimensions=10), KAPPA**0.5  # L = κ, μ = 1, D = 1
slopes, q = bowl.critical_points[0].eigenvalues, (root - 1) / (root + 1)
rates, decays = np.array([1 / KAPPA, 2 / (KAPPA + 1), 4 / (root + 1) ** 2]), np.array([0, 0, q**2])
angles = np.arccos(np.clip((1 + q**2 - rates[2] * slopes) / (2 * q), -1 + 1e-9, 1 - 1e-9))
shift = (1 - q**2 - rates[2] * slopes) / (2 * q) / np.sin(angles)
left = [(1 - rate * slopes) ** STEPS for rate in rates[:2]]  # of each coordinate
left.append(q**STEPS * (np.cos(STEPS * angles) + shift * np.sin(STEPS * angles)))
factors = [STEPS**-0.5, ((KAPPA - 1) / (KAPPA + 1)) ** STEPS, q**STEPS * (1 + (1 + q) * STEPS)]
found = losses_of(ch5jax.momentum(rates, decays), bowl, STEPS)[:, -1]
for name, factor, parts, end in zip(("rate 1/L", "best rate", "momentum"), factors, left, found, strict=True):
    report(f"quadratic, {name}", KAPPA / 2 * factor**2, np.sum(slopes * parts**2) / 20, end)

bend = 1 / (2 * STEPS + 1)


def bent(w):
    return jnp.where(abs(w[0]) < bend, w[0] ** 2 / 2, bend * abs(w[0]) - bend**2 / 2)


end = losses_of(ch5jax.grid(ch5jax.sgd, learning_rate=[1.0]), own("bent", bent, np.ones(1)), STEPS)[0, -1]
report("worst function, rate 1/L", 1 / (2 * STEPS), 1 / (4 * STEPS + 2), end)

WEIGHTS, TIMES = 101, np.arange(1, 51)


def chain(w):
    links = w[0] ** 2 + w[-1] ** 2 + jnp.sum(jnp.diff(w) ** 2)
    return links / 8 - w[0] / 4 + (1 - 1 / (WEIGHTS + 1)) / 8  # L = 1, and the least value is 0


lower = 3 * np.sum((np.arange(1, WEIGHTS + 1) / (WEIGHTS + 1)) ** 2) / (32 * 51**2)  # at d = 2t + 1
floor = (1 / (TIMES + 1) - 1 / (WEIGHTS + 1)) / 8
opts = {
    "descent": ch5jax.grid(ch5jax.sgd, learning_rate=np.linspace(0.5, 1.95, 30)),
    "momentum": ch5jax.grid(ch5jax.momentum, learning_rate=np.linspace(0.2, 3, 15), decay=np.linspace(0.5, 0.99, 15)),
    "Adam": ch5jax.grid(ch5jax.adam, learning_rate=np.geomspace(0.003, 0.3, 15), b1=[0.5, 0.9], b2=[0.9, 0.999]),
}
best = {name: losses_of(o, own("chain", chain, np.zeros(WEIGHTS)), len(TIMES)).min(axis=0) for name, o in opts.items()}
for name, course in best.items():
    print(
        f"chain, the best of {name} after 50 steps: {course[-1]:.3g}, {course[-1] / floor[-1]:.2f} × the least", end=" "
    )
    print(f"that any method can reach, {floor[-1]:.3g}; Nesterov's bound {lower:.3g}")

NOISE, GAMMA, LONG, curvatures = 2.0, 31.0, 2000, np.array([1.0, 4.0, 16.0])
noisy, falling = quadratic(eigenvalues=curvatures), ch5jax.sgd(lambda count: 2 / (GAMMA + 1 + count))
ends = losses_of(falling, noisy, LONG, jax.random.split(jax.random.key(0), 500), noise=NOISE)[:, -1]
squares = noisy.start**2
for rate in 2 / (GAMMA + np.arange(1, LONG + 1)):
    squares = (1 - rate * curvatures) ** 2 * squares + rate**2 * NOISE**2
bound = max(2 * 16 * 3 * NOISE**2, 32 * float(noisy.function(noisy.start))) / (GAMMA + LONG + 1)
report("SGD, falling rates", bound, squares @ curvatures / 2, ends.mean())

ROUNDS, SCALES = 1000, np.geomspace(1, 100, 20)
signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(100, ROUNDS, 20)) * SCALES


@jax.jit
@jax.vmap
def regret(gradients):
    """AdaGrad's, in the box [−1, 1]^20, against the best fixed point, −sign Σ g."""
    opt, start = ch5jax.adagrad(2**0.5), jnp.zeros(20)

    def play(carry, g):
        w, state = carry
        updates, state = opt.update(g, state, w)
        return (jnp.clip(w + updates, -1, 1), state), g @ w

    return jax.lax.scan(play, (start, opt.init(start)), gradients)[1].sum() + abs(gradients.sum(axis=0)).sum()


walk = np.mean(abs(2 * np.random.default_rng(1).binomial(ROUNDS, 0.5, 10**6) - ROUNDS))  # E|Σ ±1|
bound = 2**1.5 * np.sum(SCALES) * ROUNDS**0.5
report("AdaGrad, random signs", bound, walk * SCALES.sum(), regret(jnp.float32(signs)).mean())

TRIPLES, C, sequence = 1000, 3.0, reddi()
bound = 2**1.5 * ((C**2 + 2) * TRIPLES) ** 0.5 / (3 * TRIPLES)
adam = ch5jax.adam(lambda t: 0.5 / jnp.sqrt(t + 1.0), b1=0.0, b2=1 / (1 + C**2), eps=0.0, bias_correction=False)
for name, opt, due in (  # both small slopes move AdaGrad δ off −1: 2δ cost 2Cδ, and the second gains δ
    ("AdaGrad", ch5jax.adagrad(2**0.5), (2 * C - 1) / (C**2 + 2) * bound),
    ("Adam", adam, 2 * (C - 2) / 3),
):
    task = ch5jax.tasks.surface(sequence, project=True)
    run = ch5jax.train(task, opt, jax.random.key(0), 3 * TRIPLES, signals_every=0)
    report(f"{name}, Reddi's sequence", bound, due, run.metrics["loss"].mean() - sequence.lowest)

LENGTH, SEGMENT, RATES = 1000, 50, np.array([0.02, 0.05, 0.1, 0.2])
data, order = load_digits(), np.random.default_rng(0).permutation(1797)[:128]
x, y = jnp.asarray(data.data[order] / 16, "float32"), jnp.asarray(np.eye(10)[data.target[order]], "float32")
network = ch5jax.networks.mlp((64, 32, 32, 10), jnp.tanh)
start, unravel = ravel_pytree(network.init(jax.random.key(1), 0.7))


def squared_error(w):
    return jnp.sum((network.apply(unravel(w), x) - y) ** 2) / (2 * len(x))


@jax.jit
@jax.vmap
def train(opt):
    """The loss of every step, and every 50 steps the weights and the largest curvature there."""

    def step(carry, _):
        w, state = carry
        loss, gradient = jax.value_and_grad(squared_error)(w)
        updates, state = opt.update(gradient, state)
        return (w + updates, state), loss

    def segment(carry, _):
        largest = ch5jax.diagnostics.curvature(squared_error, carry[0], jax.random.key(0)).largest
        after, losses = jax.lax.scan(step, carry, length=SEGMENT)
        return after, (losses, carry[0], largest)

    return jax.lax.scan(segment, (start, opt.init(start)), length=LENGTH // SEGMENT)[1]


losses, points, largest = map(np.asarray, train(ch5jax.grid(ch5jax.sgd, learning_rate=RATES)))
losses, sharpness = losses.reshape(len(RATES), LENGTH), RATES[:, None] * largest  # αL
t = np.arange(1, LENGTH - SEGMENT)
squared = np.sum((points[:, -1] - points[:, 0]) ** 2, axis=1)  # D², to where the last look was, in place of an optimum
used = ((losses[:, 1:-SEGMENT] - losses[:, [-SEGMENT]]) * 2 * RATES[:, None] * t / squared[:, None]).max(axis=1)
late, uphill = np.median(sharpness[:, len(sharpness[0]) // 2 :], axis=1), np.mean(np.diff(losses) > 0, axis=1)
for i, rate in enumerate(RATES):
    print(
        f"network, rate {rate}: αL {sharpness[i, 0]:.2f} at first, then {late[i]:.2f}, where a quadratic's loss",
        end=" ",
    )
    print(f"goes × {(late[i] - 1) ** 2:.2f} a step; here from {losses[i, 0]:.2f} to {losses[i, -1]:.3f}", end=", ")
    print(f"{uphill[i]:.0%} of the steps uphill; at most {used[i]:.2f} of D²/(2αt), D = {squared[i] ** 0.5:.1f}")

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(8.6, 2.8), layout="constrained", width_ratios=(1, 1, 1))
left.fill_between(TIMES, floor, 1e-3, color="0.85", label="no method")
left.loglog(TIMES[-1], lower, "k_", label="Nesterov's bound")
for name, course in best.items():
    left.loglog(TIMES, course, label=f"best {name}")
left.set(xlabel="step", ylabel="f − f* on the chain", ylim=(1e-3, None))
left.legend(fontsize=6.5)
names = list(bounds)[::-1]
middle.barh(names, [measured[name] / bounds[name] for name in names], color="C0")
middle.plot([predicted[name] / bounds[name] for name in names], names, "k|", markersize=9, label="predicted")
middle.axvline(1, color="gray", linewidth=0.8)
middle.set(xscale="log", xlabel="share of the bound", xlim=(1e-3, 20))
middle.tick_params(axis="y", labelsize=6.5)
for rate, course in zip(RATES, sharpness, strict=True):
    right.plot(SEGMENT * np.arange(len(course)), course, label=f"α = {rate}")
right.axhline(2, color="gray", linewidth=0.8)
right.set(xlabel="step of the network", ylabel="αL", ylim=(0, 3.8))
right.legend(fontsize=6.5)
figure.savefig("chapter_5_1_6_limits_of_theory.png", dpi=100)
plt.close(figure)
