"""The array that fills one role (data, noise, psf, mask), taken from an open file by its name."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.wcs import WCS

from lensfit.datasets import _checks, _files, _names
from lensfit.datasets._images import Images, open_images
from lensfit.datasets._scale import Scale
from lensfit.errors import DataError

_DO_NOT_USE = 1
"""The one bit of a JWST data-quality flag that says that the pixel is bad."""

_WEIGHT_KEYS = ("WHT", "WGT", "WEIGHT", "WTYP", "WT_TYP")
"""What keywords contain that say how a drizzled image was weighted."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One array with what its file says about it."""

    values: np.ndarray
    sources: tuple[_checks.Source, ...]
    unit: str | None = None
    scales: tuple[Scale, ...] = ()
    wcs: WCS | None = None
    notes: tuple[str, ...] = ()


def read_parts(path: Path, role: str, also: tuple[str, ...] = ()) -> dict[str, Part]:
    """The parts of one file: `role`, which must be there, and those of the roles `also` that are.

    Raises:
        DataError: the file cannot be read, or `role` is missing or has several candidates.
    """
    digest = _files.sha256(path) if path.is_file() else ""
    with open_images(path) as images:
        parts = {role: _part(images, role, _required(images, role), digest)}
        for other in also:
            kind, found = _names.candidates(images.names, other)
            if found:
                parts[other] = _part(images, other, (kind, found), digest)
            elif other == "noise" and set(images.names) >= _names.INGREDIENTS:
                parts[other] = _count_noise(images, parts["data"].values, digest)
    return parts


def _required(images: Images, role: str) -> tuple[str | None, list[str]]:
    """Kind and names of the arrays for a role; one nameless image is taken for what it is asked for."""
    kind, found = _names.candidates(images.names, role)
    if found:
        return kind, found
    unnamed = [name for name in images.names if _names.kind_of(name) is None]
    rest = images.names if len(images.names) == 1 else unnamed
    if not rest:
        raise DataError(
            f"{images.path}: no {role} among its images ({', '.join(images.names) or 'none'}); "
            f"name one of them {role}, or give another file"
        )
    file_kind = _names.kind_of(images.path.name)
    return file_kind if file_kind in _names.KINDS[role] else role, rest


def _part(images: Images, role: str, chosen: tuple[str | None, list[str]], digest: str) -> Part:
    kind, found = chosen
    if kind == "variance":
        total = [name for name in found if name.lower() in ("var", "variance")]
        found = total or found
    else:
        _names.only(found, role, str(images.path), "keep one of them in the file")
    arrays = [images.array(name) for name in found]
    values, notes = _as_role(images, kind, found, arrays)
    return Part(
        values=values,
        sources=tuple((role, f"{images.path}[{name}]", digest) for name in found),
        unit=images.unit(found[0]) if kind in ("data", "noise") else None,
        scales=images.scales(found[0]) if role in ("data", "psf") else (),
        wcs=images.wcs(found[0]) if role == "data" else None,
        notes=(*notes, *images.remarks()),
    )


def _as_role(
    images: Images, kind: str | None, names: list[str], arrays: list[np.ndarray]
) -> tuple[np.ndarray, list[str]]:
    """The arrays of one kind as the one array of their role, with notes."""
    where = f"{images.path}[{'+'.join(names)}]"
    if kind == "variance":
        for array in arrays:
            _checks.check_shapes(array.shape, arrays[0].shape, where)
        return _signed_root(np.asarray(arrays, dtype=np.float64).sum(axis=0)), [f"noise = sqrt of {where}"]
    if kind == "weight":
        _refuse_exposure(images, names[0])
        with np.errstate(divide="ignore"):
            noise = 1 / _signed_root(_float(arrays[0]))
        return noise, [f"noise = 1 / sqrt of {where}, read as inverse variance"]
    is_flag = kind == "mask" and names[0].upper().startswith("DQ")
    if is_flag and images.header(names[0]).get("TELESCOP") == "JWST":
        flagged = (arrays[0].astype(np.int64) & _DO_NOT_USE) != 0
        return flagged, [f"of {where} only DO_NOT_USE masks a pixel"]
    return arrays[0], []


def _signed_root(values: np.ndarray) -> np.ndarray:
    """Square root that keeps the sign, so that a negative variance is refused as a negative noise."""
    return np.copysign(np.sqrt(np.abs(values)), values + 0.0)  # + 0.0 turns -0.0 into 0.0


def _float(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float64)


def _refuse_exposure(images: Images, name: str) -> None:
    """Raise DataError where the header calls the weights exposure times."""
    header = images.header(name)
    seconds = str(header.get("BUNIT", "")).strip().lower() in ("s", "sec", "second", "seconds")
    types = [value for key, value in header.items() if any(word in key for word in _WEIGHT_KEYS)]
    if seconds or any(str(value).strip().upper().startswith("EXP") for value in types):
        raise DataError(
            f"{images.path}[{name}]: the header says that the weight is an exposure time, not an inverse "
            "variance; drizzle with final_wht_type = IVM, or give a noise map as noise="
        )


def _count_noise(images: Images, data: np.ndarray, digest: str) -> Part:
    """sigma^2 = background_rms^2 + max(data, 0) / exposure_time, for data in e-/s."""
    rms = _float(images.array("background_rms"))
    exposure = _float(images.array("exposure_time"))
    where = f"{images.path}[exposure_time]"
    if exposure.size != 1:
        _checks.check_shapes(exposure.shape, data.shape, where)
    bad = np.broadcast_to(~(exposure > 0), data.shape)
    if bad.any():
        count = _checks.count_and_first(bad)
        raise DataError(f"{where}: not positive in {count}; give a noise map as noise=")
    if rms.size != 1:
        _checks.check_shapes(rms.shape, data.shape, f"{images.path}[background_rms]")
    return Part(
        values=np.sqrt(rms**2 + np.maximum(_float(data), 0) / exposure),
        sources=tuple(
            ("noise", f"{images.path}[{name}]", digest) for name in ("background_rms", "exposure_time")
        ),
        notes=(f"noise^2 = background_rms^2 + max(data, 0) / exposure_time, data in e-/s: {images.path}",),
    )
