"""Where a training starts decides whether it goes anywhere: deep networks of logistic units, a hundred labels.

Several starting points on the scanned digits, each trained by momentum at a range of learning rates: random weights of
several kinds, and layers that were first trained, one after the other, to restore corrupted images without labels.
`python examples/pretraining.py full` is the run with all depths, and writes what it finds to `pretraining.json`.
"""

import functools
import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.datasets import load_digits

import ch5jax
from ch5jax.initializers import gaussian, sparse

FULL = "full" in sys.argv[1:]
DEPTHS = (1, 2, 3, 5, 7, 10) if FULL else (5,)
RATES = np.geomspace(1e-3, 10, 17) if FULL else np.geomspace(0.03, 1, 4)
DEVIATIONS = (0.25, 0.5, 1.0) if FULL else ()
WIDTH, SEEDS, PRETRAINING_STEPS, STEPS = (64, 10, 2000, 2000) if FULL else (32, 2, 500, 500)
LABELS, BATCH = 100, 32

images, labels = load_digits(return_X_y=True)
images, labels = jnp.asarray(images / 16, jnp.float32), jnp.asarray(np.eye(10)[labels], jnp.float32)
order = jax.random.permutation(jax.random.key(0), len(images))
validation, test, train = order[:359], order[359:718], order[718:]


def network(depth, kernel_init):
    return ch5jax.networks.mlp((64, *[WIDTH] * depth, 10), jax.nn.sigmoid, kernel_init)


def fine_tuning(net):
    """A task whose hyperparameters are an optimizer, initial parameters, and the images whose labels are known."""

    def init(key, hyperparameters):
        return hyperparameters["start"], hyperparameters["optimizer"].init(hyperparameters["start"])

    def score(params, rows):
        logits = net.apply(params, images[rows])
        right = jnp.mean(jnp.argmax(logits, 1) == jnp.argmax(labels[rows], 1), dtype=jnp.float32)
        return optax.softmax_cross_entropy(logits, labels[rows]).mean(), right

    def step(key, index, hyperparameters, state):
        params, opt_state = state
        rows = jax.random.choice(key, hyperparameters["labelled"], (BATCH,))
        loss, slope = jax.value_and_grad(lambda params: score(params, rows)[0])(params)
        updates, opt_state = hyperparameters["optimizer"].update(slope, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), {"loss": loss}

    def evaluate(hyperparameters, state):
        names = {"validation": validation, "test": test, "training": hyperparameters["labelled"]}
        return {name: score(state[0], rows)[1] for name, rows in names.items()}

    return ch5jax.Task(init, step, evaluate, objective="validation", maximize=True)


keys = jax.random.split(jax.random.key(1), SEEDS)
labelled = jax.vmap(lambda key: jax.random.permutation(key, train)[:LABELS])(keys)
he_normal = jax.nn.initializers.he_normal()


def swept(task, starts):
    """The last metrics for every seed's start and every learning rate."""

    def one(start, labelled, key, optimizer):
        setting = {"optimizer": optimizer, "start": start, "labelled": labelled}
        return ch5jax.train(task, setting, key, STEPS, record_every=STEPS).last()

    optimizers = ch5jax.grid(ch5jax.momentum, learning_rate=RATES)
    return jax.vmap(jax.vmap(one, (None, None, None, 0)), (0, 0, 0, None))(starts, labelled, keys, optimizers)


@jax.jit
@jax.vmap
def pretrained(start, key):
    optimizer = ch5jax.adam(3e-3)
    return ch5jax.pretrain_layerwise(start, images[train], optimizer, key, PRETRAINING_STEPS, activation=jax.nn.sigmoid)


print(f"{STEPS} steps of momentum with {LABELS} labels: test accuracy in % (mean ± deviation of {SEEDS} seeds)")
print("at the rate that is best on validation, and the accuracy on the labelled images there")
report = []
for depth in DEPTHS:
    drawn = {"He normal": he_normal} | {f"Gaussian, std {std:g}": gaussian(std) for std in DEVIATIONS}
    drawn["15 weights a unit, std 1"] = sparse(15, 1.0)
    starts = {name: jax.vmap(network(depth, init).init)(keys) for name, init in drawn.items()}
    learnt = pretrained(starts["He normal"], keys)
    starts["pretrained"] = learnt.params
    before, after = (np.sqrt(np.mean(error, axis=0)) for error in (learnt.error_before, learnt.error_after))
    print(f"{depth} hidden layer(s); the root mean square error with which they restore their inputs:")
    print("   " + ", ".join(f"{a:.2f} → {b:.3f}" for a, b in zip(before, after, strict=True)))
    fine_tuned = jax.jit(functools.partial(swept, fine_tuning(network(depth, he_normal))))
    for name, start in starts.items():
        metrics = jax.tree.map(np.asarray, fine_tuned(start))
        best = metrics["validation"].mean(0).argmax()
        test_accuracy = 100 * metrics["test"][:, best]
        known = 100 * metrics["training"][:, best].mean()
        print(
            f"   {name:24} {test_accuracy.mean():5.1f} ± {test_accuracy.std(ddof=1):4.1f}  at {RATES[best]:<6.3g}"
            f"  labelled: {known:5.1f}",
            flush=True,
        )
        report.append(
            {
                "hidden layers": depth,
                "start": name,
                "learning rate": float(RATES[best]),
                "test accuracy of each seed": [round(float(accuracy), 2) for accuracy in test_accuracy],
                "accuracy on the labelled": float(known),
                "loss": float(metrics["loss"][:, best].mean()),
                "best test accuracy of any seed and rate": 100 * float(metrics["test"].max()),
                "mean test accuracy by rate": dict(
                    zip(map("{:.4g}".format, RATES), (100 * metrics["test"].mean(0)).round(2).tolist(), strict=True)
                ),
            }
        )
    report[-1] |= {"reconstruction before": before.tolist(), "reconstruction after": after.tolist()}
if FULL:
    with open("pretraining.json", "w") as file:
        json.dump(report, file, indent=1)
