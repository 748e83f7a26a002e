"""The models of images of one lens in several bands, tied to each other: what they share, and what each has for itself.
"""
from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from lensfit.alignment import Alignment
from lensfit.datasets import Imaging
from lensfit.errors import ModelError
from lensfit.model import LensModel, Models
from lensfit.names import STRUCTURES, Structure
from lensfit.priors import LogNormal, Normal, Prior
from lensfit.pytree import replace
from lensfit.standard import CENTER, Scales, emission_circle

SHIFT = 0.05
"""Width of the prior of a band's shift [arcsec]: what is left of the astrometry of HST, JWST and Euclid."""
SCATTER = 0.15
"""Width of the prior of ln size of a `scaled` light about its size in the next band. Half-light radii of galaxies fall
by 20 to 40 % from 0.5 to 2 micrometres (van der Wel et al. 2014; Vulcani et al. 2014), over several bands."""
DUST = 0.1
"""Width of the prior of the place of a source's dust about that of its stars [arcsec]."""
PLACE = ("center_x", "center_y")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ties:
    """How bands hang together: the reference, in whose frame the mass is; by how much each of the others is turned
    against it [degrees]; and the structure of lens light and of source."""

    reference: str
    angles: Mapping[str, float]
    light: Structure = "own"
    source: Structure = "own"


def tied(models: Mapping[str, LensModel], ties: Ties) -> Models:
    """The models of all bands with the mass of the reference, and lens light and source at the places of its own.

    Amplitudes are each band's own. So are the shapes of an "own" structure; of a "shared" one they are those of the
    reference, of a "scaled" one too but for the size, which scatters about that in the next band, in the order in which
    the bands stand. The frame of each but the reference is shifted, with a prior of SHIFT, and turned by a known angle.

    Raises:
        ModelError: no structure has that name.
    """
    for name in (ties.light, ties.source):
        if name not in STRUCTURES:
            raise ModelError(f"no structure of light in several bands is named {name!r}: use {', '.join(STRUCTURES)}")
    made = {ties.reference: models[ties.reference]}
    for name, nearest in _from_the_reference(list(models), ties.reference):
        made[name] = _band(models[name], made[ties.reference], made[nearest], ties.angles.get(name, 0.0), ties)
    return Models(terms={name: made[name] for name in models})


def beside(own: LensModel, reference: LensModel, data: Any, imaging: Imaging) -> LensModel:
    """The model of visibilities beside an image: the mass is that of the image's model, `reference`, and the source is
    their own, within DUST of the stars.

    Their frame counts from the phase centre: it is shifted so that the middle of the emission is at the lens of the
    image, give or take CENTER of the emission's radius.
    """
    x, y, reach = emission_circle(data)
    place = Scales(imaging).center
    shift = [Normal(mean=there - here, sigma=CENTER * reach) for there, here in zip((x, y), place, strict=True)]
    stars = next(iter(reference.source.values()), None)
    near = {} if stars is None else {name: Normal(mean=getattr(stars, name), sigma=DUST) for name in PLACE}
    return replace(
        own, mass=reference.mass, source={key: replace(profile, **near) for key, profile in own.source.items()},
        alignment=Alignment(shift_x=shift[0], shift_y=shift[1], angle=0.0),
    )  # fmt: skip


def _from_the_reference(names: Sequence[str], reference: str) -> list[tuple[str, str]]:
    """Each name but the reference, with the one next to it on the way there."""
    at = names.index(reference)
    up = [(names[k], names[k - 1]) for k in range(at + 1, len(names))]
    return up + [(names[k], names[k + 1]) for k in range(at - 1, -1, -1)]


def _band(own: LensModel, reference: LensModel, nearest: LensModel, angle: float, ties: Ties) -> LensModel:
    shift = [Normal(mean=0.0, sigma=SHIFT) for _ in PLACE]
    structures: dict[str, Structure] = {"light": ties.light, "source": ties.source}
    groups = {
        group: {name: like(profile, getattr(reference, group)[name], getattr(nearest, group)[name], structure)
                for name, profile in getattr(own, group).items()}
        for group, structure in structures.items()
    }  # fmt: skip
    return replace(
        own, **groups, mass=reference.mass, alignment=Alignment(shift_x=shift[0], shift_y=shift[1], angle=angle)
    )


def like(own: Any, reference: Any, nearest: Any, structure: Structure) -> Any:
    """A profile of a band with the centre of that of the reference, or with all of it but amplitude and, if that is a
    parameter, size."""
    if structure == "own":
        return replace(own, **{name: getattr(reference, name) for name in PLACE})
    changes = {own.amplitude: getattr(own, own.amplitude)}
    size = own.roles.get("radius")
    if structure == "scaled" and size is not None and isinstance(getattr(nearest, size), Prior):
        changes[size] = LogNormal(median=getattr(nearest, size), sigma=SCATTER)
    return replace(reference, **changes)
