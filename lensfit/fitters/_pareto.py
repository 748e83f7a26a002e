"""Pareto-smoothed importance weights (Vehtari, Simpson, Gelman, Yao & Gabry 2024, JMLR 25, 72)."""
from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

LEAST_TAIL = 5
"""Weights in the tail below which no distribution is fitted to them, and k is infinite."""


def smooth(log_weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Smoothed ln weights (S,), on the scale of the given ones, and the shape k of the tail.

    The largest weights, min(S / 5, 3 sqrt(S)) of them, are replaced by the quantiles of the generalised Pareto
    distribution that fits them, none above the largest given. k < 0.5: their variance is finite; k > 0.7: the
    estimates cannot be relied upon, whatever their scatter seems to be.
    """
    largest = log_weights.max()
    logs = log_weights - largest
    count = len(logs)
    order = np.argsort(logs, kind="stable")
    size = int(np.ceil(min(count / 5, 3 * np.sqrt(count))))
    cutoff = max(logs[order[count - size - 1]], np.log(np.finfo(float).tiny))
    tail = order[logs[order] > cutoff]
    if len(tail) < LEAST_TAIL:
        return log_weights, np.inf
    k, sigma = generalised_pareto(np.exp(logs[tail]) - np.exp(cutoff))
    quantiles = (np.arange(len(tail)) + 0.5) / len(tail)
    excess = -sigma * np.log1p(-quantiles) if k == 0 else sigma * np.expm1(-k * np.log1p(-quantiles)) / k
    smoothed = logs.copy()
    smoothed[tail] = np.minimum(np.log(excess + np.exp(cutoff)), 0.0)
    return smoothed + largest, k


def generalised_pareto(excesses: np.ndarray) -> tuple[float, float]:
    """Shape k and scale of the generalised Pareto distribution of sorted positive excesses (T,).

    Posterior mean over a profile (Zhang & Stephens 2009), k drawn towards 0.5 as by ten more data.
    """
    count = len(excesses)
    points = 30 + int(np.sqrt(count))
    quartile = excesses[int(count / 4 + 0.5) - 1]
    b = (1 - np.sqrt(points / (np.arange(points) + 0.5))) / (3 * quartile) + 1 / excesses[-1]
    shapes = np.mean(np.log1p(-b[:, None] * excesses), axis=1)
    profile = count * (np.log(-b / shapes) - shapes - 1)
    weights = np.exp(profile - logsumexp(profile))
    weights = np.where(weights >= 10 * np.finfo(float).eps, weights, 0.0)
    best = float(b @ weights / weights.sum())
    shape = float(np.mean(np.log1p(-best * excesses)))
    return (count * shape + 10 * 0.5) / (count + 10), -shape / best


def effective(weights: np.ndarray) -> float:
    """Kish's effective number of samples, (sum w)^2 / sum w^2."""
    return float(weights.sum() ** 2 / (weights**2).sum())
