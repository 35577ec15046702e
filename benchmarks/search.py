"""What a sampler that learns finds with a budget, beside Sobol's sequence and random search; and a population.

Each is given the same number of trainings of the same length. A cell is the median over the keys of the best validation
score that was found, with the least and greatest in brackets.
"""

import functools
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import hyperoptax
import jax
import numpy as np
import optuna

import ch5jax
from benchmarks.tables import table
from benchmarks.timing import at, median, save
from ch5jax.sweeps import _plan

KEYS = at(7, 1)
SETTINGS = at((16, 32, 64), (4, 8))  # after how many the best is looked at
ROUND = at(8, 4)
MEMBERS, EXPLOITS = at(20, 4), at(10, 2)
Space = dict[str, Any]


class Problem(NamedTuple):
    """What is searched."""

    task: ch5jax.Task
    factory: Callable[..., Any]
    space: Space
    steps: int


def digits_setting(learning_rate: Any, decay: Any, initial_scale: Any) -> Any:
    return {"optimizer": ch5jax.momentum(learning_rate, decay), "initial_scale": initial_scale}


def problems() -> dict[str, Problem]:
    digits = ch5jax.tasks.digits(hidden=(32,))
    surface = ch5jax.tasks.surface(ch5jax.problems.rosenbrock(), noise=1.0, start_spread=0.1)
    return {
        "digits 64-32-10": Problem(
            digits,
            digits_setting,
            {
                "learning_rate": ch5jax.log(1e-4, 10.0),
                "decay": ch5jax.linear(0.0, 0.99),
                "initial_scale": ch5jax.log(0.01, 10.0),
            },
            at(200, 10),
        ),
        "Rosenbrock with noise": Problem(
            surface,
            ch5jax.adam,
            {
                "learning_rate": ch5jax.log(1e-4, 1.0),
                "b1": ch5jax.linear(0.0, 0.99),
                "b2": ch5jax.linear(0.8, 0.9999),
            },
            at(500, 10),
        ),
    }


def running_best(scores: np.ndarray, maximize: bool) -> np.ndarray:
    """The best of the first so many; a lost one counts as the worst."""
    worst = -np.inf if maximize else np.inf
    scores = np.where(np.isfinite(scores), scores, worst)
    best = np.maximum.accumulate(scores) if maximize else np.minimum.accumulate(scores)
    return best[np.array(SETTINGS) - 1]


def drawn(method: Any, problem: Problem, number: int) -> np.ndarray:
    """By `ch5jax.sample`, all at once."""
    batch = ch5jax.sample(problem.factory, SETTINGS[-1], method=method, seed=number, **problem.space)
    key = jax.random.key(number)
    result = ch5jax.sweep(problem.task, batch, steps=problem.steps, key=key, signals_every=0, width=ROUND)
    scores = result.columns[result.objective].astype(float)
    return np.where(result.columns["diverged_at"] >= 0, np.nan, scores)


def searched(sampler: Callable[..., Any], problem: Problem, number: int) -> np.ndarray:
    """By `ch5jax.search`, a round at a time."""
    found = ch5jax.search(
        problem.task,
        problem.factory,
        optuna.create_study(direction="maximize" if problem.task.maximize else "minimize"),
        count=SETTINGS[-1],
        per_round=ROUND,
        steps=problem.steps,
        key=jax.random.key(number),
        sampler=lambda seed: sampler(seed=1000 * number + seed),
        signals_every=0,
        **problem.space,
    )
    return np.array([np.nan if t.value is None else t.value for t in found.study.trials])


METHODS: dict[str, Callable[[Problem, int], np.ndarray]] = {
    "random": functools.partial(drawn, "random"),
    "Sobol": functools.partial(drawn, "sobol"),
    "TPE (Optuna)": functools.partial(searched, optuna.samplers.TPESampler),
    "CMA-ES (Optuna)": functools.partial(searched, optuna.samplers.CmaEsSampler),
}


def cell(values: list[float]) -> str:
    return f"{np.median(values):.4g} ({min(values):.4g} – {max(values):.4g})"


def compare_samplers() -> list[dict[str, object]]:
    rows = []
    for name, problem in problems().items():
        for method, run in METHODS.items():
            begin = time.perf_counter()
            found = np.array([running_best(run(problem, number), problem.task.maximize) for number in range(KEYS)])
            seconds = (time.perf_counter() - begin) / KEYS
            rows.append(
                {
                    "task": name,
                    "score": problem.task.objective,
                    "settings by": method,
                    **{f"after {n}": cell(found[:, i].tolist()) for i, n in enumerate(SETTINGS)},
                    "s": seconds,
                }
            )
            print(rows[-1], flush=True)
    return rows


def overhead() -> list[dict[str, object]]:
    """What asking and telling takes a trial, without a training."""
    space = {name: optuna.distributions.FloatDistribution(1e-4, 1.0, log=True) for name in ("a", "b", "c")}
    rows = []
    for name, sampler in (
        ("random", optuna.samplers.RandomSampler),
        ("TPE", optuna.samplers.TPESampler),
        ("CMA-ES", optuna.samplers.CmaEsSampler),
        ("GP", optuna.samplers.GPSampler),
    ):
        study, seconds = optuna.create_study(sampler=sampler(seed=0)), []
        for _ in range(SETTINGS[-1] // ROUND):
            begin = time.perf_counter()
            asked = [study.ask(space) for _ in range(ROUND)]
            for trial in asked:
                study.tell(trial, sum(np.log(value) ** 2 for value in trial.params.values()))
            seconds.append((time.perf_counter() - begin) / ROUND)
        rows.append({"sampler": name, "trials": SETTINGS[-1], "ms a trial": 1e3 * float(np.mean(seconds))})
    return rows


def bowl(key: jax.Array, params: Any) -> jax.Array:
    """What hyperoptax times itself on, to be minimised here."""
    del key
    return params["x"] ** 2 + params["y"] ** 2


def beside_hyperoptax() -> list[dict[str, object]]:
    """The same function and as many evaluations: the first search with all that is compiled, and later ones."""
    digits = problems()["digits 64-32-10"]

    def accuracy(key: jax.Array, params: Any) -> jax.Array:
        run = ch5jax.train(digits.task, digits.factory(**params), key, digits.steps, signals_every=0)
        return run.evaluations["validation_accuracy"][-1]

    whole = ch5jax.tasks.whole(lambda key, params: {"validation_loss": bowl(key, params)}, steps=1)
    cases = {
        "x² + y² on [0, 1]²": (
            Problem(whole, dict, {"x": ch5jax.linear(0.0, 1.0), "y": ch5jax.linear(0.0, 1.0)}, 1),
            bowl,
            at(80, 2),
            at(4, 1),
        ),
        "digits 64-32-10": (digits, accuracy, at(64, 2), at(8, 1)),
    }
    rows = []
    for name, (problem, function, evaluations, at_once) in cases.items():
        maximize = problem.task.maximize
        theirs = {
            argument: (hyperoptax.LogSpace if scale.kind == "log" else hyperoptax.LinearSpace)(scale.low, scale.high)
            for argument, scale in problem.space.items()
        }

        state, optimizer = hyperoptax.BayesianSearch.init(
            theirs, n_max=evaluations, n_parallel=at_once, maximize=maximize
        )
        scan = jax.jit(optimizer.optimize_scan, static_argnums=(2, 3))

        def hyper(number: int) -> float:
            _, (_, found) = scan(state, jax.random.key(number), function, evaluations // at_once)
            values = np.asarray(found)
            return float(np.nanmax(values) if maximize else np.nanmin(values))

        def ours(sampler: Any, number: int) -> float:
            study = optuna.create_study(direction="maximize" if maximize else "minimize")
            ch5jax.search(
                *(problem.task, problem.factory, study),
                count=evaluations,
                per_round=at_once,
                steps=problem.steps,
                key=jax.random.key(number),
                sampler=lambda seed: sampler(seed=1000 * number + seed),
                signals_every=0,
                **problem.space,
            )
            return float(study.best_value)

        contestants: dict[str, Callable[[int], float]] = {
            "hyperoptax, optimize_scan": hyper,
            "ours, TPE (Optuna)": functools.partial(ours, optuna.samplers.TPESampler),
        }
        for who, run in contestants.items():
            jax.clear_caches()
            _plan.KEPT.clear()
            values, seconds = [], []
            for number in range(at(5, 1)):
                begin = time.perf_counter()
                values.append(run(number))
                seconds.append(time.perf_counter() - begin)
            rows.append(
                {
                    "function": name,
                    "evaluations": f"{evaluations // at_once} × {at_once}",
                    "": who,
                    "best": cell(values),
                    "s, the first": seconds[0],
                    "s, later": median(seconds[1:] or seconds),
                }
            )
            print(rows[-1], flush=True)
    return rows


def compare_populations() -> list[dict[str, object]]:
    """A population beside the same members with nobody replaced: random search with as many steps."""
    rows = []
    for name, problem in problems().items():
        steps = problem.steps * at(3, 1)
        maximize = problem.task.maximize
        best: dict[str, list[float]] = {"random search": [], "population": []}
        for number in range(KEYS):
            members = ch5jax.sample(problem.factory, MEMBERS, method="random", seed=number, **problem.space)
            for who, fraction in zip(best, (0.0, 0.2), strict=True):
                found = ch5jax.evolve(
                    problem.task,
                    members,
                    steps=steps,
                    every=steps // EXPLOITS,
                    key=jax.random.key(number),
                    fraction=fraction,
                )
                best[who].append(float(found.scores[-1, found.best()]))
        better = [
            (p > r) if maximize else (p < r) for p, r in zip(best["population"], best["random search"], strict=True)
        ]
        rows.append(
            {
                "task": name,
                "score": problem.task.objective,
                "budget": f"{MEMBERS} × {steps} steps",
                **{who: cell(values) for who, values in best.items()},
                "population better": f"{sum(better)} of {KEYS}",
            }
        )
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    for name, rows in (
        ("search_overhead", overhead()),
        ("search_population", compare_populations()),
        ("search", compare_samplers()),
        ("search_peers", beside_hyperoptax()),
    ):
        save(name, {"rows": rows})
        print(table(rows))


if __name__ == "__main__":
    main()
