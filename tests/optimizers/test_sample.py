"""Settings drawn from a space, against what an even draw has to be."""

import functools
import math

import jax
import numpy as np
import optax
import pytest

import ch5jax
from tests.sweeps.small import KEY, TASK


def drawn(scale, count=64, **options):
    return ch5jax.sample(dict, count, x=scale, **options)["x"]


@pytest.mark.parametrize("count", [1, 2, 8, 64])
@pytest.mark.parametrize("seed", [0, 7])
def test_sobols_settings_fill_every_scale_evenly(count, seed):
    """Of 2ᵐ settings there is one in each 2ᵐ-th part of the scale, of each argument."""
    space = {"a": ch5jax.linear(-2.0, 6.0), "b": ch5jax.log(1e-4, 10.0), "c": ch5jax.linear(0.8, 0.99)}
    found = ch5jax.sample(dict, count, seed=seed, **space)
    places = {
        "a": (found["a"] + 2) / 8,
        "b": np.log10(found["b"] / 1e-4) / 5,
        "c": (found["c"] - 0.8) / 0.19,
    }
    for values in places.values():
        assert sorted(np.floor(values * count).astype(int)) == [*range(count)]


def test_sobols_settings_fill_a_plane_more_evenly_than_random_ones():
    """The greatest distance of a point of the plane from its nearest setting."""
    points = np.stack(np.meshgrid(*[np.linspace(0, 1, 50)] * 2), axis=-1).reshape(-1, 2)

    def hole(method, seed):
        both = ch5jax.sample(dict, 64, method=method, seed=seed, x=ch5jax.linear(0, 1), y=ch5jax.linear(0, 1))
        settings = np.stack([both["x"], both["y"]], axis=-1)
        return np.linalg.norm(points[:, None] - settings, axis=-1).min(axis=1).max()

    holes = {method: np.mean([hole(method, seed) for seed in range(10)]) for method in ("sobol", "random")}
    assert holes["sobol"] < 0.8 * holes["random"]


@pytest.mark.parametrize("method", ["sobol", "random"])
def test_a_longer_draw_begins_with_the_shorter_one_and_another_seed_is_another(method):
    few, many = (drawn(ch5jax.log(1e-3, 1.0), count, method=method) for count in (5, 100))
    np.testing.assert_array_equal(few, many[:5])
    assert not np.array_equal(few, drawn(ch5jax.log(1e-3, 1.0), 5, method=method, seed=1))
    assert np.array_equal(few, drawn(ch5jax.log(1e-3, 1.0), 5, method=method))


def test_random_settings_are_even_in_their_scale():
    """Kolmogorov's distance of 4,000 draws is under 0.026 but for one time in a hundred."""
    for scale, place in (
        (ch5jax.linear(3.0, 5.0), lambda x: (x - 3) / 2),
        (ch5jax.log(1e-5, 1e-1), lambda x: 1 + np.log10(x / 1e-1) / 4),
    ):
        found = np.sort(place(drawn(scale, 4000, method="random")))
        assert np.abs(found - (np.arange(4000) + 0.5) / 4000).max() < 0.026


def test_every_whole_number_is_as_likely_as_the_others():
    counts = np.bincount(drawn(ch5jax.integer(1, 8), 512))
    assert counts.tolist() == [0, *[64] * 8]
    assert drawn(ch5jax.integer(-3, 4), 8).dtype == np.int64
    on_log = np.bincount(drawn(ch5jax.integer(1, 15, log=True), 2**14), minlength=16)[1:] / 2**14
    expected = np.diff(np.log(np.arange(1, 17) - 0.5)) / (math.log(15.5) - math.log(0.5))
    np.testing.assert_allclose(on_log, expected, atol=2e-3)


def test_ends_belong_to_the_scale_and_nothing_lies_beyond():
    for scale in (ch5jax.linear(0.1, 0.3), ch5jax.log(1e-30, 1e30), ch5jax.integer(2**52 - 3, 2**52)):
        values = scale.at(np.array([0.0, 0.5, np.nextafter(1.0, 0)]))
        assert scale.low <= values.min() * (1 + 1e-12)
        assert values.max() <= scale.high * (1 + 1e-12)
    assert ch5jax.integer(1, 3).at(np.array([0.0, np.nextafter(1.0, 0)])).tolist() == [1, 3]


def test_a_list_of_numbers_is_drawn_from_and_what_is_one_value_is_shared():
    opts = ch5jax.sample(ch5jax.adam, 12, learning_rate=[0.1, 0.2, 0.4], b1=np.array([0.8, 0.9]), b2=0.99)
    assert {*opts.learning_rate.tolist()} == {0.1, 0.2, 0.4}
    assert np.bincount((10 * opts.b1).round().astype(int))[8:].sum() == 12
    assert opts.b2.tolist() == [0.99] * 12


def test_what_differs_in_structure_makes_groups_and_together_they_are_as_many():
    space = {"learning_rate": ch5jax.log(1e-3, 1.0), "bias_correction": [True, False]}
    found = ch5jax.sample(ch5jax.adam, 16, **space)
    assert [*found] == ["bias_correction=True", "bias_correction=False"]
    assert [len(opts.learning_rate) for opts in found.values()] == [8, 8]
    together = np.concatenate([opts.learning_rate for opts in found.values()])
    assert sorted(np.floor(np.log10(together / 1e-3) / 3 * 16).astype(int)) == [*range(16)]
    # what nothing was drawn of is no group
    assert len(ch5jax.sample(ch5jax.adam, 1, **space)) == 1
    result = ch5jax.sweep(TASK, found, steps=2, key=KEY)
    assert result.groups == ("bias_correction=True", "bias_correction=False")
    assert result.columns["learning_rate"].tolist() == together.tolist()


def test_any_pytree_and_any_optax_factory():
    def factory(rate, scale, decay):
        return {
            "optimizer": ch5jax.lift(optax.adamw, learning_rate=rate, weight_decay=decay),
            "initial_scale": scale,
        }

    space = {"rate": ch5jax.log(1e-4, 1.0), "scale": ch5jax.linear(0.5, 2.0), "decay": ch5jax.log(1e-6, 1e-2)}
    found = ch5jax.sample(factory, 4, **space)
    assert {leaf.shape for leaf in jax.tree.leaves(found)} == {(4,)}
    result = ch5jax.sweep(TASK, found, steps=2, key=KEY)
    assert result.columns["optimizer.weight_decay"].tolist() == found["optimizer"].weight_decay.tolist()
    adamw = functools.partial(ch5jax.lift, optax.adamw)
    assert ch5jax.sample(adamw, 3, learning_rate=ch5jax.log(1e-4, 1.0)).learning_rate.shape == (3,)


RATE = {"learning_rate": ch5jax.log(1e-3, 1.0)}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ch5jax.linear(1.0, 1.0), "low must be less than high, got 1 and 1"),
        (lambda: ch5jax.linear(2.0, 1.0), "low must be less than high"),
        (lambda: ch5jax.linear(0.0, math.inf), "high must be a finite number, got inf"),
        (lambda: ch5jax.linear(math.nan, 1.0), "low must be a finite number"),
        (lambda: ch5jax.linear("0", 1.0), "low must be a finite number, got '0'"),
        (lambda: ch5jax.log(0.0, 1.0), "low must be above 0 on a log scale, got 0"),
        (lambda: ch5jax.log(-1.0, 1.0), "low must be above 0"),
        (lambda: ch5jax.integer(1, 2.5), "high must be a whole number"),
        (lambda: ch5jax.integer(True, 2), "low must be a whole number"),
        (lambda: ch5jax.integer(0, 2**60), "at most 52 bits"),
        (lambda: ch5jax.integer(0, 4, log=True), "low must be above 0"),
        (lambda: ch5jax.sample(ch5jax.sgd, 0, **RATE), "count must be a positive integer, got 0"),
        (lambda: ch5jax.sample(ch5jax.sgd, 2.5, **RATE), "count must be a positive integer"),
        (lambda: ch5jax.sample(ch5jax.sgd, 4, method="tpe", **RATE), "method must be among sobol, random, got 'tpe'"),
        (lambda: ch5jax.sample(ch5jax.sgd, 4, seed=-1, **RATE), "seed must be an integer from 0 on"),
        (lambda: ch5jax.sample(ch5jax.sgd, 4, learning_rate=0.1), "needs a scale or a list to draw from"),
        (lambda: ch5jax.sample(ch5jax.sgd, 4), "needs a scale or a list"),
        (lambda: ch5jax.sample(ch5jax.sgd, 4, learning_rate=[]), "learning_rate must have at least one value"),
        (lambda: ch5jax.sample(ch5jax.sgd, 4, learning_rate=ch5jax.linear(-1.0, 1.0)), "learning_rate"),
        (lambda: ch5jax.sample(ch5jax.sgd, 10**13, **RATE), "memory|settings"),
    ],
)
def test_bad_spaces_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_draw_is_of_the_host_with_all_its_digits():
    found = drawn(ch5jax.log(1e-4, 1.0))
    assert found.dtype == np.float64
    assert not isinstance(found, jax.Array)
