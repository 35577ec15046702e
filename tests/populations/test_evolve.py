"""Population-based training: who goes on from whom, with which numbers, and that the rest is plain training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ch5jax
from ch5jax import _keys
from ch5jax.populations._evolve import exploit
from tests.references import population as reference

pytestmark = [pytest.mark.smoke, pytest.mark.usefixtures("module_compiled_quickly")]

KEY = jax.random.key(5)
QUADRATIC = ch5jax.tasks.surface(ch5jax.problems.quadratic(3.0))
RATES = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.9])  # the last one diverges: 3 · 0.9 > 2
MEMBERS, EVERY = len(RATES), 3


def evolved(rates=RATES, task=QUADRATIC, **changes):
    arguments = {"steps": 4 * EVERY, "every": EVERY, "key": KEY, "fraction": 0.34, **changes}
    return ch5jax.evolve(task, ch5jax.grid(ch5jax.sgd, learning_rate=rates), **arguments)


def chance(i, factors=(0.8, 1.2)):
    """What is drawn before a round: a key for the parents, and the factor of each member."""
    keys = jax.random.split(jax.random.fold_in(jax.random.fold_in(KEY, _keys.EXPLOIT), i))
    place = 0  # of the learning rate among sgd's leaves
    drawn = jax.random.randint(jax.random.fold_in(keys[1], place), (MEMBERS,), 0, len(factors), jnp.int32)
    return keys[0], np.asarray(factors)[np.asarray(drawn)]


@pytest.mark.usefixtures("x64")
def test_it_is_what_a_loop_in_numpy_does():
    """The same bits of chance; numbers to double precision, since NumPy sums in another order."""

    def descend(point, rate, i):
        for _ in range(EVERY):
            point = point - rate * np.array([1.0, 3.0]) * point
        return point

    found = evolved()
    start = np.asarray(ch5jax.problems.quadratic(3.0).start)
    states, course = reference.evolve(
        descend,
        lambda points: [0.5 * p @ (np.array([1.0, 3.0]) * p) for p in points],
        [start] * MEMBERS,
        RATES,
        rounds=4,
        copied=2,
        best_drawn=lambda i, n: np.asarray(jax.random.randint(chance(i)[0], (MEMBERS,), 0, n, jnp.int32)),
        factors_drawn=lambda i: chance(i)[1],
        low=RATES.min(),
        high=RATES.max(),
    )
    rates, parents, losses = (np.array([one[part] for one in course]) for part in range(3))
    np.testing.assert_array_equal(found.parents, parents)
    np.testing.assert_allclose(found.hyperparameters.learning_rate, rates, rtol=1e-14)
    np.testing.assert_allclose(found.scores, losses, rtol=1e-12)
    np.testing.assert_allclose(found.states.params, states, rtol=1e-12)
    assert (parents[1:] != np.arange(MEMBERS)).sum(axis=1).tolist() == [2, 2, 2]


def test_without_a_fraction_it_is_plain_training_to_the_bit():
    rates = RATES[:4]
    task = ch5jax.tasks.surface(ch5jax.problems.beale(), noise=0.1, start_spread=0.1)
    found = evolved(rates, task, fraction=0)
    opts = ch5jax.grid(ch5jax.sgd, learning_rate=rates)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(KEY, jnp.arange(4, dtype=jnp.uint32))
    plain = jax.jit(jax.vmap(lambda opt, key: ch5jax.train(task, opt, key, 4 * EVERY)))(opts, keys)
    np.testing.assert_array_equal(found.states.params, plain.state.params)
    np.testing.assert_array_equal(found.scores[-1], plain.evaluations["validation_loss"][:, -1])
    np.testing.assert_array_equal(found.parents, np.tile(np.arange(4), (4, 1)))
    np.testing.assert_array_equal(found.hyperparameters.learning_rate, np.tile(rates.astype(np.float32), (4, 1)))


def test_a_members_last_state_is_that_of_its_lineage_trained_by_its_schedule():
    """Noise is the member's own: each part of the lineage is trained with the key of who trained it."""
    task = ch5jax.tasks.surface(ch5jax.problems.beale(), noise=0.1, start_spread=0.3)
    found = ch5jax.evolve(task, ch5jax.grid(ch5jax.adam, learning_rate=RATES), steps=15, every=3, key=KEY, fraction=0.5)
    line, schedule = found.lineage(), found.schedule()
    assert line[-1] == found.best() == int(np.nanargmin(found.scores[-1]))
    assert len({*line.tolist()}) > 1
    state = None
    for i, member in enumerate(line):
        opt = jax.tree.map(lambda leaf: leaf[i], schedule)
        run = ch5jax.train(task, opt, jax.random.fold_in(KEY, int(member)), 3, state=state, start=3 * i)
        state = run.state
        np.testing.assert_allclose(run.last()["validation_loss"], found.scores[i, member], rtol=1e-5)
    own = jax.tree.map(lambda leaf: leaf[line[-1]], found.states)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), own, state)  # Adam's moments too


def test_who_diverges_goes_on_from_one_of_the_best_and_a_lost_parameter_counts():
    found = evolved(np.array([0.01, 0.02, 0.05, 1e30, 1e30, 1e30]), steps=6 * EVERY, perturb=[])
    lost = np.asarray(found.lost)
    np.testing.assert_array_equal(lost[0], [False] * 3 + [True] * 3)
    assert not lost[1:].any()
    assert {*np.asarray(found.parents)[1, 3:].tolist()} <= {1, 2}  # all three of them, though two are a third
    assert found.best() in found.lineage(found.best())

    def accurate(opt, state):
        return {"validation_accuracy": jnp.where(jnp.isfinite(state.params).all(), 0.5, 0.9)}

    task = QUADRATIC._replace(evaluate=accurate, objective="validation_accuracy", maximize=True)
    found = evolved(np.array([0.1, 1e30]), task, fraction=0.5, perturb=[])
    assert found.parents[1].tolist() == [0, 0]  # NaN have an accuracy too


def test_where_all_are_lost_nobody_goes_on_from_another():
    found = evolved(np.array([1e30, 2e30, 3e30]), fraction=0.5)
    np.testing.assert_array_equal(found.parents, np.tile(np.arange(3), (4, 1)))
    assert np.asarray(found.lost)[-1].all()
    assert found.best() == 0


@pytest.mark.parametrize("maximize", [False, True])
def test_the_best_are_those_that_the_task_says(maximize):
    task = QUADRATIC._replace(
        evaluate=lambda opt, state: {"level": opt.learning_rate}, objective="level", maximize=maximize
    )
    found = evolved(np.arange(1.0, 7.0) / 100, task, perturb=[])
    best = {4, 5} if maximize else {0, 1}
    replaced = np.asarray(found.parents)[1] != np.arange(6)
    assert {*np.flatnonzero(replaced).tolist()} == {0, 1, 4, 5} - best
    assert {*np.asarray(found.parents)[1][replaced].tolist()} <= best
    assert found.lineage()[0] in best


@pytest.mark.parametrize(
    ("scores", "copied", "replaced", "best"),
    [
        ([3.0, 1.0, 2.0, 4.0], 1, [1], {3}),
        ([3.0, 1.0, 2.0, 4.0], 2, [1, 2], {0, 3}),
        ([-np.inf, 1.0, -np.inf, -np.inf], 1, [0, 2, 3], {1}),
        ([-np.inf, 1.0, -np.inf, 2.0], 1, [0, 2], {3}),
        ([0.0, 0.0, 0.0, 0.0], 1, [3], {0}),
        ([-np.inf] * 4, 2, [], set()),
    ],
)
def test_the_worst_and_the_lost_go_on_from_the_best(scores, copied, replaced, best):
    drawn = [np.asarray(exploit(jax.random.key(i), jnp.array(scores), copied)) for i in range(30)]
    others = [m for m in range(4) if m not in replaced]
    for parents in drawn:
        assert parents[others].tolist() == others
    assert {*np.concatenate([p[replaced] for p in drawn]).tolist()} == best  # every one of them at times


def test_what_is_perturbed():
    """Floating leaves that vary, within the population's range; whole numbers and what all share stay."""
    population = {
        "optimizer": ch5jax.grid(ch5jax.momentum, learning_rate=[0.1, 0.2, 0.3, 0.4], decay=[0.9]),
        "noise": np.array([1.0, 2.0, 4.0, 8.0]),
    }
    task = ch5jax.tasks.surface(ch5jax.problems.quadratic(3.0))

    def course(**changes):
        found = ch5jax.evolve(task, population, steps=40, every=2, key=KEY, fraction=0.5, **changes)
        return found, jax.tree.map(np.asarray, found.hyperparameters)

    found, numbers = course()
    copied = np.asarray(found.parents) != np.arange(4)
    before = numbers["noise"][np.arange(19)[:, None], np.asarray(found.parents)[1:]]
    ratio = (numbers["noise"][1:] / before)[copied[1:]]
    inside = (numbers["noise"][1:] > 1.0) & (numbers["noise"][1:] < 8.0)
    at_an_end = ~inside[copied[1:]]
    assert np.all(np.isclose(ratio, 0.8) | np.isclose(ratio, 1.2) | at_an_end)
    np.testing.assert_array_equal(numbers["noise"][1:][~copied[1:]], before[~copied[1:]])
    assert (numbers["noise"].min(), numbers["noise"].max()) == (1.0, 8.0)
    assert (numbers["optimizer"].decay == np.float32(0.9)).all()
    assert len(np.unique(numbers["optimizer"].learning_rate)) > 4

    _, numbers = course(perturb=["noise"], factors=[0.5])
    assert {*np.unique(numbers["optimizer"].learning_rate).tolist()} <= {*np.float32([0.1, 0.2, 0.3, 0.4]).tolist()}
    assert {*np.unique(numbers["noise"]).tolist()} <= {1.0, 2.0, 4.0, 8.0}

    _, numbers = course(perturb={"noise": ch5jax.log(0.25, 100.0), "optimizer.decay": None}, factors=[0.5])
    assert numbers["noise"].min() == 0.25
    assert (numbers["optimizer"].decay == np.float32(0.9)).all()  # perturbed, and the population has one value


def test_whole_numbers_are_inherited_and_not_perturbed():
    def evaluate(own, state):
        return {"validation_loss": own["rate"] * 0 + own["patience"]}

    def init(key, own):
        return jnp.zeros(())

    task = ch5jax.Task(init, lambda key, index, own, state: (state, {}), evaluate)
    population = {"rate": np.array([0.1, 0.2, 0.3]), "patience": np.array([3, 2, 1])}
    found = ch5jax.evolve(task, population, steps=2, every=1, key=KEY)
    assert found.hyperparameters["patience"][1].tolist() == [1, 2, 1]
    assert found.hyperparameters["patience"].dtype == np.int32
    assert float(found.hyperparameters["rate"][1, 0]) in (pytest.approx(0.24), pytest.approx(0.3))  # at most the most


def test_it_maps_over_keys_and_jits():
    opts = ch5jax.grid(ch5jax.sgd, learning_rate=RATES)
    task = ch5jax.tasks.surface(ch5jax.problems.beale(), noise=0.5)

    def run(key):
        return ch5jax.evolve(task, opts, steps=6, every=3, key=key)

    keys = jax.random.split(KEY, 3)
    batch = jax.jit(jax.vmap(run))(keys)
    assert batch.scores.shape == (3, 2, 6)
    for i in range(3):
        one, alone = jax.tree.map(lambda values: values[i], batch), run(keys[i])
        np.testing.assert_array_equal(one.parents, alone.parents)
        np.testing.assert_allclose(one.scores, alone.scores, rtol=1e-4)
    with pytest.raises(ValueError, match=r"one population must be looked at.*\(3,\)"):
        batch.best()
    named = jax.jit(lambda o: ch5jax.evolve(task, o, steps=6, every=3, key=KEY, perturb=["learning_rate"]))(opts)
    np.testing.assert_array_equal(named.parents, run(KEY).parents)
    with pytest.raises(ValueError, match="perturb must name what is perturbed where hyperparameters are traced"):
        jax.jit(lambda o: ch5jax.evolve(task, o, steps=6, every=3, key=KEY))(opts)


def test_it_is_the_same_at_every_call_and_one_program():
    traced = []

    def evaluate(opt, state):
        traced.append(1)
        return QUADRATIC.evaluate(opt, state)

    task = QUADRATIC._replace(evaluate=evaluate)
    one = evolved(task=task)
    compiled = len(traced)
    jax.tree.map(np.testing.assert_array_equal, one, evolved(task=task))
    different = evolved(RATES / 2, task, key=jax.random.key(6))
    assert (np.asarray(one.parents) != np.asarray(different.parents)).any()
    evolved(task=task, every=2)
    looked_at = 1  # a call looks at the task's promises
    assert len(traced) == compiled + 2 * looked_at + compiled


def test_data_that_a_task_holds_are_no_constants_of_the_program():
    found = ch5jax.evolve(
        ch5jax.tasks.digits(hidden=(4,)),
        ch5jax.grid(ch5jax.sgd, learning_rate=[0.01, 0.1]),
        steps=4,
        every=2,
        key=np.array([0, 5], np.uint32),
        fraction=0.5,
    )
    assert found.objective == "validation_accuracy"
    assert found.maximize
    assert found.scores.shape == (2, 2)
    table = found.table()
    assert table["steps"].tolist() == [2, 2, 4, 4]
    assert table["parent"].tolist() == np.asarray(found.parents).ravel().tolist()
    np.testing.assert_array_equal(table["validation_accuracy"], np.ravel(found.scores))
    np.testing.assert_array_equal(table["learning_rate"], np.ravel(found.hyperparameters.learning_rate))


def test_a_tables_own_columns_are_kept_apart_from_metrics_and_arrays_have_a_column_an_element():
    def evaluate(own, state):
        return {"validation_loss": own["start"].sum(), "round": own["steps"]}

    task = ch5jax.Task(lambda key, own: jnp.zeros(()), lambda key, index, own, state: (state, {}), evaluate)
    population = {"start": np.arange(6.0).reshape(3, 2), "steps": np.array([1.0, 2.0, 3.0])}
    table = ch5jax.evolve(task, population, steps=1, every=1, key=KEY).table()
    assert table["start[1]"].tolist() == [1, 3, 5]
    assert table["steps"].tolist() == [1, 1, 1]
    assert table["hyperparameter steps"].tolist() == table["metric round"].tolist() == [1, 2, 3]


@pytest.mark.usefixtures("x64")
def test_double_precision():
    found = evolved()
    assert found.hyperparameters.learning_rate.dtype == found.scores.dtype == np.float64


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps must be a positive integer, got 0"),
        ({"steps": 10, "every": 3}, "steps must be a multiple of every = 3, got 10"),
        ({"every": 0}, "every must be a positive integer, got 0"),
        ({"every": None}, "every must be a positive integer, got None"),
        ({"key": 3}, "key must be one key"),
        ({"key": jax.random.split(KEY)}, "key must be one key"),
        ({"fraction": 0.6}, r"fraction must be a number from 0 to 0\.5, got 0\.6"),
        ({"fraction": True}, "fraction must be a number"),
        ({"fraction": float("nan")}, "fraction must be a number"),
        ({"factors": []}, "factors must be a list of finite numbers above 0"),
        ({"factors": [0.0, 1.2]}, "factors must be a list of finite numbers above 0"),
        ({"factors": [np.inf]}, "factors must be a list of finite numbers above 0"),
        ({"factors": 1.2}, "factors must be a list of finite numbers above 0"),
        ({"factors": ["a"]}, "factors must be a list of finite numbers above 0"),
        ({"perturb": "learning_rate"}, "perturb must be a list of names, or a dict"),
        ({"perturb": 3}, "perturb must be a list of names, or a dict"),
        ({"perturb": ["rate"]}, "perturb must name hyperparameters, learning_rate, got 'rate'"),
        ({"perturb": {"learning_rate": ch5jax.integer(1, 3)}}, r"perturb\['learning_rate'\] must be ch5jax\.linear"),
        ({"perturb": {"learning_rate": (0, 1)}}, r"perturb\['learning_rate'\] must be ch5jax\.linear"),
        ({"task": None}, "task must be a ch5jax.Task"),
        ({"rates": [0.1]}, "population must have two members at least"),
    ],
)
def test_what_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        evolved(**changes)


def test_what_is_no_population_is_refused():
    def run(population, task=QUADRATIC):
        return ch5jax.evolve(task, population, steps=2, every=1, key=KEY)

    with pytest.raises(ValueError, match=r"population must be one batch.*the groups.*bias_correction"):
        run(ch5jax.grid(ch5jax.adam, learning_rate=[0.1, 0.2], bias_correction=[True, False]))
    with pytest.raises(ValueError, match=r"population.*must have the batch as its leading axis"):
        run(ch5jax.sgd(0.1))
    with pytest.raises(ValueError, match=r"population.* must be data, got the function"):
        run({"optimizer": abs})
    task = ch5jax.Task(
        lambda key, own: jnp.ones(()),
        lambda key, index, own, state: (state, {}),
        lambda own, state: {"validation_loss": state},
    )
    with pytest.raises(ValueError, match="perturb must name floating hyperparameters, and n is int32"):
        ch5jax.evolve(task, {"n": np.array([1, 2])}, steps=2, every=1, key=KEY, perturb=["n"])
    whole = ch5jax.tasks.whole(lambda key, rate: {"validation_loss": rate}, steps=10)
    with pytest.raises(ValueError, match="task must be one that stops anywhere, and this one takes its own 10 steps"):
        run(np.array([0.1, 0.2]), whole)


@pytest.mark.parametrize("member", [6, -1, True, 0.5])
def test_a_member_that_there_is_not(member):
    found = evolved(steps=3)
    with pytest.raises(ValueError, match="member must be an integer from 0 to 5"):
        found.schedule(member)


def test_debugging_nan_stops_no_population():
    with jax.debug_nans(True):
        assert np.asarray(evolved(np.array([0.1, 1e30]), fraction=0.5, perturb=[]).lost)[0].tolist() == [False, True]
