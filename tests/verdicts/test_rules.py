"""The registry of difficulties: each has a rule, a place and its words."""

from ch5jax.diagnostics import Difficulty
from ch5jax.verdicts import NO_DIFFICULTY, PRECEDENCE
from ch5jax.verdicts.difficulties import RULES


def test_every_difficulty_has_one_rule_and_a_place():
    assert set(RULES) == set(Difficulty) - set(NO_DIFFICULTY)
    assert all(difficulty is rule.difficulty for difficulty, rule in RULES.items())
    assert sorted(PRECEDENCE) == sorted(Difficulty)
    assert [difficulty for difficulty in PRECEDENCE if difficulty in RULES] == list(RULES)


def test_remedies_are_sentences():
    for rule in RULES.values():
        assert rule.remedies.endswith(".")
        assert rule.remedies.split()[0] in ("Try", "Look")
