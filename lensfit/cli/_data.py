"""The data that the options of a command, or the recipe in their place, name."""
from __future__ import annotations

import argparse
import dataclasses

from lensfit.datasets import Imaging, read_imaging
from lensfit.field import choose_mask
from lensfit.recipe import DataSection


def data_section(arguments: argparse.Namespace, base: DataSection) -> DataSection:
    """What the arguments name; what they leave out is as in `base`, unless they name other data."""
    options = {f.name: getattr(arguments, f.name, None) for f in dataclasses.fields(DataSection)}
    if arguments.data:
        options |= {"path": arguments.data[0], "more": tuple(arguments.data[1:])}
    given = {name: value for name, value in options.items() if value is not None}
    return dataclasses.replace(DataSection() if "path" in given else base, **given)


def read_data(section: DataSection) -> Imaging:
    """The data with their mask: the one that was named, else a disc chosen from the data.

    Raises:
        DataError: they cannot be used.
    """
    assert section.path is not None
    imaging = read_imaging(
        section.path,
        noise=section.noise,
        psf=section.psf,
        mask=section.mask,
        pixel_scale=section.pixel_scale,
        nan=section.nan,
    )
    if section.mask_radius is not None:
        return imaging.circular_mask(section.mask_radius)
    return choose_mask(imaging) if section.mask is None else imaging
