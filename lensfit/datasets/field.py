"""What is to be seen in an image before any fit: the lens, its arcs, and the galaxies beside it.

Light that is smooth on the scale of a few PSFs is taken away; what is left are the cores of galaxies and the ridges of
arcs. sep (Barbary 2016; the algorithms of SExtractor, Bertin & Arnouts 1996) finds and deblends them. The
lens is the galaxy about which others are stretched along circles.
"""
from __future__ import annotations

import dataclasses
from typing import Literal, TypeAlias

import numpy as np
import sep
from scipy.ndimage import gaussian_filter

from lensfit.datasets.cutout import Frame
from lensfit.datasets.dataset import place
from lensfit.datasets.imaging import Imaging
from lensfit.datasets.masks import brightest_place
from lensfit.datasets.noise import smoothed_noise
from lensfit.datasets.psf import fwhm
from lensfit.errors import DataError

FINE, COARSE = 1.0, 3.0
"""Widths of the smoothings of which the difference is taken, in pixels and in widths (FWHM) of the PSF."""
DETECTED = 4.0
"""Least signal over noise of a pixel of that difference that belongs to an object."""
FEWEST = 5
"""Pixels of the smallest object."""
MOST_TOLD = 20
"""Objects that are told one by one."""
CONTRAST = 0.02
"""Least share of a blend's flux that a part of it has to be an object of its own."""
BINS = 72
"""Directions about a galaxy that are told apart."""
STRETCHED, LONG = 2.0, 3.0
"""Least length along the circle about a galaxy, in units of its width across, of what may be an arc about it, and of
what is one at another radius than most."""
ANNULUS = 1.5
"""Ratio of the outermost to the innermost mean radius of arcs that speak for one lens."""
EVIDENCE, OVERRULES, TIE = 0.1, 0.2, 0.7
"""Least share of the circle that arcs about a lens cover, so that they are believed; so that they say which light among
them is not lensed, and that another galaxy is the lens than the brightest in the middle of the image; and share of the
most by which one is as good."""
OUTER = 0.95
"""Share of the light of the arcs within their outer radius."""
BRIGHTER = 5.0
"""Peak over the typical one of the arcs from which on an object is no image of the same source: lensing keeps the
surface brightness."""
BEYOND = 2.0
"""Distance from the lens, in units of the arcs' mean radius, beyond which light has one image: that of an isothermal
lens."""
CANDIDATES, NEAREST = 40, 60
"""Objects, the brightest ones, that are tried as the lens, and objects nearest to each that may be its arcs."""
OWN = 3.0
"""Distance of what was named from the peak of the object that it lies in, and radius of what is cut from that for it
[pixels]."""
TOUCHING = 2.5
"""Distance between pixels of two objects that hang together."""
ROUND = 1.5
"""Stretch below which what lies outside of the arcs is no image: an isothermal lens stretches an image at r by
r / (r - theta_E), which is 2 and more within BEYOND."""

FieldKind: TypeAlias = Literal["lens", "galaxy", "arc", "image", "field"]
"""The lens; a galaxy that is not lensed where light counts; an arc; what may be an image; what is fainter, further
out."""


@dataclasses.dataclass(frozen=True)
class FieldObject:
    """One object: its kind, place x, y of its peak [arcsec], flux above its surroundings [unit of the image], size: the
    radius at half its height [arcsec], axis ratio and position angle [degrees, from x to y] of its second moments, mean
    distance from the lens [arcsec], and why it is of that kind."""

    kind: FieldKind
    x: float
    y: float
    flux: float
    size: float
    axis_ratio: float
    angle: float
    distance: float
    why: str

    def __str__(self) -> str:
        return (
            f'at ({self.x:.2f}", {self.y:.2f}"), flux {self.flux:.3g}, size {self.size:.2g}", axis ratio '
            f"{self.axis_ratio:.2f}: {self.why}"
        )


@dataclasses.dataclass(frozen=True, eq=False)
class FieldTable:
    """What was seen: the objects, the lens first; their `segments` (H, W) on `frame`, n + 1 where object n is, else 0;
    radius, reach: mean and outer radius of the arcs [arcsec], 0 where none were found; notes; moved: whether the lens
    is another galaxy than the brightest in the middle of the image."""

    objects: tuple[FieldObject, ...]
    segments: np.ndarray
    frame: Frame
    radius: float
    reach: float
    notes: tuple[str, ...]
    moved: bool

    @property
    def lens(self) -> tuple[float, float] | None:
        """(x, y) of the peak of the lens [arcsec], None where no light is there."""
        lenses = [(one.x, one.y) for one in self.objects[:1] if one.kind == "lens"]
        return lenses[0] if lenses else None

    def within_the_arcs(self) -> list[FieldObject]:
        """Objects nearer to the lens than the arcs that may be images, or galaxies, the brightest first."""
        inner = [one for one in self.objects if one.kind == "image" and one.distance < self.radius]
        return sorted(inner, key=lambda one: -one.flux)

    def describe(self) -> list[tuple[str, str]]:
        """(kind and number, what is known of it) of each object that is not of the field, the others counted; of more
        than MOST_TOLD those nearest to the lens."""
        named = [n for n, one in enumerate(self.objects, 1) if one.kind != "field"]
        told = sorted(sorted(named, key=lambda n: self.objects[n - 1].distance)[:MOST_TOLD])
        rows = [(f"{self.objects[n - 1].kind} {n}", str(self.objects[n - 1])) for n in told]
        rest = len(self.objects) - len(told)
        return [*rows, *([("field", f"{rest} objects further out, or fainter")] if rest else [])]


@dataclasses.dataclass(frozen=True, eq=False)
class _Blob:
    """An object of the fine image: its pixels' columns, rows (K,) and brightness (K,), centre and peak, and what sep
    says of its shape."""

    columns: np.ndarray
    rows: np.ndarray
    values: np.ndarray
    x: float
    y: float
    peak: float
    axis_ratio: float
    angle: float
    signal: float

    def only(self, some: np.ndarray) -> _Blob:
        """Some (K,) of its pixels as an object, of the same shape."""
        columns, rows, values = self.columns[some], self.rows[some], self.values[some]
        best = int(np.argmax(values))
        return dataclasses.replace(self, columns=columns, rows=rows, values=values, x=float(columns[best]),
                                   y=float(rows[best]), peak=float(values[best]))  # fmt: skip

    @property
    def half_radius(self) -> float:
        """Radius of the disc as large as its pixels above half the peak [pixels]."""
        return float(np.sqrt(np.count_nonzero(self.values > 0.5 * self.peak) / np.pi))


@dataclasses.dataclass(frozen=True, eq=False)
class _Seen:
    """A blob as seen from a place: mean radius [pixels], directions (BINS,) that it covers, and
    its length along the circle over its width across."""

    radius: float
    covered: np.ndarray
    stretch: float


def fine_image(imaging: Imaging) -> tuple[np.ndarray, np.ndarray]:
    """The image (H, W) less its light on scales of a few PSFs, and the standard deviation of its noise (H, W)."""
    good = ~imaging.mask
    narrow, wide = (_weighted(imaging.data, good, width) for width in (FINE, COARSE * fwhm(imaging.psf)))
    noise = smoothed_noise(imaging.noise, good, FINE)
    return np.where(good, narrow - wide, 0.0), np.where(good, noise, np.inf)


def _weighted(values: np.ndarray, used: np.ndarray, width: float) -> np.ndarray:
    weight = gaussian_filter(used.astype(float), width)
    return gaussian_filter(np.where(used, values, 0.0), width) / np.maximum(weight, 1e-9)


def find_blobs(imaging: Imaging) -> tuple[list[_Blob], np.ndarray]:
    """The objects of the fine image and their segments (H, W), k + 1 where blob k is.

    Raises:
        DataError: sep cannot tell them apart, as in an image that is a crowd of stars.
    """
    fine, noise = fine_image(imaging)
    sep.set_extract_pixstack(max(sep.get_extract_pixstack(), fine.size))
    try:
        found, segments = sep.extract(
            fine / noise, DETECTED, minarea=FEWEST, filter_kernel=None, deblend_cont=CONTRAST, clean=False,
            segmentation_map=True,
        )  # fmt: skip
    except Exception as error:  # sep has no class of its own
        where = place("data", imaging.sources)
        raise DataError(
            f"{where}: its objects cannot be told apart ({error}); give center= and mask_radius="
        ) from error
    order = np.argsort(segments, axis=None, kind="stable")
    edges = np.searchsorted(segments.flat[order], np.arange(1, len(found) + 2))
    blobs = []
    for k, row in enumerate(found):
        rows, columns = np.unravel_index(order[edges[k] : edges[k + 1]], segments.shape)
        values = fine[rows, columns]
        best = int(np.argmax(values))
        blobs.append(_Blob(columns, rows, values, float(columns[best]), float(rows[best]), float(values[best]),
                           float(row["b"] / row["a"]), float(np.degrees(row["theta"])),
                           float(row["peak"])))  # fmt: skip
    return blobs, segments


def seen_from(blob: _Blob, x: float, y: float) -> _Seen:
    """A blob as seen from a place (column x, row y)."""
    dx, dy = blob.columns - x, blob.rows - y
    radius = np.maximum(np.hypot(dx, dy), 0.5)
    angle = np.arctan2(dy, dx)
    width = np.arcsin(np.minimum(0.5 / radius, 1.0))  # half of what a pixel subtends
    step = 2 * np.pi / BINS
    covered = np.zeros(BINS, bool)
    inner, outer = np.full(BINS, np.inf), np.zeros(BINS)
    spread = int(np.ceil(width.max() / step))
    for k in range(-spread, spread + 1):
        shift = np.clip(k * step, -width, width)
        bins = np.floor((angle + shift) / step).astype(int) % BINS
        covered[bins] = True
        np.minimum.at(inner, bins, radius)
        np.maximum.at(outer, bins, radius)
    mean = float(radius.mean())
    across = float(np.median(outer[covered] - inner[covered])) + 1
    drift = float(np.ptp(0.5 * (outer + np.where(covered, inner, 0.0))[covered]))
    length = mean * step * np.count_nonzero(covered)
    return _Seen(mean, covered, length / float(np.hypot(across, drift)))


@dataclasses.dataclass(frozen=True, eq=False)
class _Hypothesis:
    """A place (column x, row y) as that of the lens: the blob there (-1 = none), the share of the circle that arcs
    about it cover, their numbers among the blobs, and the blobs as seen from there."""

    x: float
    y: float
    own: int
    evidence: float
    arcs: list[int]
    seen: list[_Seen]


def hypothesis(blobs: list[_Blob], own: int, x: float, y: float) -> _Hypothesis:
    """How well the blobs lie about a place (column x, row y) as arcs do: stretched along one circle.

    The evidence is the share of directions that they cover, less where their radii scatter.
    """
    seen = [seen_from(blob, x, y) for blob in blobs]
    stretched = [k for k, one in enumerate(seen) if k != own and one.stretch > STRETCHED]
    best, arcs = 0.0, []
    for inner in (seen[k].radius for k in stretched):
        group = [k for k in stretched if inner <= seen[k].radius <= ANNULUS * inner]
        radius = np.concatenate([np.hypot(blobs[k].columns - x, blobs[k].rows - y) for k in group])
        covered = float(np.mean(np.any([seen[k].covered for k in group], axis=0)))
        evidence = covered * max(0.0, 1 - 2 * float(radius.std() / radius.mean()))
        if evidence > best:
            best, arcs = evidence, group
    return _Hypothesis(x, y, own, best, arcs, seen)


def find_field(imaging: Imaging) -> FieldTable:
    """The lens, its arcs and what else is in the field of an image, told from its data alone.

    The lens is at the place that was stated. Without one it is the brightest place in the middle half of the image,
    unless arcs about another galaxy say more: of those about which they say nearly as much it is the one nearest to
    the image's middle. Where galaxies were named beside the lens, arcs are about all of them: it is then the highest
    peak in the middle that is none of these.
    """
    blobs, segments = find_blobs(imaging)
    named = _named(imaging, blobs, segments)
    lens, notes = _choose_lens(imaging, blobs, segments, named)
    return _table(imaging, blobs, segments, lens, named - {lens.own}, notes)


def _choose_lens(
    imaging: Imaging, blobs: list[_Blob], segments: np.ndarray, named: set[int]
) -> tuple[_Hypothesis, tuple[str, ...]]:
    if imaging.center is not None:
        x, y = imaging.frame.pixel(imaging.center)
        inside = 0 <= round(x) < imaging.shape[1] and 0 <= round(y) < imaging.shape[0]
        own = int(segments[round(y), round(x)]) - 1 if inside else -1
        return hypothesis(blobs, own, x, y), ()
    row, column = _brightest(imaging, blobs, named)
    usual = hypothesis(blobs, int(segments[row, column]) - 1, float(column), float(row))
    if named:
        return usual, _passed_over(imaging, segments, named, usual)
    bright = sorted((k for k in range(len(blobs)) if k != usual.own), key=lambda k: -blobs[k].signal)[:CANDIDATES]
    others = [_among_the_nearest(blobs, k) for k in bright]
    most = max([one.evidence for one in others], default=0.0)
    if most < OVERRULES or usual.evidence >= TIE * most:
        return usual, ()
    middle = (imaging.shape[1] - 1) / 2, (imaging.shape[0] - 1) / 2
    good = sorted((one for one in others if one.evidence >= TIE * most),
                  key=lambda one: np.hypot(one.x - middle[0], one.y - middle[1]))  # fmt: skip
    lens = hypothesis(blobs, good[0].own, good[0].x, good[0].y)
    (x, y), (bright_x, bright_y) = (imaging.frame.place(one.x, one.y) for one in (lens, usual))
    notes = [
        f"the lens is taken to be the galaxy at ({x:.2f}, {y:.2f}): arcs about it cover {100 * lens.evidence:.0f} % "
        f"of a circle, those about the brightest place, ({bright_x:.2f}, {bright_y:.2f}), {100 * usual.evidence:.0f} %"
    ]
    if len(good) > 1:
        rest = ", ".join("({:.2f}, {:.2f})".format(*imaging.frame.place(one.x, one.y)) for one in good[1:])
        notes.append(f"arcs lie as well about {rest}: the one nearest to the image's middle was taken; center= says it")
    return lens, tuple(notes)


def _passed_over(
    imaging: Imaging, segments: np.ndarray, named: set[int], lens: _Hypothesis
) -> tuple[str, ...]:
    """A note where the brightest place in the middle half of the image is a galaxy that was named beside the lens."""
    row, column = brightest_place(imaging.data, imaging.mask)
    bright = int(segments[row, column]) - 1
    if bright not in named or bright == lens.own:
        return ()
    (x, y), (named_x, named_y) = (imaging.frame.place(*one) for one in ((lens.x, lens.y), (column, row)))
    return (
        f"the lens is taken to be what is at ({x:.2f}, {y:.2f}), as the brightest place in the middle of the image, "
        f"({named_x:.2f}, {named_y:.2f}), is a galaxy that was named beside it: name the other ones alone, or say by "
        "center= where the lens is",
    )


def _brightest(imaging: Imaging, blobs: list[_Blob], named: set[int]) -> tuple[int, int]:
    """Row and column of the brightest place in the middle half of the image; where galaxies were named, of the object
    there that has the highest peak above its surroundings and is none of them."""
    height, width = imaging.shape
    near = [one for k, one in enumerate(blobs) if k not in named and not imaging.mask[round(one.y), round(one.x)]
            and max(abs(one.x - (width - 1) / 2), abs(one.y - (height - 1) / 2)) < min(height, width) / 4]  # fmt: skip
    if not named or not near:
        return brightest_place(imaging.data, imaging.mask)
    best = max(near, key=lambda one: one.peak)
    return round(best.y), round(best.x)


def _among_the_nearest(blobs: list[_Blob], own: int) -> _Hypothesis:
    """The hypothesis of blob `own` from the NEAREST blobs to it alone: its evidence counts, not its lists."""
    x, y = blobs[own].x, blobs[own].y
    others = sorted((k for k in range(len(blobs)) if k != own), key=lambda k: np.hypot(blobs[k].x - x, blobs[k].y - y))
    found = hypothesis([blobs[k] for k in others[:NEAREST]], -1, x, y)
    return dataclasses.replace(found, own=own)


def _table(
    imaging: Imaging, blobs: list[_Blob], segments: np.ndarray, lens: _Hypothesis, named: set[int],
    notes: tuple[str, ...],
) -> FieldTable:
    arcs = _Arcs.of(blobs, lens, named) if lens.evidence >= EVIDENCE else None
    kinds = [_alone(k == lens.own) for k in range(len(blobs))] if arcs is None else _kinds(blobs, lens, arcs)
    stated: tuple[FieldKind, str] = ("galaxy", "as stated")
    kinds = [stated if k in named else kind for k, kind in enumerate(kinds)]
    rank = {kind: n for n, kind in enumerate(("lens", "galaxy", "arc", "image", "field"))}
    order = sorted(range(len(blobs)), key=lambda k: (k != lens.own, rank[kinds[k][0]], -blobs[k].signal))
    numbers = np.zeros(len(blobs) + 1, np.int32)
    numbers[1 + np.array(order, int)] = 1 + np.arange(len(blobs))
    objects = tuple(_object(imaging, blobs[k], *kinds[k], lens.seen[k].radius) for k in order)
    radius, reach = (0.0, 0.0) if arcs is None else (arcs.radius, arcs.reach)
    return FieldTable(objects, numbers[segments], imaging.frame, radius * imaging.pixel_scale,
                      reach * imaging.pixel_scale, notes, bool(notes) and not named)  # fmt: skip


def _named(imaging: Imaging, blobs: list[_Blob], segments: np.ndarray) -> set[int]:
    """The blobs at the places of galaxies that were named with their light. What is named within another object, as on
    an arc, becomes one of its own: the pixels of that within OWN of the place."""
    found = set()
    for galaxy in (one for one in imaging.galaxies if one.light):
        x, y = imaging.frame.pixel((galaxy.x, galaxy.y))
        column, row = round(x), round(y)
        inside = 0 <= row < imaging.shape[0] and 0 <= column < imaging.shape[1]
        number = int(segments[row, column]) - 1 if inside else -1
        if number < 0:
            continue
        blob = blobs[number]
        if np.hypot(blob.x - x, blob.y - y) > max(OWN, blob.half_radius):
            own = np.hypot(blob.columns - x, blob.rows - y) < OWN
            blobs[number] = blob.only(~own)
            blobs.append(blob.only(own))
            number = len(blobs) - 1
            segments[blobs[number].rows, blobs[number].columns] = number + 1
        found.add(number)
    return found


def _object(imaging: Imaging, blob: _Blob, kind: FieldKind, why: str, distance: float) -> FieldObject:
    x, y = imaging.frame.place(blob.x, blob.y)
    flux = float(blob.values.sum())
    return FieldObject(kind, x, y, flux, blob.half_radius * imaging.pixel_scale, blob.axis_ratio, blob.angle,
                       distance * imaging.pixel_scale, why)  # fmt: skip


def _alone(lens: bool) -> tuple[FieldKind, str]:
    """Kind of a blob, and why, where there are no arcs."""
    return ("lens", "where the lens was looked for") if lens else ("field", "no arcs were found that would say more")


@dataclasses.dataclass(frozen=True)
class _Arcs:
    """The arcs about a lens: their numbers among the blobs, typical peak, mean radius and outer radius [pixels]."""

    numbers: frozenset[int]
    peak: float
    radius: float
    reach: float

    @classmethod
    def of(cls, blobs: list[_Blob], lens: _Hypothesis, named: set[int]) -> _Arcs | None:
        """Those that speak for the lens, and what else is stretched well about it and not far brighter, but for
        galaxies that were named; None where nothing is left."""
        seen = lens.seen
        speaking = [k for k in lens.arcs if k not in named]
        if not speaking:
            return None
        shares = np.array([seen[k].covered.mean() for k in speaking])
        peak = float(np.average([blobs[k].peak for k in speaking], weights=shares))
        radius = float(np.average([seen[k].radius for k in speaking], weights=shares))
        near = {k for k, one in enumerate(seen) if k != lens.own and one.radius < BEYOND * radius}
        more = {k for k in near if seen[k].stretch > LONG and blobs[k].peak < BRIGHTER * peak}
        numbers = frozenset(speaking) | (more - named)
        away = np.concatenate([np.hypot(blobs[k].columns - lens.x, blobs[k].rows - lens.y) for k in numbers])
        light = np.concatenate([blobs[k].values for k in numbers])
        order = np.argsort(away)
        inside = np.cumsum(light[order]) / light.sum()
        return cls(numbers, peak, radius, float(away[order][np.searchsorted(inside, OUTER)]))


def _kinds(blobs: list[_Blob], lens: _Hypothesis, arcs: _Arcs) -> list[tuple[FieldKind, str]]:
    """Kind of each blob, and why, where a place is that of the lens."""
    joined, sure = _joined(blobs, arcs.numbers), lens.evidence >= OVERRULES
    kinds: list[tuple[FieldKind, str]] = []
    for k, (blob, one) in enumerate(zip(blobs, lens.seen, strict=True)):
        brighter, along = blob.peak / arcs.peak, f"{one.stretch:.1f} times as long along the circle as across"
        away = f"{one.radius / arcs.radius:.1f} times as far out as the arcs"
        outside = one.radius - blob.half_radius > arcs.reach and one.stretch < ROUND
        far = one.radius > BEYOND * arcs.radius
        if k == lens.own:
            kinds.append(("lens", f"arcs cover {100 * lens.evidence:.0f} % of a circle about it"))
        elif k in arcs.numbers:
            kinds.append(("arc", along))
        elif k in joined and brighter < BRIGHTER:
            kinds.append(("image", f"joined to an arc, {away}"))
        elif one.radius < arcs.reach and one.stretch < 1 / ROUND:
            kinds.append(("field", "along a radius within the arcs: a part of the lens"))
        elif brighter > 1 and (far or (sure and (outside or brighter > BRIGHTER))):
            shape = "" if far else f", {along}"
            kinds.append(("galaxy", f"{brighter:.1f} times as bright as the arcs, {away}{shape}"))
        else:
            kinds.append(("field" if far else "image", f"{away}, {along}"))
    return kinds


def _joined(blobs: list[_Blob], arcs: frozenset[int]) -> set[int]:
    """The blobs that hang together with arcs: they were one before they were told apart."""
    from scipy.spatial import KDTree  # it takes long to load

    joined, new = set(arcs), set(arcs)
    while new:
        places = np.concatenate([np.stack([blobs[k].columns, blobs[k].rows], -1) for k in new])
        tree = KDTree(places)
        new = {k for k, blob in enumerate(blobs) if k not in joined
               and bool((tree.query(np.stack([blob.columns, blob.rows], -1))[0] < TOUCHING).any())}  # fmt: skip
        joined |= new
    return joined


def arcs_signal(imaging: Imaging, table: FieldTable) -> float:
    """Signal over noise of the arcs, and of what may be images, of an image's table; 0 where none were found."""
    lensed = [n for n, one in enumerate(table.objects, 1) if one.kind in ("arc", "image")]
    where = np.isin(table.segments, lensed)
    if not table.radius or not where.any():
        return 0.0
    fine, _ = fine_image(imaging)
    return float(np.sqrt(np.sum((fine[where] / imaging.noise[where]) ** 2)))
