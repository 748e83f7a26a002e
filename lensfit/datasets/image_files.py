"""Which files of a folder, and which arrays of a file, are data, noise, PSF and mask: told by their names."""

import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from astropy.wcs import WCS

from lensfit.datasets.array_choice import Address, as_plane, named, of_the_same_number, plane_shape
from lensfit.datasets.array_files import (
    MAX_IMAGE,
    MAX_PSF,
    Images,
    Section,
    check_readable,
    check_size,
    open_images,
    sha256,
)
from lensfit.datasets.dataset import Source, check_shapes, count_and_first
from lensfit.datasets.drizzled import exposure_time
from lensfit.datasets.info_file import NAME, stated_in
from lensfit.datasets.pixel_scales import Scale, oversampling_of
from lensfit.datasets.zero_point import of_header
from lensfit.errors import DataError
from lensfit.names import NoiseIs

WORDS = {
    "mask": {"mask", "dq"},
    "psf": {"psf", "kernel"},
    "weight": {"wht", "weight", "weights", "ivm", "ivar"},
    "variance": {"var", "variance"},
    "noise": {"noise", "noisemap", "rms", "err", "error", "sigma", "std"},
    "data": {"data", "image", "img", "sci", "drz", "drc", "i2d"},
    "flux": {"flux", "bgsub"},
}
INGREDIENTS = {"background_rms", "exposure_time"}
"""Arrays that noise is made from, none by itself a noise map."""

KINDS = {
    "data": ("data", "flux"),
    "noise": ("noise", "variance", "weight"),
    "psf": ("psf",),
    "mask": ("mask",),
}
"""The kinds of array that can fill each role, best first."""

STPSF_EXTENSIONS = ("DET_DIST", "DET_SAMP", "OVERDIST", "OVERSAMP")
"""The images of one PSF that STPSF (WebbPSF) writes, those that hold more of the detector first."""

_REMEDY = "name one as FILE[EXT,n], or keep one of them in the file"
"""Where one file has several arrays for one role."""
_SUFFIXES = (".fits", ".fit", ".fts", ".fits.gz", ".fits.fz", ".npz", ".h5", ".hdf5")
_DO_NOT_USE = 1
"""The one bit of a JWST data-quality flag that says that the pixel is bad."""
MEANINGS: dict[str, NoiseIs] = {"variance": "variance", "weight": "ivm"}
"""What the numbers of noise are, by their kind."""


def find_files(folder: Path, given: Mapping[str, Path]) -> dict[str, Path]:
    """role -> file for the roles data, noise, psf and mask, those `given` included; data is always there.

    Raises:
        DataError: no file or several files could be the data, or several could be another role, or one that is given
            cannot be read.
    """
    for file in given.values():
        check_readable(Address.of(file).file)
    taken = {os.path.realpath(file) for file in given.values()}
    opened = {os.path.realpath(Address.of(file).file) for file in given.values()}
    there = [file for file in sorted(folder.iterdir()) if file.name.lower().endswith(_SUFFIXES)]
    there = [file for file in there if os.path.realpath(file) not in taken]
    others = [file for file in there if os.path.realpath(file) not in opened]
    named_data = candidates([_stem(file.name) for file in others], "data")[1]
    files = {file.name: file for file in (others if named_data else there)}
    stems = {name: _stem(name) for name in files}
    found = dict(given)
    for role in (role for role in KINDS if role not in given):
        _, chosen = candidates(stems.values(), role)
        chosen = [name for name, stem in stems.items() if stem in chosen]
        if role == "data" and not chosen:
            chosen = [name for name, stem in stems.items() if kind_of(stem) is None]
        if chosen:
            remedy = "give the file itself as the path" if role == "data" else f"say which with {role}="
            found[role] = files[only(chosen, role, str(folder), remedy)]
    if "data" not in found:
        raise DataError(
            f"{folder}: no file that could be the data (data, image, sci, drz, ...) among "
            f"{', '.join(files) or 'its files, none of them FITS, npz or HDF5'}; give the file as the path"
        )
    return found


def bands_in(path: Path) -> dict[str, dict[str, Path]]:
    """The images of several bands that are in one file, as surveys cut them out: of each role -> FILE[array] for data,
    noise, PSF and mask, by what its arrays are called beside the words of their roles, as VIS of VIS_BGSUB, VIS_RMS and
    VIS_PSF; data may have no such word. A role that several arrays could have is none. Empty where not two of them have
    data, noise and PSF.

    Raises:
        DataError: the file cannot be read.
    """
    with open_images(path) as images:
        groups: dict[str, list[str]] = {}
        for name in images.names:
            groups.setdefault(_band(name), []).append(name)
    found = {}
    for band, names in groups.items():
        chosen = {role: candidates(names, role)[1] for role in KINDS}
        chosen["data"] = chosen["data"] or [name for name in names if kind_of(name) is None]
        if re.search("[A-Za-z]", band) and len(chosen["data"]) == 1:
            found[band] = {role: Path(f"{path}[{arrays[0]}]") for role, arrays in chosen.items() if len(arrays) == 1}
    whole = [band for band, roles in found.items() if {"data", "noise", "psf"} <= roles.keys()]
    return found if len(whole) > 1 else {}


def files_of(path: Path, given: Mapping[str, Path]) -> dict[str, Path]:
    """role -> file for the data at a path and the roles `given`; of FILE[BAND], or where the array named is the data of
    one of several bands in the file, for its noise, PSF and mask there too.

    Raises:
        DataError: as `bands_in`.
    """
    file, array = Address.of(path)
    for band, roles in ({} if array is None else bands_in(file)).items():
        if str(array).lower() in (band.lower(), str(Address.of(roles["data"]).array).lower()):
            return {**roles, **given}
    return {"data": path, **given}


def _band(name: str) -> str:
    """What an array is called beside the words of its role."""
    words = WORDS.get(kind_of(name) or "", set())
    return "_".join(word for word in re.split(r"[^A-Za-z0-9]+", name) if word.lower().rstrip("0123456789") not in words)


def _stem(name: str) -> str:
    suffix = max((s for s in _SUFFIXES if name.lower().endswith(s)), key=len)
    return name[: -len(suffix)]


@dataclass(frozen=True, kw_only=True)
class Info:
    """What the `info.json` of a folder states: arcsec per pixel, the array's centre (x, y) in arcsec, and what 1 means
    in a mask."""

    scales: tuple[Scale, ...] = ()
    origin: tuple[float, float] = (0.0, 0.0)
    mask_is: Any = None
    sources: tuple[Source, ...] = ()


def read_info(folder: Path) -> Info:
    """The content of `info.json`, an empty Info where there is none.

    Raises:
        DataError: it is no JSON object, or its `pixel_scale`, `origin` or `mask_is` are not of their kind.
    """
    stated, sources = stated_in(folder, ("pixel_scale", "origin", "mask_is"))
    sides = [stated["pixel_scale"]] if "pixel_scale" in stated else []
    return Info(
        scales=tuple(Scale(str(folder / NAME), side, side) for side in sides),
        origin=stated.get("origin", (0.0, 0.0)),
        mask_is=stated.get("mask_is"),
        sources=sources,
    )


@dataclass(frozen=True, kw_only=True)
class Part:
    """One array with what its file says about it.

    noise_is: what its numbers are where it is noise. exposure: why weights seem to be exposure times.
    oversampling: of a PSF, its pixels to one of the detector's; alternatives: all extensions of one PSF at several
    samplings, of which the first stands here until the data's pixels are known.
    """

    values: np.ndarray
    sources: tuple[Source, ...]
    unit: str | None = None
    zero_point: float | None = None
    scales: tuple[Scale, ...] = ()
    wcs: WCS | None = None
    notes: tuple[str, ...] = ()
    oversampling: Scale | None = None
    alternatives: tuple["Part", ...] = ()
    noise_is: NoiseIs = "sigma"
    exposure: str = ""


@dataclass(frozen=True, kw_only=True)
class Head:
    """What the file of an image says of it before any number is read: (H, W), its pixels, its place on the sky."""

    shape: tuple[int, int]
    scales: tuple[Scale, ...]
    wcs: WCS | None
    where: str


class Window(NamedTuple):
    """Shape (H, W) of an image, and the rows and columns of it that are read."""

    shape: tuple[int, int]
    part: Section


def read_head(path: Path) -> Head:
    """What is known of the data in a file, or FILE[EXT].

    Raises:
        DataError: as `read_parts`.
    """
    file, array = Address.of(path)
    with open_images(file) as images:
        _, found = _chosen(images, "data", array)
        name = only(found, "data", str(images.path), _REMEDY)
        where = f"{images.path}[{name}]"
        shape = plane_shape(images.shape(name), where)
        return Head(shape=shape, scales=images.scales(name), wcs=images.wcs(name), where=where)


def read_parts(
    path: Path, role: str, also: tuple[str, ...] = (), plane: int | None = None, window: Window | None = None
) -> dict[str, Part]:
    """The parts of one file: `role`, which must be there, and those of the roles `also` that are.

    Args:
        path: of the file, or FILE[EXT], FILE[EXT,n], FILE[name] of the array for `role` in it.
        plane: of arrays that are cubes, counted from 0.
        window: of data and noise what is read; None = everything.

    Raises:
        DataError: the file cannot be read, or `role` is missing or has several candidates.
    """
    file, array = Address.of(path)
    with open_images(file) as images:
        digest = sha256(file)
        chosen = _chosen(images, role, array)
        parts = {role: _part(images, role, chosen, digest, plane, window)}
        for other in also:
            kind, found = candidates(images.names, other)
            if array is not None:
                found = of_the_same_number(found, chosen[1][0])
            if found:
                parts[other] = _part(images, other, (kind, found), digest, plane, window)
            elif other == "noise" and set(images.names) >= INGREDIENTS:
                parts[other] = _count_noise(images, parts["data"].values, digest, window)
    return parts


def _chosen(images: Images, role: str, array: str | None) -> tuple[str | None, list[str]]:
    """Kind and names of the arrays for a role: those of its words, or the one that is named."""
    return _required(images, role) if array is None else _named(images, role, array)


def _required(images: Images, role: str) -> tuple[str | None, list[str]]:
    """Kind and names of the arrays for a role; one nameless image is taken for what it is asked for."""
    kind, found = candidates(images.names, role)
    if found:
        return kind, found
    unnamed = [name for name in images.names if kind_of(name) is None]
    rest = images.names if len(images.names) == 1 else unnamed
    if not rest:
        raise DataError(
            f"{images.path}: no {role} among its images ({', '.join(images.names) or 'none'}); "
            f"name one of them {role}, or give another file"
        )
    return _kind_for(images, role), rest


def _named(images: Images, role: str, array: str) -> tuple[str | None, list[str]]:
    """Kind and name of the array that is named for a role."""
    name = named(images.names, images.aliases, array, str(images.path))
    kind = kind_of(name)
    return kind if kind in KINDS[role] else _kind_for(images, role), [name]


def _kind_for(images: Images, role: str) -> str:
    """The kind of an array whose name says none for its role: what the name of the file says, or the role."""
    kind = kind_of(images.path.name)
    return kind if kind is not None and kind in KINDS[role] else role


def _part(
    images: Images, role: str, chosen: tuple[str | None, list[str]], digest: str, plane: int | None,
    window: Window | None,
) -> Part:  # fmt: skip
    kind, found = chosen
    if role == "psf" and _are_samplings(images, found):
        parts = tuple(_part(images, role, (kind, [n]), digest, plane, None) for n in STPSF_EXTENSIONS if n in found)
        return replace(parts[0], alternatives=parts)
    if kind == "variance":
        total = [name for name in found if name.lower() in ("var", "variance")]
        found = total or found
    else:
        only(found, role, str(images.path), _REMEDY)
    where = f"{images.path}[{found[0]}]"
    arrays, squeezed = [], []
    most = MAX_PSF if role == "psf" else None
    seen = None if role in ("psf", "mask") else window  # a mask is judged as a whole
    for name in found:
        where, shape = f"{images.path}[{name}]", images.shape(name)
        if window is None and role != "psf" and len(shape) > 1:
            size = 8 * math.prod(plane_shape(shape, where))
            check_size(size, where, most=MAX_IMAGE, remedy="read the part with the lens by cutout=")
        array, told = _plane(images, name, plane, most, seen)
        arrays.append(array)
        squeezed += told
    values, notes = _as_role(images, kind, found, arrays)
    unit = images.unit(found[0]) if kind in ("data", "flux", "noise") else None
    return Part(
        values=values,
        sources=tuple((role, f"{images.path}[{name}]", digest) for name in found),
        unit=unit,
        zero_point=of_header(images.header(found[0]), unit) if role == "data" else None,
        scales=images.scales(found[0]) if role in ("data", "psf") else (),
        oversampling=oversampling_of(images.header(found[0]), where) if role == "psf" else None,
        wcs=images.wcs(found[0]) if role == "data" else None,
        notes=(*squeezed, *notes, *images.remarks()),
        noise_is=MEANINGS.get(kind or "", "sigma"),
        exposure=exposure_time(images.header(found[0]), values) if kind == "weight" else "",
    )


def _plane(
    images: Images, name: str, plane: int | None, most: int | None, window: Window | None
) -> tuple[np.ndarray, list[str]]:
    """An array with its two axes, or what a window leaves of it, with notes."""
    where = f"{images.path}[{name}]"
    if window is not None and len(images.shape(name)) == 2:
        check_shapes(images.shape(name), window.shape, where)
        return images.section(name, window.part), []
    array, told = as_plane(images.array(name, most), plane, where)
    return array if window is None else _within(array, window, where), told


def _within(array: np.ndarray, window: Window, where: str) -> np.ndarray:
    """What a window leaves of an array of the image's shape."""
    check_shapes(array.shape, window.shape, where)
    return array[window.part]


def _are_samplings(images: Images, names: list[str]) -> bool:
    """Whether several images are one PSF at several samplings, as STPSF names them, each with its pixel scale."""
    return len(names) > 1 and set(names) <= set(STPSF_EXTENSIONS) and all(images.scales(name) for name in names)


def _as_role(
    images: Images, kind: str | None, names: list[str], arrays: list[np.ndarray]
) -> tuple[np.ndarray, list[str]]:
    """The arrays of one kind as the one array of their role, with notes."""
    where = f"{images.path}[{'+'.join(names)}]"
    if kind == "variance":
        for array in arrays:
            check_shapes(array.shape, arrays[0].shape, where)
        return np.asarray(arrays, dtype=np.float64).sum(axis=0), []
    is_flag = kind == "mask" and names[0].upper().startswith("DQ")
    if is_flag and images.header(names[0]).get("TELESCOP") == "JWST":
        flagged = (arrays[0].astype(np.int64) & _DO_NOT_USE) != 0
        return flagged, [f"of {where} only DO_NOT_USE masks a pixel"]
    return arrays[0], []


def _float(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float64)


def _count_noise(images: Images, data: np.ndarray, digest: str, window: Window | None) -> Part:
    """sigma^2 = background_rms^2 + max(data, 0) / exposure_time, for data in e-/s."""
    rms, exposure = (_float(images.array(name)) for name in ("background_rms", "exposure_time"))
    if window is not None:
        rms, exposure = (
            values if values.size == 1 else _within(values, window, f"{images.path}[{name}]")
            for name, values in (("background_rms", rms), ("exposure_time", exposure))
        )
    where = f"{images.path}[exposure_time]"
    if exposure.size != 1:
        check_shapes(exposure.shape, data.shape, where)
    bad = np.broadcast_to(~(exposure > 0), data.shape)
    if bad.any():
        count = count_and_first(bad)
        raise DataError(f"{where}: not positive in {count}; give a noise map as noise=")
    if rms.size != 1:
        check_shapes(rms.shape, data.shape, f"{images.path}[background_rms]")
    return Part(
        values=np.sqrt(rms**2 + np.maximum(_float(data), 0) / exposure),
        sources=tuple(
            ("noise", f"{images.path}[{name}]", digest) for name in ("background_rms", "exposure_time")
        ),
        notes=(f"noise^2 = background_rms^2 + max(data, 0) / exposure_time, data in e-/s: {images.path}",),
    )


def kind_of(name: str) -> str | None:
    """'mask', 'psf', 'weight', 'variance', 'noise', 'data', 'flux' or None, in this order of precedence."""
    if name in INGREDIENTS:
        return None
    words = {word.rstrip("0123456789") or word for word in re.split(r"[^a-z0-9]+", name.lower())}
    return next((kind for kind, known in WORDS.items() if words & known), None)


def candidates(names: Iterable[str], role: str) -> tuple[str | None, list[str]]:
    """The best kind that is present for a role, with all names of that kind; (None, []) where none is."""
    kinds = {name: kind_of(name) for name in names}
    for kind in KINDS[role]:
        found = [name for name, its_kind in kinds.items() if its_kind == kind]
        if found:
            return kind, found
    return None, []


def only(found: list[str], role: str, where: str, remedy: str) -> str:
    """The one candidate for a role.

    Raises:
        DataError: there are several.
    """
    if len(found) > 1:
        raise DataError(f"{where}: several candidates for the {role}: {', '.join(found)}; {remedy}")
    return found[0]
