"""What a population went through."""

import functools
from dataclasses import dataclass, field

import jax
import numpy as np

from ch5jax._extras import require
from ch5jax._types import DataFrame, Hyperparameters, Metrics, State
from ch5jax.populations._leaves import named


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["hyperparameters", "parents", "evaluations", "lost", "states"],
    meta_fields=["every", "objective", "maximize"],
)
@dataclass(frozen=True)
class Evolution:
    """A population that was trained by `ch5jax.evolve`; a pytree, so that it can be mapped over keys.

    Of such a batch, `jax.tree.map(lambda values: values[i], batch)` is one again, for the methods.

    Attributes:
      hyperparameters: what each member trained with in each round, every leaf of shape (rounds, members, ...).
      parents: int32, shape (rounds, members): the member whose state and hyperparameters each went on from in a round,
        as they were at the end of the one before; itself, where it was not replaced, and in the first round.
      evaluations: the metrics of `evaluate` after each round, and of the step the last ones, each of shape (rounds,
        members).
      lost: shape (rounds, members): whether the objective, the last loss or a parameter was not finite after a round.
      states: the task's states after the last round, every leaf of shape (members, ...).
      every: steps in a round.
      objective: the metric that selects; `maximize` says which way.
    """

    hyperparameters: Hyperparameters
    parents: jax.Array
    evaluations: Metrics
    lost: jax.Array
    states: State = field(repr=False)
    every: int
    objective: str
    maximize: bool

    @property
    def scores(self) -> jax.Array:
        """The objective after each round, shape (rounds, members)."""
        return self.evaluations[self.objective]

    def best(self) -> int:
        """The member with the best objective after the last round; one that is lost comes after all others."""
        self._check_one()
        score = np.asarray(self.scores[-1], float)
        score = np.where(np.asarray(self.lost[-1]), -np.inf, score if self.maximize else -score)
        return int(np.argmax(score))

    def lineage(self, member: int | None = None) -> np.ndarray:
        """Whose training a member's last state comes from: the member's number in each round.

        Args:
          member: by default the best.

        Returns:
          Integers, shape (rounds,); the last one is `member`.

        Raises:
          ValueError: if there is no such member.
        """
        self._check_one()
        parents = np.asarray(self.parents)
        rounds, members = parents.shape
        member = self.best() if member is None else member
        if isinstance(member, bool) or not isinstance(member, int | np.integer) or not 0 <= member < members:
            raise ValueError(f"member must be an integer from 0 to {members - 1}, got {member!r}")
        line = np.empty(rounds, int)
        for i in reversed(range(rounds)):
            line[i] = member
            member = parents[i, member]
        return line

    def schedule(self, member: int | None = None) -> Hyperparameters:
        """The hyperparameters that led to a member's last state, round by round.

        Args:
          member: by default the best.

        Returns:
          The pytree, every leaf of shape (rounds, ...): round i has the steps from i·`every` on.

        Raises:
          ValueError: if there is no such member.
        """
        line = self.lineage(member)
        return jax.tree.map(lambda leaf: np.asarray(leaf)[np.arange(len(line)), line], self.hyperparameters)

    def table(self) -> DataFrame:
        """A row for each round and member, as a pandas DataFrame: hyperparameters, parent, metrics, and who was lost.

        Raises:
          ImportError: without pandas (`ch5jax[sweep]`).
        """
        self._check_one()
        rounds, members = np.shape(self.parents)
        number = np.repeat(np.arange(rounds), members)
        columns = {"round": number, "steps": (number + 1) * self.every, "member": np.tile(np.arange(members), rounds)}
        columns |= {"parent": np.ravel(self.parents), "lost": np.ravel(self.lost)}
        own = {name: np.ravel(values) for name, values in self.evaluations.items()}
        for name, leaf in named(self.hyperparameters).items():
            values = np.asarray(leaf)
            for index in np.ndindex(values.shape[2:]):
                element = name + (f"[{','.join(map(str, index))}]" if index else "")
                taken = element in columns or element in own
                columns[f"hyperparameter {element}" if taken else element] = values[(..., *index)].ravel()
        apart = {f"metric {name}" if name in columns else name: values for name, values in own.items()}
        return require("pandas", "sweep", "Evolution.table").DataFrame(columns | apart)

    def _check_one(self) -> None:
        if np.ndim(self.parents) != 2:
            raise ValueError(
                f"one population must be looked at, and this is a batch of them, {np.shape(self.parents)[:-2]}: take "
                "one by jax.tree.map(lambda values: values[i], batch)"
            )
