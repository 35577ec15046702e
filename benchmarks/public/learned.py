"""Runs of our own that are meant to learn: public ones repaired, and others on data sets that scikit-learn brings."""

from typing import Any

import ch5jax
from benchmarks.public.data import Data
from benchmarks.public.networks import Net
from benchmarks.public.runs import OUR_OWN, Run

HE = ("he_uniform", "glorot_uniform")
LOGIT, LOGITS, ERROR = "binary_cross_entropy", "cross_entropy", "squared_error"
BINARY, CATEGORICAL, SQUARED = "binary_crossentropy", "categorical_crossentropy", "mean_squared_error"
CIRCLES, BLOBS, DIGITS = Data("circles"), Data("blobs"), Data("digits")
CANCER, WINE, IRIS = Data("breast_cancer"), Data("wine"), Data("iris")
DIABETES = Data("diabetes", scaled_targets=True)
RELU = Net((32,), "relu", 10, kernel=HE)


def learned() -> tuple[Run, ...]:
    """All of them."""
    return (*_own(), *_repaired())


def _run(name: str, *rest: Any, kind: str = "made to learn", epochs: bool = True) -> Run:
    return Run(f"learns: {name}", OUR_OWN, kind, ("HEALTHY",), *rest, epochs=epochs)


def _own() -> list[Run]:
    adam, momentum, rmsprop, adagrad, sgd = ch5jax.adam, ch5jax.momentum, ch5jax.rmsprop, ch5jax.adagrad, ch5jax.sgd
    drawn = [
        ("circles, 2 ReLU layers, Adam", CIRCLES, Net((16, 16), "relu", 1, kernel=HE), LOGIT, adam(1e-2), 600, 32),
        ("digits, ReLU, SGD", DIGITS, RELU, LOGITS, sgd(0.3), 600, 64),
        ("breast cancer, no hidden layer, SGD", CANCER, Net((), "linear", 1), LOGIT, sgd(0.1), 500, 32),
        ("wine, tanh, momentum", WINE, Net((16,), "tanh", 3), LOGITS, momentum(0.05), 500, 16),
        ("iris, sigmoid, RMSProp", IRIS, Net((8,), "sigmoid", 3), LOGITS, rmsprop(1e-2), 800, 8),
        ("diabetes, no hidden layer, SGD", DIABETES, Net((), "linear", 1), ERROR, sgd(0.02), 500, 32),
    ]
    in_epochs = [
        ("circles, tanh, momentum", CIRCLES, Net((16,), "tanh", 1), LOGIT, momentum(0.3), 1200, 64),
        ("blobs, no hidden layer, SGD", BLOBS, Net((), "linear", 3), LOGITS, sgd(0.3), 400, None),
        ("digits, ReLU, AdaGrad", DIGITS, RELU, LOGITS, adagrad(0.05), 600, 64),
        ("digits, 3 ReLU, RMSProp", DIGITS, Net((64,) * 3, "relu", 10, kernel=HE), LOGITS, rmsprop(1e-3), 600, 32),
        ("digits, Keras's softmax", DIGITS, Net((32,), "relu", 10, "softmax", HE), CATEGORICAL, adam(1e-3), 1000, 8),
        ("digits, Flax, BatchNorm", DIGITS, Net((32, 32), "selu", 10, flax=True), LOGITS, adam(3e-3), 500, 64),
        ("cancer, Keras's sigmoid", CANCER, Net((16,), "relu", 1, "sigmoid", HE), BINARY, adam(3e-3), 600, 16),
        ("cancer, Flax, BatchNorm", CANCER, Net((32,) * 3, "relu", 1, flax=True), LOGIT, adagrad(0.03), 400, 64),
        ("wine, 2 ReLU, full batch, Adam", WINE, Net((32, 32), "relu", 3, kernel=HE), LOGITS, adam(1e-2), 300, None),
        ("diabetes, ReLU, Adam", DIABETES, Net((16,), "relu", 1, kernel=HE), ERROR, adam(3e-3), 300, 64),
    ]
    return [*(_run(*row, epochs=False) for row in drawn), *(_run(*row) for row in in_epochs)]


def _repaired() -> list[Run]:
    adam, uniform = ch5jax.adam, "glorot_uniform"
    deep, wide = Net((16,) * 8, "relu", 1, "sigmoid", HE), Net((50,) * 4, "relu", 3, "softmax", HE)
    parabola = Net((50, 30), "relu", 1, kernel=(uniform, "random_uniform", uniform))
    fourth = Data("fourth_power", scaled_targets=True)
    rows = [
        ("AUTOTRAINER demo GV", CIRCLES, deep, BINARY, adam(1e-3), 1800, 128),
        ("AUTOTRAINER demo IA", BLOBS, wide, CATEGORICAL, adam(1e-3), 900, 256),
        ("StackOverflow 59278771", IRIS, Net((4,), "selu", 3, "softmax"), CATEGORICAL, ch5jax.sgd(0.05), 1500, 5),
        ("StackOverflow 31556268", Data("xor", False), Net((8,), "tanh", 1, "sigmoid"), SQUARED, adam(0.05), 600, None),
        (
            "StackOverflow 31880720",
            Data("constant_rows", False),
            Net((50, 50), "relu", 1, "sigmoid", dropout=0.2),
            BINARY,
            ch5jax.rmsprop(1e-3),
            300,
            32,
        ),
        ("StackOverflow 48934338", Data("parabola", False), parabola, SQUARED, ch5jax.sgd(1e-4), 2000, 32),
        ("StackOverflow 52800582", fourth, Net((50, 50), ("sigmoid", "elu"), 1), SQUARED, adam(3e-3), 1500, None),
    ]
    return [_run(f"{name}, repaired", *rest, kind="repaired") for name, *rest in rows]
