"""The raw columns of visibilities in a UVFITS or npz file or in a folder, with what is stated beside them."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from lensfit.datasets.array_files import file_format, open_images, read_as, sha256, unpacked
from lensfit.datasets.dataset import Source
from lensfit.datasets.fits_headers import check_headers
from lensfit.datasets.foreign_formats import foreign_format, refuse_foreign
from lensfit.datasets.info_file import checked, stated_in
from lensfit.datasets.uvfits import is_uvfits, uvfits_columns
from lensfit.datasets.visibilities import Visibilities, check_length
from lensfit.errors import DataError
from lensfit.names import East, Sign
from lensfit.outside import is_there

NAMES = {
    "u": ("u", "uu"),
    "v": ("v", "vv"),
    "values": ("values", "visibilities", "vis", "data"),
    "re": ("re", "real", "data_re", "vis_re"),
    "im": ("im", "imag", "data_im", "vis_im"),
    "uv": ("uv_wavelengths", "uv"),
    "noise": ("noise", "noise_map", "sigma"),
    "weights": ("weights", "weight"),
    "sigma_re": ("sigma_re",),
    "sigma_im": ("sigma_im",),
    "flags": ("flags", "flag"),
    "antenna1": ("antenna1", "ant1"),
    "antenna2": ("antenna2", "ant2"),
    "time": ("time",),
    "track": ("track",),
    "mask": ("mask",),
    "primary_beam": ("primary_beam", "pb_fwhm_arcsec"),
}
"""The names of arrays by which each column is known."""
STATED = ("sign", "east", "wavelength", "primary_beam", "pixel_scale", "shape", "origin")
"""What an `info.json` may state, and `read_interferometer` may be given."""
TRIPLE = {"values": "visibilities.fits", "noise": "noise_map.fits", "uv": "uv_wavelengths.fits"}
"""The files of PyAutoLens, each (K, 2): real and imaginary part, or u and v."""
CHUNK = 2**20
"""Rows that `read_chunks` reads at once; arrays of more than 32 MiB the allocator would fetch anew each time."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Raw columns by name, what is stated beside them, where they come from, and notes on what was chosen."""

    columns: dict[str, Any]
    stated: dict[str, Any] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    notes: tuple[str, ...] = ()


def holds_visibilities(path: Path) -> bool:
    """Whether a file or folder looks like visibilities rather than an image, also of a format that is not read."""
    if foreign_format(path) is not None:
        return True
    if path.is_dir():
        return (path / TRIPLE["uv"]).exists() or any(holds_visibilities(file) for file in _candidates(path))
    kind = file_format(path)
    if kind == "npz":
        with open_images(path) as arrays:
            return bool({"u", "uu", *NAMES["uv"]} & {name.lower() for name in arrays.names})
    return kind == "FITS" and is_uvfits(path)


def read_table(path: Path, source: str | int | None = None) -> Table:
    """The table of a file, or of the one file or triple of a folder with its `info.json`.

    source: name or number of the one that is meant in a UVFITS of several.

    Raises:
        DataError: nothing or several things there could be visibilities, a file is broken or of a format that is not
            read, or holds several sources.
    """
    if not is_there(path):
        raise DataError(f"{path}: no such file or folder; check the path")
    refuse_foreign(path)
    if not path.is_dir():
        if file_format(path) != "npz":
            return _uvfits(path, source)
        _check_no_source(path, source)
        return _npz(path)
    info = _info(path)
    if (path / TRIPLE["uv"]).exists():
        _check_no_source(path, source)
        table = _triple(path)
    else:
        found = [file for file in _candidates(path) if holds_visibilities(file)]
        if len(found) != 1:
            raise DataError(
                f"{path}: {len(found) or 'no'} files that could be visibilities "
                f"({', '.join(file.name for file in found) or 'UVFITS, npz, or ' + ', '.join(TRIPLE.values())}); "
                "give the file itself as the path"
            )
        table = read_table(found[0], source)
    return replace(table, stated=table.stated | info.stated, sources=table.sources + info.sources)


def _candidates(folder: Path) -> list[Path]:
    suffixes = (".npz", ".uvfits", ".uvf", ".fits", ".fits.gz", ".uvfits.gz")
    return sorted(file for file in folder.iterdir() if file.is_file() and file.name.lower().endswith(suffixes))


def _check_no_source(path: Path, source: str | int | None) -> None:
    if source is not None:
        raise DataError(f"{path}: a table of one source without names; leave out field=, which is for UVFITS")


def _uvfits(path: Path, source: str | int | None) -> Table:
    """The kernel's sign is -1 by the standard, and u counts to the East, the left of a northern-up image."""
    sources = (("visibilities", str(path), sha256(path)),)
    columns, notes = uvfits_columns(path, source)
    return Table(columns=columns, stated={"sign": -1, "east": "left"}, sources=sources, notes=notes)


def _npz(path: Path) -> Table:
    with open_images(path) as arrays:
        lower = {name.lower(): name for name in arrays.names}
        found = {role: [n for n in names if n in lower] for role, names in NAMES.items()}
        for role, names in found.items():
            if len(names) > 1:
                raise DataError(f"{path}: several arrays for {role}: {', '.join(names)}; keep one of them")
        columns = {role: arrays.array(lower[names[0]]) for role, names in found.items() if names}
        stated = {key: arrays.array(lower[key]) for key in STATED if key in lower}
    if "primary_beam" in columns:
        stated["primary_beam"] = columns.pop("primary_beam")
    stated = {key: checked(path, key, value.tolist()) for key, value in stated.items()}
    return Table(
        columns=_joined(columns, path), stated=stated, sources=(("visibilities", str(path), sha256(path)),)
    )


def _triple(folder: Path) -> Table:
    """PyAutoLens has V = sum I exp(-2 pi i (u x + v y)) with x to the right."""
    columns, sources = {}, []
    for role, name in TRIPLE.items():
        with open_images(folder / name) as images:
            if not images.names:
                raise DataError(f"{folder / name}: holds no image; give (K, 2) numbers in its first extension")
            columns[role] = images.array(images.names[0])
        sources.append(("visibilities" if role == "values" else role, str(folder / name), sha256(folder / name)))
    return Table(
        columns=_joined(columns, folder), stated={"sign": -1, "east": "right"}, sources=tuple(sources)
    )


def _joined(columns: dict[str, Any], path: Path) -> dict[str, Any]:
    """Pairs of columns as the one that `Visibilities.from_arrays` takes."""
    for both, parts in (("values", ("re", "im")), ("noise", ("sigma_re", "sigma_im"))):
        if set(parts) <= set(columns):
            first, second = (np.asarray(columns.pop(part), float) for part in parts)
            if first.shape != second.shape:
                raise DataError(f"{path}: {parts[0]} has shape {first.shape}, {parts[1]} {second.shape}")
            columns[both] = first + 1j * second
    if "uv" in columns:
        pairs = np.asarray(columns.pop("uv"))
        if pairs.ndim != 2 or pairs.shape[1] != 2:
            raise DataError(f"{path}: uv_wavelengths of shape {pairs.shape}; give (K, 2), u and v")
        columns["u"], columns["v"] = pairs.T
    missing = [name for name in ("u", "v", "values") if name not in columns]
    if missing:
        raise DataError(f"{path}: no {', '.join(missing)} among its arrays; name them {', '.join(missing)}")
    return columns


def _info(folder: Path) -> Table:
    """What the `info.json` of a folder states, an empty table where there is none."""
    stated, sources = stated_in(folder, STATED)
    return Table(columns={}, stated=stated, sources=sources)


def read_chunks(
    folder: str | Path, *, sign: Sign = -1, east: East = "right", rows: int = CHUNK
) -> Iterator[Visibilities]:
    """The visibilities of PyAutoLens's FITS triple, `rows` at a time: files that do not fit into memory.

    Raises:
        DataError: a file is missing or broken, or a chunk is not fit for a fit.
    """
    paths = {role: Path(folder) / name for role, name in TRIPLE.items()}
    with ExitStack() as stack:
        parts = {role: _first_image(path, stack) for role, path in paths.items()}
        count = parts["values"].shape[0]
        for role, part in parts.items():
            check_length(part.shape[0], count, str(paths[role]))
        for start in range(0, count, rows):
            with read_as(Path(folder), "FITS"):
                cut = {role: part.section[start : min(start + rows, count)] for role, part in parts.items()}
            u, v = cut["uv"].T
            yield Visibilities.from_arrays(u, v, cut["values"], cut["noise"], sign=sign, east=east)


def _first_image(path: Path, stack: ExitStack) -> Any:
    """The first HDU of a file, which holds (K, 2) numbers; it stays open until the stack ends."""
    if file_format(path) != "FITS":
        raise DataError(f"{path}: is no FITS file; give (K, 2) numbers in its first extension")
    file = stack.enter_context(unpacked(path))
    check_headers(file, path)
    with read_as(path, "FITS"):
        hdu: Any = stack.enter_context(fits.open(file, memmap=False))[0]
    shape = getattr(hdu, "shape", ())
    if not getattr(hdu, "is_image", False) or len(shape) != 2 or shape[1] != 2:
        raise DataError(f"{path}: shape {shape}; give (K, 2) numbers in its first extension")
    return hdu
