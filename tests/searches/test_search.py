"""A search asks a study for rounds of settings, trains each as a sweep, and tells what came of it."""

import functools

import jax
import numpy as np
import optuna
import pytest

import ch5jax
from ch5jax.sweeps import _plan
from tests.searches.small import KEY, RATES, TASK, cma_es, gp, qmc, run, study_in, told, tpe

pytestmark = pytest.mark.smoke


@pytest.mark.parametrize("sampler", [tpe, qmc, cma_es])
def test_it_is_a_loop_that_asks_trains_and_tells(tmp_path, sampler):
    """The loop trains one setting after the other; a value near in float32 is one a sampler goes on from alike."""
    found = run(study_in(tmp_path), sampler=sampler, factory=ch5jax.momentum, decay=ch5jax.linear(0.1, 0.9))
    loop, before = study_in(), 0
    space = {
        "decay": optuna.distributions.FloatDistribution(0.1, 0.9),
        "learning_rate": optuna.distributions.FloatDistribution(1e-5, 0.01, log=True),
    }
    for _ in range(3):
        asked = []
        for _ in range(4):
            loop.sampler = sampler(seed=before)
            asked.append(loop.ask(space))
            before += 1
        for trial in asked:
            runs = [
                ch5jax.train(TASK, ch5jax.momentum(**trial.params), jax.random.fold_in(KEY, seed), 20)
                for seed in (0, 1)
            ]
            scores = [float(one.last()["validation_loss"]) for one in runs]
            mine = found.study.trials[trial.number].value
            assert mine == pytest.approx(np.mean(scores), rel=1e-4)
            loop.tell(trial, mine)
    assert [t.params for t in loop.trials] == [t.params for t in found.study.trials]
    assert found.study.best_trial.number == loop.best_trial.number


def test_gp(torch):
    study = run(study_in(), sampler=gp).study
    assert [t.state.name for t in study.trials] == ["COMPLETE"] * 12


def test_what_a_study_keeps_of_a_trial(tmp_path):
    run(study_in(tmp_path))
    study = study_in(tmp_path)  # read again
    assert [t.user_attrs["round"] for t in study.trials] == [0] * 4 + [4] * 4 + [8] * 4
    for trial in study.trials:
        assert set(trial.user_attrs) == {
            *("round", "steps", "seeds", "scores", "diverged_at", "verdicts"),
            *("loss", "gradient_norm", "distance_to_minimum"),
        }
        assert trial.user_attrs["seeds"] == [0, 1]
        assert trial.user_attrs["steps"] == 20
        assert trial.value == pytest.approx(np.mean(trial.user_attrs["scores"]), rel=1e-6)
        assert trial.datetime_complete >= trial.datetime_start
    names = {one.name.lower() for one in ch5jax.diagnostics.Difficulty} | {"unknown"}
    assert {verdict for t in study.trials for verdict in t.user_attrs["verdicts"]} <= names
    table = study.trials_dataframe()
    assert table["params_learning_rate"].between(1e-5, 0.01).all()


def test_importances_and_the_history_are_optunas(tmp_path):
    study = run(
        study_in(tmp_path),
        factory=lambda rate, noise: {"optimizer": ch5jax.sgd(rate), "noise": noise},
        rate=RATES,
        noise=ch5jax.linear(0.0, 1e-6),
        count=24,
        per_round=8,
    ).study
    for evaluator in (None, optuna.importance.FanovaImportanceEvaluator(seed=0)):
        importance = optuna.importance.get_param_importances(study, evaluator=evaluator)
        assert importance["rate"] > 2 * importance["noise"]


def test_later_rounds_compile_nothing(monkeypatch):
    compiled = []
    plain = _plan.compile_programs
    monkeypatch.setattr(_plan, "compile_programs", lambda *args: compiled.append(1) or plain(*args))
    _plan.KEPT.clear()
    study = study_in()
    run(study, count=4)
    assert len(compiled) == 1
    run(study, count=11)  # the last round is not full
    assert len(study.trials) == 11
    assert len(compiled) == 1


def test_the_same_search_finds_the_same(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    one, other = (run(study_in(tmp_path / name)).study for name in ("one", "other"))
    assert told(one) == told(other)
    seeded = [run(optuna.create_study(sampler=tpe(3)), sampler=None).study for _ in range(2)]
    assert told(seeded[0]) == told(seeded[1]) != told(one)


def test_a_search_goes_on_to_a_larger_count_as_if_it_had_not_ended(tmp_path):
    whole = run(study_in()).study
    run(study_in(tmp_path), count=4)
    run(study_in(tmp_path), count=12)
    again = run(study_in(tmp_path), count=12).study  # nothing is left to do
    assert told(again) == told(whole)


def test_the_best_is_the_highest_where_the_task_says_so():
    task = ch5jax.tasks.digits(hidden=(4,), batch_size=8)
    found = run(study_in(direction="maximize"), task, count=4, learning_rate=ch5jax.log(0.01, 1.0))
    values = [t.value for t in found.study.trials]
    assert found.study.best_value == max(values) > min(values)
    again = found.again()
    np.testing.assert_array_equal(again.columns["validation_accuracy"], found.study.best_trial.user_attrs["scores"])
    assert again.predict(0, np.zeros((3, 64), np.float32)).shape == (3, 10)


def test_a_trial_trained_again_has_the_same_bits():
    found = run(study_in())
    for number in (None, 0, 7):
        trial = found.study.best_trial if number is None else found.study.trials[number]
        again = found.again(number)
        np.testing.assert_array_equal(again.columns["validation_loss"], trial.user_attrs["scores"])
        np.testing.assert_array_equal(again.columns["seed"], [0, 1])
        assert again.columns["verdict"].tolist() == trial.user_attrs["verdicts"]
        np.testing.assert_array_equal(again.columns["learning_rate"], [trial.params["learning_rate"]] * 2)
    for number in (12, -1, True, "0"):
        with pytest.raises(ValueError, match="number must be that of a trial of this search"):
            found.again(number)


def test_who_diverges_is_pruned_and_teaches_tpe():
    """At every rate above 0.02 it is lost, and after a while nobody goes there."""
    task = ch5jax.tasks.surface(ch5jax.problems.quadratic(100.0))
    found = run(study_in(), task, count=40, steps=500, learning_rate=ch5jax.log(1e-3, 1e3))
    lost = np.array([t.state.name == "PRUNED" for t in found.study.trials])
    rates = np.array([t.params["learning_rate"] for t in found.study.trials])
    assert (rates[lost] > 0.02).all()
    assert (rates[~lost] < 0.025).all()
    assert lost[:20].mean() > lost[20:].mean()
    one = found.study.trials[int(np.flatnonzero(lost)[0])]
    assert one.value is None
    assert one.user_attrs["diverged_at"][0] >= 0
    assert set(one.user_attrs["verdicts"]) == {"diverged"}
    with pytest.raises(ValueError, match="none of the 4 trials is the best, all have diverged"):
        run(study_in(), task, count=4, steps=500, learning_rate=ch5jax.log(1e2, 1e3)).again()


def test_a_setting_that_is_lost_at_one_seed_is_pruned():
    def evaluate(own, state):
        return {"validation_loss": jax.numpy.where(state > 0, jax.numpy.nan, own["rate"])}

    def init(key, own):
        return jax.numpy.where(jax.random.key_data(key)[0] % 2 == 0, 1.0, -1.0)

    task = ch5jax.Task(init, lambda key, index, own, state: (state, {}), evaluate)
    seeds = list(range(6))
    result = ch5jax.sweep(task, {"rate": np.ones(1)}, steps=1, key=KEY, seeds=seeds)
    fine = np.isfinite(result.columns["validation_loss"])
    assert 0 < fine.sum() < 6
    for chosen, state in (([int(np.argmax(fine))], "COMPLETE"), (seeds, "PRUNED")):
        found = run(study_in(), task, dict, count=2, per_round=2, steps=1, seeds=chosen, rate=RATES)
        assert [t.state.name for t in found.study.trials] == [state] * 2
    assert found.study.trials[0].user_attrs["scores"].count(None) == 6 - fine.sum()


def test_integers_lists_and_what_makes_groups():
    def factory(learning_rate, depth, ratio, rule, flag):
        assert isinstance(depth, int)
        return {"optimizer": rule(learning_rate * ratio, **({"bias_correction": flag} if rule is ch5jax.adam else {}))}

    space = {
        "learning_rate": RATES,
        "depth": ch5jax.integer(1, 64, log=True),
        "ratio": [1, 0.5],
        "rule": [ch5jax.sgd, ch5jax.adam],
        "flag": [True, False],
    }
    found = run(study_in(), factory=factory, per_round=8, count=16, **space)
    trials = found.study.trials
    assert {t.params["rule"] for t in trials} == {"sgd", "adam"}
    assert {t.params["flag"] for t in trials} == {"True", "False"}
    assert {t.params["ratio"] for t in trials} == {1.0, 0.5}
    assert len({t.params["depth"] for t in trials}) > 3
    for trial in trials[::5]:
        opt = factory(
            **trial.params | {"rule": getattr(ch5jax, trial.params["rule"]), "flag": trial.params["flag"] == "True"}
        )
        alone = ch5jax.train(TASK, opt, jax.random.fold_in(KEY, 1), 20)
        assert float(alone.last()["validation_loss"]) == pytest.approx(trial.user_attrs["scores"][1], rel=1e-4)
        assert found.again(trial.number).columns["validation_loss"].tolist() == trial.user_attrs["scores"]


def test_a_list_of_whole_numbers_and_fractions_is_of_one_type():
    """Else a round that draws whole numbers only would be another program."""
    seen = []

    def factory(rate):
        seen.append(rate)
        return {"optimizer": ch5jax.sgd(0.01), "noise": rate}

    run(study_in(), factory=factory, rate=[1, 0.25, 2], count=8)
    assert {type(rate) for rate in seen} == {float}


def test_what_all_share_reaches_the_factory_as_it_is():
    """A round has as many settings as the start has coordinates, and is no batch of starts for that."""
    start = np.array([2.0, 0.25])

    def factory(rate, noise):
        return {"optimizer": ch5jax.sgd(rate), "noise": noise, "start": start}

    again = run(study_in(), factory=factory, rate=RATES, noise=0.5, count=2, per_round=2).again(1)
    assert again.trial(0).hyperparameters["noise"] == 0.5
    np.testing.assert_array_equal(again.trial(0).hyperparameters["start"], start)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 0}, "count must be a positive integer, got 0"),
        ({"count": None}, "count must be a positive integer, got None"),
        ({"per_round": 2.5}, r"per_round must be a positive integer, got 2\.5"),
        ({"steps": None}, "steps must be a positive integer"),
        ({"key": None}, "key must be one key"),
        ({"seeds": 0}, "seeds must be how many"),
        ({"sampler": 3}, r"sampler must be a class of optuna\.samplers or a function of seed, got 3"),
        ({"learning_rate": 0.1}, "search needs a scale or a list to draw from"),
        ({"learning_rate": []}, "learning_rate must have at least one value"),
        ({"learning_rate": [0.1, 0.1]}, "learning_rate must be finite numbers, each of them once"),
        ({"learning_rate": [0.1, np.nan]}, "learning_rate must be finite numbers"),
        ({"learning_rate": ch5jax.linear(-1.0, -0.5)}, "learning_rate must be ≥ 0"),
        ({"factory": 3}, "factory must make hyperparameters"),
        ({"task": 3}, "task must be a ch5jax.Task"),
        ({"study": "sqlite://"}, "study must be an Optuna study"),
        ({"study": functools.partial(study_in, direction="maximize")}, "study must minimize validation_loss"),
        ({"study": functools.partial(study_in, directions=["minimize"] * 2)}, "study must have one objective, got 2"),
        ({"signals_every": -1}, "signals_every"),
    ],
)
def test_what_is_refused(changes, message):
    arguments = dict(changes)
    study = arguments.pop("study", study_in)
    study = study() if callable(study) else study
    with pytest.raises(ValueError, match=message):
        run(study, **arguments)
    assert not getattr(study, "trials", None)


def test_a_sampler_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"sampler must make one of optuna\.samplers, got None"):
        run(study_in(), sampler=lambda seed: None)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"steps": 21}, "steps"),
        ({"seeds": 3}, "seeds"),
        ({"key": jax.random.key(8)}, "key"),
        ({"per_round": 3}, "per_round"),
        ({"learning_rate": ch5jax.log(1e-5, 0.02)}, "space"),
    ],
)
def test_a_study_of_another_search_is_refused(changes, name):
    study = study_in()
    run(study, count=4)
    before = told(study)
    with pytest.raises(ValueError, match=f"study 'small' must be this search's, and was begun with {name} = "):
        run(study, **changes)
    assert told(study) == before
