"""A search small enough to run many times."""

import warnings

import jax
import optuna
import sqlalchemy

import ch5jax

optuna.logging.set_verbosity(optuna.logging.WARNING)  # which says a line for each trial
KEY = jax.random.key(7)
TASK = ch5jax.tasks.surface(ch5jax.problems.beale(), noise=0.1)
RATES = ch5jax.log(1e-5, 0.01)  # at which none is lost


def study_in(folder=None, **changes):
    """A study in an SQLite file, made or opened; in memory without a folder."""
    at_once = {"poolclass": sqlalchemy.pool.NullPool}  # connections are closed, not kept until the process ends
    url = f"sqlite:///{folder / 'study.db'}" if folder else None
    storage = url and optuna.storages.RDBStorage(url, engine_kwargs=at_once)
    return optuna.create_study(storage=storage, study_name="small", load_if_exists=True, **changes)


def run(study, task=TASK, factory=ch5jax.sgd, **changes):
    """The small search, with some arguments changed."""
    arguments = {"count": 12, "per_round": 4, "steps": 20, "key": KEY, "seeds": 2, "sampler": tpe, **changes}
    if not {"learning_rate", "rate"} & arguments.keys():
        arguments["learning_rate"] = RATES
    return ch5jax.search(task, factory, study, **arguments)


def tpe(seed):
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=4)


def qmc(seed):
    del seed  # without scrambling there is nothing to seed but the first round
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.QMCSampler(seed=0, warn_independent_sampling=False)


def cma_es(seed):
    return optuna.samplers.CmaEsSampler(seed=seed, n_startup_trials=4, warn_independent_sampling=False)


def gp(seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.GPSampler(seed=seed, n_startup_trials=4)


def told(study):
    """What a study knows of each trial, but for when it was."""
    return [(t.number, t.state.name, t.params, t.value, t.user_attrs) for t in study.trials]
