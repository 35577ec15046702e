"""Runs that are meant to fail on the data sets that thresholds may be chosen on: digits, circles and blobs."""

import ch5jax
from benchmarks.public import labels
from benchmarks.public.data import Data
from benchmarks.public.failed import Row, decayed, failing
from benchmarks.public.learned import BINARY, BLOBS, CATEGORICAL, CIRCLES, DIGITS, HE, LOGIT, LOGITS, RELU
from benchmarks.public.networks import Net
from benchmarks.public.runs import Run


def failed_on_shapes() -> tuple[Run, ...]:
    """All of them."""
    return failing(*_on_digits(), *_on_shapes())


def _on_digits() -> list[Row]:
    sgd, adam = ch5jax.sgd, ch5jax.adam
    sigmoid, steep = Net((32,) * 8, "sigmoid", 10), Net((32,) * 5, "relu", 10, kernel=("normal_1", "normal_1"))
    few = Data("digits", first=60, wrong=0.8)
    return [
        (
            "digits, ReLU, SGD at 20",
            "dying ReLU",
            ("SATURATED", "RATE_TOO_LARGE", "OSCILLATING", "DIVERGED"),
            DIGITS,
            RELU,
            LOGITS,
            sgd(20.0),
            600,
            64,
        ),
        ("digits, SGD at 1e-6", "slow convergence", ("SLOW",), DIGITS, RELU, LOGITS, sgd(1e-6), 600, 64),
        (
            "digits, weights of 0",
            "init",
            labels.EQUAL,
            DIGITS,
            RELU,
            LOGITS,
            sgd(0.3),
            600,
            64,
            {"kernel_scale": 0.0},
        ),
        (
            "digits, biases of -20",
            "dying ReLU",
            labels.DEAD,
            DIGITS,
            RELU,
            LOGITS,
            sgd(0.3),
            600,
            64,
            {"bias_value": -20.0},
        ),
        (
            "digits, 8 sigmoid layers, SGD",
            "vanishing gradient",
            ("VANISHING",),
            DIGITS,
            sigmoid,
            LOGITS,
            sgd(0.1),
            400,
            64,
        ),
        ("digits, normal weights", "exploding gradient", labels.EXPLODING, DIGITS, steep, LOGITS, sgd(1e-2), 400, 64),
        (
            "digits, 3 ReLU layers, Adam at 1",
            "lr",
            labels.TOO_LARGE,
            DIGITS,
            Net((64,) * 3, "relu", 10, kernel=HE),
            LOGITS,
            adam(1.0),
            600,
            32,
        ),
        (
            "digits, ReLU outputs",
            "act",
            (*labels.FLAT, "DIVERGED"),
            DIGITS,
            Net((32,), "relu", 10, "relu", HE),
            CATEGORICAL,
            adam(1e-2),
            400,
            64,
        ),
        (
            "digits, 60 with wrong labels",
            "overfitting",
            ("OVERFITTING",),
            few,
            Net((128,), "relu", 10, kernel=HE),
            LOGITS,
            adam(3e-3),
            400,
            20,
        ),
        (
            "digits, decay of 1",
            "weights decayed to 0",
            labels.COLLAPSED,
            DIGITS,
            Net((32, 32), "tanh", 10),
            LOGITS,
            decayed(1.0, 0.1),
            500,
            64,
        ),
        (
            "digits one by one, SGD at 1",
            "batch_size",
            labels.NOISY,
            DIGITS,
            Net((32,), "tanh", 10),
            LOGITS,
            sgd(1.0),
            1000,
            1,
        ),
    ]


def _on_shapes() -> list[Row]:
    sgd, adam = ch5jax.sgd, ch5jax.adam
    logit = Net((16, 16), "relu", 1, kernel=HE)
    tanh = Net((16,) * 8, "tanh", 3)
    huge = Data("blobs", factor=1000.0)
    return [
        ("circles, Adam at 1e-6", "slow convergence", ("SLOW",), CIRCLES, logit, LOGIT, adam(1e-6), 600, 32),
        ("circles, Adam at 10", "lr", labels.TOO_LARGE, CIRCLES, logit, LOGIT, adam(10.0), 600, 32),
        (
            "circles, biases of -10",
            "dying ReLU",
            labels.DEAD,
            CIRCLES,
            logit,
            LOGIT,
            adam(1e-3),
            600,
            32,
            {"bias_value": -10.0},
        ),
        (
            "circles, one softmax unit",
            "act",
            labels.FLAT,
            CIRCLES,
            Net((16,), "relu", 1, "softmax"),
            BINARY,
            adam(1e-3),
            400,
            32,
        ),
        (
            "circles, labels 1 and 2",
            "labels out of range",
            labels.FLAT,
            Data("circles", labels_from=1),
            Net((16,), "relu", 1, "sigmoid", HE),
            BINARY,
            adam(1e-2),
            600,
            32,
        ),
        (
            "circles, rounded outputs",
            "constant loss",
            ("NO_GRADIENT",),
            CIRCLES,
            Net((16,), "relu", 1, "rounded"),
            BINARY,
            adam(1e-3),
            400,
            32,
        ),
        (
            "blobs, 8 tanh layers, small weights",
            "vanishing gradient",
            ("VANISHING",),
            BLOBS,
            tanh,
            LOGITS,
            sgd(0.1),
            400,
            64,
            {"kernel_scale": 0.3},
        ),
        (
            "blobs, 8 tanh layers, SGD at 10",
            "oscillating loss",
            labels.TOO_LARGE,
            BLOBS,
            tanh,
            LOGITS,
            sgd(10.0),
            400,
            64,
        ),
        (
            "blobs times 1000",
            "missing_prep",
            labels.UNSCALED,
            huge,
            Net((16, 16), "relu", 3, kernel=HE),
            LOGITS,
            sgd(0.1),
            400,
            64,
        ),
    ]
