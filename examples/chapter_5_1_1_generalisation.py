"""Near the optimum: under noise the point that generalises best comes before the optimum of the training loss.

First least squares, by gradient descent from 0 on n examples in d dimensions: Gaussian inputs, true weights that have
an equal share of all directions and norm 1, targets with noise σ. With the eigenvalues λ of X'X/n, the error is

    E‖w_t − w*‖² = Σ (1 − αλ)^{2t}/d + (1 − (1 − αλ)^t)² σ²/(nλ)

a bias that falls and a variance that rises. At the optimum it is σ²d/(n − d − 1), and no method comes below that of
Bayes' rule, Σ 1/(d + nλ/σ²). Without noise only the bias is left, and the optimum is the best point of all.

Then a network on the scanned digits, with few or all of the examples and with or without wrong labels: where the
validation loss is least, and what the test part says of that point and of the end.

Source: Goodfellow, Bengio and Courville, *Deep Learning* (2016), section 7.8; Ali, Kolter and Tibshirani, *A
continuous-time view of early stopping for least squares regression* (2019), for the two terms.
"""

import jax
import jax.numpy as jnp
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import ch5jax

mpl.use("agg")
DIMENSIONS, RATE, STEPS, SETS = 40, 0.25, 2000, 100
EXAMPLES, SIGMAS = np.array([50, 400, 50]), np.array([0.5, 0.5, 0.0])
rng, t = np.random.default_rng(0), np.arange(1, STEPS + 1)


@jax.jit
@jax.vmap
def errors_of(moments, products, true):
    """After every step of the descent on the training loss, w'(X'X/n)w/2 − w'(X'y/n)."""
    opt, start = ch5jax.sgd(RATE), jnp.zeros(DIMENSIONS)

    def step(carry, _):
        w, state = carry
        updates, state = opt.update(jax.grad(lambda w: w @ moments @ w / 2 - w @ products)(w), state)
        return (w + updates, state), jnp.sum((w + updates - true) ** 2)

    return jax.lax.scan(step, (start, opt.init(start)), length=STEPS)[1]


measured, predicted, optima, optima_predicted, bayes, better = [], [], [], [], [], []
for n, sigma in zip(EXAMPLES, SIGMAS, strict=True):
    x, true = rng.normal(size=(SETS, n, DIMENSIONS)), rng.normal(size=(SETS, DIMENSIONS)) / DIMENSIONS**0.5
    y = np.einsum("sni,si->sn", x, true) + sigma * rng.normal(size=(SETS, n))
    moments, products = np.einsum("sni,snj->sij", x, x) / n, np.einsum("sni,sn->si", x, y) / n
    errors = np.asarray(errors_of(*(jnp.asarray(a, "float32") for a in (moments, products, true))))
    at_optimum = np.sum((np.linalg.solve(moments, products[..., None])[..., 0] - true) ** 2, axis=1)
    spectrum = np.linalg.eigvalsh(moments)[..., None]
    terms = (1 - RATE * spectrum) ** (2 * t) / DIMENSIONS + (
        1 - (1 - RATE * spectrum) ** t
    ) ** 2 * sigma**2 / n / spectrum
    measured.append(errors.mean(axis=0)), predicted.append(terms.sum(axis=1).mean(axis=0))
    optima.append(at_optimum.mean()), optima_predicted.append(sigma**2 * DIMENSIONS / (n - DIMENSIONS - 1))
    bayes.append((sigma**2 / (DIMENSIONS * sigma**2 + n * spectrum)).sum(axis=1).mean())
    better.append(np.mean(errors.min(axis=1) < at_optimum))
measured, predicted = np.stack(measured), np.stack(predicted)
best_steps, best_steps_predicted = measured.argmin(axis=1) + 1, predicted.argmin(axis=1) + 1
for i, (n, sigma) in enumerate(zip(EXAMPLES, SIGMAS, strict=True)):
    print(f"{n} examples, noise {sigma}: least error {measured[i].min():.2g} after {best_steps[i]} steps", end=", ")
    print(f"predicted {predicted[i].min():.2g} after {best_steps_predicted[i]} (Bayes {bayes[i]:.2g})", end="; ")
    print(f"at the optimum {optima[i]:.2g}, predicted {optima_predicted[i]:.2g}", end="; ")
    print(f"{better[i]:.0%} of {SETS} data sets have a better point before it")

NETWORK_STEPS, EVERY, SEEDS, PART, FEW, MOST = 1200, 40, 5, 359, 100, 1079
CASES = [(FEW, 0.3), (FEW, 0.0), (MOST, 0.3), (MOST, 0.0)]  # training examples, the share of wrong labels
NAMES = [f"{n} examples, {wrong:.0%} wrong" for n, wrong in CASES]
data, order = load_digits(), rng.permutation(MOST + 2 * PART)
x, y = (data.data[order] / 16).astype("float32"), data.target[order]
network = ch5jax.networks.mlp((64, 32, 10))


def cross_entropies(params, inputs, labels):
    return -jnp.take_along_axis(jax.nn.log_softmax(network.apply(params, inputs)), labels[:, None], axis=1)[:, 0]


def init(key, setting):
    key_net, key_wrong, key_shift = jax.random.split(key, 3)
    wrong = jax.random.uniform(key_wrong, (MOST,)) < setting["wrong"]
    labels = (y[:MOST] + wrong * jax.random.randint(key_shift, (MOST,), 1, 10)) % 10
    params = network.init(key_net)
    return params, setting["optimizer"].init(params), labels


def step(key, index, setting, state):
    params, opt_state, labels = state
    rows = jax.random.randint(key, (32,), 0, setting["examples"])
    loss, gradient = jax.value_and_grad(lambda w: cross_entropies(w, jnp.asarray(x)[rows], labels[rows]).mean())(params)
    updates, opt_state = setting["optimizer"].update(gradient, opt_state, params)
    return (jax.tree.map(jnp.add, params, updates), opt_state, labels), {"loss": loss}


def evaluate(setting, state):
    params, _, labels = state
    validation, test = slice(MOST, MOST + PART), slice(MOST + PART, None)
    training_losses = cross_entropies(params, x[:MOST], labels)
    return {
        "training_loss": training_losses.mean(where=jnp.arange(MOST) < setting["examples"]),
        "validation_loss": cross_entropies(params, x[validation], y[validation]).mean(),
        "test_loss": cross_entropies(params, x[test], y[test]).mean(),
        "test_accuracy": jnp.mean(network.apply(params, x[test]).argmax(axis=1) == y[test]),
    }


def train(setting, key):
    options = {"record_every": EVERY, "evaluate_every": EVERY, "signals_every": 0}
    return ch5jax.train(ch5jax.Task(init, step, evaluate), setting, key, NETWORK_STEPS, **options).evaluations


opts = ch5jax.grid(ch5jax.adam, learning_rate=np.full(len(CASES), 0.005))
settings = {"optimizer": opts, "examples": np.array([n for n, _ in CASES]), "wrong": np.array([w for _, w in CASES])}
of_cases = jax.jit(jax.vmap(jax.vmap(train, (None, 0)), (0, None)))
courses = {k: np.asarray(v) for k, v in of_cases(settings, jax.random.split(jax.random.key(0), SEEDS)).items()}
chosen = courses["validation_loss"].argmin(axis=2)  # not by the test part, which is to judge
lowest = courses["training_loss"].argmin(axis=2)
there = {name: np.take_along_axis(course, chosen[..., None], axis=2)[..., 0] for name, course in courses.items()}
for i, name in enumerate(NAMES):
    steps = (np.stack([chosen[i], lowest[i]]) + 1) * EVERY
    print(
        f"{name}: least validation loss after {np.sort(steps[0])} steps, least training loss after {np.sort(steps[1])}"
    )
    for metric in ("training_loss", "test_loss", "test_accuracy"):
        first, last = there[metric][i], courses[metric][i, :, -1]
        print(f"  {metric}: {first.mean():.3f} ± {first.std():.3f} there", end=", ")
        print(f"{last.mean():.3f} ± {last.std():.3f} at the end")

figure, (left, right) = plt.subplots(1, 2, figsize=(5.8, 2.9), layout="constrained")
shown = np.unique(np.geomspace(1, STEPS, 25).astype(int)) - 1
for i, (n, sigma) in enumerate(zip(EXAMPLES, SIGMAS, strict=True)):
    left.loglog(t[shown], measured[i, shown], "o", markersize=3, color=f"C{i}", label=f"n = {n}, noise {sigma}")
    left.loglog(t, predicted[i], color=f"C{i}", linewidth=0.8)
    left.plot(1.6 * STEPS, optima[i] or np.nan, "<", color=f"C{i}")
left.set(xlabel="step (◂ optimum; lines predicted)", ylabel="error ‖w − w*‖²", ylim=(1e-4, 2))
left.legend(fontsize=6.5)
for i in (0, 3):
    for metric, style in (("test_loss", "-"), ("training_loss", ":")):
        at, mean = EVERY * np.arange(1, courses[metric].shape[2] + 1), courses[metric][i].mean(axis=0)
        right.semilogy(at, mean, style, color=f"C{i}", label=f"{NAMES[i]}, {metric.split('_', 1)[0]}")
right.set(xlabel="step", ylabel="loss of the network")
right.legend(fontsize=5.5)
figure.savefig("chapter_5_1_1_generalisation.png", dpi=100)
plt.close(figure)
