"""One difficulty, one file: its test on the evidence, its sentence and its remedies; `_rules.py` lists them."""

from ch5jax.verdicts.difficulties._rule import ANEW as ANEW, Evidence as Evidence, Rule as Rule
from ch5jax.verdicts.difficulties._rules import RULES as RULES
