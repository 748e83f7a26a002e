"""From files to datasets, whatever their kind, and back."""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.io import fits
from astropy.wcs import WCS

from lensfit.datasets.array_choice import Address, path_of
from lensfit.datasets.array_files import read_as
from lensfit.datasets.cutout import Cut, Frame, Wanted, cut_out, select
from lensfit.datasets.dataset import ARGUMENT, Dataset, checked_scale, place
from lensfit.datasets.foreign_formats import refuse_foreign
from lensfit.datasets.galaxy import Galaxy, galaxies_of
from lensfit.datasets.image_files import Info, Part, Window, files_of, find_files, read_head, read_info, read_parts
from lensfit.datasets.imaging import Imaging
from lensfit.datasets.interferometer import Interferometer, wide_grid
from lensfit.datasets.noise_scale import with_noise_scale
from lensfit.datasets.pixel_scales import Scale, resolved_scale, stated_by
from lensfit.datasets.psf import checked_psf
from lensfit.datasets.psf_sampling import on_data_pixels
from lensfit.datasets.visibilities import NanRows, Visibilities, check_units
from lensfit.datasets.visibility_files import holds_visibilities, read_table
from lensfit.datasets.zero_point import STATED
from lensfit.errors import DataError
from lensfit.names import East, MaskIs, NanPolicy, NoiseIs, NoiseScale, Sign
from lensfit.outside import is_there
from lensfit.whole_files import replacing


def read(path: str | Path, **options: Any) -> Imaging | Interferometer:
    """Read whatever lies at a path: visibilities with `read_interferometer`, else an image with `read_imaging`.

    Args:
        path: file or folder.
        options: of the reader that fits; None = not given. nan="mask" drops the bad rows of visibilities.

    Raises:
        DataError: an option is for the other kind of data, or see the readers.
    """
    path = Path(path)
    held = held_at(path)
    given = {name: value for name, value in options.items() if value is not None}
    wrong = given.keys() - held.options
    if wrong:
        wanted = " and ".join(other.several for other in HELD if wrong <= other.options)
        remedy = f"can be given for {wanted} alone" if wanted else "no reader knows"
        said = ", ".join(f"{name}=" for name in given if name in wrong)
        raise DataError(f"{path}: holds {held.one}, and {said} {remedy}")
    return held.reader(path, **{name: held.words.get((name, value), value) if isinstance(value, str) else value
                                for name, value in given.items()})  # fmt: skip


@dataclass(frozen=True, eq=False)
class Held:
    """A kind of data that files hold.

    one, several: what it is called. dataset: its class. at: whether it lies at a path. reader: what reads it.
    together: whether several paths are one observation, not one each. words: of an option and what it says there, what
    this reader calls that.
    """

    one: str
    several: str
    dataset: type[Dataset]
    at: Callable[[Path], bool]
    reader: Callable[..., Imaging | Interferometer]
    together: bool = False
    words: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @property
    def options(self) -> set[str]:
        """Names of what its reader takes."""
        return set(inspect.signature(self.reader).parameters)


def held_at(path: Path) -> Held:
    """What a path holds: the first of `HELD` that says so, the last where nothing is there."""
    return next((held for held in HELD if held.at(path)), HELD[-1]) if is_there(path) else HELD[-1]


def read_imaging(
    path: str | Path,
    *,
    noise: str | Path | None = None,
    psf: str | Path | None = None,
    mask: str | Path | None = None,
    pixel_scale: float | None = None,
    nan: NanPolicy = "error",
    psf_center: bool = False,
    noise_is: NoiseIs | None = None,
    noise_scale: float | None = None,
    mask_is: MaskIs | None = None,
    plane: int | None = None,
    center: tuple[float, float] | None = None,
    center_sky: tuple[float, float] | None = None,
    cutout: float | None = None,
    mask_radius: float | None = None,
    galaxies: Iterable[Any] = (),
    zero_point: float | None = None,
) -> Imaging:
    """Read data, noise, PSF and mask from a folder or from a FITS (plain, gzip, fpack), npz or HDF5 file.

    Arrays are recognised by the words in the names of files, extensions and arrays: data, image, sci, drz;
    noise, rms, err, sigma, else var (variances, added), else wht, ivm (inverse variance); psf, kernel;
    mask, dq (anything but 0 = left out). HDF5 with `background_rms` and `exposure_time` gives count noise.

    Args:
        path: file or folder with the data. The `info.json` of a folder may state `pixel_scale` and `origin`.
        noise, psf, mask: files that take precedence over what is found at `path`.
            All four may name an array of a file: FILE[EXT], FILE[EXT,n] (its EXTVER), FILE[n], FILE[name]; the path a
            band of a file that has several, FILE[VIS] where VIS_SCI, VIS_RMS and VIS_PSF are in it.
        pixel_scale: arcsec per pixel; takes precedence over `info.json`, which does so over the header.
        nan: "error" refuses NaN, inf and noise of 0 in unmasked pixels, "mask" masks these pixels.
        psf_center: move the PSF so that its centroid is in its centre.
        noise_is: what the numbers of the noise map are, whatever its name and unit say: "sigma", "variance", "ivm"
            (inverse variance), or "exposure" (exposure time: noise is made of the scatter of the sky and of counts).
        noise_scale: multiplies the noise; given, the noise is taken as it is, however the sky scatters.
        mask_is: what 1 means in the mask, "masked" or "used"; None takes it for masked, and asks where that
            leaves out the brightest light.
        plane: of arrays that are cubes, counted from 0.
        center: (x, y) of the lens in arcsec; center_sky: its right ascension and declination in degrees.
        cutout: use the pixels within so many arcsec of the centre, or else of (0, 0), along both axes.
        mask_radius: use the disc of so many arcsec about it.
        galaxies: further ones that a standard model is to have, satellites or a second lens: each a `Galaxy`, or a text
            X,Y or X,Y,light (or mass, both), in arcsec.
        zero_point: AB magnitude of a datum of 1 in one pixel; takes precedence over the header (MAGZERO, PHOTFLAM and
            PHOTPLAM) and over the unit.

    Returns:
        The checked image, (H, W), in the unit of the file; its `notes` say what was done to it.

    Raises:
        DataError: a file is missing, ambiguous, broken, too large, or not fit for a fit.
    """
    path = path_of(path, "path")
    if not is_there(Address.of(path).file):
        raise DataError(f"{path}: no such file or folder; check the path")
    refuse_foreign(path)
    named = {"noise": noise, "psf": psf, "mask": mask}
    given = {role: path_of(file, f"{role}=") for role, file in named.items() if file is not None}
    files = (find_files if path.is_dir() else files_of)(path, given)
    info = read_info(path) if path.is_dir() else Info()
    if mask is not None:
        info = replace(info, mask_is=None)  # it speaks of the mask beside it
    scales = (*(() if pixel_scale is None else (Scale(ARGUMENT, pixel_scale, pixel_scale),)), *info.scales)
    wanted = Wanted(center=center, center_sky=center_sky, cutout=cutout, mask_radius=mask_radius)
    stated = Stated(nan=nan, psf_center=psf_center, noise_is=noise_is, noise_scale=noise_scale, mask_is=mask_is,
                    galaxies=galaxies_of(galaxies), zero_point=zero_point)  # fmt: skip
    if cutout is None:
        cut, parts = None, _read_all(files, plane)
    else:  # of a large image no more is read
        head = read_head(files["data"])
        cut = _cut(head.shape, (*scales, *head.scales), head.wcs, info, wanted, head.where)
        parts = _read_all(files, plane, Window(head.shape, cut.part))
    image = _assembled(parts, scales, info, stated, wanted, cut)
    return image if mask is None else replace(image, settled=True)


def read_psf(path: str | Path, pixel_scale: float) -> tuple[np.ndarray, tuple[str, ...]]:
    """The PSF (h, w) of a file on pixels of `pixel_scale` arcsec: odd-sided, centred, of sum 1; and notes on it.

    Raises:
        DataError: the file cannot be read, or no image can be modelled with what it holds.
    """
    part = on_data_pixels(read_parts(Path(path), "psf")["psf"], pixel_scale, ())
    psf, notes = checked_psf(part.values, None, place("psf", part.sources))
    return psf, (*part.notes, *notes)


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What the caller says of the arrays and the field, see `read_imaging`."""

    nan: NanPolicy
    psf_center: bool
    noise_is: NoiseIs | None
    noise_scale: float | None
    mask_is: MaskIs | None
    galaxies: tuple[Galaxy, ...]
    zero_point: float | None


def _cut(
    shape: tuple[int, int], scales: tuple[Scale, ...], wcs: WCS | None, info: Info, wanted: Wanted, where: str
) -> Cut:
    """The part that is wanted of an image of that shape (H, W)."""
    scale, _ = resolved_scale(scales, where)
    frame = Frame(shape=shape, pixel_scale=checked_scale(scale), origin=info.origin, wcs=wcs)
    return cut_out(frame, wanted, place("data", (("data", where, ""),)))


def _read_all(files: dict[str, Path], plane: int | None, window: Window | None = None) -> dict[str, Part]:
    """The parts of all roles: each from its own file, or from the file of the data."""
    inside = tuple(role for role in ("noise", "psf", "mask") if role not in files)
    parts = read_parts(files["data"], "data", inside, plane, window)
    for role in ("noise", "psf"):
        if role not in parts and role not in files:
            raise DataError(
                f"{files['data']}: no {role} found in it or beside it; give a file as {role}=, "
                f"or name the file, extension or array {role}"
            )
    others = {role: file for role, file in files.items() if role != "data"}
    parts |= {role: read_parts(file, role, plane=plane, window=window)[role] for role, file in others.items()}
    if plane and not any(note.startswith("plane ") for part in parts.values() for note in part.notes):
        raise DataError(f"{files['data']}: plane={plane}, and neither it nor what is beside it is a cube; leave it out")
    return parts


def _assembled(
    parts: dict[str, Part], scales: tuple[Scale, ...], info: Info, stated: Stated, wanted: Wanted, cut: Cut | None
) -> Imaging:
    data, noise, psf = parts["data"], parts["noise"], parts["psf"]
    _check_noise(data, noise, stated)
    scales = (*scales, *data.scales)
    scale, notes = resolved_scale(scales, data.sources[0][1])
    scale_from = stated_by(scales, scale)
    psf = on_data_pixels(psf, scale, scales)
    parts = parts | {"psf": psf}
    sources = (*(source for part in parts.values() for source in part.sources), *info.sources)
    if cut is None:
        rows, columns = data.values.shape
        cut = _cut((rows, columns), scales, data.wcs, info, wanted, data.sources[0][1])
    mask = parts["mask"].values if "mask" in parts else None
    mask_is = stated.mask_is or (None if mask is None else info.mask_is)
    noise_is = stated.noise_is or noise.noise_is
    used = select(data.values, noise.values, mask, cut, wanted, mask_is, noise_is, sources)
    told = [*(note for part in parts.values() for note in part.notes), *notes, *used.notes]
    made = Imaging.from_arrays(
        used.data,
        used.noise,
        psf.values,
        pixel_scale=scale,
        mask=used.mask,
        nan=stated.nan,
        psf_center=stated.psf_center,
        noise_is=noise_is,
        noise_scale=stated.noise_scale,
        origin=used.frame.origin,
        center=used.center,
        galaxies=stated.galaxies,
        unit=data.unit or noise.unit,
        zero_point=data.zero_point if stated.zero_point is None else stated.zero_point,
        wcs=used.frame.wcs,
        notes=tuple(dict.fromkeys(told)),
        sources=sources,
        scale_from=scale_from,
    )
    return replace(made, settled=used.settled)


def _check_noise(data: Part, noise: Part, stated: Stated) -> None:
    if noise.exposure and stated.noise_is is None:
        raise DataError(
            f"{noise.sources[0][1]}: {noise.exposure}, not an inverse variance; give noise_is='exposure' to make noise "
            "of the sky's scatter and counts, drizzle with final_wht_type = IVM, or give a noise map as noise="
        )
    if stated.noise_is in (None, "sigma") and stated.noise_scale is None:
        _check_units(data, noise)


def _check_units(data: Part, noise: Part) -> None:
    if data.unit is None or noise.unit is None or data.unit == noise.unit:
        return
    with read_as(Path(noise.sources[0][1]), "image with a BUNIT"):
        differ = _unit(data.unit) != _unit(noise.unit)
    if differ:
        raise DataError(
            f"{noise.sources[0][1]}: BUNIT is {noise.unit!r}, that of {data.sources[0][1]} is {data.unit!r}; "
            "convert one of them, or correct its BUNIT"
        )


def _unit(name: str) -> Any:
    return units.Unit(name, parse_strict="silent")  # pyright: ignore[reportCallIssue]


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
    field: str | int | None = None,
    noise_scale: NoiseScale | None = None,
) -> Interferometer:
    """Read visibilities from a UVFITS or npz file, or from a folder that holds one or PyAutoLens's FITS triple.

    An npz has u, v, visibilities (or re and im), sigma (or noise or weights), perhaps flags, ant1, ant2, time,
    track. What is not given here is taken from the folder's `info.json`, then from the file, then from its
    format: a UVFITS has sign -1 and East to the left, PyAutoLens's files have sign -1 and x along u.

    Args:
        path: file or folder.
        pixel_scale: arcsec per pixel of the image on which the lens is modelled; without it and without shape a
            field as wide as the primary beam, for `lensfit.analysis.Region` to look for the lens in.
        shape: (H, W) of that image; origin: (x, y) in arcsec of its centre from the phase centre.
        sign: -1 or +1 in V = sum I exp(sign 2 pi i (u l + v m)).
        east: side of the image to which l (East) counts.
        wavelength: in metres, where u and v are in metres.
        primary_beam: full width at half maximum in arcsec.
        nan: "error" refuses NaN and inf, "drop" leaves such rows out.
        field: of a UVFITS of several sources the one that is meant, by name or number.
        noise_scale: multiplies the noise; "auto" takes the factor from the scatter of neighbouring visibilities.

    Returns:
        The checked visibilities [Jy] on their image grid; `notes` say how the file was understood.

    Raises:
        DataError: a file is missing, ambiguous, broken or of a format that has to be exported first, something is not
            stated, or the data are not fit for a fit.
    """
    path = Path(path)
    table = read_table(path, field)
    given = {
        "pixel_scale": pixel_scale, "shape": shape, "sign": sign, "east": east,
        "wavelength": wavelength, "primary_beam": primary_beam, "origin": origin,
    }  # fmt: skip
    stated = table.stated | {key: value for key, value in given.items() if value is not None}
    _check_stated(path, stated, ("sign", "east"))
    columns = {name: column for name, column in table.columns.items() if name != "mask"}
    frame = {key: stated[key] for key in ("sign", "east", "wavelength") if stated.get(key) is not None}
    made = Visibilities.from_arrays(nan=nan, sources=table.sources, notes=table.notes, **columns, **frame)
    visibilities = with_noise_scale(made, noise_scale)
    if stated.get("pixel_scale") is None and stated.get("shape") is None:
        check_units(visibilities.longest, str(path))
        stated["pixel_scale"], stated["shape"] = wide_grid(visibilities, stated.get("primary_beam"))
    _check_stated(path, stated, ("pixel_scale", "shape"))
    grid = ("primary_beam", "pixel_scale", "shape", "origin")
    given = {key: stated[key] for key in grid if stated.get(key) is not None}
    return Interferometer.of(visibilities, mask=table.columns.get("mask"), **given)


def _check_stated(path: Path, stated: dict[str, Any], keys: tuple[str, ...]) -> None:
    for key in keys:
        if stated.get(key) is None:
            name = key.replace("_", " ")
            raise DataError(f"{path}: states no {name}; give {_REMEDIES[key]}, or write it into the folder's info.json")


_REMEDIES = {
    "sign": "sign=-1 or sign=+1, that of V = sum I exp(sign 2 pi i (u l + v m))",
    "east": "east='left' or east='right', the side of the image to which l (East) counts",
    "pixel_scale": "pixel_scale= in arcsec, at most half a fringe of the longest baseline",
    "shape": "shape=(H, W), the rows and columns of an image that holds all emission",
}


HELD = (
    Held("visibilities", "visibilities", Interferometer, holds_visibilities, read_interferometer, together=True,
         words={("nan", "mask"): "drop"}),
    Held("an image", "images", Imaging, lambda path: True, read_imaging),
)  # fmt: skip
"""Every kind of data that files hold, the last one whatever no other says is its own."""


def write_imaging(imaging: Imaging, folder: str | Path) -> None:
    """Write data.fits, noise_map.fits, psf.fits, mask.fits (1 = left out) and info.json.

    `read_imaging(folder)` gives the same arrays, pixel scale, origin, unit and WCS. Headers hold the WCS, or
    offsets in arcsec where there is none.

    Args:
        imaging: what is written.
        folder: is made where it is not there.

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
        header = fits.Header() if name == "psf" else imaging.frame_header()
        if imaging.unit is not None and name in ("data", "noise_map"):
            header["BUNIT"] = imaging.unit
        if imaging.zero_point is not None and name == "data":
            header[STATED] = imaging.zero_point
        with replacing(paths[name]) as path:
            fits.PrimaryHDU(array, header).writeto(path)
    stated: dict[str, Any] = {"pixel_scale": imaging.pixel_scale, "origin": imaging.origin, "mask_is": "masked"}
    with replacing(info) as path:
        path.write_text(json.dumps(stated) + "\n", encoding="utf-8")


def write_interferometer(interferometer: Interferometer, folder: str | Path) -> None:
    """Write visibilities.npz, in the house's frame, and info.json; `read_interferometer(folder)` gives the same.

    Args:
        interferometer: what is written.
        folder: is made where it is not there.

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
    with replacing(table) as path:
        np.savez(path, **columns)
    stated = {"sign": -1, "east": "right", "pixel_scale": data.pixel_scale, "shape": data.shape, "origin": data.origin}
    if data.primary_beam is not None:
        stated["primary_beam"] = data.primary_beam
    with replacing(info) as path:
        path.write_text(json.dumps(stated) + "\n", encoding="utf-8")
