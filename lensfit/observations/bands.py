"""The models of images of one lens in several bands, tied to each other: what they share and what each has of its own."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lensfit.alignment import Alignment
from lensfit.model import LensModel, Models
from lensfit.priors import Normal
from lensfit.pytree import replace

SHIFT = 0.05
"""Width of the prior of a band's shift [arcsec]: what is left of the astrometry of HST, JWST and Euclid."""
PLACE = ("center_x", "center_y")


def tied(models: Mapping[str, LensModel], reference: str, angles: Mapping[str, float]) -> Models:
    """The models of all bands with the mass of the reference, and lens light and source at the places of its own.

    Amplitudes and shapes are each band's own. The frame of each but the reference is shifted, with a prior of SHIFT,
    and turned by its angle [degrees], which is known.
    """
    first = models[reference]

    def band(name: str, model: LensModel) -> LensModel:
        if name == reference:
            return first
        shift = [Normal(mean=0.0, sigma=SHIFT) for _ in PLACE]
        return replace(
            model,
            mass=first.mass,
            light={key: at_place(profile, first.light.get(key)) for key, profile in model.light.items()},
            source={key: at_place(profile, first.source.get(key)) for key, profile in model.source.items()},
            alignment=Alignment(shift_x=shift[0], shift_y=shift[1], angle=angles.get(name, 0.0)),
        )

    return Models(terms={name: band(name, model) for name, model in models.items()})


def at_place(profile: Any, like: Any) -> Any:
    """A profile with the centre of another one."""
    return profile if like is None else replace(profile, **{name: getattr(like, name) for name in PLACE})
