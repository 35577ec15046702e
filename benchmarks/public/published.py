"""Runs that others published, with what their sources say of them.

The AUTOTRAINER runs (shiningrain/AUTOTRAINER; architecture faults and normal runs by way of DeepDiagnosis/ICSE2022)
have circles or blobs as data. Of the architecture faults the sources give the network, and that AUTOTRAINER found and
repaired a problem: optimizer, batch and epochs are those of its base configuration. The StackOverflow programs are
those of Wardat-ISU/DeepLocalize, with DeepFD's faults: act (activation), loss, lr, opt (optimizer), epoch,
missing_prep (unscaled inputs). Each question has an author and a source of its own.

Not among them is StackOverflow 31627380: its data, Kaggle's Titanic, are not to be had here, and its source does not
say which columns it took. Steps are Keras's: the incomplete batch of an epoch counts as one, though ours leaves it out.
"""

import optax

import ch5jax
from benchmarks.public.data import Data
from benchmarks.public.networks import Net
from benchmarks.public.runs import Run

AUTOTRAINER = "AUTOTRAINER"
BINARY, CATEGORICAL, SQUARED = "binary_crossentropy", "categorical_crossentropy", "mean_squared_error"
CIRCLES, BLOBS, DIGITS = Data("circles", scaled=False), Data("blobs", scaled=False), Data("digits")


def _circles(layers: int, activation: str, kernel: str | tuple[str, ...] = "he_uniform", bias: str = "zeros") -> Net:
    return Net((5,) * layers, activation, 1, "sigmoid", kernel, (bias, "zeros"))


def _blobs(layers: int, activation: str, kernel: str | tuple[str, ...] = "he_uniform", bias: str = "zeros") -> Net:
    return Net((5,) * layers, activation, 3, "sigmoid", kernel, (bias, "zeros"))


def published() -> tuple[Run, ...]:
    """All that can be expressed."""
    return (*_autotrainer_faults(), *_autotrainer_normal(), *_stackoverflow())


def _autotrainer_faults() -> list[Run]:
    adam = ch5jax.adam(1e-3)  # Keras's defaults are ours
    exploding = ("EXPLODING", "DIVERGED")
    small = ("random_uniform", "he_uniform")
    of_circles = [
        ("demo GV", "gradient_vanish", ("VANISHING",), _circles(8, "sigmoid")),
        ("0ae2cd88", "gradient_explode, derived", exploding, _circles(8, "exponential")),
        ("8de47bdc", "gradient_vanish, derived", ("VANISHING",), _circles(8, "relu", small)),
        ("169a3fa1", "gradient_explode, derived", exploding, _circles(10, "exponential")),
        ("14989730", "gradient_vanish, derived", ("VANISHING",), _circles(8, "relu", small)),
        ("dd8c879b", "gradient_vanish, derived", ("VANISHING",), _circles(13, "sigmoid")),
    ]
    of_blobs = [
        ("0b6f114d", "gradient_explode, derived", exploding, _blobs(9, "exponential")),
        ("661b4e86", "gradient_explode, derived", exploding, _blobs(10, "exponential")),
        ("e706e7cd", "gradient_vanish, derived", ("VANISHING",), _blobs(11, "sigmoid")),
    ]
    improper = Net((50,) * 4, "relu", 3, "relu", ("he_uniform", "glorot_uniform"))
    deep = Net((128,) * 34, "relu", 10, "softmax")
    return [
        *(
            Run(f"AUTOTRAINER {name}", AUTOTRAINER, kind, label, CIRCLES, net, BINARY, adam, 1800, 128)
            for name, kind, label, net in of_circles
        ),
        *(
            Run(f"AUTOTRAINER {name}", AUTOTRAINER, kind, label, BLOBS, net, CATEGORICAL, adam, 900, 256)
            for name, kind, label, net in of_blobs
        ),
        Run(  # zeros for all classes are 0/0 to Keras
            "AUTOTRAINER demo IA",
            AUTOTRAINER,
            "improper_activation",
            ("NO_GRADIENT", "SATURATED", "DIVERGED"),
            BLOBS,
            improper,
            CATEGORICAL,
            ch5jax.adam(1e-4),
            900,
            256,
        ),
        Run(  # Glorot's weights halve a ReLU network's layer gradient, squared, in each layer
            "AUTOTRAINER motivation 34",
            AUTOTRAINER,
            "dying_relu, in some of 100 trainings",
            ("SATURATED", "VANISHING"),
            DIGITS,
            deep,
            CATEGORICAL,
            adam,
            300,
            32,
            note="digits for MNIST; 93,750 steps cut to 300",
        ),
    ]


def _autotrainer_normal() -> list[Run]:
    adam = ch5jax.adam(1e-3)
    deep = _blobs(17, "tanh", ("he_uniform", "lecun_normal"), "glorot_normal")
    learned = ("HEALTHY",)

    def run(name: str, label: tuple[str, ...], blobs: bool, net: Net, optimizer: object, steps: int) -> Run:
        data, loss, batch = (BLOBS, CATEGORICAL, 256) if blobs else (CIRCLES, BINARY, 128)
        return Run(f"AUTOTRAINER normal {name}", AUTOTRAINER, "normal", label, data, net, loss, optimizer, steps, batch)

    return [
        # its source calls this one normal, but it stood at an accuracy of 0.40 when the log ended
        run("22eb8478", (), True, _blobs(5, "tanh"), ch5jax.adagrad(1.0, initial_accumulator_value=0.1), 1200),
        run("54f7ba3b", learned, True, deep, ch5jax.adam(1e-3, b1=0.3897, b2=0.4435), 900)._replace(
            note="1,200 steps cut to 900"
        ),
        run("953b07b0", learned, True, deep, adam, 900),
        *(
            run(name, learned, False, _circles(11, "tanh"), adam, 1800)
            for name in ("0db8c740", "46edd947", "84b9e92c")  # three trainings of one configuration
        ),
        run("9a5b1683", learned, False, _circles(5, "tanh", ("he_uniform", "zeros"), "ones"), adam, 1800),
        run("fcaf2479", learned, False, _circles(8, "tanh"), adam, 1800),
    ]


def _stackoverflow() -> list[Run]:
    rows = [
        (
            48385830,
            "act, loss, lr",
            ("DIVERGED", "RATE_TOO_LARGE"),
            DIGITS,
            Net((30,), "linear", 10, "linear", "normal_1", "normal_1"),
            SQUARED,
            ch5jax.sgd(3.0),
            400,
            10,
            "digits for MNIST; 180,000 steps cut to 400",
        ),
        (
            31556268,
            "loss, epoch, lr, opt",
            ("SLOW", "SADDLE"),
            Data("xor", scaled=False),
            Net((4,), "sigmoid", 1, "sigmoid"),
            "mean_absolute_error",
            ch5jax.lift(optax.sgd, learning_rate=0.05, momentum=0.11, nesterov=True),
            1000,
            None,
            "without the decay of 1e-6 a step",
        ),
        (
            38648195,
            "act, loss, epoch",
            (),
            Data("multilabel", scaled=False),
            Net((20, 20), "relu", 3, "softmax", dropout=0.5),
            SQUARED,
            ch5jax.sgd(0.01),
            1500,
            20,
            "6,000 examples for 60,000; 60,000 steps cut to 1,500",
        ),
        (
            55328966,
            "act, opt, missing_prep",
            ("UNSCALED", "SLOW"),
            Data("digits", factor=255.0),
            Net((784, 50), ("linear", "relu"), 10, "sigmoid"),
            CATEGORICAL,
            ch5jax.sgd(1e-4),
            600,
            32,
            "digits from 0 to 255 for MNIST; 1,570 steps cut to 600",
        ),
        (
            31880720,
            "act, epoch",
            ("NO_GRADIENT", "SATURATED"),
            Data("constant_rows", scaled=False),
            Net((50, 50), "relu", 1, "softmax", dropout=0.2),
            BINARY,
            ch5jax.rmsprop(1e-3),
            600,
            1,
            "200 rows of each kind, all alike, for 10,000; 60,000 steps cut to 600",
        ),
        (
            48934338,
            "lr",
            ("DIVERGED", "SATURATED", "OSCILLATING", "RATE_TOO_LARGE"),
            Data("parabola", scaled=False),
            Net((50, 30), "relu", 1, "linear", ("glorot_uniform", "random_uniform", "glorot_uniform")),
            SQUARED,
            ch5jax.sgd(0.1),
            2000,
            32,
            "a quarter of the 50 examples for validation",
        ),
        (
            59278771,
            "act, opt, missing_prep",
            ("SLOW", "SATURATED", "UNSCALED"),
            Data("iris", scaled=False),
            Net((4,), "relu", 3, "sigmoid", "normal_0.05"),
            CATEGORICAL,
            ch5jax.adam(1e-3),
            1500,
            5,
            "4,200 steps cut to 1,500",
        ),
        (
            52800582,
            "missing_prep",
            ("UNSCALED", "SLOW", "SATURATED"),
            Data("fourth_power", scaled=False),
            Net((50, 50), ("sigmoid", "elu"), 1),
            SQUARED,
            ch5jax.adam(1e-3),
            1000,
            None,
            "three tenths of the 400 examples for validation",
        ),
    ]
    clinic = Run(
        "DeepLocalize kerasma",
        "DeepLocalize, GitHub",
        "missing, redundant or wrong layers",
        (),
        Data("clinic", scaled=False),
        Net((12, 8), "relu", 1, "sigmoid"),
        BINARY,
        ch5jax.adam(1e-3),
        1500,
        10,
        note="other patients' ten measurements for the Pima Indians' eight; 11,550 steps cut to 1,500",
    )
    return [
        *(Run(f"StackOverflow {row[0]}", f"StackOverflow {row[0]}", *row[1:9], note=row[9]) for row in rows),
        clinic,
    ]
