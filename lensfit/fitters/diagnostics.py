"""What says whether samples can be relied upon: R-hat, effective sizes, Pareto k.

Of Markov chains: Vehtari, Gelman, Simpson, Carpenter & Bürkner 2021. Of importance weights: Vehtari, Simpson, Gelman,
Yao & Gabry 2024, JMLR 25, 72.
"""
from __future__ import annotations

import dataclasses

import numpy as np
from scipy.special import logsumexp, ndtri

LEAST_TAIL = 5
"""Weights in the tail below which no distribution is fitted to them, and k is infinite."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Diagnostics:
    """What says whether samples can be relied upon; None where it does not apply to the fitter.

    effective_samples: of the worst parameter for chains, else Kish's of the weights. chains: the samples are
    that many chains of one length, one after the other. r_hat: the worst parameter's (below 1.01 is good).
    divergences: of NUTS (0 is good). pareto_k: of importance weights (below 0.7).
    """

    effective_samples: float
    chains: int = 1
    r_hat: float | None = None
    divergences: int | None = None
    pareto_k: float | None = None


def worst(chains: np.ndarray) -> tuple[float, float]:
    """The largest R-hat and the smallest effective size over the parameters of chains (C, S, n)."""
    parameters = np.moveaxis(chains, -1, 0)
    return max(map(r_hat, parameters)), min(map(effective_size, parameters))


def r_hat(chains: np.ndarray) -> float:
    """Rank-normalised split R-hat of one number along chains (C, S): of its place and of its spread."""
    halves = _split(chains)
    return max(_r_hat(_normalised(halves)), _r_hat(_normalised(abs(halves - np.median(halves)))))


def effective_size(chains: np.ndarray) -> float:
    """Bulk effective sample size of one number along chains (C, S): Geyer's initial monotone sequence."""
    halves = _normalised(_split(chains))
    count, length = halves.shape
    if length < 4:
        return np.nan
    covariances = np.array([_autocovariance(chain) for chain in halves])
    within = covariances[:, 0].mean() * length / (length - 1)
    total = within * (length - 1) / length
    if count > 1:
        total += halves.mean(axis=1).var(ddof=1)
    if not total > 0:
        return np.nan
    correlation = 1 - (within - covariances.mean(axis=0)) / total
    correlation[0] = 1.0
    pairs = correlation[: length // 2 * 2].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs < 0)
    used = max(int(negative[0]), 1) if len(negative) else len(pairs) - 1
    rest = max(correlation[2 * used], 0.0)
    time = max(-1 + 2 * np.minimum.accumulate(pairs[:used]).sum() + rest, 1 / np.log10(count * length))
    return float(count * length / time)


def _split(chains: np.ndarray) -> np.ndarray:
    """Each chain as two."""
    half = chains.shape[1] // 2
    return np.concatenate([chains[:, :half], chains[:, chains.shape[1] - half :]])


def _normalised(chains: np.ndarray) -> np.ndarray:
    """Normal scores of the ranks among all draws (Blom)."""
    _, place, counts = np.unique(chains.ravel(), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place].reshape(chains.shape)  # of equal draws their mean
    return ndtri((ranks - 0.375) / (chains.size + 0.25))


def _r_hat(chains: np.ndarray) -> float:
    length = chains.shape[1]
    within = chains.var(axis=1, ddof=1).mean()
    between = length * chains.mean(axis=1).var(ddof=1)
    return float(np.sqrt((between / within + length - 1) / length))


def _autocovariance(chain: np.ndarray) -> np.ndarray:
    """At all lags (S,), divided by S."""
    length = len(chain)
    spectrum = np.fft.rfft(chain - chain.mean(), 2 * length)
    return np.fft.irfft(spectrum * np.conj(spectrum))[:length] / length


def kish(weights: np.ndarray) -> float:
    """Kish's effective number of samples, (sum w)^2 / sum w^2."""
    return float(weights.sum() ** 2 / (weights**2).sum())


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
