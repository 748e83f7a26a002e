"""Visibilities as the commands see them."""
from __future__ import annotations

from lensfit.datasets import holds_visibilities, read_interferometer
from lensfit.errors import DataError
from lensfit.likelihood.joint import Observations
from lensfit.recipe import DataSection
from lensfit.window import choose_window

IMAGE_ONLY = ("noise", "psf", "mask", "mask_radius")


def are_visibilities(section: DataSection) -> bool:
    """Whether the data are visibilities.

    Raises:
        DataError: several data are named and one of them is an image.
    """
    assert section.path is not None
    found = [path.exists() and holds_visibilities(path) for path in (section.path, *section.more)]
    if section.more and not all(found):
        images = [str(p) for p, is_it in zip((section.path, *section.more), found, strict=True) if not is_it]
        raise DataError(f"{', '.join(images)}: no visibilities, and only visibilities can be fitted together")
    return found[0]


def read_observations(section: DataSection) -> Observations:
    """The datasets on one image grid: the one that is named or, without that, a window chosen from the data.

    Raises:
        DataError: they cannot be used. ModelError: they do not go together.
    """
    assert section.path is not None
    given = [name for name in IMAGE_ONLY if getattr(section, name) is not None]
    if given:
        raise DataError(f"{section.path}: holds visibilities, and {', '.join(given)} can be given for images alone")
    datasets = [
        read_interferometer(
            path,
            pixel_scale=section.pixel_scale,
            shape=section.shape,
            origin=section.origin,
            sign=section.sign,
            east=section.east,
            wavelength=section.wavelength,
            primary_beam=section.primary_beam,
            nan="drop" if section.nan == "mask" else "error",
        )
        for path in (section.path, *section.more)
    ]
    if section.pixel_scale is None and section.shape is None:
        datasets = choose_window(datasets)
    return Observations.of(datasets, antenna_phases=section.antenna_phases)
