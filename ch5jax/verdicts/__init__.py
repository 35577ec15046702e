"""Which difficulty a run met: codes with evidence inside the program, sentences outside it."""

from ch5jax.verdicts._continuations import WAYS as WAYS, Continuations as Continuations
from ch5jax.verdicts._diagnose import diagnose as diagnose, diagnosis_of as diagnosis_of
from ch5jax.verdicts._diagnosis import NO_DIFFICULTY as NO_DIFFICULTY, Diagnosis as Diagnosis
from ch5jax.verdicts._finding import PRECEDENCE as PRECEDENCE, Finding as Finding
from ch5jax.verdicts._history import HistoryDiagnosis as HistoryDiagnosis, judge_history as judge_history
from ch5jax.verdicts._judge import judge as judge
from ch5jax.verdicts._log import Log as Log, read_log as read_log
from ch5jax.verdicts._names import Names as Names, names_of as names_of
from ch5jax.verdicts._thresholds import Thresholds as Thresholds
