"""Several images of one lens, in files of their own or in one: what each is called where they are no visibilities of
one observation."""
from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from lensfit.datasets import HELD, held_at
from lensfit.datasets.array_choice import Address
from lensfit.datasets.image_files import bands_in
from lensfit.errors import DataError
from lensfit.names import SEVERAL_TAKEN
from lensfit.recipe import DataSection

Sections: TypeAlias = DataSection | Mapping[str, DataSection]
"""What a recipe says of the data, or of each of several by its name."""
OF_ONE = ("noise", "psf", "mask", "plane", "center", "galaxies", "pixel_scale", "zero_point")
"""What cannot hold for several images at once."""
IN_ONE_FILE = ("noise", "psf", "mask")
"""Roles that are looked for beside the data of a band in one file with others, unless they are named."""
ENDINGS = re.compile(r"\.(fits|fit|npz|hdf5|h5|uvfits)(\.gz|\.fz)?$", re.IGNORECASE)


def by_name(section: DataSection) -> Sections:
    """A section of several images as one section for each, by the name of its file or folder, or of its band where
    several are in a file, and one for all data of a kind that is one observation, as visibilities, by what these are
    called; as it is where there is one, or all are of that kind.

    Raises:
        DataError: two have one name, an option can be of one image alone, or a file cannot be read.
    """
    paths = [path for path in (section.path, *section.more) if path is not None]
    held = [(held_at(path), path) for path in paths]
    images = [image for kind, path in held if not kind.together for image in _images(path, section).items()]
    if len(images) == len(paths) < 2 or (not images and len({kind for kind, _ in held}) <= 1):
        return section
    check_shared(section)
    made: dict[str, DataSection] = {}
    for name, count in Counter(name for _, name in images).items():
        if count > 1:
            raise DataError(f"{count} images are called {name!r}; give them as [data.NAME] of a recipe")
    of_images = dataclasses.replace(section, more=(), antenna_phases=False)
    for path, name in images:
        made[name] = dataclasses.replace(of_images, path=path)
    for kind in HELD:
        of = [path for one, path in held if one is kind and kind.together]
        if of:
            made[kind.several] = DataSection(path=of[0], more=tuple(of[1:]), antenna_phases=section.antenna_phases)
    return made


def check_shared(section: DataSection) -> None:
    """Raise DataError where a section says of several data what can be said of one alone."""
    wrong = [name for name in OF_ONE if getattr(section, name) is not None]
    if wrong:
        raise DataError(
            f"{', '.join(f'{name}=' for name in wrong)}: of one image, and several are given; write it into "
            "[data.NAME] of a recipe"
        )


def _images(path: Path, section: DataSection) -> dict[Path, str]:
    """The image at a path, or those of each band where they are in one file, of FILE[BAND] that one, unless it is said
    what is beside the data; and their names."""
    stated = any(getattr(section, role) is not None for role in IN_ONE_FILE)
    file, array = Address.of(path)
    bands = [] if stated or not file.is_file() else bands_in(file)
    named = [band for band in bands if array is None or array.lower() == band.lower()]
    return {Path(f"{file}[{band}]"): _identifier(band) for band in named} or {path: name_of(path)}


def name_of(path: Path) -> str:
    """The name of an image by that of its file or folder, as a recipe can write it."""
    return _identifier(ENDINGS.sub("", path.name or path.resolve().name))


def _identifier(text: str) -> str:
    name = re.sub(r"\W+", "_", text).strip("_") or "image"
    return f"band_{name}" if name[0].isdigit() or name in SEVERAL_TAKEN else name
