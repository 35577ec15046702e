"""The chapter's update rules as plain float64 loops over time: what the optimizers have to equal.

Each function takes the gradients, one row a step, and every hyperparameter as one value a step; it returns the updates,
one row a step, and the accumulators after the last of them.
"""

import numpy as np


def linear_decay(init_value, end_value, transition_steps, steps):
    rates = []
    for i in range(steps):
        share = i / transition_steps
        rates.append(end_value if i >= transition_steps else (1 - share) * init_value + share * end_value)
    return np.array(rates)


def sgd(gradients, *, learning_rate):
    return np.array([-learning_rate[t] * g for t, g in enumerate(gradients)]), ()


def momentum(gradients, *, learning_rate, decay):
    velocity, updates = np.zeros_like(gradients[0]), []
    for t, g in enumerate(gradients):
        velocity = decay[t] * velocity - learning_rate[t] * g
        updates.append(velocity)
    return np.array(updates), (velocity,)


def adagrad(gradients, *, learning_rate, eps, initial_accumulator_value):
    total, updates = np.full(gradients[0].shape, initial_accumulator_value[0]), []
    for t, g in enumerate(gradients):
        total = total + np.abs(g) ** 2
        updates.append(_divided(-learning_rate[t] * g, np.sqrt(total) + eps[t]))
    return np.array(updates), (total,)


def rmsprop(gradients, *, learning_rate, decay, eps, initial_scale):
    average, updates = np.full(gradients[0].shape, initial_scale[0]), []
    for t, g in enumerate(gradients):
        average = decay[t] * average + (1 - decay[t]) * np.abs(g) ** 2
        updates.append(_divided(-learning_rate[t] * g, np.sqrt(average) + eps[t]))
    return np.array(updates), (average,)


def adam(gradients, *, learning_rate, b1, b2, eps, bias_correction=True):
    first, second = np.zeros_like(gradients[0]), np.zeros(gradients[0].shape)
    power1 = power2 = 1.0  # β₁ᵗ and β₂ᵗ, or the products of what a schedule gave
    updates = []
    for t, g in enumerate(gradients):
        first = b1[t] * first + (1 - b1[t]) * g
        second = b2[t] * second + (1 - b2[t]) * np.abs(g) ** 2
        power1, power2 = power1 * b1[t], power2 * b2[t]
        mean = first / (1 - power1) if bias_correction else first
        square = second / (1 - power2) if bias_correction else second
        updates.append(_divided(-learning_rate[t] * mean, np.sqrt(square) + eps[t]))
    return np.array(updates), (first, second)


def _divided(numerator, denominator):
    """The quotient, where 0/0 counts as 0."""
    nothing = (numerator == 0) & (denominator == 0)
    return numerator / np.where(nothing, 1, denominator)
