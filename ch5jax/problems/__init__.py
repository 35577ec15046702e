"""Test functions and what is known of them: critical points with their eigenvalues, usual starts and boxes.

`ALL` holds every factory by name; each has defaults for all its arguments.
"""

from ch5jax.problems._all import ALL as ALL
from ch5jax.problems._beale import beale as beale
from ch5jax.problems._branin import branin as branin
from ch5jax.problems._deep_linear import deep_linear as deep_linear
from ch5jax.problems._himmelblau import himmelblau as himmelblau
from ch5jax.problems._nearest import Nearest as Nearest, nearest as nearest
from ch5jax.problems._problem import CriticalPoint as CriticalPoint, Problem as Problem
from ch5jax.problems._quadratic import quadratic as quadratic
from ch5jax.problems._quadratic_deep import (
    NOISE_LEVEL as NOISE_LEVEL,
    Spectrum as Spectrum,
    quadratic_deep as quadratic_deep,
)
from ch5jax.problems._reddi import reddi as reddi
from ch5jax.problems._rnn_cliff import rnn_cliff as rnn_cliff
from ch5jax.problems._rosenbrock import rosenbrock as rosenbrock
from ch5jax.problems._saddles import monkey_saddle as monkey_saddle, saddle as saddle, steep_saddle as steep_saddle
from ch5jax.problems._styblinski_tang import styblinski_tang as styblinski_tang
