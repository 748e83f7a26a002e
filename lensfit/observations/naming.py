"""Several files of one lens: what each is called where they are no visibilities of one observation."""
from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from lensfit.datasets import HELD, held_at
from lensfit.errors import DataError
from lensfit.names import SEVERAL_TAKEN
from lensfit.recipe import DataSection

Sections: TypeAlias = DataSection | Mapping[str, DataSection]
"""What a recipe says of the data, or of each of several by its name."""
OF_ONE = ("noise", "psf", "mask", "plane", "center", "galaxies", "pixel_scale")
"""What cannot hold for several images at once."""
ENDINGS = re.compile(r"\.(fits|fit|npz|hdf5|h5|uvfits)(\.gz|\.fz)?$", re.IGNORECASE)


def by_name(section: DataSection) -> Sections:
    """A section of several files as one section for each image, by the name of its file or folder, and one for all data
    of a kind that is one observation, as visibilities, by what these are called; as it is where all are of that kind.

    Raises:
        DataError: two have one name, or an option can be of one image alone.
    """
    paths = [path for path in (section.path, *section.more) if path is not None]
    held = [(held_at(path), path) for path in paths]
    images = [path for kind, path in held if not kind.together]
    if len(paths) < 2 or (not images and len({kind for kind, _ in held}) == 1):
        return section
    check_shared(section)
    made: dict[str, DataSection] = {}
    names = [name_of(path) for path in images]
    for name, count in Counter(names).items():
        if count > 1:
            raise DataError(f"{count} images are called {name!r}; give them as [data.NAME] of a recipe")
    of_images = dataclasses.replace(section, more=(), antenna_phases=False)
    for name, path in zip(names, images, strict=True):
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


def name_of(path: Path) -> str:
    """The name of an image by that of its file or folder, as a recipe can write it."""
    name = re.sub(r"\W+", "_", ENDINGS.sub("", path.name or path.resolve().name)).strip("_") or "image"
    return f"band_{name}" if name[0].isdigit() or name in SEVERAL_TAKEN else name
