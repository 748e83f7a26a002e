"""Visibilities from a UVFITS file (FITS random groups, AIPS memo 117), as CASA, AIPS and MIRIAD export it."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from lensfit.datasets.array_files import check_size, read_as, unpacked
from lensfit.datasets.fits_headers import check_headers
from lensfit.datasets.frequency_setups import read_frequency_setups
from lensfit.datasets.random_groups import Groups
from lensfit.datasets.uvfits_fields import choose_source
from lensfit.errors import DataError

_PARALLEL = {1: "I", -1: "RR", -2: "LL", -5: "XX", -6: "YY"}
"""Codes of the STOKES axis that measure total intensity; in unpolarised light each does alone."""


def is_uvfits(path: Path) -> bool:
    """Whether the first header of a FITS file announces random groups."""
    with unpacked(path) as file:
        header = file.read(36 * 80).decode("ascii", "replace")
    cards = [header[k : k + 80] for k in range(0, len(header), 80)]
    return any(card.startswith("GROUPS  =") and "T" in card[10:30] for card in cards)


def uvfits_columns(path: Path, field: str | int | None = None) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """u, v [wavelengths], values [Jy], weights, flags, antenna1, antenna2 and time [JD] of every row, IF and channel,
    the parallel hands averaged by their weights; autocorrelations are flagged. Notes on what was chosen.

    Where several arrays of antennas observed, each is a track. field: name or number of the source, None = the only
    one.

    Raises:
        DataError: the file is broken or is no UVFITS of total intensity, or it holds several sources.
    """
    with unpacked(path) as file, warnings.catch_warnings(), read_as(path, "UVFITS"):
        warnings.simplefilter("ignore")  # AIPS writes keywords that astropy finds unusual
        check_headers(file, path)
        with fits.open(file, memmap=False) as hdus:
            first: Any = hdus[0]
            if not isinstance(first, fits.GroupsHDU):
                raise DataError(f"{path}: holds no random groups, so it is no UVFITS; export it as UVFITS")
            header: Any = first.header
            check_size(8 * header["GCOUNT"] * int(np.prod(first.shape)), str(path))
            cube = _cube(first, header, path)
            values, weights = _intensity(cube, _stokes(header, cube.shape[3], path))
            groups = Groups.of(first.data, header["BITPIX"], path)
            used = np.asarray((weights > 0).any((1, 2)))
            rows, notes = choose_source(hdus, header, groups.source, used, field, path)
            setups = read_frequency_setups(hdus, header, _axes(header)["FREQ"], cube.shape[1:3], path)
            setup = setups.of_groups(groups.setup, used & rows, path)
            columns = groups.columns(rows, setups.frequencies[setup[rows]])
    columns |= {"values": values[rows].ravel(), "weights": weights[rows].ravel()}
    columns["flags"] = columns["antenna1"] == columns["antenna2"]
    return columns, (*notes, *setups.told(setup[used & rows]), *groups.told(rows))


def _axes(header: Any) -> dict[str, int]:
    """The number of each axis of the groups by the first word of its name."""
    return {str(header.get(f"CTYPE{n}", "")).split("-")[0].strip(): n for n in range(2, header["NAXIS"] + 1)}


def _cube(hdu: Any, header: Any, path: Path) -> np.ndarray:
    """(groups, IF, FREQ, STOKES, COMPLEX)."""
    axes = _axes(header)
    missing = [name for name in ("COMPLEX", "STOKES", "FREQ") if name not in axes]
    if missing:
        raise DataError(f"{path}: has no axis {', '.join(missing)}; a UVFITS has COMPLEX, STOKES and FREQ")
    data = np.asarray(hdu.data.data, float)
    wanted = [name for name in ("IF", "FREQ", "STOKES", "COMPLEX") if name in axes]
    order = [data.ndim - (axes[name] - 1) for name in wanted]
    rest = [k for k in range(1, data.ndim) if k not in order]
    if any(data.shape[k] != 1 for k in rest):
        raise DataError(f"{path}: axes of shape {data.shape} beside IF, FREQ and STOKES; split it by source first")
    data = data.transpose([0, *rest, *order])
    lengths = [data.shape[k + 1 + len(rest)] for k in range(len(order))]
    data = data.reshape(data.shape[0], *(lengths if "IF" in axes else [1, *lengths]))
    if data.shape[-1] != 3:
        raise DataError(f"{path}: {data.shape[-1]} numbers in a visibility; a UVFITS has real, imaginary and weight")
    return data


def _stokes(header: Any, count: int, path: Path) -> list[int]:
    """Which entries of the STOKES axis measure total intensity."""
    n = _axes(header)["STOKES"]
    codes = np.round(header[f"CRVAL{n}"] + (np.arange(count) + 1 - header[f"CRPIX{n}"]) * header[f"CDELT{n}"])
    chosen = [k for k, code in enumerate(codes) if int(code) in _PARALLEL]
    if not chosen:
        raise DataError(f"{path}: no I, RR, LL, XX or YY among the Stokes codes {codes.astype(int).tolist()}")
    return chosen[:1] if int(codes[chosen[0]]) == 1 else chosen


def _intensity(cube: np.ndarray, chosen: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Visibilities and weights (groups, IF, FREQ), averaged over the chosen hands."""
    hands = cube[..., chosen, :]
    weights = np.where(hands[..., 2] > 0, hands[..., 2], 0.0)
    used = weights > 0
    values = np.where(used, hands[..., 0] + 1j * hands[..., 1], 0.0)
    total = weights.sum(-1)
    return (weights * values).sum(-1) / np.where(total > 0, total, 1.0), total
