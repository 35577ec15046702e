"""Section 5.1.1: the best point before the optimum, against the descent's linear map in NumPy on other data sets."""

import numpy as np


def errors_in_expectation(rng, examples, sigma, steps, dimensions=40, rate=0.25, sets=60):
    """Those of w_t = W_t X'y/n with W ← W + rate (I − X'X/n W), over the weights and the noise, after each step."""
    total = np.zeros(steps)
    for _ in range(sets):
        x = rng.normal(size=(examples, dimensions))
        moments, w = x.T @ x / examples, np.zeros((dimensions, dimensions))
        for t in range(steps):
            w = w + rate * (np.eye(dimensions) - moments @ w)
            bias = np.sum((w @ moments - np.eye(dimensions)) ** 2) / dimensions
            total[t] += bias + sigma**2 / examples * np.trace(w @ moments @ w.T)
    return total / sets


def test_the_best_point_comes_before_the_optimum_where_there_is_noise_to_learn(chapter):
    found, rng = chapter("5_1_1_generalisation"), np.random.default_rng(1)
    measured, predicted, optima = found["measured"], found["predicted"], found["optima"]

    # few examples with noise: the least error, and when, are those of other data sets; the optimum's is 3 × as high
    exact = errors_in_expectation(rng, 50, 0.5, 60)
    np.testing.assert_allclose(measured[0, :60], exact, rtol=0.12)
    np.testing.assert_allclose(predicted[0], measured[0], rtol=0.12)
    assert abs(found["best_steps"][0] - (exact.argmin() + 1)) <= 2
    assert abs(found["best_steps_predicted"][0] - (exact.argmin() + 1)) <= 1
    np.testing.assert_allclose(optima[:2], [0.25 * 40 / 9, 0.25 * 40 / 359], rtol=0.15)
    assert optima[0] > 2.7 * measured[0].min()
    assert found["better"][0] == 1

    # no method is better than Bayes' rule, and the best step comes close to it
    assert 1 < measured[0].min() / found["bayes"][0] < 1.15

    # ten times the examples: next to nothing is to be had. No noise: nothing, the error falls to the end
    assert 1 < optima[1] / measured[1].min() < 1.06
    assert (np.diff(measured[2]) < 0).mean() > 0.99
    assert optima[2] < measured[2].min() < 1e-5
    assert found["better"][2] == 0

    # the network: with wrong labels the validation loss is least before the training loss, and the test part agrees
    courses, there, chosen, lowest = (found[name] for name in ("courses", "there", "chosen", "lowest"))
    end = {name: course[..., -1] for name, course in courses.items()}
    for case in (0, 2):
        assert (chosen[case] < lowest[case]).all()
        assert (there["training_loss"][case] > end["training_loss"][case]).all()
        assert (there["test_loss"][case] < end["test_loss"][case]).mean() >= 0.8
        assert there["test_accuracy"][case].mean() > end["test_accuracy"][case].mean() + 0.02
    assert end["test_loss"][0].mean() > 1.5 * there["test_loss"][0].mean()

    # without any, with all examples, the end is as good
    assert abs(end["test_loss"][3].mean() / there["test_loss"][3].mean() - 1) < 0.15
    assert abs(end["test_accuracy"][1:4:2] - there["test_accuracy"][1:4:2]).mean() < 0.01
