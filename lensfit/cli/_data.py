"""The data that the options of a command, or the recipe in their place, name."""
from __future__ import annotations

import argparse
import dataclasses
import re

from lensfit.datasets import Imaging, read_imaging
from lensfit.errors import DataError
from lensfit.field import add_note, choose_mask, leaves_a_region
from lensfit.recipe import DataSection

ARGUMENT = re.compile(r"(?<= )(pixel_scale|noise|psf|mask|nan)=(?:'(\w+)')?")
"""An argument of `read_imaging` as its messages write it: `pixel_scale=` or `nan='mask'`."""


def data_section(arguments: argparse.Namespace, base: DataSection) -> DataSection:
    """What the arguments name; what they leave out is as in `base`, unless they name other data."""
    options = {f.name: getattr(arguments, f.name, None) for f in dataclasses.fields(DataSection)}
    if arguments.data:
        options |= {"path": arguments.data[0], "more": tuple(arguments.data[1:])}
    given = {name: value for name, value in options.items() if value is not None}
    return dataclasses.replace(DataSection() if "path" in given else base, **given)


def read_data(section: DataSection) -> Imaging:
    """The data with their mask.

    That is the mask named; the disc of a radius named, or one chosen from the data, less what a mask found
    beside the data leaves out. A mask found that leaves only a region of the image is used as it is.

    Raises:
        DataError: they cannot be used.
    """
    imaging = _read(section)
    if section.mask_radius is not None:
        if not section.mask_radius > 0:
            raise DataError(f"--mask-radius {section.mask_radius:g} arcsec keeps no pixel; give a radius above 0")
        return imaging.circular_mask(section.mask_radius)
    if section.mask is not None:
        return imaging
    if any(role == "mask" for role, _, _ in imaging.sources) and leaves_a_region(imaging):
        return add_note(imaging, "the mask found leaves only a region of the image: used as it is")
    return choose_mask(imaging)


def as_options(message: str) -> str:
    """A message of `read_imaging` with its arguments as the options of a command: `--pixel-scale`."""

    def option(match: re.Match[str]) -> str:
        name = "--" + match[1].replace("_", "-")
        return f"{name} {match[2]}" if match[2] else name

    return ARGUMENT.sub(option, message)


def _read(section: DataSection) -> Imaging:
    assert section.path is not None
    try:
        imaging = read_imaging(
            section.path,
            noise=section.noise,
            psf=section.psf,
            mask=section.mask,
            pixel_scale=section.pixel_scale,
            nan=section.nan,
        )
    except DataError as error:
        raise DataError(as_options(str(error))) from error
    return dataclasses.replace(imaging, notes=tuple(as_options(note) for note in imaging.notes))
