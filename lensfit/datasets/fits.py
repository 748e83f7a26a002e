"""From files to an `Imaging` and back."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.io import fits

from lensfit.datasets._checks import NanPolicy
from lensfit.datasets._find import Info, find_files, read_info
from lensfit.datasets._parts import Part, read_parts
from lensfit.datasets._scale import Scale, disagreements, resolved_scale
from lensfit.datasets.imaging import Imaging
from lensfit.datasets.interferometer import Interferometer
from lensfit.errors import DataError


def read_imaging(
    path: str | Path,
    *,
    noise: str | Path | None = None,
    psf: str | Path | None = None,
    mask: str | Path | None = None,
    pixel_scale: float | None = None,
    nan: NanPolicy = "error",
) -> Imaging:
    """Read data, noise, PSF and mask from a folder or from a FITS (plain, gzip, fpack), npz or HDF5 file.

    Arrays are recognised by the words in the names of files, extensions and arrays: data, image, sci, drz;
    noise, rms, err, sigma, else var (variances, added), else wht, ivm (inverse variance); psf, kernel;
    mask, dq (anything but 0 = left out). HDF5 with `background_rms` and `exposure_time` gives count noise.

    Args:
        path: file or folder with the data. The `info.json` of a folder may state `pixel_scale` and `origin`.
        noise, psf, mask: files that take precedence over what is found at `path`.
        pixel_scale: arcsec per pixel; takes precedence over `info.json`, which does so over the header.
        nan: "error" refuses NaN and inf in unmasked pixels, "mask" masks these pixels.

    Raises:
        DataError: a file is missing, ambiguous, broken, too large, or not fit for a fit.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; check the path")
    named = {"noise": noise, "psf": psf, "mask": mask}
    given = {role: Path(file) for role, file in named.items() if file is not None}
    files = find_files(path, given) if path.is_dir() else {"data": path, **given}
    info = read_info(path) if path.is_dir() else Info()
    parts = _read_all(files)
    scales = () if pixel_scale is None else (Scale("pixel_scale=", pixel_scale, pixel_scale),)
    return _assembled(parts, (*scales, *info.scales), info, nan)


def _read_all(files: dict[str, Path]) -> dict[str, Part]:
    """The parts of all roles: each from its own file, or from the file of the data."""
    inside = tuple(role for role in ("noise", "psf", "mask") if role not in files)
    parts = read_parts(files["data"], "data", inside)
    for role in ("noise", "psf"):
        if role not in parts and role not in files:
            raise DataError(
                f"{files['data']}: no {role} found in it or beside it; give a file as {role}=, "
                f"or name the file, extension or array {role}"
            )
    return parts | {role: read_parts(file, role)[role] for role, file in files.items() if role != "data"}


def _assembled(
    parts: dict[str, Part], scales: tuple[Scale, ...], info: Info, nan: NanPolicy
) -> Imaging:
    data, noise, psf = parts["data"], parts["noise"], parts["psf"]
    _check_units(data, noise)
    scale, notes = resolved_scale((*scales, *data.scales), data.sources[0][1])
    notes += disagreements(psf.scales, scale, "the data")
    return Imaging.from_arrays(
        data.values,
        noise.values,
        psf.values,
        pixel_scale=scale,
        mask=parts["mask"].values if "mask" in parts else None,
        nan=nan,
        origin=info.origin,
        unit=data.unit or noise.unit,
        wcs=data.wcs,
        notes=tuple(dict.fromkeys([*(note for part in parts.values() for note in part.notes), *notes])),
        sources=(*(source for part in parts.values() for source in part.sources), *info.sources),
    )


def _check_units(data: Part, noise: Part) -> None:
    if data.unit is None or noise.unit is None or data.unit == noise.unit:
        return
    if _unit(data.unit) != _unit(noise.unit):
        raise DataError(
            f"{noise.sources[0][1]}: BUNIT is {noise.unit!r}, that of {data.sources[0][1]} is {data.unit!r}; "
            "convert one of them, or correct its BUNIT"
        )


def _unit(name: str) -> Any:
    return units.Unit(name, parse_strict="silent")  # pyright: ignore[reportCallIssue]


def write_imaging(imaging: Imaging, folder: str | Path) -> None:
    """Write data.fits, noise_map.fits, psf.fits, mask.fits (1 = left out) and info.json.

    `read_imaging(folder)` gives the same arrays, pixel scale, origin, unit and WCS. Headers hold the WCS, or
    offsets in arcsec where there is none.

    Raises:
        DataError: the folder holds one of these files already.
    """
    folder = Path(folder)
    arrays = {
        "data": imaging.data,
        "noise_map": imaging.noise,
        "psf": imaging.psf,
        "mask": imaging.mask.astype(np.uint8),
    }
    info = folder / "info.json"
    paths = {name: folder / f"{name}.fits" for name in arrays}
    for path in (*paths.values(), info):
        if path.exists():
            raise DataError(f"{path}: is there already; write to another folder or remove it")
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        header = fits.Header() if name == "psf" else _header(imaging)
        if imaging.unit is not None and name in ("data", "noise_map"):
            header["BUNIT"] = imaging.unit
        fits.PrimaryHDU(array, header).writeto(paths[name])
    stated: dict[str, Any] = {"pixel_scale": imaging.pixel_scale, "origin": imaging.origin}
    info.write_text(json.dumps(stated) + "\n", encoding="utf-8")


def _header(imaging: Imaging | Interferometer) -> fits.Header:
    """The WCS of the image, or offsets from its origin in arcsec."""
    if imaging.wcs is not None:
        return imaging.wcs.to_header(relax=True)
    header = fits.Header()
    for axis, side, origin in zip((1, 2), imaging.shape[::-1], imaging.origin, strict=True):
        header[f"CRPIX{axis}"] = (side + 1) / 2
        header[f"CRVAL{axis}"] = origin
        header[f"CDELT{axis}"] = imaging.pixel_scale
        header[f"CUNIT{axis}"] = "arcsec"
    return header
