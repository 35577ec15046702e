"""Runs that are meant to fail on the data sets that figures are reported of: iris, wine and patients."""

import ch5jax
from benchmarks.public import labels
from benchmarks.public.data import Data
from benchmarks.public.failed import Row, decayed, failing
from benchmarks.public.learned import BINARY, CANCER, CATEGORICAL, DIABETES, ERROR, HE, IRIS, LOGIT, LOGITS, WINE
from benchmarks.public.networks import Net
from benchmarks.public.runs import Run


def failed_on_tables() -> tuple[Run, ...]:
    """All of them."""
    return failing(*_on_flowers(), *_on_patients())


def _on_flowers() -> list[Row]:
    sgd, adam = ch5jax.sgd, ch5jax.adam
    relu, deep = Net((16,), "relu", 3, kernel=HE), Net((16,) * 8, "relu", 3, kernel=HE)
    return [
        (
            "iris, 8 ReLU layers, 3 times He's weights",
            "exploding gradient",
            labels.EXPLODING,
            IRIS,
            deep,
            LOGITS,
            sgd(1e-3),
            400,
            16,
            {"kernel_scale": 3.0},
        ),
        (
            "iris, 8 ReLU layers, a tenth of He's weights",
            "vanishing gradient",
            ("VANISHING",),
            IRIS,
            deep,
            LOGITS,
            sgd(1e-3),
            400,
            16,
            {"kernel_scale": 0.1},
        ),
        (
            "iris, weights of 0",
            "init",
            labels.EQUAL,
            IRIS,
            Net((16, 16), "tanh", 3),
            LOGITS,
            adam(1e-2),
            400,
            16,
            {"kernel_scale": 0.0},
        ),
        (
            "iris, ReLU outputs",
            "act",
            (*labels.FLAT, "DIVERGED"),
            IRIS,
            Net((8,), "relu", 3, "relu", HE),
            CATEGORICAL,
            adam(1e-2),
            600,
            8,
        ),
        (
            "iris one by one, SGD at 2",
            "batch_size",
            labels.NOISY,
            IRIS,
            Net((8,), "tanh", 3),
            LOGITS,
            sgd(2.0),
            1000,
            1,
        ),
        (
            "wine as it comes",
            "missing_prep",
            labels.UNSCALED,
            Data("wine", scaled=False),
            Net((16, 16), "relu", 3, kernel=HE),
            LOGITS,
            sgd(0.03),
            500,
            16,
        ),
        ("wine, SGD at 1e-5", "slow convergence", ("SLOW",), WINE, relu, LOGITS, sgd(1e-5), 500, 16),
        (
            "wine, SGD at 100",
            "dying ReLU",
            ("SATURATED", "RATE_TOO_LARGE", "OSCILLATING", "DIVERGED"),
            WINE,
            relu,
            LOGITS,
            sgd(100.0),
            500,
            16,
        ),
        (
            "wine, decay of 2",
            "weights decayed to 0",
            labels.COLLAPSED,
            WINE,
            Net((16,), "tanh", 3),
            LOGITS,
            decayed(2.0, 0.1),
            400,
            16,
        ),
        (
            "wine, 10 sigmoid layers",
            "vanishing gradient",
            ("VANISHING",),
            WINE,
            Net((16,) * 10, "sigmoid", 3),
            LOGITS,
            adam(1e-3),
            400,
            16,
        ),
    ]


def _on_patients() -> list[Row]:
    sgd, adam, momentum = ch5jax.sgd, ch5jax.adam, ch5jax.momentum
    error, logit = Net((16,), "relu", 1, kernel=HE), Net((16, 16), "relu", 1, kernel=HE)
    few = Data("diabetes", scaled_targets=True, first=40)
    return [
        (
            "cancer as it comes",
            "missing_prep",
            labels.UNSCALED,
            Data("breast_cancer", scaled=False),
            Net((16,), "sigmoid", 1),
            LOGIT,
            sgd(0.1),
            500,
            32,
        ),
        (
            "cancer, one softmax unit",
            "act",
            labels.FLAT,
            CANCER,
            Net((16,), "relu", 1, "softmax"),
            BINARY,
            adam(1e-3),
            400,
            32,
        ),
        (
            "cancer, labels 1 and 2",
            "labels out of range",
            labels.FLAT,
            Data("breast_cancer", labels_from=1),
            Net((16,), "relu", 1, "sigmoid", HE),
            BINARY,
            adam(1e-2),
            500,
            32,
        ),
        (
            "cancer, rounded outputs",
            "constant loss",
            ("NO_GRADIENT",),
            CANCER,
            Net((16,), "relu", 1, "rounded"),
            BINARY,
            adam(1e-3),
            400,
            32,
        ),
        (
            "cancer, biases of -30",
            "dying ReLU",
            labels.DEAD,
            CANCER,
            logit,
            LOGIT,
            adam(1e-3),
            500,
            32,
            {"bias_value": -30.0},
        ),
        ("cancer, Adam at 10", "lr", labels.TOO_LARGE, CANCER, logit, LOGIT, adam(10.0), 500, 32),
        (
            "diabetes as it comes",
            "missing_prep",
            ("UNSCALED", "DIVERGED", *labels.UNSCALED[1:]),
            Data("diabetes", scaled=False),
            error,
            ERROR,
            sgd(0.01),
            400,
            32,
        ),
        ("diabetes, Adam at 1e-6", "slow convergence", ("SLOW",), DIABETES, error, ERROR, adam(1e-6), 400, 64),
        (
            "diabetes, momentum at 1",
            "oscillating loss",
            labels.TOO_LARGE,
            DIABETES,
            Net((16,), "tanh", 1),
            ERROR,
            momentum(1.0),
            400,
            32,
        ),
        (
            "diabetes, 40 patients",
            "overfitting",
            ("OVERFITTING",),
            few,
            Net((128, 128), "relu", 1, kernel=HE),
            ERROR,
            adam(1e-2),
            600,
            20,
        ),
    ]
