"""TensorBoard reads what was written: its own accumulator the scalars, the HParams tab's own backend the table."""

import dataclasses
import html
import json
import re
import threading
import warnings

import numpy as np
import pytest
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins import base_plugin
from werkzeug.test import Client

from ch5jax.exports import to_tensorboard
from ch5jax.exports._names import as_markdown
from ch5jax.report import visible
from tests.exports.sweeps import METRICS, SETTINGS, hostile
from tests.report.hostile import HOSTILE
from tests.report.results import accuracies, made

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "html5lib's sanitizer is deprecated", DeprecationWarning)  # which it brings along
    from tensorboard.plugin_util import markdown_to_safe_html
    from tensorboard.plugins.hparams.hparams_plugin import HParamsPlugin

STATUSES = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]


def tab(folder, **asked):
    """The columns and rows that the HParams tab gets from its own backend, by the requests that it makes."""
    runs = plugin_event_multiplexer.EventMultiplexer()
    runs.AddRunsFromDirectory(str(folder))
    runs.Reload()
    provider = data_provider.MultiplexerDataProvider(runs, str(folder))
    apps = HParamsPlugin(base_plugin.TBContext(data_provider=provider)).get_plugin_apps()

    def got(route, request):
        answer = Client(apps[route]).post("/", data=json.dumps(request), content_type="application/json")
        assert answer.status_code == 200, answer.text
        return json.loads(answer.text)

    rows = got("/session_groups", {"startIndex": 0, "sliceSize": 100, "allowedStatuses": STATUSES, **asked})
    return got("/experiment", {}), rows["sessionGroups"]


def runs_in(folder):
    return sorted(path for path in folder.iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def written(result, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tensorboard")
    done = []
    exported = to_tensorboard(result, folder, progress=lambda *at: done.append(at))
    assert (exported.runs, exported.place, exported.renamed) == (6, str(folder), {})
    assert done == [(i, 6) for i in range(1, 7)]
    return folder


@pytest.mark.smoke
def test_the_hparams_tab_shows_every_trial(result, written):
    experiment, rows = tab(written)
    columns = {info["name"]: info for info in experiment["hparamInfos"]}
    assert set(columns) == {"group", "learning_rate", "b1", "b2", "eps", "seed", "verdict", "difficulties", "remedy"}
    assert columns["group"]["domainDiscrete"] == ["a/b", "adam"]
    assert columns["learning_rate"]["domainDiscrete"] == [0.1, 1e30]
    metrics = [info["name"]["tag"] for info in experiment["metricInfos"]]
    assert metrics[0] == "validation_accuracy"
    assert {"loss", "test_loss", "best_validation_accuracy", "best_step", "steps_trained", "diverged_at"} <= set(
        metrics
    )
    assert [row["name"] for row in rows] == [f"000{i} {group}" for i, group in enumerate(result.columns["group"])]
    for i, row in enumerate(rows):
        for name, shown in row["hparams"].items():
            assert shown == result.columns[name][i]
        assert ("b1" in row["hparams"]) == (result.columns["group"][i] == "adam")
        (session,) = row["sessions"]
        assert session["status"] == ("STATUS_FAILURE" if result.columns["diverged_at"][i] >= 0 else "STATUS_SUCCESS")
        values = {one["name"]["tag"]: float(one["value"]) for one in session["metricValues"]}
        for name in set(metrics) - {"diverged_at", "best_validation_accuracy"}:
            assert np.array_equal(values[name], np.float32(result.columns[name][i]), equal_nan=True)


def test_the_hparams_tab_filters_and_sorts(result, written):
    best = {"metric": {"tag": "validation_accuracy"}, "order": "ORDER_DESC"}
    only = {"hparam": "verdict", "filterRegexp": "diverged"}
    below = {"hparam": "learning_rate", "filterInterval": {"minValue": 0, "maxValue": 1}}
    found = [row["name"][:4] for row in tab(written, colParams=[best])[1]]
    assert found[0] == f"{result.ranking()[0]:04d}"
    assert len(tab(written, colParams=[only])[1]) == 2
    assert len(tab(written, colParams=[below])[1]) == 4
    assert len(tab(written, allowedStatuses=["STATUS_SUCCESS"])[1]) == 4


def test_many_values_are_an_interval_and_without_signals_there_is_no_verdict(tmp_path):
    rates = np.geomspace(0.001, 1, 20)
    sweep = made(accuracies(values=np.linspace(0.1, 0.9, 20), rates=rates, seeds=1), {"sgd": ("learning_rate",)})
    sweep = dataclasses.replace(sweep, _diagnoses=())
    to_tensorboard(sweep, tmp_path)
    experiment, rows = tab(tmp_path)
    columns = {info["name"]: info for info in experiment["hparamInfos"]}
    assert set(columns) == {"group", "learning_rate", "seed"}
    assert columns["learning_rate"]["domainInterval"] == {"minValue": rates[0], "maxValue": rates[-1]}
    assert [row["hparams"]["learning_rate"] for row in rows] == rates.tolist()


def test_scalars_are_the_curves(result, written):
    for i, run in enumerate(runs_in(written)):
        read = EventAccumulator(str(run), size_guidance={"tensors": 0, "scalars": 0}).Reload()
        group, row = result.columns["group"][i], i % 4
        curves, last = result.curves[group], result.columns["steps_trained"][i]
        every = [
            (curves.steps, curves.metrics),
            (curves.evaluated_at, curves.evaluations),
            (curves.probed_at, {"signals/noise": curves.signals.noise}),
        ]
        for steps, metrics in every:
            for name, values in metrics.items():
                events = read.Scalars(name)
                assert [event.step for event in events] == steps[steps <= last].tolist()
                assert np.array_equal([event.value for event in events], values[row][steps <= last], equal_nan=True)
        (text,) = read.Tensors("diagnosis")
        shown = text.tensor_proto.string_val[0].decode()
        assert shown.startswith(str(result.diagnosis(i)).split(":")[0])


def test_an_export_is_replaced_only_if_asked_and_nothing_else_is_touched(result, tmp_path):
    before = set(threading.enumerate())
    to_tensorboard(result, tmp_path)
    mine = tmp_path / "0000-a-b" / "events.out.tfevents.1.mine"
    mine.write_bytes(b"")
    with pytest.raises(ValueError, match="has an export of a sweep already"):
        to_tensorboard(result, tmp_path, trials=[1])
    assert len(runs_in(tmp_path)) == 6
    to_tensorboard(result, tmp_path, trials=[1], replace=True, signals=False)
    assert [run.name for run in runs_in(tmp_path)] == ["0000-a-b", "0001-a-b"]
    assert [path.name for path in runs_in(tmp_path)[0].iterdir()] == [mine.name]
    read = EventAccumulator(str(runs_in(tmp_path)[1])).Reload()
    assert read.Tags()["scalars"]
    assert not [tag for tag in read.Tags()["scalars"] if tag.startswith("signals")]
    assert len(tab(tmp_path)[1]) == 1
    assert not set(threading.enumerate()) - before, "a writer's thread is left"


def test_hostile_names_stay_in_the_folder_and_are_shown(tmp_path):
    sweep = hostile()
    exported = to_tensorboard(sweep, tmp_path / "a" / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    runs = runs_in(tmp_path / "a" / "b")
    assert [run.name[:5] for run in runs] == ["0000-", "0001-", "0002-"]
    experiment, rows = tab(tmp_path / "a" / "b")
    assert len(experiment["hparamInfos"]) == len(SETTINGS) + 2
    assert len(rows) == 3
    # TensorBoard drops numbers that are not finite: such a column is of words
    assert [row["hparams"]["learning rate"] for row in rows] == ["0.5", "inf", "1.5"]
    assert [row["hparams"]["flag"] for row in rows] == [True, False, True]
    assert rows[2]["hparams"]["kind"] == "\\ud800"
    for i, run in enumerate(runs):
        read = EventAccumulator(str(run)).Reload()
        tags = set(read.Tags()["scalars"])
        for name in METRICS:
            tag = exported.renamed.get(name, name)
            assert tag in tags
            assert visible(tag) == tag
            ends = [event.value for event in read.Scalars(tag)]
            curves = sweep.curves[sweep.groups[i]]
            assert np.array_equal(ends, (curves.metrics | curves.evaluations)[name][0], equal_nan=True)


@pytest.mark.parametrize(
    "text", [*HOSTILE, "# a", "1. b", "- c", "a_b_c **d**", "| a | b |\n|---|---|", "http://a.b", "&lt;"]
)
def test_tensorboard_shows_words_as_text(text):
    page = markdown_to_safe_html(as_markdown(f"{text} {text}\n{text}"))
    assert set(re.findall(r"<(/?\w+)", page)) <= {"p", "/p"}, page
    shown = html.unescape(re.sub(r"</?p>", "", page))
    assert shown.split() == " ".join(map(visible, f"{text} {text}\n{text}".splitlines())).split()
