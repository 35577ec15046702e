"""Every problem by name."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from ch5jax.problems._beale import beale
from ch5jax.problems._branin import branin
from ch5jax.problems._deep_linear import deep_linear
from ch5jax.problems._himmelblau import himmelblau
from ch5jax.problems._problem import Problem
from ch5jax.problems._quadratic import quadratic
from ch5jax.problems._quadratic_deep import quadratic_deep
from ch5jax.problems._reddi import reddi
from ch5jax.problems._rnn_cliff import rnn_cliff
from ch5jax.problems._rosenbrock import rosenbrock
from ch5jax.problems._saddles import monkey_saddle, saddle, steep_saddle
from ch5jax.problems._styblinski_tang import styblinski_tang

ALL: Mapping[str, Callable[..., Problem]] = MappingProxyType(
    {
        factory.__name__: factory
        for factory in (
            quadratic,
            quadratic_deep,
            saddle,
            steep_saddle,
            monkey_saddle,
            rosenbrock,
            beale,
            himmelblau,
            branin,
            styblinski_tang,
            deep_linear,
            rnn_cliff,
            reddi,
        )
    }
)
