"""Population-based training in NumPy, one member after the other; chance is told it."""

import numpy as np


def evolve(descend, scores_of, states, hyperparameters, rounds, copied, best_drawn, factors_drawn, low, high):
    """Trains in rounds, and between them has the worst go on from the best.

    Args:
      descend: (state, hyperparameter, round) -> state after a round's steps.
      scores_of: states -> losses, NaN of the lost.
      states, hyperparameters: lists, one each a member.
      rounds: how many.
      copied: how many are the worst.
      best_drawn: (round, how many may be drawn from) -> for each member, the place among the best it would take.
      factors_drawn: round -> for each member, the factor that it would be given.
      low, high: what a perturbed hyperparameter stays between.

    Returns:
      The states at the end, and of each round the hyperparameters, parents and losses.
    """
    states, hyperparameters = list(states), list(hyperparameters)
    members, course = len(states), []
    losses = [0.0] * members
    for i in range(rounds):
        parents = list(range(members))
        if i and copied:
            alive = [m for m in range(members) if np.isfinite(losses[m])]
            ranked = sorted(alive, key=lambda m: losses[m])
            ranked += [m for m in range(members) if m not in alive]
            best = ranked[: min(copied, len(alive))]
            for m in {*ranked[members - copied :], *ranked[len(alive) :]} if alive else ():
                parents[m] = best[best_drawn(i, len(best))[m]]
            before = hyperparameters
            hyperparameters = [before[p] for p in parents]
            states = [states[p] for p in parents]
            for m in range(members):
                if parents[m] != m:
                    hyperparameters[m] = min(max(hyperparameters[m] * factors_drawn(i)[m], low), high)
        states = [descend(s, h, i) for s, h in zip(states, hyperparameters, strict=True)]
        losses = scores_of(states)
        course.append((list(hyperparameters), parents, list(losses)))
    return states, course
