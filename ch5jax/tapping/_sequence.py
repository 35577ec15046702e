"""Layers one after the other: those of a loop iteration by iteration."""

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

import chex

from ch5jax.tapping._graph import Loop

if TYPE_CHECKING:
    from ch5jax.tapping._tap import Site

SiteLike: TypeAlias = "Site | chex.Array"  # what is at a layer: of `tap`, or an array alone


def in_sequence(sites: Sequence[SiteLike], over_time: bool = True) -> list[tuple[int, tuple[int, ...]]]:
    """Each layer and each of its iterations, in the order of the depth: which site, and where along its loops.

    Args:
      sites: of a tapped loss; anything else counts as one layer.
      over_time: whether steps of time count as layers, as iterations over depth do.
    """
    loops = [tuple(loop for loop in loops_of(site) if counts(loop, over_time)) for site in sites]
    return list(_unrolled(range(len(sites)), loops, 0))


def counts(loop: Loop, over_time: bool = True) -> bool:
    """Whether the iterations of a loop are layers."""
    return loop.over == "depth" or (over_time and loop.over == "time")


def loops_of(site: SiteLike) -> tuple[Loop, ...]:
    """The loops of a site; of an array, none."""
    return getattr(site, "loops", ())


def _unrolled(
    numbers: Sequence[int], loops: Sequence[tuple[Loop, ...]], level: int
) -> Iterator[tuple[int, tuple[int, ...]]]:
    def together(i: int) -> tuple[bool, int]:
        inside = len(loops[i]) > level
        return inside, loops[i][level].at if inside else i

    for _, same in itertools.groupby(numbers, together):
        group = list(same)
        if len(loops[group[0]]) <= level:
            yield group[0], ()
            continue
        loop, inside = loops[group[0]][level], list(_unrolled(group, loops, level + 1))
        iterations = range(loop.length)
        for t in reversed(iterations) if loop.reverse else iterations:
            yield from ((i, (t, *rest)) for i, rest in inside)


def layer_names(sites: Sequence[SiteLike]) -> tuple[str, ...]:
    """The layers' names, in the order of `diagnostics.layer_gradient_norms`.

    Args:
      sites: of a tapped loss (`ch5jax.tap`), zeros or gradients.

    Returns:
      A name for each layer: the parameter's path, with the iteration of each loop that it stands in, "[i]" over depth
      from 0 on, "step t of T" over time from 1 on.

    Example:
      >>> import ch5jax, jax, jax.numpy as jnp
      >>> def loss(w, x):
      ...     return jnp.sum(jax.lax.scan(lambda h, w: (jnp.tanh(h @ w), None), x, w)[0])
      >>> zeros = ch5jax.tap(loss).zeros(jnp.ones((3, 4, 4)), jnp.ones((2, 4)))
      >>> ch5jax.diagnostics.layer_names(zeros)
      ('params[0]', 'params[1]', 'params[2]')
    """
    return tuple(_named(sites[i], at, True) for i, at in in_sequence(sites))


def activation_names(sites: Sequence[SiteLike]) -> tuple[str, ...]:
    """The names of the layers with an activation behind them, in the order of `diagnostics.flat_units`.

    Args:
      sites: of a loss tapped with `activations=True`, zeros or gradients.

    Returns:
      As `layer_names`; steps of time are one.

    Example:
      >>> import ch5jax, jax, jax.numpy as jnp
      >>> tapped = ch5jax.tap(lambda w, x: jnp.sum(jnp.tanh(x @ w["a"]) @ w["b"]), activations=True)
      >>> zeros = tapped.zeros({"a": jnp.ones((3, 2)), "b": jnp.ones((2, 1))}, jnp.ones((4, 3)))
      >>> ch5jax.diagnostics.activation_names(zeros)
      ("['a']",)
    """
    active = [site for site in sites if getattr(site, "after", None) is not None]
    return tuple(_named(active[i], at, False) for i, at in in_sequence(active, over_time=False))


def _named(site: SiteLike, at: tuple[int, ...], over_time: bool) -> str:
    loops = [loop for loop in site.loops if counts(loop, over_time)]
    depth = "".join(f"[{t}]" for loop, t in zip(loops, at, strict=True) if loop.over == "depth")
    time = "".join(f", step {t + 1} of {loop.length}" for loop, t in zip(loops, at, strict=True) if loop.over == "time")
    return f"{site.name}{depth}{time}"
