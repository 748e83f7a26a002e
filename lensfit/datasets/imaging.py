"""An image of a lens with its noise, PSF and mask, checked once at the door."""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from astropy.wcs import WCS

from lensfit.datasets.cutout import Frame, Place, cut_note, frame_of, window
from lensfit.datasets.dataset import (
    ARGUMENT,
    LARGEST,
    MASKING_NOISE,
    Dataset,
    Source,
    as_shown,
    check_shapes,
    check_some_used,
    check_usual,
    checked_mask,
    checked_origin,
    checked_scale,
    count_and_first,
    native,
    place,
    read_only,
    source_rows,
    visible_notes,
)
from lensfit.datasets.galaxy import Galaxy, galaxies_of
from lensfit.datasets.masks import leaves_a_region
from lensfit.datasets.noise import made_noise, notes_on, numbers
from lensfit.datasets.psf import check_psf_fits, checked_psf, fwhm, narrower_than
from lensfit.datasets.psf_resampling import rebinned_psf
from lensfit.datasets.zero_point import checked, of_unit
from lensfit.errors import DataError
from lensfit.names import NAN_POLICIES, NanPolicy, NoiseIs
from lensfit.words import counted


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Imaging(Dataset):
    """One image of a lens, made by `from_arrays`; unmasked data are finite and unmasked noise is > 0.

    Arrays are read-only native float64 `[row, column]`, row 0 at the bottom of the sky.

    Attributes:
        data: (H, W) brightness, in `unit`.
        noise: (H, W) standard deviation of the data, in `unit`.
        psf: (h, w) point-spread function on the same pixels, odd-sided, sum 1.
        mask: (H, W) bool, True = left out.
        pixel_scale: arcsec per pixel.
        origin: (x, y) in arcsec of the centre of the array.
        unit: unit of data and noise as the file names it, None if it names none.
        zero_point: AB magnitude of a datum of 1 in one pixel, None if neither file nor unit says it.
        wcs: celestial coordinates of the array, None if unknown.
        notes: what was done to the input, in plain words.
        sources: (role, path, sha256) of each file read.
        scale_from: who states the pixel scale.
        center: (x, y) of the lens in arcsec, None where nobody stated it.
        galaxies: further ones that a standard model is to have, as they were named.
        settled: whether the mask stays as it is: it or a disc was named, or the image was cut out of what it leaves.
    """

    data: np.ndarray
    noise: np.ndarray
    psf: np.ndarray
    mask: np.ndarray
    pixel_scale: float
    origin: tuple[float, float] = (0.0, 0.0)
    unit: str | None = None
    zero_point: float | None = None
    wcs: WCS | None = None
    notes: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    scale_from: str = ARGUMENT
    center: Place | None = None
    galaxies: tuple[Galaxy, ...] = ()
    settled: bool = False

    @classmethod
    def from_arrays(
        cls,
        data: Any,
        noise: Any,
        psf: Any,
        *,
        pixel_scale: float,
        mask: Any = None,
        nan: NanPolicy = "error",
        psf_center: bool = False,
        noise_is: NoiseIs = "sigma",
        noise_scale: float | None = None,
        origin: tuple[float, float] = (0.0, 0.0),
        unit: str | None = None,
        zero_point: float | None = None,
        wcs: WCS | None = None,
        notes: tuple[str, ...] = (),
        sources: tuple[Source, ...] = (),
        scale_from: str = ARGUMENT,
        center: Place | None = None,
        galaxies: Iterable[Any] = (),
    ) -> Self:
        """Check everything and build the dataset.

        Args:
            data, noise: (H, W); noise is a standard deviation unless `noise_is` says else, >= 1e8 (also inf) meaning
                a masked pixel.
            psf: (h, w), centred, with pixels as large as the data's; it is divided by its sum, and moved by half
                a pixel onto odd sides where they are even.
            pixel_scale: arcsec per pixel; outside of 1e-4 to 100 only where `scale_from` names who else says so.
            mask: (H, W), anything but 0 = left out; None leaves out nothing but bad pixels.
            nan: "error" refuses NaN, inf and noise of 0 in unmasked pixels, "mask" masks these pixels.
            psf_center: move the PSF so that its centroid is in its centre.
            noise_is: what the numbers of `noise` are; "exposure" makes noise of the scatter of the sky and counts.
            noise_scale: multiplies the noise; given, the noise is taken as it is, however the sky scatters.
            origin, unit, wcs, notes, sources, scale_from, center: see the class.
            zero_point: see the class; None takes that of the unit, if it is a flux density.
            galaxies: each a `Galaxy`, or as one in a text: "1.2,-0.4" or "1.2,-0.4,light", "mass" or "both".

        Raises:
            DataError: anything that a fit could not trust; the message says what, where and the way on.
        """
        pixel_scale = checked_scale(pixel_scale)
        if scale_from == ARGUMENT:
            check_usual(pixel_scale, ARGUMENT)
        arrays, remarks = checked_arrays(
            data, noise, psf, mask, nan, sources, unit, noise_is, noise_scale, psf_center
        )
        made = cls(
            data=read_only(arrays["data"]),
            noise=read_only(arrays["noise"]),
            psf=read_only(arrays["psf"]),
            mask=read_only(arrays["mask"]),
            pixel_scale=pixel_scale,
            origin=checked_origin(origin),
            unit=unit,
            zero_point=of_unit(unit, pixel_scale) if zero_point is None else checked(zero_point),
            wcs=wcs,
            notes=visible_notes(*notes, *remarks),
            sources=sources,
            scale_from=scale_from,
            center=None if center is None else (float(center[0]), float(center[1])),
        )
        return made.with_galaxies(galaxies)

    def with_galaxies(self, galaxies: Iterable[Any]) -> Self:
        """The image with these galaxies named: each a `Galaxy`, or a text X,Y or X,Y,light (or mass, both), in arcsec.

        Raises:
            DataError: one is none of these, or has light and lies outside of the image or where the lens is stated.
        """
        made = replace(self, galaxies=galaxies_of(galaxies))
        for galaxy in made.galaxies:
            if galaxy.light and self.frame.room((galaxy.x, galaxy.y)) < 0:
                left, right, low, high = self.frame.extent
                raise DataError(
                    f"{place('data', self.sources)}: the galaxy {galaxy} of galaxies= lies outside the image, whose x "
                    f"runs from {left:.6g} to {right:.6g} and y from {low:.6g} to {high:.6g}; correct it, or give its "
                    f"mass alone, {galaxy.x:g},{galaxy.y:g},mass"
                )
            apart = self.pixel_scale if self.center is None else math.dist(self.center, (galaxy.x, galaxy.y))
            if galaxy.light and not galaxy.seen and apart < self.pixel_scale:
                raise DataError(
                    f"{place('data', self.sources)}: the galaxy {galaxy} of galaxies= is where center= has the lens: "
                    "name the galaxies beside it alone"
                )
        return made

    @property
    def frame(self) -> Frame:
        """Where its pixels lie."""
        return frame_of(self)

    @property
    def hash(self) -> str:
        """sha256 over the arrays, their shapes, the pixel scale and the origin."""
        digest = hashlib.sha256(repr((self.pixel_scale, self.origin)).encode())
        for array in (self.data, self.noise, self.psf, self.mask):
            digest.update(repr(array.shape).encode())
            digest.update(array.tobytes())
        return digest.hexdigest()

    def describe(self) -> list[tuple[str, str]]:
        """(label, text) of everything that is understood of the image."""
        unit = self.unit or "unknown unit"
        used = int(np.count_nonzero(~self.mask))
        height, width = self.psf.shape
        rows = [
            *((role, path) for role, path, _ in self.sources),
            ("shape", f"{self.shape[0]} rows x {self.shape[1]} columns"),
            ("pixel scale", f"{self.pixel_scale:.6g} arcsec, from {self.scale_from}"),
            ("centre", f"x = {self.origin[0]:.6g}, y = {self.origin[1]:.6g} arcsec"),
            *(("lens", f"x = {x:.6g}, y = {y:.6g} arcsec, as stated") for x, y in filter(None, [self.center])),
            *(("galaxy", f"x = {g.x:.6g}, y = {g.y:.6g} arcsec, {g.what}, as {'seen' if g.seen else 'stated'}")
              for g in self.galaxies),
            ("sky", "no celestial coordinates" if self.wcs is None else "celestial coordinates of the header"),
            ("unit", unit),
            *(("zero point", f"{zero:.6g} AB mag") for zero in [self.zero_point] if zero is not None),
            ("pixels", f"{used} used, {self.mask.sum()} masked"),
            *self._describe_pixels(unit),
            ("PSF", f"{height} x {width} pixels, FWHM {fwhm(self.psf) * self.pixel_scale:.3g} arcsec, sum 1"),
            *(("note", note) for note in self.notes),
        ]
        return as_shown(rows)

    def _describe_pixels(self, unit: str) -> list[tuple[str, str]]:
        """Rows on data and noise; of a very large image no more than two copies are held."""
        good = ~self.mask
        values = self.noise[good]
        noise = f"{values.min():.4g} to {values.max():.4g} {unit}, median {np.median(values):.4g}"
        values = self.data[good]
        data = f"{values.min():.4g} to {values.max():.4g} {unit}"
        values /= self.noise[good]
        return [("data", data), ("noise", noise), ("signal/noise", f"up to {values.max():.4g}")]

    def document(self) -> dict[str, Any]:
        """What result.json says of the image."""
        return {
            "shape": self.shape,
            "pixel_scale": self.pixel_scale,
            "origin": self.origin,
            "unit": self.unit,
            "zero_point": self.zero_point,
            "pixels_used": int(np.count_nonzero(~self.mask)),
            "psf_shape": self.psf.shape,
            "has_wcs": self.wcs is not None,
            "galaxies": [vars(galaxy) for galaxy in self.galaxies],
            "hash": self.hash,
            "sources": source_rows(self.sources),
            "notes": self.notes,
        }

    def cutout(self, half_width: float, center: tuple[float, float] = (0.0, 0.0)) -> Self:
        """The pixels within `half_width` arcsec of `center` (x, y) along both axes, coordinates unchanged.

        Raises:
            DataError: no pixel is there, all are masked, or the PSF is larger than the cutout.
        """
        part = window(self.frame, half_width, center)
        return self._regridded(
            part,
            data=self.data[part],
            noise=self.noise[part],
            mask=self.mask[part],
            wcs=self.frame.cut(part).wcs,
            note=cut_note(part),
        )

    def binned(self, factor: int) -> Self:
        """The image on pixels `factor` x `factor` times as large, coordinates unchanged.

        Data are averaged, so that a datum of 1 is more flux than before, noise is added in quadrature and divided by
        factor^2; a coarse pixel is used only where all its fine pixels are. Trailing rows and columns that fill no
        coarse pixel are cut.

        Raises:
            DataError: the factor is no positive integer or leaves no image, no used pixel, or one smaller
                than the PSF.
        """
        if factor not in range(1, min(self.shape) + 1):
            raise DataError(f"binning factor {factor}; give an integer from 1 to {min(self.shape)}")
        if factor == 1:
            return self
        factor = int(factor)
        rows, columns = (side // factor * factor for side in self.shape)
        noise = blocks(self.noise, factor)
        noise = np.sqrt(np.einsum("rcf,rcf->rc", noise, noise)) / factor**2
        return self._regridded(
            np.s_[0:rows, 0:columns],
            data=blocks(self.data, factor).mean(axis=-1),
            noise=noise,
            mask=blocks(self.mask, factor).max(axis=-1),
            psf=rebinned_psf(self.psf, factor),
            wcs=None if self.wcs is None else rebinned_wcs(self.wcs, factor),
            pixel_scale=self.pixel_scale * factor,
            zero_point=None if self.zero_point is None else self.zero_point - 5 * math.log10(factor),
            note=f"binned {factor} x {factor}",
        )

    def _regridded(self, part: tuple[slice, slice], *, note: str, mask: np.ndarray, **fields: Any) -> Self:
        """Replace the arrays by those that cover the pixels `part`, moving the origin along."""
        check_some_used(mask, f"{place('data', self.sources)}, {note}")
        check_psf_fits(fields.get("psf", self.psf), mask.shape, f"psf, {note}")
        fields = {name: read_only(v) if isinstance(v, np.ndarray) else v for name, v in fields.items()}
        return replace(
            self,
            mask=read_only(mask),
            origin=self.frame.cut(part).origin,
            settled=self.settled or leaves_a_region(self.mask),
            notes=(*self.notes, note),
            **fields,
        )


def checked_arrays(
    data: Any,
    noise: Any,
    psf: Any,
    mask: Any,
    nan: NanPolicy,
    sources: tuple[Source, ...],
    unit: str | None,
    noise_is: NoiseIs,
    noise_scale: float | None,
    psf_center: bool,
) -> tuple[dict[str, np.ndarray], list[str]]:
    """All arrays of a dataset by their role, trusted from here on, with notes of what was done to them."""
    where = place("noise", sources)
    data = native(data, place("data", sources))
    given = native(noise, where)
    check_shapes(given.shape, data.shape, where)
    mask = checked_mask(mask, data.shape, place("mask", sources))
    psf, psf_notes = checked_psf(psf, data.shape, place("psf", sources), center=psf_center)
    noise, made = made_noise(given, data, unit, noise_is, noise_scale, where)
    holds = numbers(data, noise, mask)
    data, noise, mask, notes = checked_pixels(data, noise, mask, nan, sources)
    psf_notes += narrower_than(psf, data, noise, mask)
    told = notes_on(
        data, noise, mask, holds,
        given=given, noise_is=noise_is, scale=noise_scale, where=where,
    )  # fmt: skip
    return {"data": data, "noise": noise, "psf": psf, "mask": mask}, [*made, *psf_notes, *notes, *told]


def checked_pixels(
    data: np.ndarray,
    noise: np.ndarray,
    mask: np.ndarray,
    nan: NanPolicy,
    sources: tuple[Source, ...],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Data, noise and mask where every unmasked pixel is finite with noise > 0 and every other one safe."""
    if nan not in NAN_POLICIES:
        raise DataError(f"nan={nan!r} is not known; give 'error' or 'mask'")
    notes = []
    mask = _masked(mask, noise >= MASKING_NOISE, f"noise >= {MASKING_NOISE:.0e}", notes)
    for role, values in (("data", data), ("noise", noise)):
        bad = ~np.isfinite(values) & ~mask
        if bad.any() and nan == "error":
            raise DataError(
                f"{place(role, sources)}: NaN or infinite in {count_and_first(bad)}; "
                "mask these pixels, or give nan='mask' to have it done"
            )
        mask = _masked(mask, bad, f"{role} NaN or infinite", notes)
    if nan == "mask":
        mask = _masked(mask, noise == 0, "noise 0", notes)
    bad = ~(noise > 0) & ~mask
    if bad.any():
        raise DataError(
            f"{place('noise', sources)}: zero or negative in {count_and_first(bad)}; mask these pixels, "
            "give nan='mask' to have it done where it is zero, or give a noise map of standard deviations"
        )
    check_squares(data, noise, ~mask, sources)
    check_some_used(mask, place("data", sources))
    unsafe_data, unsafe_noise = ~(np.abs(data) <= LARGEST), ~((noise >= 1 / LARGEST) & (noise <= LARGEST))
    if unsafe_data.any() or unsafe_noise.any():
        number = np.count_nonzero(unsafe_data | unsafe_noise)
        notes.append(f"{number} masked pixels without a number filled with data 0 or noise {MASKING_NOISE:.0e}")
        np.copyto(data, 0.0, where=unsafe_data)  # in place: they are fresh, and may be large
        np.copyto(noise, MASKING_NOISE, where=unsafe_noise)
    return data, noise, mask, notes


def check_squares(data: np.ndarray, noise: np.ndarray, used: np.ndarray, sources: tuple[Source, ...]) -> None:
    """Raise DataError where numbers are so large or small that their squares are none."""
    for role, bad in (("data", np.abs(data) > LARGEST), ("noise", noise < 1 / LARGEST)):
        bad &= used
        if bad.any():
            raise DataError(
                f"{place(role, sources)}: beyond {LARGEST:g} or its inverse in {count_and_first(bad)}, which gives no "
                "chi2; mask these pixels, or choose another unit"
            )


def _masked(mask: np.ndarray, bad: np.ndarray, reason: str, notes: list[str]) -> np.ndarray:
    new = bad & ~mask
    if new.any():
        notes.append(f"{counted(int(np.count_nonzero(new)), 'pixel')} masked: {reason}")
    return mask | new


def blocks(image: np.ndarray, factor: int) -> np.ndarray:
    """An (H, W) image as (H // factor, W // factor, factor^2), trailing rows and columns cut."""
    rows, columns = image.shape[0] // factor, image.shape[1] // factor
    kept = image[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
    return kept.swapaxes(1, 2).reshape(rows, columns, factor * factor)


def rebinned_wcs(wcs: WCS, factor: int) -> WCS:
    """The WCS of the image on pixels `factor` times coarser, with the same first pixel edge.

    Raises:
        DataError: the WCS holds a distortion, which is not rescaled here.
    """
    if wcs.has_distortion:
        raise DataError("binning: the WCS has a distortion; bin dataclasses.replace(imaging, wcs=None)")
    coarse = wcs.deepcopy()
    coarse.wcs.crpix = (wcs.wcs.crpix - 0.5) / factor + 0.5
    if wcs.wcs.has_cd():
        coarse.wcs.cd = wcs.wcs.cd * factor
    else:
        coarse.wcs.cdelt = wcs.wcs.cdelt * factor
    if wcs.pixel_shape is not None:
        coarse.pixel_shape = [side // factor for side in wcs.pixel_shape]
    coarse.wcs.set()
    return coarse
