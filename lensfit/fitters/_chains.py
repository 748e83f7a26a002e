"""R-hat and effective sample size of Markov chains (Vehtari, Gelman, Simpson, Carpenter & Bürkner 2021)."""
from __future__ import annotations

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata


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
    ranks = rankdata(chains, method="average").reshape(chains.shape)
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
