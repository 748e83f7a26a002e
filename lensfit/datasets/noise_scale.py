"""By how much the noise of visibilities is off: measured from how far neighbouring ones differ, and taken out."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from lensfit.datasets.dataset import place, read_only
from lensfit.datasets.noise import TOLD
from lensfit.datasets.visibilities import ARCSEC, Visibilities
from lensfit.errors import DataError
from lensfit.names import NoiseScale

REACH = 3.0
"""How far from the phase centre emission is taken to lie [arcsec]: how fast visibilities may change along a track."""
CHANGED = 0.1
"""Largest power of the sky in a difference, over that of its noise."""
LEAST = 150
"""Differences from which on their scatter is told: it is then known to a tenth."""
KEPT = 0.9
"""Share of the differences, the small ones, that the factor is taken from: a few wild ones change little."""
RINGS = 32
"""Rings of baseline length in each of which the sky's amplitude is one."""
SAMPLE = 2**18
"""Rows that are looked at where there are more."""
PRIME = 7919
"""Spreads the baselines that are looked at over all antennas."""
ROUNDS = 30
"""Most times that the differences are chosen anew with the noise that they gave, which begins too large."""


@dataclass(frozen=True, kw_only=True)
class Scatter:
    """How far neighbouring visibilities differ.

    factor: over what the stated noise says; error: its standard deviation. count: of differences. between: what is
    compared, in words.
    """

    factor: float
    error: float
    count: int
    between: str


def with_noise_scale(visibilities: Visibilities, scale: NoiseScale | None) -> Visibilities:
    """The same visibilities with their noise multiplied by `scale`, and a note.

    Where no scale is given a noise that is off by more than `TOLD` gets a note alone.

    Raises:
        DataError: the scale is no positive number, or "auto" and there are too few neighbours.
    """
    if scale is None:
        found = scatter_of_neighbours(visibilities)
        if found is None or 1 / TOLD < found.factor < TOLD:
            return visibilities
        return replace(visibilities, notes=(*visibilities.notes, _said(found)))
    if scale == "auto":
        found = scatter_of_neighbours(visibilities)
        if found is None:
            raise DataError(
                f"{place('noise', visibilities.sources)}: noise_scale='auto' needs {LEAST} neighbouring "
                "visibilities between which the sky cannot change by as much as the noise, and there are fewer; fit, "
                "and give as noise_scale= the factor that the check of the noise tells"
            )
        note = (
            f"noise multiplied by {found.factor:.4g} +- {found.error:.2g}, the scatter of {found.count} differences "
            f"between {found.between} over what the weights say"
        )
        return _multiplied(visibilities, found.factor, note)
    if isinstance(scale, (str, bool)) or not (np.isfinite(scale) and scale > 0):
        raise DataError(f"noise_scale={scale!r}: give a positive number, or 'auto'")
    return _multiplied(visibilities, float(scale), f"noise multiplied by {scale:.6g}")


def _multiplied(rows: Visibilities, factor: float, note: str) -> Visibilities:
    """The noise times a factor."""
    same = rows.sigma_im is rows.sigma_re
    sigma_re = read_only(factor * rows.sigma_re)
    sigma_im = sigma_re if same else read_only(factor * rows.sigma_im)
    return replace(rows, sigma_re=sigma_re, sigma_im=sigma_im, notes=(*rows.notes, note))


def scatter_of_neighbours(visibilities: Visibilities) -> Scatter | None:
    """How far neighbouring visibilities differ, None where too few are near enough to each other.

    Neighbours are on one baseline, at times that follow each other, else channels and hands of one time, else, where
    the antennas are not known, the nearest in the uv plane. Each is compared with the next, or with the line through
    the one before and the one after it, whichever leaves more of them between which the sky hardly changes.
    """
    rows = _sample(visibilities)
    amplitude = _amplitudes(rows)
    for between, first, second in _neighbours(rows):
        tried = [_scatter(rows, amplitude, between, one) for one in (_steps(rows, first, second),
                                                                     _bends(rows, first, second))]  # fmt: skip
        found = [one for one in tried if one is not None]
        if found:
            return min(found, key=lambda one: one.error / one.factor)
    return None


@dataclass(frozen=True, kw_only=True)
class _Differences:
    """Sums of neighbouring visibilities in which the sky hardly is: rows (m, P) and their shares (m, P).

    turn: (P,) the phase by which emission at `REACH` goes into the sum.
    """

    rows: np.ndarray
    shares: np.ndarray
    turn: np.ndarray


def _steps(table: Visibilities, first: np.ndarray, second: np.ndarray) -> _Differences:
    """Each visibility less the one before it."""
    shares = np.stack([-np.ones(len(first)), np.ones(len(first))])
    return _Differences(rows=np.stack([first, second]), shares=shares, turn=_turn(table, first, second))


def _bends(table: Visibilities, first: np.ndarray, second: np.ndarray) -> _Differences:
    """Each visibility less what the line through its two neighbours has at its place."""
    triples = np.flatnonzero((second[:-1] == first[1:]) & (first[:-1] != second[1:]))
    before, here, after = first[triples], second[triples], second[triples + 1]
    ahead, behind = _turn(table, here, after), _turn(table, before, here)
    share = np.where(ahead + behind > 0, ahead / np.maximum(ahead + behind, 1e-300), 0.5)
    off = [column[here] - share * column[before] - (1 - share) * column[after] for column in (table.u, table.v)]
    turn = 0.5 * ahead * behind + 2 * np.pi * ARCSEC * REACH * np.hypot(*off)
    shares = np.stack([-share, np.ones(len(here)), share - 1])
    return _Differences(rows=np.stack([before, here, after]), shares=shares, turn=turn)


def _turn(table: Visibilities, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Phase by which emission at `REACH` turns from one row to another."""
    return 2 * np.pi * ARCSEC * REACH * np.hypot(table.u[first] - table.u[second], table.v[first] - table.v[second])


def _scatter(table: Visibilities, amplitude: np.ndarray, between: str, made: _Differences) -> Scatter | None:
    """From the differences in which the sky hardly is; their power over that of the noise is an exponential's.

    The error is the largest that mocks show: differences share visibilities.
    """
    expected = sum(np.sum((made.shares * sigma[made.rows]) ** 2, 0) for sigma in (table.sigma_re, table.sigma_im))
    power = np.abs(np.sum(made.shares * table.values[made.rows], 0)) ** 2 / expected
    sky = (made.turn * amplitude[made.rows].max(0, initial=0.0)) ** 2 / expected
    factor, chosen = np.inf, np.ones(len(power), bool)
    for _ in range(ROUNDS):
        before, factor = factor, np.sqrt(_mean(power[chosen]))
        if not 0 < factor < before:
            break
        chosen = sky < CHANGED * factor**2
    count = int(np.count_nonzero(chosen))
    if count < LEAST or not factor > 0:
        return None
    return Scatter(factor=float(factor), error=float(factor / np.sqrt(count)), count=count, between=between)


def _mean(power: np.ndarray) -> float:
    """The mean of powers that are exponential but for a few large ones, from the lower share `KEPT` of them."""
    if not len(power):
        return 0.0
    most = -np.log(1 - KEPT)
    lower = np.partition(power, int(KEPT * len(power)))[: max(int(KEPT * len(power)), 1)]
    return float(np.mean(lower)) * KEPT / (KEPT - (1 - KEPT) * most)


def _amplitudes(rows: Visibilities) -> np.ndarray:
    """Root mean square (K,) of the visibilities in rings of baseline length, noise included."""
    length = np.hypot(rows.u, rows.v)
    ring = np.argsort(np.argsort(length)) * RINGS // len(length)
    power = np.bincount(ring, np.abs(rows.values) ** 2, RINGS) / np.maximum(np.bincount(ring, minlength=RINGS), 1)
    return np.sqrt(power)[ring]


def _sample(rows: Visibilities) -> Visibilities:
    """Of more rows than `SAMPLE` some whose neighbours are there too: whole baselines, or a strip of the uv plane."""
    if len(rows) <= SAMPLE:
        return rows
    kept = np.zeros(0, int)
    if rows.antenna1 is not None and rows.antenna2 is not None:
        kept = np.flatnonzero((PRIME * rows.antenna1 + rows.antenna2) % -(-len(rows) // SAMPLE) == 0)
    if len(kept) < LEAST:
        middle = len(rows) // 2
        kept = np.sort(np.argsort(rows.u, kind="stable")[middle - SAMPLE // 2 : middle + SAMPLE // 2])
    columns = ("u", "v", "values", "sigma_re", "sigma_im", "antenna1", "antenna2", "time", "track")
    given = {name: getattr(rows, name) for name in columns}
    return replace(rows, **{name: column[kept] for name, column in given.items() if column is not None})


def _baselines(rows: Visibilities) -> np.ndarray | None:
    """The number (K,) of the baseline of each row, from 0 on and other ones in each track; None if not known."""
    if rows.antenna1 is None or rows.antenna2 is None:
        return None
    number = np.zeros(len(rows), int)
    for column in (rows.track, rows.antenna1, rows.antenna2):
        if column is not None:
            number = _numbered(number, column)
    return number


def _numbered(group: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Groups (K,) parted further by labels (K,), numbered from 0 on in their order."""
    order = np.lexsort((label, group))
    new = (np.diff(group[order]) != 0) | (np.diff(label[order]) != 0)
    made = np.empty(len(group), int)
    made[order] = np.append(0, np.cumsum(new))
    return made


def _neighbours(rows: Visibilities) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """What is compared, and both rows of each pair."""
    baseline, time = _baselines(rows), rows.time
    if baseline is not None and time is None:
        order = np.argsort(baseline, kind="stable")
        yield "visibilities that follow each other on a baseline", *_pairs(order, baseline)
    elif baseline is not None and time is not None:
        moment = _numbered(baseline, time)
        order = np.lexsort((np.hypot(rows.u, rows.v), moment))
        starts = np.flatnonzero(np.diff(moment[order], prepend=-1))
        channel = np.empty(len(rows), int)
        channel[order] = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))
        same = _numbered(baseline, channel)
        yield "visibilities of neighbouring times on a baseline", *_pairs(np.lexsort((time, same)), same)
        yield "visibilities of neighbouring channels or hands", *_pairs(order, moment)
    yield "visibilities nearest in the uv plane", *_nearest(rows)


def _nearest(rows: Visibilities) -> tuple[np.ndarray, np.ndarray]:
    """Each row with the row nearest to it in the uv plane."""
    places, own = np.stack([rows.u, rows.v], -1), np.arange(len(rows))
    if len(rows) < 2:
        return own[:0], own[:0]
    from scipy.spatial import KDTree  # it takes long to load

    near = np.asarray(KDTree(places).query(places, k=2)[1])  # of rows at one place either may be named first
    return own, np.where(near[:, 0] == own, near[:, 1], near[:, 0])


def _pairs(order: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows that follow each other in an order and are of one group."""
    first, second = order[:-1], order[1:]
    same = group[first] == group[second]
    return first[same], second[same]


def _said(found: Scatter) -> str:
    """What is said of a noise that is off."""
    wrong, factor = ("small", found.factor) if found.factor > 1 else ("large", 1 / found.factor)
    return (
        f"noise looks {factor:.3g} times too {wrong}: {found.count} differences between {found.between} "
        f"scatter by {found.factor:.3g} +- {found.error:.2g} of what the weights say; errors are wrong by that factor, "
        "and noise_scale='auto' takes it out"
    )
