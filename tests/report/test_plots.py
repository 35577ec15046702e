"""`result.plot`: the page's figures one by one."""

import numpy as np
import pytest

from tests.report.results import accuracies, made

GROUPS = {"adam": ("learning_rate", "kind"), "sgd": ("learning_rate", "kind")}


@pytest.fixture(scope="module")
def result():
    rows = accuracies("adam") + accuracies("sgd", values=(0.3, 0.4, 0.93, 0.5, 0.1))
    for i, row in enumerate(rows):
        row |= {"kind": "<b>a" if i % 2 else "c", "verdict": "slow", "difficulties": "slow", "remedy": ""}
    rows[29] |= {"diverged_at": 50, "validation_accuracy": np.nan}
    return made(rows, GROUPS)


def test_every_figure_is_plotlys_and_has_marks(result):
    for name in ("score", "effort", "importance", "parallel", "curves", "difficulties"):
        assert f"{name}(" in repr(result.plot)
        figure = getattr(result.plot, name)()
        assert type(figure).__module__ == "plotly.graph_objs._figure"
        assert figure.data
        assert figure.layout.title.text


def test_curves_are_those_of_the_best_setting(result):
    for name, kind in (("loss", "metrics"), (None, "evaluations")):
        figure = result.plot.curves(name)
        best = [i for i, row in enumerate(accuracies()) if row["learning_rate"] == 0.1 and i % 2 == 0]
        metric = name or "validation_accuracy"
        (line,) = [trace for trace in figure.data if trace.name == "adam"]
        expected = getattr(result.curves["adam"], kind)[metric][best].mean(axis=0)
        assert list(line.y) == pytest.approx(expected.tolist(), rel=1e-5)
    with pytest.raises(ValueError, match="metric must be loss or validation_accuracy, got 'test'"):
        result.plot.curves("test")


def test_a_heat_map_has_the_best_or_the_median_of_each_cell(result):
    score, rates = result.columns["validation_accuracy"], result.columns["learning_rate"]
    for median in (False, True):
        (heat,) = result.plot.heat("learning_rate", "group", median=median).data
        assert len(heat.x) == 6  # edges
        for row, group in enumerate(("adam", "sgd")):
            for column, rate in enumerate(np.unique(rates)):
                inside = score[(result.columns["group"] == group) & (rates == rate) & np.isfinite(score)]
                expected = np.median(inside) if median else inside.max()
                assert heat.z[row][column] == pytest.approx(expected, rel=1e-5)
                assert heat.x[column] < rate < heat.x[column + 1]
    figure = result.plot.heat("kind", "learning_rate")
    assert figure.layout.xaxis.ticktext == ("&lt;b&gt;a", "c")
    with pytest.raises(ValueError, match="x must be a column of the table"):
        result.plot.heat("nothing", "group")


def test_parallel_coordinates_have_a_line_for_every_trial(result):
    (lines,) = result.plot.parallel().data
    assert [side.label for side in lines.dimensions] == ["group", "learning rate", "kind", "validation accuracy"]
    assert all(len(side["values"]) == 30 for side in lines.dimensions)
    assert np.isfinite(lines.dimensions[-1]["values"]).all()  # one that diverged is drawn at the bottom


def test_what_a_sweep_has_not_is_said():
    one = made([row | {"learning_rate": 0.1} for row in accuracies()], {"sgd": ("learning_rate",)})
    for name in ("effort", "importance", "difficulties"):
        with pytest.raises(ValueError, match=f"plot.{name} needs what this sweep has not"):
            getattr(one.plot, name)()
