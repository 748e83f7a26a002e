"""Light that a model takes not to be lensed, and where else its mass would show it if it were an image of a source."""
from __future__ import annotations

import dataclasses
import math

from lensfit.lensing import Field, image_positions, magnification
from lensfit.model import LensModel

DEMAGNIFIED = 0.5
"""|mu| below which light is at the centre of a mass and no image: the brightest other image would be several times as
bright, of an isothermal sphere five times, and seen before it."""
SEEN = 3.0
"""Signal over noise from which on the data tell whether another image is there."""
SAME = 1e-3
"""How near an image is that of the light itself [arcsec]."""

Place = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Unlensed:
    """Light that is not lensed in a model: its name, its place (x, y) [arcsec], that traced back through the mass, and
    those of the other images that would be seen too if it were lensed."""

    name: str
    place: Place
    source: Place
    others: tuple[Place, ...]


def seen_again(model: LensModel, name: str, place: Place, signal: float, field: Field) -> Unlensed:
    """Of light at a place (x, y) [arcsec], of this signal over noise, with a mass of numbers and images in a field.

    The flux of an image of something compact goes with its magnification.
    """
    x, y = (float(value) for value in model.source_position(*place))
    own = abs(float(magnification(model, *place)))
    others = () if own < DEMAGNIFIED else tuple(
        (image.x, image.y) for image in image_positions(model, x, y, field)
        if math.dist((image.x, image.y), place) > SAME and signal * abs(image.magnification) > SEEN * own
    )  # fmt: skip
    return Unlensed(name, place, (x, y), others)
