"""The data sets of the public runs, how a run prepares them, and what a reference reaches on them."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn import datasets
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits


class Split(NamedTuple):
    """A problem as it comes, divided."""

    inputs: np.ndarray
    targets: np.ndarray  # classes as int, or numbers
    validation_inputs: np.ndarray
    validation_targets: np.ndarray


class Data(NamedTuple):
    """A problem, and how a run prepares it."""

    problem: str
    scaled: bool = True  # inputs to mean 0 and deviation 1 over the training part (digits: to 0 to 1)
    factor: float = 1.0  # then times this
    scaled_targets: bool = False  # numbers likewise
    labels_from: int = 0  # the number of the first class
    first: int | None = None  # so many of the training examples, or all
    wrong: float = 0.0  # share of the training labels that are drawn anew


def _halves(inputs: Any, targets: Any) -> Split:
    """Seven tenths for training, three for validation, of each class alike."""
    targets = np.asarray(targets)
    classes = targets if targets.dtype.kind in "iu" else None
    parts = train_test_split(np.asarray(inputs, float), targets, test_size=0.3, random_state=0, stratify=classes)
    return Split(parts[0], parts[2], parts[1], parts[3])


def _autotrainer(inputs: np.ndarray, targets: np.ndarray) -> Split:
    """As AUTOTRAINER's data/simplednn.py has it: the first 700 of 1,000 for training."""
    return Split(inputs[:700], targets[:700], inputs[700:], targets[700:])


def _same(inputs: Any, targets: Any) -> Split:
    """All that there are, for both."""
    return Split(np.asarray(inputs, float), np.asarray(targets), np.asarray(inputs, float), np.asarray(targets))


def _parabola() -> Split:
    """StackOverflow 48934338: 5x² with cubed normal noise, every fourth for validation."""
    x = np.arange(0, 5, 0.1)[:, None]
    y = 5 * x**2 + np.random.default_rng(0).normal(size=x.shape) ** 3
    held_out = np.arange(len(x)) % 4 == 2
    return Split(x[~held_out], y[~held_out], x[held_out], y[held_out])


def _fourth_power() -> Split:
    """StackOverflow 52800582."""
    x = np.arange(-100, 100, 0.5)[:, None]
    return _halves(x, x**4)


def _constant_rows() -> Split:
    """StackOverflow 31880720: rows of ones and rows of zeros, here 200 of each: all are the same two."""
    return _same(np.repeat([[1.0], [0.0]], 200, axis=0) * np.ones(128), np.repeat([1, 0], 200))


def _multilabel() -> Split:
    """StackOverflow 38648195, with a tenth of its examples."""
    x, y = datasets.make_multilabel_classification(6000, n_features=20, n_classes=3, random_state=0)
    return _halves(x, y.astype(float))


def _clinic() -> Split:
    """Ten unscaled measurements of 442 patients, for the Pima Indians' data that scikit-learn does not have."""
    x, y = datasets.load_diabetes(return_X_y=True, scaled=False)
    return _halves(x, (y > np.median(y)).astype(int))


def _diabetes() -> Split:
    x, y = datasets.load_diabetes(return_X_y=True, scaled=False)
    return _halves(x, y[:, None])


class Problem(NamedTuple):
    """Where a data set comes from, and which half of the exam has it."""

    half: str  # "tune", what thresholds may be chosen on, or "report"
    make: Callable[[], Split]
    reference: float | None = None  # the score that can be reached, where it is known for sure


PROBLEMS = {
    "circles": Problem("tune", lambda: _autotrainer(*datasets.make_circles(1000, noise=0.1, random_state=1))),
    "blobs": Problem(
        "tune",
        lambda: _autotrainer(*datasets.make_blobs(1000, centers=3, n_features=2, cluster_std=2, random_state=2)),
    ),
    "digits": Problem("tune", lambda: _halves(*datasets.load_digits(return_X_y=True))),
    "iris": Problem("report", lambda: _halves(*datasets.load_iris(return_X_y=True))),
    "wine": Problem("report", lambda: _halves(*datasets.load_wine(return_X_y=True))),
    "breast_cancer": Problem("report", lambda: _halves(*datasets.load_breast_cancer(return_X_y=True))),
    "diabetes": Problem("report", _diabetes),
    "clinic": Problem("report", _clinic),  # diabetes' patients: in the same half
    "xor": Problem("report", lambda: _same([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]), 1.0),
    "multilabel": Problem("report", _multilabel),
    "constant_rows": Problem("report", _constant_rows, 1.0),
    "parabola": Problem("report", _parabola),
    "fourth_power": Problem("report", _fourth_power),
}


@functools.cache
def raw(problem: str) -> Split:
    """A problem as it comes."""
    return PROBLEMS[problem].make()


def is_classes(problem: str) -> bool:
    """Whether targets are classes."""
    return raw(problem).targets.dtype.kind in "iu"


def prepared(data: Data) -> Split:
    """A problem as a run sees it; a mean and a deviation are those of the training part."""
    split, generator = raw(data.problem), np.random.default_rng(0)
    middle, width = np.zeros(1), np.ones(1)
    if data.scaled and data.problem == "digits":
        width = np.full(1, 16.0)
    elif data.scaled:
        middle, width = split.inputs.mean(axis=0), split.inputs.std(axis=0)
    inputs, validation_inputs = (
        ((x - middle) / width * data.factor).astype(np.float32) for x in (split.inputs, split.validation_inputs)
    )
    if is_classes(data.problem):
        targets, validation = split.targets + data.labels_from, split.validation_targets + data.labels_from
        drawn = generator.random(len(targets)) < data.wrong
        targets = np.where(drawn, generator.permutation(targets), targets)
    else:
        middle, width = (
            (split.targets.mean(axis=0), split.targets.std(axis=0)) if data.scaled_targets else (np.zeros(1), 1)
        )
        targets, validation = (
            ((y - middle) / width).astype(np.float32) for y in (split.targets, split.validation_targets)
        )
    return Split(inputs[: data.first], targets[: data.first], validation_inputs, validation)


class Range(NamedTuple):
    """Between which scores a run is measured: accuracy, or R² over the validation part."""

    constant: float
    reference: float


@functools.cache
def range_of(problem: str) -> Range:
    """The validation score of the best constant prediction, and of the better of two models of scikit-learn's."""
    split = raw(problem)
    if is_classes(problem):
        often = np.bincount(split.targets).argmax()
        constant = float((split.validation_targets == often).mean())
        models = [HistGradientBoostingClassifier(max_iter=30, random_state=0), LogisticRegression(max_iter=5000)]
    else:
        constant = _r2(np.broadcast_to(split.targets.mean(axis=0), split.validation_targets.shape), split)
        models = [HistGradientBoostingRegressor(max_iter=60, random_state=0), Ridge()]
    known = PROBLEMS[problem].reference
    with threadpool_limits(1):  # threads that wait for each other take longer than the work
        return Range(constant, max(_score(model, split) for model in models) if known is None else known)


def _score(model: Any, split: Split) -> float:
    pipeline = make_pipeline(StandardScaler(), model)
    if split.targets.ndim == 1:
        fitted = pipeline.fit(split.inputs, split.targets)
        return float(fitted.score(split.validation_inputs, split.validation_targets))
    columns = [
        pipeline.fit(split.inputs, column).predict(split.validation_inputs).reshape(-1) for column in split.targets.T
    ]
    return _r2(np.stack(columns, axis=1), split)


def _r2(predicted: np.ndarray, split: Split) -> float:
    """As `ch5jax.tasks` measures it."""
    return float(1 - ((predicted - split.validation_targets) ** 2).mean() / split.validation_targets.var(axis=0).mean())
