"""Verdicts from signals made by hand, each just under and just over its threshold."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ch5jax
from ch5jax.diagnostics import Curvature, Difficulty, Signals
from ch5jax.verdicts import NO_DIFFICULTY, PRECEDENCE, Thresholds, judge

D = Difficulty

pytestmark = pytest.mark.usefixtures("compiled_quickly")

PROBES = 40
AT = np.arange(10, 10 * PROBES + 10, 10)  # 400 steps
T = np.arange(PROBES)
FALLEN = 0.01 + 0.99 * np.exp(-T / 3.0)  # from 1 to 0.01, and long there
STUCK = 0.501 + 0.499 * np.exp(-T / 3.0)  # a little over half of the descent is left


def signals(**changed):
    """Those of a healthy run of two layers: a gradient that promises nothing more, without noise."""
    healthy = {
        "spike": np.ones(PROBES),
        "alternation": np.zeros(PROBES),
        "mean_loss": FALLEN,
        "first_loss": np.ones(PROBES),
        "lost_since": np.full(PROBES, -1, np.int32),
        "gradient_norm": np.full(PROBES, 1e-3),
        "noise": np.zeros(PROBES),
        "squared_norm": np.geomspace(0.1, 1e-6, PROBES),
        "update_norm": np.full(PROBES, 1e-4),
        "predicted_decrease": np.full(PROBES, 1e-7),
        "update_ratio": np.full((PROBES, 2), 1e-3),
        "duplicate_units": np.zeros((PROBES, 2), np.int32),
        "distance": 1 - np.exp(-T / 3.0),
        "layer_gradient_norms": np.ones((PROBES, 3)),
        "flat_units": np.full((PROBES, 2), 0.1),
    }
    made = {name: changed.get(name, value) for name, value in healthy.items()}
    return Signals(**{n: None if v is None else jnp.asarray(v, None) for n, v in made.items()})


def said(made, best=0.0, **options):
    verdict = judge(made, AT[: len(made.spike)] if made.spike is not None else AT, best=best, **options)
    return {d for d in D if d not in NO_DIFFICULTY and verdict.found[d]}, verdict


def rows(value, where, usual=0.0):
    """A value at some looks, the usual one elsewhere."""
    made = np.full(PROBES, usual)
    made[where] = value
    return made


def layers(first):
    return np.stack([np.broadcast_to(first, PROBES), np.ones(PROBES), np.ones(PROBES)], axis=1)


BOWL = Curvature(*(jnp.asarray(x) for x in (0.1, 2.0, 0, 5.0, 0.1)))
DOWN = BOWL._replace(smallest=jnp.asarray(-0.5))


def test_a_healthy_run_is_accused_of_nothing():
    for options in ({}, {"best": None}, {"curvature": BOWL}, {"curvature": DOWN}):
        found, verdict = said(signals(), **options)
        assert found == set(), options
        assert int(verdict.code) == D.HEALTHY
        assert verdict.found[D.HEALTHY]


@pytest.mark.parametrize(
    ("difficulty", "over", "under", "evidence"),
    [
        (
            D.VANISHING,
            {"layer_gradient_norms": layers(0.9e-3)},
            {"layer_gradient_norms": layers(1.1e-3)},
            (0.9e-3, 0, 10),
        ),
        (
            D.VANISHING,
            {"layer_gradient_norms": layers(rows(1e-4, slice(10, 31), 1.0))},
            {"layer_gradient_norms": layers(rows(1e-4, slice(10, 30), 1.0))},  # half of the probes are not most of them
            (1e-4, 0, 110),
        ),
        (D.EXPLODING, {"layer_gradient_norms": layers(1.1e3)}, {"layer_gradient_norms": layers(0.9e3)}, (1.1e3, 0, 10)),
        (
            D.SATURATED,
            {"flat_units": np.stack([rows(0.1, 0), rows(0.6, slice(20, 40))], axis=1)},
            {"flat_units": np.stack([rows(0.9, slice(0, 20)), rows(0.5, slice(20, 40))], axis=1)},  # it recovered
            (0.6, 1, 210),
        ),
        (
            D.SYMMETRY,
            {"duplicate_units": np.stack([rows(0, 0), rows(2, slice(5, 40))], axis=1).astype(np.int32)},
            {"duplicate_units": np.stack([rows(0, 0), rows(2, slice(5, 39))], axis=1).astype(np.int32)},
            (2, 1, 60),
        ),
        (
            D.CLIFF,
            {"spike": rows(11, 30, 1.0), "distance": np.cumsum(rows(6, 30, 1.0))},
            {"spike": rows(11, 30, 1.0), "distance": np.cumsum(rows(4, 30, 1.0))},  # clipped
            (11, -1, 310),
        ),
        (
            D.CLIFF,
            {"spike": rows(11, 30, 1.0), "distance": np.cumsum(rows(6, 30, 1.0))},
            {"spike": rows(9, 30, 1.0), "distance": np.cumsum(rows(6, 30, 1.0))},
            (11, -1, 310),
        ),
        (
            D.DIVERGED,
            {"lost_since": rows(345, slice(34, 40), -1).astype(np.int32)},
            {"lost_since": rows(345, slice(34, 39), -1).astype(np.int32)},  # it came back
            (np.nan, -1, 345),
        ),
    ],
)
def test_a_difficulty_is_found_over_its_threshold_and_not_under_it(difficulty, over, under, evidence):
    found, verdict = said(signals(mean_loss=STUCK, **over))
    assert found == {difficulty}
    assert int(verdict.code) == difficulty
    seen = verdict.of(difficulty)
    seen = tuple(map(float, (seen.strength, seen.where, seen.step)))
    np.testing.assert_allclose(seen, evidence, rtol=1e-6)
    assert difficulty not in said(signals(mean_loss=STUCK, **under))[0]


@pytest.mark.parametrize(
    ("difficulty", "looks"),
    [
        (D.VANISHING, {"layer_gradient_norms": layers(1e-4)}),
        (D.EXPLODING, {"layer_gradient_norms": layers(1e4)}),
        (D.SATURATED, {"flat_units": np.full((PROBES, 2), 0.9)}),
        (D.SYMMETRY, {"duplicate_units": np.full((PROBES, 2), 2, np.int32)}),
    ],
)
def test_a_run_that_got_where_it_could_is_not_accused_of_how_its_network_looks(difficulty, looks):
    assert said(signals(**looks))[0] == set()
    assert said(signals(**looks), best=None)[0] == set()  # it came all the way to 0
    assert said(signals(**looks, mean_loss=STUCK), best=None)[0] == {difficulty}
    assert said(signals(**looks, mean_loss=STUCK))[0] == {difficulty}


NOISY = {
    "mean_loss": STUCK,
    "noise": np.full(PROBES, 4.0),
    "squared_norm": np.full(PROBES, 0.1),
    "update_norm": rows(1e-4, 0, 1e-4),
}


@pytest.mark.parametrize(
    ("difficulty", "over", "options", "changes"),
    [
        (
            D.SADDLE,
            {"mean_loss": STUCK},
            {"curvature": DOWN},
            [
                {"mean_loss": FALLEN},  # nothing left
                {"curvature": BOWL._replace(smallest=jnp.asarray(-0.019))},  # −0.0095 of the largest
                {"squared_norm": np.full(PROBES, 1.3e-2)},  # ‖G‖²/2λ = 3.25e-3 of the descent
                {"curvature": None},
                {"best": None},
                {"mean_loss": 1 - T / 80},  # it falls
            ],
        ),
        (
            D.LOCAL_OPTIMUM,
            {"mean_loss": STUCK},
            {"curvature": BOWL},
            [
                {"mean_loss": FALLEN},
                {"best": 0.49},  # 2 % of the way to it is left
                {"curvature": BOWL._replace(smallest=jnp.asarray(0.019))},  # flat along its floor
                {"curvature": BOWL._replace(smallest=jnp.asarray(-0.019))},
                {"squared_norm": np.full(PROBES, 1.3e-2)},
                {"best": None},
                {"curvature": None},
            ],
        ),
        (
            D.NOISE,
            {**NOISY, "update_norm": np.full(PROBES, 1e-4)},  # α = 0.1: a lift of 0.1, a fifth of what is left
            {},
            [
                {"mean_loss": FALLEN},
                {"squared_norm": np.full(PROBES, 0.5)},  # eight batches
                {"update_norm": np.full(PROBES, 0.7e-4)},  # explains 14 % of what is left
                {"best": None},
            ],
        ),
        (
            D.OSCILLATING,
            {"mean_loss": STUCK, "predicted_decrease": np.full(PROBES, 1.1 / 400)},
            {},
            [
                {"mean_loss": FALLEN},
                {"predicted_decrease": np.full(PROBES, 0.9 / 400)},
                {"predicted_decrease": np.tile([-0.1, 0.106], PROBES // 2)},  # 1.2 on average, within its error
                {"best": None},
            ],
        ),
        (
            D.OSCILLATING,
            {"mean_loss": STUCK, "alternation": np.full(PROBES, 0.95)},
            {},
            [{"alternation": np.full(PROBES, 0.85)}, {"mean_loss": FALLEN}],
        ),
        (
            D.SLOW,
            {"mean_loss": 1 - 0.2 * T / PROBES},
            {},
            [
                {
                    "mean_loss": np.exp(-3.0 * T / PROBES)
                },  # three time constants: 0.2 times as fast as in the second quarter
                {"mean_loss": 1 - 0.05 * T / PROBES, "squared_norm": np.geomspace(1, 1e-3, PROBES)},  # it came to rest
                {"curvature": BOWL._replace(largest=jnp.asarray(20.0))},  # η λ = 2: the rate cannot be larger
            ],
        ),
        (
            D.SLOW,
            {"mean_loss": 1 - 0.05 * T / PROBES, "squared_norm": np.full(PROBES, 0.1)},  # it never got going
            {},
            [{"squared_norm": np.geomspace(1, 1e-3, PROBES)}, {"predicted_decrease": np.full(PROBES, 0.96 / 400)}],
        ),
    ],
)
def test_what_the_course_tells_needs_every_one_of_its_conditions(difficulty, over, options, changes):
    found, verdict = said(signals(**over), **options)
    assert found == {difficulty}
    assert not verdict.found[jnp.array(NO_DIFFICULTY)].any()
    assert int(verdict.step[difficulty]) == 400
    for change in changes:
        own = {name: value for name, value in change.items() if name in Signals._fields}
        other = {**options, **{name: value for name, value in change.items() if name not in own}}
        assert difficulty not in said(signals(**{**over, **own}), **other)[0], change


def test_every_threshold_is_an_argument_and_may_be_traced():
    made = signals(mean_loss=STUCK, flat_units=np.full((PROBES, 2), 0.6))
    assert said(made)[0] == {D.SATURATED}
    assert said(made, thresholds=Thresholds(flat_units=0.7))[0] == set()
    codes = jax.jit(jax.vmap(lambda limit: judge(made, AT, best=0.0, thresholds=Thresholds(flat_units=limit)).code))(
        jnp.array([0.5, 0.7])
    )
    assert codes.tolist() == [D.SATURATED, D.UNKNOWN]


def test_a_change_of_any_threshold_changes_some_verdict():
    made = signals(
        mean_loss=STUCK,
        layer_gradient_norms=layers(0.9e-3),
        flat_units=np.full((PROBES, 2), 0.6),
        spike=rows(11, 30, 1.0),
        distance=np.cumsum(rows(6, 30, 1.0)),
    )
    found = {D.VANISHING, D.SATURATED, D.CLIFF, D.SADDLE}
    assert said(made, curvature=DOWN)[0] == found
    for name, value in {
        "vanishing": 1e-4,
        "flat_units": 0.7,
        "spike": 12,
        "thrown": 7,
        "saddle": 0.3,
        "above": 0.6,
    }.items():
        assert not said(made, curvature=DOWN, thresholds=Thresholds()._replace(**{name: value}))[0] >= found, name


def test_what_counts_as_steep_and_as_stable_are_thresholds_too():
    slow = signals(mean_loss=1 - 0.05 * T / PROBES, squared_norm=np.geomspace(1, 0.02, PROBES))
    assert said(slow)[0] == {D.SLOW}
    assert said(slow, thresholds=Thresholds(steep=0.1))[0] == set()
    late_rate = BOWL._replace(largest=jnp.asarray(16.0))  # η λ / 2 = 0.8
    assert said(slow, curvature=late_rate)[0] == {D.SLOW}
    assert said(slow, curvature=late_rate, thresholds=Thresholds(stable=0.7))[0] == set()


def test_the_first_of_several_is_what_is_wrong_from_the_start():
    assert set(PRECEDENCE) == set(D)
    many = signals(layer_gradient_norms=layers(1e-4), flat_units=np.full((PROBES, 2), 0.9), mean_loss=STUCK)
    found, verdict = said(many, curvature=BOWL)
    assert found == {D.VANISHING, D.SATURATED, D.LOCAL_OPTIMUM}
    assert int(verdict.code) == D.SATURATED
    lost = many._replace(lost_since=jnp.full(PROBES, 7, jnp.int32))
    assert int(said(lost)[1].code) == D.DIVERGED


def test_small_steps_are_blamed_only_where_nothing_else_is():
    slow = {"mean_loss": 1 - 0.2 * T / PROBES}
    assert said(signals(**slow))[0] == {D.SLOW}
    assert said(signals(**slow, layer_gradient_norms=layers(1e-4)))[0] == {D.VANISHING}


def test_what_is_not_measured_is_not_found():
    nothing = Signals(mean_loss=jnp.asarray(STUCK), first_loss=jnp.ones(PROBES), alternation=jnp.full(PROBES, 0.95))
    found, verdict = said(nothing)
    assert found == {D.OSCILLATING}
    assert np.isnan(verdict.strength[D.VANISHING])
    assert int(verdict.where[D.SYMMETRY]) == int(verdict.step[D.CLIFF]) == -1
    few = jax.tree.map(lambda x: x[:7], signals(mean_loss=1 - 0.2 * T / PROBES))
    assert int(judge(few, AT[:7], best=0.0).code) == D.UNKNOWN  # no course in seven looks
    silent = signals()._replace(mean_loss=None, first_loss=None)
    assert int(said(silent)[1].code) == D.UNKNOWN


def test_a_cliff_without_distances_shows_in_the_loss():
    jumped = np.where(T > 30, 0.4, FALLEN)
    made = signals(spike=rows(11, 30, 1.0), distance=None, mean_loss=jumped)
    assert D.CLIFF in said(made)[0]
    assert D.CLIFF not in said(made._replace(mean_loss=jnp.asarray(FALLEN)))[0]
    infinite = made._replace(distance=jnp.full(PROBES, jnp.inf))  # from a start at 0
    assert D.CLIFF in said(infinite)[0]


def test_the_looks_of_a_lost_run_do_not_count():
    norms = layers(rows(np.nan, slice(4, 40), 1e-4))
    lost = {"lost_since": np.full(PROBES, 45, np.int32), "mean_loss": np.full(PROBES, np.nan)}
    found, verdict = said(signals(layer_gradient_norms=norms, **lost))
    assert found == {D.VANISHING, D.DIVERGED}
    np.testing.assert_allclose(verdict.strength[D.VANISHING], 1e-4, rtol=1e-5)
    overflown = {"gradient_norm": np.full(PROBES, np.inf), "duplicate_units": np.full((PROBES, 2), 9, np.int32)}
    assert said(signals(**overflown, **lost))[0] == {D.DIVERGED}
    assert D.CLIFF not in said(signals(spike=rows(np.inf, 30, 1.0), distance=np.cumsum(rows(9, 30, 1.0))))[0]


@pytest.mark.smoke
def test_a_batch_of_runs_is_judged_as_one_by_one(x64):
    some = [
        signals(),
        signals(mean_loss=STUCK),
        signals(layer_gradient_norms=layers(1e-5)),
        signals(mean_loss=1 - 0.2 * T / PROBES),
        signals(lost_since=np.full(PROBES, 3, np.int32), mean_loss=np.full(PROBES, np.nan)),
    ]
    batch = jax.tree.map(lambda *x: jnp.stack(x), *some)
    together = jax.jit(jax.vmap(lambda s: judge(s, AT, best=0.0, curvature=DOWN)))(batch)
    for i, one in enumerate(some):
        alone = judge(one, AT, best=0.0, curvature=DOWN)
        for name, value in alone._asdict().items():
            np.testing.assert_allclose(getattr(together, name)[i], value, rtol=1e-13, err_msg=name)  # NaN equals NaN
    assert [D(int(code)).name for code in together.code] == ["HEALTHY", "SADDLE", "HEALTHY", "SLOW", "DIVERGED"]
    assert together.strength.dtype == jnp.float64


def test_looks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"probed_at must have shape \(probes,\), .* got \(39,\) and signals of shape"):
        judge(signals(), AT[:39])
    batch = jax.tree.map(lambda x: x[None], signals())
    with pytest.raises(ValueError, match=r"map over many runs with jax\.vmap"):
        judge(batch, AT)


def test_codes_are_stored_and_never_change():
    assert {d.name: int(d) for d in D} == {
        "HEALTHY": 0,
        "VANISHING": 1,
        "EXPLODING": 2,
        "SATURATED": 3,
        "CLIFF": 4,
        "SADDLE": 5,
        "LOCAL_OPTIMUM": 6,
        "NOISE": 7,
        "SYMMETRY": 8,
        "OSCILLATING": 9,
        "SLOW": 10,
        "DIVERGED": 11,
        "UNKNOWN": 12,
        "NO_GRADIENT": 13,
        "OVERFITTING": 14,
        "UNSCALED": 15,
    }
    assert ch5jax.diagnostics.Difficulty is D


def test_a_fall_that_slows_down_is_slow_where_more_is_known_to_be_left():
    slowing = signals(mean_loss=0.3 + 0.7 * np.exp(-2.0 * T / PROBES))
    assert said(slowing)[0] == {D.SLOW}
    assert said(slowing, best=0.39)[0] == set()
    assert said(slowing, best=None)[0] == set()
    sooner = Thresholds(slow=0.2)
    assert said(slowing, best=None, thresholds=sooner)[0] == set()  # it came more than half of the way
    assert said(slowing, best=None, thresholds=sooner._replace(learned=0.7))[0] == {D.SLOW}


def test_what_is_left_without_a_reason_is_unknown_and_not_healthy():
    stuck = signals(mean_loss=STUCK)
    found, verdict = said(stuck)
    assert found == set()
    assert int(verdict.code) == D.UNKNOWN
    np.testing.assert_allclose(verdict.strength[D.UNKNOWN], 0.501, rtol=1e-3)
    assert int(said(stuck, best=0.49)[1].code) == D.HEALTHY
    assert int(said(stuck, best=None)[1].code) == D.UNKNOWN
    assert int(said(stuck, best=None, thresholds=Thresholds(learned=0.4))[1].code) == D.HEALTHY
    risen = signals(mean_loss=np.where(T < 20, FALLEN, 0.5))  # above its own best, which is all that is known
    assert int(said(risen, best=None)[1].code) == D.UNKNOWN


def test_a_descent_begins_where_nothing_has_been_learned():
    high = signals(mean_loss=0.05 + 0.95 * np.exp(-T / 3.0))  # a start at 1 where a constant gets 0.1
    assert int(said(high)[1].code) == D.HEALTHY
    assert int(said(high, baseline=0.1)[1].code) == D.UNKNOWN
    np.testing.assert_allclose(said(high, baseline=0.1)[1].strength[D.UNKNOWN], 0.5, rtol=1e-3)
    assert int(said(high, baseline=2.0)[1].code) == D.HEALTHY  # no higher than the first loss
    behind = signals(mean_loss=0.2 + 0.8 * np.exp(-T / 3.0))  # has not come so far
    np.testing.assert_allclose(said(behind, baseline=0.1)[1].strength[D.UNKNOWN], 2, rtol=1e-3)
    # on the plateau of who has learned nothing, a tenth of the first loss
    just_there = signals(mean_loss=0.1001 + 0.9 * np.exp(-T / 3.0), layer_gradient_norms=layers(1e-5))
    assert said(just_there, baseline=0.1)[0] == {D.VANISHING}
    assert said(behind, baseline=0.1, thresholds=Thresholds(overshoot=1e-6))[0] == {D.OSCILLATING}
    promising = signals(mean_loss=behind.mean_loss, predicted_decrease=np.full(PROBES, 0.9 / 400))
    assert said(promising, baseline=0.1)[0] == set()  # of the descent from the first loss, not nine of the baseline's


def test_the_gradient_at_the_end_counts_where_it_is_known_better():
    uncertain = signals(mean_loss=STUCK, squared_norm=np.full(PROBES, 1.3e-2))
    assert said(uncertain, curvature=BOWL)[0] == {D.SLOW}
    assert said(uncertain, curvature=BOWL, gradient_norm=0.01)[0] == {D.LOCAL_OPTIMUM}
    assert said(uncertain, curvature=BOWL, gradient_norm=0.2)[0] == {D.SLOW}


LEFT_ALONE = signals(mean_loss=np.ones(PROBES), gradient_norm=np.zeros(PROBES), squared_norm=np.zeros(PROBES))


def test_a_gradient_of_exactly_zero_is_told_where_nothing_was_learned():
    assert said(LEFT_ALONE, best=None)[0] == {D.NO_GRADIENT}
    assert said(LEFT_ALONE)[0] == {D.NO_GRADIENT}
    assert said(LEFT_ALONE, best=1.0)[0] == set()  # there was nothing to learn
    nearly = LEFT_ALONE._replace(gradient_norm=jnp.asarray(rows(1e-30, -1)))
    assert D.NO_GRADIENT not in said(nearly, best=None)[0]
    late = LEFT_ALONE._replace(gradient_norm=jnp.asarray(np.where(T < 12, 1.0, 0.0)))
    found, verdict = said(late, best=None)
    assert found == {D.NO_GRADIENT}
    assert verdict.step[D.NO_GRADIENT] == AT[12]
    fell = LEFT_ALONE._replace(mean_loss=jnp.asarray(STUCK))  # it may rest at a minimum
    assert said(fell, best=None)[0] == set()


def test_rest_where_the_loss_curves_is_a_saddle_or_a_minimum_and_no_missing_gradient():
    assert said(LEFT_ALONE, best=None, curvature=curvature_of(0.0, 0.0))[0] == {D.NO_GRADIENT}
    assert said(LEFT_ALONE, best=None, curvature=curvature_of(-2.0, 2.0))[0] == {D.SADDLE}  # λ = −2 needs no best
    assert said(LEFT_ALONE, best=None, curvature=curvature_of(1.0, 2.0))[0] == set()


def test_what_the_noise_of_the_steps_holds_up_does_not_rest_on_a_saddle():
    """Half of the descent left where the loss curves down: a saddle, but for noise that explains as much."""
    stalled = signals(mean_loss=0.5 + 0.5 * np.exp(-T))
    curved = curvature_of(-2.0, 2.0)
    assert said(stalled, best=0.0, curvature=curved)[0] == {D.SADDLE}
    noisy = stalled._replace(noise=np.full(PROBES, 1e3), squared_norm=np.full(PROBES, 1e-6))
    assert said(noisy, best=0.0, curvature=curved)[0] == {D.NOISE}
    assert said(noisy, best=0.0, curvature=curvature_of(1.0, 2.0))[0] == {D.NOISE, D.LOCAL_OPTIMUM}


def curvature_of(smallest, largest):
    names = Curvature._fields
    values = dict.fromkeys(names, jnp.asarray(0.0)) | {
        "smallest": jnp.asarray(smallest),
        "largest": jnp.asarray(largest),
    }
    return Curvature(**values)


def test_what_was_learned_has_to_hold_on_other_examples():
    learned = signals()
    assert said(learned, best=None, validation=0.1)[0] == set()
    assert said(learned, best=None, validation=0.45)[0] == set()
    found, verdict = said(learned, best=None, validation=0.7)
    assert found == {D.OVERFITTING}
    np.testing.assert_allclose(verdict.strength[D.OVERFITTING], (0.7 - 0.01) / 0.99, rtol=1e-3)
    assert said(learned, validation=0.7)[0] == {D.OVERFITTING}
    little = signals(mean_loss=0.9 + 0.1 * np.exp(-T / 3.0))
    assert D.OVERFITTING not in said(little, best=None, validation=3.0)[0]  # which had nothing to lose
    risen = signals(mean_loss=-1.0 - FALLEN, first_loss=np.full(PROBES, -2.0))  # below 0, and higher at the end
    assert D.OVERFITTING not in said(risen, best=None, validation=3.0)[0]
    lax = Thresholds(overfitting=0.9)
    found, verdict = said(learned, best=None, validation=0.7, thresholds=lax)
    assert found == set()
    assert int(verdict.code) == D.UNKNOWN  # not healthy: half of the way has to hold there too


def test_inputs_that_are_far_too_large_are_told_where_the_run_failed_and_before_what_they_made_of_it():
    stuck = signals(mean_loss=STUCK, flat_units=np.stack([rows(0.9, slice(0, 40))] * 2, axis=1))
    found, verdict = said(stuck, best=None, input_scale=31)
    assert found == {D.UNSCALED, D.SATURATED}
    assert int(verdict.code) == D.UNSCALED
    assert [float(part) for part in verdict.of(D.UNSCALED)] == [1, 31, -1, 0]
    assert said(stuck, best=None, input_scale=29)[0] == {D.SATURATED}
    assert said(stuck, best=None, input_scale=np.nan)[0] == said(stuck, best=None)[0] == {D.SATURATED}
    lost = signals(lost_since=np.full(PROBES, 3, np.int32), mean_loss=np.full(PROBES, np.nan))
    assert said(lost, best=None, input_scale=31)[0] == {D.UNSCALED, D.DIVERGED}
    assert said(signals(), best=None, input_scale=1e4)[0] == said(signals(), input_scale=1e4)[0] == set()
    slow = signals(mean_loss=1 - 0.2 * T / PROBES)
    assert said(slow, input_scale=31)[0] == {D.UNSCALED, D.SLOW}
    assert said(slow, input_scale=31, thresholds=Thresholds(unscaled=100.0))[0] == {D.SLOW}


def test_a_loss_that_ends_far_above_its_start_is_thrown_up_by_the_steps_whatever_the_network_looks_like():
    thrown = signals(mean_loss=np.where(T < 3, 1.0, 5.0), layer_gradient_norms=layers(1e-4))
    assert said(thrown, best=None)[0] == {D.OSCILLATING}
    assert said(thrown, best=None, baseline=2.6)[0] == {D.VANISHING}
    assert D.OSCILLATING not in said(signals(mean_loss=np.where(T < 3, 1.0, 1.9)), best=None)[0]


def test_parameters_that_have_hardly_moved_are_slow():
    still = {"mean_loss": np.ones(PROBES), "distance": np.linspace(0, 1e-3, PROBES)}
    assert said(signals(**still), best=None)[0] == {D.SLOW}
    assert said(signals(**still | {"distance": np.linspace(0, 0.5, PROBES)}), best=None)[0] == set()
    assert said(signals(**still | {"mean_loss": FALLEN}), best=None)[0] == set()  # it began near the end, and learned


def test_noise_is_told_of_no_run_whose_best_nobody_knows():
    noisy = {"noise": np.full(PROBES, 1.0), "squared_norm": np.full(PROBES, 1e-3), "update_norm": np.full(PROBES, 1e-3)}
    course = {"mean_loss": np.where(T < 30, FALLEN, 0.3)}
    assert D.NOISE in said(signals(**noisy, **course))[0]
    assert D.NOISE not in said(signals(**noisy, **course), best=None)[0]
