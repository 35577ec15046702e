"""Remedies, tried: which of them made a training better, beside random search at equal cost."""

from ch5jax.treatment._remedies import REMEDIES as REMEDIES, Remedy as Remedy
from ch5jax.treatment._treat import treat as treat
from ch5jax.treatment._treatment import Treatment as Treatment, Tried as Tried
