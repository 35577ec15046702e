"""MLflow: a run for the sweep, and nested in it a run for each trial."""

import hashlib
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ch5jax._extras import require
from ch5jax.exports._environment import environment
from ch5jax.exports._names import as_markdown, cut
from ch5jax.exports._runs import Exported, Progress, Run, Runs, runs_of
from ch5jax.sweeps import SweepResult

_PARAM, _TAG = 6_000, 8_000  # signs of a value
_MARK = "ch5jax.sweep"  # the tag of a sweep's run; its value stands for the sweep's name


def to_mlflow(
    result: SweepResult,
    *,
    experiment: str,
    name: str,
    tracking_uri: str | None = None,
    trials: Sequence[int] | None = None,
    signals: bool = True,
    replace: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Writes a sweep to MLflow: a run for the sweep, and nested in it a run for each trial.

    A trial's run has group, hyperparameters and seed as params, its curves as metrics with their steps, verdict,
    difficulties and remedy as tags, and what it met, in words, as its description; its status is FAILED where it
    diverged. The sweep's run has the best of its objective. Signs that MLflow refuses in names become `_`.

    Args:
      result: the sweep.
      experiment: the experiment's name; it is made if there is none.
      name: the sweep's name there.
      tracking_uri: where to, such as `sqlite:///mlflow.db` or a server's address; by default MLflow's own setting.
      trials: their numbers; by default all, of a sweep of at most `exports.LIMIT`.
      signals: whether the signals of the difficulties are written too, as `signals/noise`.
      replace: whether a sweep of this name in the experiment is deleted first, as MLflow deletes: it can be restored.
      progress: called with how many trials are written, and of how many.

    Returns:
      `Exported`: how many, where, and which names MLflow does not take as they are.

    Raises:
      ImportError: without MLflow (`ch5jax[mlflow]`).
      ValueError: if the experiment has a sweep of this name, a name is empty, trials are none of the sweep's, or there
        are more than `exports.LIMIT` and none are named.
      OSError: if MLflow refuses, or cannot be reached.

    Example:
      >>> import ch5jax, ch5jax.exports, jax, tempfile
      >>> task, opts = ch5jax.tasks.digits(hidden=()), ch5jax.grid(ch5jax.sgd, learning_rate=[0.1, 1.0])
      >>> result = ch5jax.sweep(task, opts, steps=10, key=jax.random.key(0))
      >>> store = f"sqlite:///{tempfile.mkdtemp()}/mlflow.db"
      >>> ch5jax.exports.to_mlflow(result, experiment="digits", name="two rates", tracking_uri=store).runs
      2
    """
    for what, text in (("experiment", experiment), ("name", name)):
        if not text.strip():
            raise ValueError(f"{what} must be a name, got {text!r}")
    runs = runs_of(result, trials, signals, _clean)
    with environment(MLFLOW_DISABLE_TELEMETRY="true"):
        mlflow = require("mlflow", "mlflow", "to_mlflow")
        with _refusals(mlflow):
            client = mlflow.MlflowClient(tracking_uri=tracking_uri)
            place = re.sub(r"//[^/@]*@", "//", tracking_uri or mlflow.get_tracking_uri())  # without a password
            _write(mlflow, client, _experiment(client, cut(experiment, 500)), cut(name, 200), runs, replace, progress)
    return Exported(len(runs.trials), place, runs.renamed)


def _write(
    mlflow: Any, client: Any, experiment: str, name: str, runs: Runs, replace: bool, progress: Progress | None
) -> None:
    mark = hashlib.sha256(name.encode()).hexdigest()[:32]
    earlier = list(_found(client, experiment, f"tags.`{_MARK}` = '{mark}'"))
    if earlier and not replace:
        raise ValueError(
            f"the experiment has a sweep {name!r} already, as run {earlier[0]}: take another name, or replace=True, "
            "which deletes it"
        )
    for sweep in earlier:
        for child in list(_found(client, experiment, f"tags.mlflow.parentRunId = '{sweep}'")):
            client.delete_run(child)
        client.delete_run(sweep)
    about = {_MARK: mark, "objective": runs.objective, "trials": f"{len(runs.trials)} of {len(runs.result)}"}
    if runs.renamed:
        lines = (f"{cut(old, 200)} is called {new}" for old, new in runs.renamed.items())
        about["mlflow.note.content"] = _shortened(as_markdown("\n".join(lines)))
    with _started(client, experiment, name, about) as parent:
        for done, run in enumerate(runs, 1):
            _write_trial(mlflow, client, experiment, parent, run)
            if progress is not None:
                progress(done, len(runs.trials))
        best = runs.score(int(runs.result.ranking()[0]))
        client.log_metric(parent, runs.objective, best)
        client.set_terminated(parent, "FINISHED")


def _write_trial(mlflow: Any, client: Any, experiment: str, parent: str, run: Run) -> None:
    tags = {"mlflow.parentRunId": parent, "trial": str(run.number), **run.words}
    if run.diagnosis:
        tags["mlflow.note.content"] = _shortened(as_markdown(run.diagnosis))
    now, metric = int(time.time() * 1000), mlflow.entities.Metric
    metrics = [
        metric(name, value, now, step)
        for name, course in run.courses.items()
        for step, value in zip(course.steps.tolist(), map(float, course.values), strict=True)
    ]
    last = max((int(course.steps[-1]) for course in run.courses.values()), default=0)
    metrics += [metric(name, value, now, last) for name, value in run.scores.items()]
    params = [mlflow.entities.Param(name, cut(str(value), _PARAM)) for name, value in run.settings.items()]
    with _started(client, experiment, run.name, tags) as number:
        client.log_batch(number, metrics, params)  # in as many requests as MLflow wants it in
        client.set_terminated(number, "FAILED" if run.diverged else "FINISHED")


@contextmanager
def _started(client: Any, experiment: str, name: str, tags: dict[str, str]) -> Iterator[str]:
    """A new run, which has been killed where something stops what is done inside."""
    run = client.create_run(experiment, run_name=name, tags=tags).info.run_id
    try:
        yield run
    except BaseException:
        client.set_terminated(run, "KILLED")
        raise


def _shortened(text: str) -> str:
    return text if len(text) <= _TAG else f"{text[: _TAG - 2]} …"


def _experiment(client: Any, name: str) -> str:
    """The experiment's number, made if there is none of this name."""
    found = client.get_experiment_by_name(name)
    return client.create_experiment(name) if found is None else found.experiment_id


def _found(client: Any, experiment: str, filter_string: str) -> Iterator[str]:
    """All runs of an experiment that are so."""
    token = None
    while True:
        page = client.search_runs([experiment], filter_string, max_results=1000, page_token=token)
        yield from (run.info.run_id for run in page)
        if not (token := page.token):
            return


@contextmanager
def _refusals(mlflow: Any) -> Iterator[None]:
    try:
        yield
    except mlflow.exceptions.MlflowException as error:
        raise OSError(f"MLflow: {error.message}") from error


def _clean(name: str) -> str:
    """Letters, digits and _ . - space / alone; as the path of a file, it must be no other's."""
    parts = re.sub(r"[^\w./ -]", "_", name).split("/")
    return "/".join(part for part in parts if part.strip(".")).lstrip(".")
