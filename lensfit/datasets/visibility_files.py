"""From files to an `Interferometer` or to chunks of visibilities, and back."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from lensfit.datasets import _files
from lensfit.datasets._visibility_checks import East, NanRows, Sign, check_length, check_units
from lensfit.datasets._visibility_files import TRIPLE, read_table
from lensfit.datasets.interferometer import Interferometer, wide_grid
from lensfit.datasets.visibilities import Visibilities
from lensfit.errors import DataError

CHUNK = 2**20
"""Rows that are read at once; arrays of more than 32 MiB the allocator would fetch anew each time."""


def read_interferometer(
    path: str | Path,
    *,
    pixel_scale: float | None = None,
    shape: tuple[int, int] | None = None,
    sign: Sign | None = None,
    east: East | None = None,
    wavelength: float | None = None,
    primary_beam: float | None = None,
    origin: tuple[float, float] | None = None,
    nan: NanRows = "error",
) -> Interferometer:
    """Read visibilities from a UVFITS or npz file, or from a folder that holds one or PyAutoLens's FITS triple.

    An npz has u, v, visibilities (or re and im), sigma (or noise or weights), perhaps flags, ant1, ant2, time,
    track. What is not given here is taken from the folder's `info.json`, then from the file, then from its
    format: a UVFITS has sign -1 and East to the left, PyAutoLens's files have sign -1 and x along u.

    Args:
        path: file or folder.
        pixel_scale: arcsec per pixel of the image on which the lens is modelled; without it and without shape a
            field as wide as the primary beam, for `lensfit.window.choose_window` to look for the lens in.
        shape: (H, W) of that image; origin: (x, y) in arcsec of its centre from the phase centre.
        sign: -1 or +1 in V = sum I exp(sign 2 pi i (u l + v m)).
        east: side of the image to which l (East) counts.
        wavelength: in metres, where u and v are in metres.
        primary_beam: full width at half maximum in arcsec.
        nan: "error" refuses NaN and inf, "drop" leaves such rows out.

    Raises:
        DataError: a file is missing, ambiguous or broken, something is not stated, or the data are not fit for
            a fit.
    """
    path = Path(path)
    table = read_table(path)
    given = {
        "pixel_scale": pixel_scale, "shape": shape, "sign": sign, "east": east,
        "wavelength": wavelength, "primary_beam": primary_beam, "origin": origin,
    }  # fmt: skip
    stated = table.stated | {key: value for key, value in given.items() if value is not None}
    _check_stated(path, stated, ("sign", "east"))
    columns = dict(table.columns)
    mask = columns.pop("mask", None)
    visibilities = Visibilities.from_arrays(
        columns.pop("u"),
        columns.pop("v"),
        columns.pop("values"),
        nan=nan,
        sources=table.sources,
        **columns,
        **{key: stated[key] for key in ("sign", "east", "wavelength") if stated.get(key) is not None},
    )
    if stated.get("pixel_scale") is None and stated.get("shape") is None:
        check_units(visibilities.longest, str(path))
        stated["pixel_scale"], stated["shape"] = wide_grid(visibilities, stated.get("primary_beam"))
    _check_stated(path, stated, ("pixel_scale", "shape"))
    grid = ("primary_beam", "pixel_scale", "shape", "origin")
    given = {key: stated[key] for key in grid if stated.get(key) is not None}
    return Interferometer.of(visibilities, mask=mask, **given)


def _check_stated(path: Path, stated: dict[str, Any], keys: tuple[str, ...]) -> None:
    for key in keys:
        if stated.get(key) is None:
            raise DataError(f"{path}: states no {key}; give {_REMEDIES[key]}, or write it into the folder's info.json")


_REMEDIES = {
    "sign": "sign=-1 or sign=+1, that of V = sum I exp(sign 2 pi i (u l + v m))",
    "east": "east='left' or east='right', the side of the image to which l (East) counts",
    "pixel_scale": "pixel_scale= in arcsec, at most half a fringe of the longest baseline",
    "shape": "shape=(H, W), the rows and columns of an image that holds all emission",
}


def read_chunks(
    folder: str | Path, *, sign: Sign = -1, east: East = "right", rows: int = CHUNK
) -> Iterator[Visibilities]:
    """The visibilities of PyAutoLens's FITS triple, `rows` at a time: files that do not fit into memory.

    Raises:
        DataError: a file is missing or broken, or a chunk is not fit for a fit.
    """
    paths = {role: Path(folder) / name for role, name in TRIPLE.items()}
    for path in paths.values():
        _files.file_format(path)
    opened: dict[str, Any] = {role: fits.open(path, memmap=False) for role, path in paths.items()}
    try:
        parts = {role: hdus[0] for role, hdus in opened.items()}
        count = parts["values"].shape[0]
        for role, part in parts.items():
            if len(part.shape) != 2 or part.shape[1] != 2:
                raise DataError(f"{paths[role]}: shape {part.shape}; give (K, 2)")
            check_length(part.shape[0], count, str(paths[role]))
        for start in range(0, count, rows):
            with _files.reading(Path(folder), "FITS"):
                cut = {role: part.section[start : min(start + rows, count)] for role, part in parts.items()}
            u, v = cut["uv"].T
            yield Visibilities.from_arrays(u, v, cut["values"], cut["noise"], sign=sign, east=east)
    finally:
        for hdus in opened.values():
            hdus.close()


def write_interferometer(interferometer: Interferometer, folder: str | Path) -> None:
    """Write visibilities.npz, in the house's frame, and info.json; `read_interferometer(folder)` gives the same.

    Raises:
        DataError: the folder holds one of these files already.
    """
    data, rows, folder = interferometer, interferometer.visibilities, Path(folder)
    table, info = folder / "visibilities.npz", folder / "info.json"
    for path in (table, info):
        if path.exists():
            raise DataError(f"{path}: is there already; write to another folder or remove it")
    folder.mkdir(parents=True, exist_ok=True)
    same = np.array_equal(rows.sigma_re, rows.sigma_im)
    columns: dict[str, Any] = {"u": rows.u, "v": rows.v, "re": np.real(rows.values), "im": np.imag(rows.values)}
    columns |= {"sigma": rows.sigma_re} if same else {"sigma_re": rows.sigma_re, "sigma_im": rows.sigma_im}
    labels = {"ant1": rows.antenna1, "ant2": rows.antenna2, "time": rows.time, "track": rows.track}
    columns |= {name: column for name, column in labels.items() if column is not None}
    if data.mask.any():
        columns["mask"] = data.mask
    np.savez(table, **columns)
    stated = {"sign": -1, "east": "right", "pixel_scale": data.pixel_scale, "shape": data.shape, "origin": data.origin}
    if data.primary_beam is not None:
        stated["primary_beam"] = data.primary_beam
    info.write_text(json.dumps(stated) + "\n", encoding="utf-8")
