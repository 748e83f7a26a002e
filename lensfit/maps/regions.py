"""Critical curves and caustics as region files of SAOImage DS9."""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lensfit.datasets.cutout import Frame
from lensfit.errors import ModelError

if TYPE_CHECKING:
    from lensfit.maps.maps import Maps

MOST_POINTS = 400
"""Of a curve in a region file: more make DS9 slow."""


def regions_text(maps: Maps, plane: str = "image") -> str:
    """A polygon for each critical curve ("image") or caustic ("source"), segments for one that leaves the field.

    In ICRS degrees where the frame has celestial coordinates, else in pixels of the frame counted from 1.

    Raises:
        ModelError: the plane is none of the two.
    """
    curves = maps.curves
    planes = {
        "image": (maps.frame, (("tangential", "red", curves.tangential), ("radial", "cyan", curves.radial))),
        "source": (maps.source_frame, (
            ("tangential caustic", "red", curves.tangential_caustics),
            ("radial caustic", "cyan", curves.radial_caustics), ("cut", "yellow", curves.cuts),
        )),
    }  # fmt: skip
    if plane not in planes:
        raise ModelError(f"plane={plane!r}: there are {' and '.join(planes)}")
    frame, shown = planes[plane]
    lines = ["# Region file format: DS9 version 4.1", "global width=1", "image" if frame.wcs is None else "icrs"]
    for word, colour, some in shown:
        lines += [f"{_shape(frame, curve)} # color={colour} text={{{word}}}" for curve in some]
    return "\n".join(lines) + "\n"


def _shape(frame: Frame, curve: np.ndarray) -> str:
    """A curve (N, 2) [arcsec] as a region."""
    closed = bool(np.allclose(curve[0], curve[-1], atol=1e-6))
    points = curve[:-1] if closed else curve
    points = points[:: max(1, -(-len(points) // MOST_POINTS))]
    numbers = ",".join(f"{value:.8f}" for point in _placed(frame, points) for value in point)
    return f"{'polygon' if closed else 'segment'}({numbers})"


def _placed(frame: Frame, points: np.ndarray) -> np.ndarray:
    """Points (N, 2) [arcsec] in the coordinates of the region file."""
    column, row = (np.array(axis) for axis in zip(*(frame.pixel((x, y)) for x, y in points), strict=True))
    if frame.wcs is None:
        return np.stack([column + 1, row + 1], -1)
    sky = frame.wcs.pixel_to_world(column, row).icrs  # pyright: ignore[reportAttributeAccessIssue]
    return np.stack([sky.ra.deg, sky.dec.deg], -1)
