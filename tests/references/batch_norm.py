"""BatchNorm in NumPy, derived on its own: one feature at a time, over lists of the samples that count."""

import numpy as np


def features_of(x, axis):
    """Yields (index of the feature, flat view of its samples) pairs of an array with these feature axes."""
    axes = sorted(a % x.ndim for a in ([axis] if isinstance(axis, int) else axis))
    moved = np.moveaxis(x, axes, range(len(axes)))
    for index in np.ndindex(*moved.shape[: len(axes)]):
        yield index, moved[index].reshape(-1)


def features_shape(x, axis):
    axes = sorted(a % x.ndim for a in ([axis] if isinstance(axis, int) else axis))
    return tuple(x.shape[a] for a in axes)


def forward(x, scale, bias, eps, axis=-1, mask=None):
    """y (0 in padding), and each feature's mean, biased variance and count."""
    x = np.asarray(x, np.float64)
    mask = np.broadcast_to(True if mask is None else mask, x.shape)
    shape = features_shape(x, axis)
    mean, var, count = np.zeros(shape), np.ones(shape), np.zeros(shape)
    y = np.zeros(x.shape)
    keeps = dict(features_of(mask, axis))
    places = dict(features_of(np.arange(x.size).reshape(x.shape), axis))
    for index, samples in features_of(x, axis):
        keep = keeps[index]
        count[index] = keep.sum()
        if not keep.any():
            continue
        kept = samples[keep]
        mean[index] = kept.mean()
        var[index] = ((kept - mean[index]) ** 2).mean()
        y.flat[places[index][keep]] = scale[index] * (kept - mean[index]) / np.sqrt(var[index] + eps) + bias[index]
    return y, mean, var, count


def backward(x, dy, scale, eps, axis=-1, mask=None):
    """∂L/∂x (0 in padding), ∂L/∂scale and ∂L/∂bias, through the Jacobian ∂y_i/∂x_j of each feature, written out."""
    x, dy = np.asarray(x, np.float64), np.asarray(dy, np.float64)
    mask = np.broadcast_to(True if mask is None else mask, x.shape)
    shape = features_shape(x, axis)
    dx, dscale, dbias = np.zeros(x.shape), np.zeros(shape), np.zeros(shape)
    keeps, slopes = dict(features_of(mask, axis)), dict(features_of(dy, axis))
    places = dict(features_of(np.arange(x.size).reshape(x.shape), axis))
    for index, samples in features_of(x, axis):
        keep = keeps[index]
        if not keep.any():
            continue
        kept, slope = samples[keep], slopes[index][keep]
        n, centered = len(kept), kept - kept.mean()
        deviation = np.sqrt((centered**2).mean() + eps)
        # x̂_i = c_i / s with c_i = x_i − mean and s² = mean c² + ε: ∂c_i/∂x_j = [i=j] − 1/n and ∂s/∂x_j = c_j / (n s)
        jacobian = (np.eye(n) - 1 / n) / deviation - np.outer(centered, centered) / (n * deviation**3)
        dx.flat[places[index][keep]] = scale[index] * slope @ jacobian
        dscale[index] = slope @ centered / deviation
        dbias[index] = slope.sum()
    return dx, dscale, dbias


def samples_seen(batches, axis=-1):
    """Mean, biased variance and count of all samples of several (x, mask) batches together."""
    seen = {}
    for x, mask in batches:
        keeps = dict(features_of(np.broadcast_to(True if mask is None else mask, x.shape), axis))
        for index, samples in features_of(np.asarray(x, np.float64), axis):
            seen.setdefault(index, []).append(samples[keeps[index]])
    shape = features_shape(batches[0][0], axis)
    mean, var, count = np.zeros(shape), np.ones(shape), np.zeros(shape)
    for index, parts in seen.items():
        together = np.concatenate(parts)
        if len(together):
            mean[index], var[index], count[index] = together.mean(), together.var(), len(together)
    return mean, var, count
