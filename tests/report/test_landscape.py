import jax
import numpy as np
import pytest

import ch5jax
from ch5jax import report
from ch5jax.report._landscape import _filters

pytestmark = pytest.mark.usefixtures("module_compiled_quickly")
BEALE = ch5jax.problems.beale()


@pytest.fixture(scope="module")
def beale():
    task = ch5jax.tasks.surface(BEALE)
    opts = ch5jax.grid(ch5jax.adam, learning_rate=[0.05])
    return ch5jax.sweep(task, opts, steps=90, key=jax.random.key(0)).trial(0)


def test_of_two_parameters_the_plane_is_all_and_the_loss_is_the_function(beale):
    found = report.landscape(beale, points=7)
    end = np.asarray(beale.params)
    assert found.explained == pytest.approx(1)
    assert (found.steps[0], found.steps[-1]) == (0, 90)
    away = np.linalg.norm(found.path, axis=1)  # lengths stay what they are in a plane that is turned
    assert away[0] == pytest.approx(np.linalg.norm(BEALE.start - end), rel=1e-5)
    assert found.path[-1] == pytest.approx(0, abs=1e-6)
    assert found.path_loss[0] == pytest.approx(14.203125)
    turned = np.linalg.svd(ways(beale) - end, full_matrices=False)[2]
    for i, j in ((0, 0), (3, 5), (6, 2)):
        point = end + found.x[j] * turned[0] + found.y[i] * turned[1]
        assert found.loss[i, j] == pytest.approx(float(BEALE.function(point)), rel=1e-3)


def ways(trial):
    """Where a loop over Adam is at each place of the landscape's way."""
    found = report.descents(BEALE, {"adam": trial.hyperparameters}, steps=90)
    return found.paths["adam"]  # 90 steps in 60 places are one each


def test_the_way_is_that_of_the_trial_and_lies_within_the_grid():
    opts = ch5jax.grid(ch5jax.adam, learning_rate=[0.01])
    result = ch5jax.sweep(ch5jax.tasks.digits(hidden=(4,)), opts, steps=65, key=jax.random.key(0))
    found = report.landscape(result.trial(0), points=5)
    assert found.steps.tolist() == list(range(66))
    assert found.explained > 0.8
    for side, column in ((found.x, found.path[:, 0]), (found.y, found.path[:, 1])):
        assert side[0] < column.min() <= 0 <= column.max() < side[-1]
    drawn = report.landscape(result.trial(0), points=5, directions="random")
    assert drawn.x.tolist() == drawn.y.tolist() == [-1, -0.5, 0, 0.5, 1]
    assert drawn.loss[2, 2] == pytest.approx(drawn.path_loss[-1], rel=1e-5)
    assert drawn.explained < 0.1


def test_random_directions_have_the_filters_lengths_and_leave_vectors_alone():
    params = [{"kernel": jax.numpy.ones((3, 2)) * jax.numpy.array([1.0, 5.0]), "bias": jax.numpy.ones(2)}]
    for direction in _filters(jax.random.key(1), params):
        bias, kernel = direction[:2], direction[2:].reshape(3, 2)
        assert bias.tolist() == [0, 0]
        assert np.linalg.norm(kernel, axis=0) == pytest.approx(np.sqrt(3) * np.array([1, 5]), rel=1e-5)


def test_what_cannot_be_drawn_is_refused(beale):
    for options, words in (({"points": 4}, "from 5 to 401"), ({"directions": "up"}, "'path' or 'random'")):
        with pytest.raises(ValueError, match=words):
            report.landscape(beale, **options)
    blind = ch5jax.sweep(
        ch5jax.tasks.surface(BEALE)._replace(params=None, loss=None),
        ch5jax.grid(ch5jax.sgd, learning_rate=[0.001]),
        steps=5,
        key=jax.random.key(0),
    )
    with pytest.raises(ValueError, match="its parameters and loss"):
        report.landscape(blind.trial(0))


def test_its_page_has_the_training_and_its_plane(beale, tmp_path):
    page = report.write_landscape(report.landscape(beale, points=5), tmp_path / "loss.html", title="Adam's way")
    text = page.read_text()
    assert "<title>Adam&#39;s way</title>" in text
    assert "100 % of the way&#39;s variation lies in it. It went from 14.2 to" in text
    assert "known minimum" not in text
