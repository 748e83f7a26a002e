"""The mask of an image, read off the data: where the lens is and how far its arcs reach."""
from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter

from lensfit.datasets import FieldObject, FieldTable, Galaxy, Imaging, brightest_place, disc, find_field
from lensfit.datasets.field import OWN
from lensfit.datasets.noise import smoothed_noise
from lensfit.datasets.psf import fwhm

SMOOTHING = 1.5
"""Width of the smoothing before structure is looked for [pixels]."""
SIGNIFICANT = 8.0
"""Least signal over noise of structure, after smoothing."""
PROMINENT = 0.12
"""Least share of the light that structure has."""
LARGEST_IMAGE = 1500
"""Most pixels along a side of the image in which the lens and its arcs are looked for."""
LEVEL = 35
"""Percentile of the light in a ring above which it is structure."""
COVERED = 0.1
"""Share of a ring that structure must cover for the ring to belong to the arcs."""
RING = 2.0
"""Width of a ring about the lens [pixels]."""
MASK_MARGIN = 1.15
"""The mask's radius in units of the outermost such ring."""
ARCS_MARGIN = 1.6
"""The largest radius of the mask, in units of the outer radius of the arcs, where other galaxies are near."""
REACH, EDGE = 2.5, 1.0
"""A galaxy is masked as far as this many times its radius at half its height, and further where it is clear of the
arcs: as far as its light is above this many sigma a pixel."""
SHIFT = 0.1
"""Flexion shift of images by a galaxy beside the lens from which on its light and mass are in the model [pixels]."""
CLEAR, GAP = 1.15, 2.0
"""It is clear of the arcs outside of this many times their mean radius, and this many FWHM of the PSF from each."""


@dataclasses.dataclass(frozen=True)
class Neighbour:
    """A galaxy beside the lens: what was seen of it, how far its light reaches [arcsec], whether it lies outside of the
    arcs, and its flexion shift [arcsec]: by how much more than a shear its mass should move the images.

    That is (theta_E theta_E')^2 / r^3 (McCully et al. 2014, 2017), with the Einstein radius of the lens from its arcs,
    that of the galaxy from its share of the light as in `lensfit.standard.with_named`, r apart.
    """

    seen: FieldObject
    radius: float
    beyond: bool
    shift: float

    def __str__(self) -> str:
        return f'({self.seen.x:.2f}", {self.seen.y:.2f}") within {self.radius:.2f}"'

    @property
    def galaxy(self) -> Galaxy:
        """As a galaxy of the model, its light and mass."""
        return Galaxy(self.seen.x, self.seen.y, seen=True)


def see_field(imaging: Imaging) -> FieldTable:
    """The lens, its arcs and what else is in the image, a very large one on coarser pixels."""
    return find_field(coarsened(imaging))


class Chosen(NamedTuple):
    """An image with its mask and the galaxies of its model, the table of its field, and the galaxies that were masked.
    """

    imaging: Imaging
    table: FieldTable
    galaxies: tuple[FieldObject, ...]


def choose_mask(imaging: Imaging, standard: bool = True) -> Chosen:
    """Leave out all but a circle about the lens that holds its arcs, and the galaxies in it that are not lensed, but
    for those whose mass bends the arcs, which a standard model is to have unless they were named; the notes say so.
    One of one's own has what it has: all are left out.

    The circle reaches as far as there is structure; where galaxies of the table are in it, as far as the arcs of the
    table. Where the arcs do not end within the image it is the largest circle of the image, about its middle unless
    the place of the lens was stated or other galaxies are near: one about the brightest place could cut what belongs
    to the lens.
    """
    coarse = coarsened(imaging)
    table = find_field(coarse)
    x, y = lens_center(coarse, table)
    largest = 0.5 * min(imaging.shape) * imaging.pixel_scale
    margin = 2 * imaging.pixel_scale
    wanted = MASK_MARGIN * arc_radius(coarse, (x, y)) + margin
    neighbours = find_neighbours(coarse, table, (x, y), min(wanted, largest))
    bending = [one for one in neighbours if standard and one.shift > SHIFT * imaging.pixel_scale
               and not _is_named(one.seen, imaging, imaging.galaxies)]
    dark = [one for one in neighbours if one not in bending]
    if table.moved or any(one.beyond for one in neighbours):
        coarse = _without(coarse, neighbours)
        wanted = min(MASK_MARGIN * arc_radius(coarse, (x, y)), ARCS_MARGIN * table.reach) + margin
    elif wanted >= largest and imaging.center is None:
        x, y = imaging.origin
    radius = min(wanted, largest)
    note = f'mask chosen from the data: a circle of radius {radius:.2f}" about ({x:.2f}", {y:.2f}")'
    if wanted >= largest:
        note += (
            ", as large as the image allows: where the arcs end could not be told from the data; mask_radius= says it, "
            "and center= where the lens is"
        )
    wings = ", its wings modelled" if standard else ""
    outside, told = disc(imaging.frame, radius, (x, y))
    near = [one for one in dark if np.hypot(x - one.seen.x, y - one.seen.y) < radius + one.radius]
    told = [*table.notes, *(() if wanted >= largest else told), *(
        f"galaxy masked{wings}: {one}, {one.seen.why}" for one in near
    ), *(
        f'galaxy in the model, {one.galaxy.told}, {one.seen.why}; its flexion shift is about {one.shift:.2g}"'
        for one in bending
    ), *(
        f"galaxy named, {one.told}, where light is seen in the image: without a word after its place it is in the "
        "model too, else the source may take it" for one in imaging.galaxies if not one.light and any(
            seen.kind != "lens" and _is_named(seen, imaging, (one,)) for seen in table.objects)
    )]  # fmt: skip
    named = (*imaging.galaxies, *(one.galaxy for one in bending))
    chosen = dataclasses.replace(_without(imaging.with_mask(outside), near), galaxies=named)
    return Chosen(functools.reduce(add_note, told, add_note(chosen, note)), table, tuple(one.seen for one in near))


def find_neighbours(
    imaging: Imaging, table: FieldTable, center: tuple[float, float], radius: float
) -> list[Neighbour]:
    """The galaxies of a field that are not lensed, with their wings, where they reach into a disc about the lens; but
    for those that were named as light of the model.

    One that is clear of the arcs reaches as far as its light above the lens's is more than EDGE sigma a pixel, one
    among them as far as REACH times its radius at half its height.
    """
    light = [one for one in imaging.galaxies if one.light]
    galaxies = [one for one in table.objects if one.kind == "galaxy" and not _is_named(one, imaging, light)]
    if not galaxies:
        return []
    excess = Rings.about(imaging, center).excess(imaging) / imaging.noise
    lensed = [n for n, one in enumerate(table.objects, 1) if one.kind in ("arc", "image")]
    arcs = np.isin(table.segments, lensed)
    gap = GAP * fwhm(imaging.psf) * imaging.pixel_scale
    found = []
    for galaxy in galaxies:
        distance = float(np.hypot(galaxy.x - center[0], galaxy.y - center[1]))
        least = min(REACH * galaxy.size, 0.8 * distance)
        nearest = float(np.hypot(imaging.x[arcs] - galaxy.x, imaging.y[arcs] - galaxy.y).min())
        most = min(nearest - gap, distance - CLEAR * table.radius)
        reach = _wings(imaging, excess, galaxy, least, most)
        if distance - reach < radius:
            share = 0.0 if table.lens is None else galaxy.flux / table.objects[0].flux
            shift = share * table.radius**4 / max(distance, table.radius) ** 3
            found.append(Neighbour(galaxy, reach, distance > table.reach, shift))
    return found


def _is_named(seen: FieldObject, imaging: Imaging, galaxies: Iterable[Galaxy]) -> bool:
    """Whether an object of the field is one of these galaxies that were named."""
    near = max(seen.size, OWN * imaging.pixel_scale)
    return any(np.hypot(seen.x - one.x, seen.y - one.y) < near for one in galaxies)


def _wings(imaging: Imaging, excess: np.ndarray, galaxy: FieldObject, least: float, most: float) -> float:
    """How far [arcsec] a galaxy's light is above EDGE sigma a pixel, between two bounds."""
    away = np.hypot(imaging.x - galaxy.x, imaging.y - galaxy.y)
    radius, step = least, imaging.pixel_scale
    while radius + step < most:
        here = ~imaging.mask & (np.abs(away - radius) < step)
        if not here.any() or np.median(excess[here]) < EDGE:
            break
        radius += step
    return radius


def without_discs(imaging: Imaging, discs: Iterable[tuple[float, float, float]]) -> Imaging:
    """The image with discs masked, each a place x, y and a radius [arcsec]."""
    mask = np.zeros(imaging.shape, bool)
    for x, y, radius in discs:
        mask |= np.hypot(imaging.x - x, imaging.y - y) < radius
    return imaging.with_mask(mask)


def _without(imaging: Imaging, neighbours: list[Neighbour]) -> Imaging:
    return without_discs(imaging, ((one.seen.x, one.seen.y, one.radius) for one in neighbours))


def coarsened(imaging: Imaging) -> Imaging:
    """The image in which the lens is looked for: a very large one on coarser pixels."""
    factor = -(-max(imaging.shape) // LARGEST_IMAGE)
    return imaging if factor == 1 else dataclasses.replace(imaging, wcs=None).binned(factor)


def add_note(imaging: Imaging, note: str) -> Imaging:
    """The same data with one more note of what was done to them."""
    return dataclasses.replace(imaging, notes=(*imaging.notes, note))


def lens_center(imaging: Imaging, table: FieldTable) -> tuple[float, float]:
    """(x, y) [arcsec] of the lens as it was stated, as its arcs say, or of the brightest place within the middle half
    of the image."""
    if imaging.center is not None:
        return imaging.center
    if table.lens is not None and (table.moved or imaging.galaxies):
        return table.lens
    row, column = brightest_place(imaging.data, imaging.mask)
    return float(imaging.x[row, column]), float(imaging.y[row, column])


@dataclasses.dataclass(frozen=True, eq=False)
class Rings:
    """Rings about a place: the one (H, W) that each pixel lies in, the used pixels (K,) in the order of their rings,
    where in that order each ring ends (count - 1,), and how many rings fit into the image."""

    number: np.ndarray
    used: np.ndarray
    edges: np.ndarray
    count: int

    @classmethod
    def about(cls, imaging: Imaging, center: tuple[float, float]) -> Rings:
        """Those of an image about a place (x, y) [arcsec]."""
        width = RING * imaging.pixel_scale
        count = int(0.5 * min(imaging.shape) * imaging.pixel_scale / width) + 1
        number = (np.hypot(imaging.x - center[0], imaging.y - center[1]) / width).astype(np.int32)
        used = np.flatnonzero(~imaging.mask & (number < count))
        used = used[np.argsort(number.flat[used], kind="stable")]
        return cls(number, used, np.searchsorted(number.flat[used], np.arange(1, count)), count)

    def split(self, values: np.ndarray) -> list[np.ndarray]:
        """What an image (H, W) holds in the used pixels of each ring."""
        return np.split(values.flat[self.used], self.edges)

    def excess(self, imaging: Imaging) -> np.ndarray:
        """The image (H, W) less the light of a round galaxy, the percentile LEVEL of each ring; 0 where masked."""
        level = np.zeros(self.number.max() + 1)
        level[: self.count] = [np.percentile(v, LEVEL) if v.size else 0.0 for v in self.split(imaging.data)]
        return np.where(imaging.mask, 0.0, imaging.data - level[self.number])


def arc_radius(imaging: Imaging, center: tuple[float, float]) -> float:
    """Outer radius [arcsec] of the rings about the lens that structure beyond a round galaxy covers.

    Structure is light above the percentile LEVEL of its ring. The rings must hang together; of several sets
    those count that hold at least a third of what the richest one holds.
    """
    width, rings = RING * imaging.pixel_scale, Rings.about(imaging, center)
    flags = _structure(imaging, rings.excess(imaging))
    covered = np.array([part.mean() if part.size else 0.0 for part in rings.split(flags)])
    runs = _runs(covered > COVERED, first=2)
    if not runs:
        return rings.count * width
    weight = [covered[a:b].sum() for a, b in runs]
    return max(b for (_, b), w in zip(runs, weight, strict=True) if w >= 0.3 * max(weight)) * width


def _structure(imaging: Imaging, excess: np.ndarray) -> np.ndarray:
    """Where the excess (H, W) is significant and a good share of the light."""
    good = ~imaging.mask
    smooth = gaussian_filter(excess, SMOOTHING)
    noise = smoothed_noise(imaging.noise, good, SMOOTHING)
    light = np.maximum(gaussian_filter(np.where(good, imaging.data, 0.0), SMOOTHING), 0)
    return (smooth > SIGNIFICANT * noise) & (smooth > PROMINENT * light) & good


def _runs(flags: np.ndarray, first: int) -> list[tuple[int, int]]:
    """[start, stop) of the runs of True from index `first` on."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags[first:], [False]]).astype(int)))
    return [(int(a) + first, int(b) + first) for a, b in zip(edges[::2], edges[1::2], strict=True)]
