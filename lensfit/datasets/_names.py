"""What a file, an extension or an array holds, told by the words in its name."""

import re
from collections.abc import Iterable

from lensfit.errors import DataError

_WORDS = {
    "mask": {"mask", "dq"},
    "psf": {"psf", "kernel"},
    "weight": {"wht", "weight", "weights", "ivm", "ivar"},
    "variance": {"var", "variance"},
    "noise": {"noise", "noisemap", "rms", "err", "error", "sigma", "std"},
    "data": {"data", "image", "img", "sci", "drz", "drc", "i2d"},
}
INGREDIENTS = {"background_rms", "exposure_time"}
"""Arrays that noise is made from, none by itself a noise map."""

KINDS = {
    "data": ("data",),
    "noise": ("noise", "variance", "weight"),
    "psf": ("psf",),
    "mask": ("mask",),
}
"""The kinds of array that can fill each role, best first."""


def kind_of(name: str) -> str | None:
    """'mask', 'psf', 'weight', 'variance', 'noise', 'data' or None, in this order of precedence."""
    if name in INGREDIENTS:
        return None
    words = {word.rstrip("0123456789") or word for word in re.split(r"[^a-z0-9]+", name.lower())}
    return next((kind for kind, known in _WORDS.items() if words & known), None)


def candidates(names: Iterable[str], role: str) -> tuple[str | None, list[str]]:
    """The best kind that is present for a role, with all names of that kind; (None, []) where none is."""
    kinds = {name: kind_of(name) for name in names}
    for kind in KINDS[role]:
        found = [name for name, its_kind in kinds.items() if its_kind == kind]
        if found:
            return kind, found
    return None, []


def only(found: list[str], role: str, where: str, remedy: str) -> str:
    """The one candidate for a role.

    Raises:
        DataError: there are several.
    """
    if len(found) > 1:
        raise DataError(f"{where}: several candidates for the {role}: {', '.join(found)}; {remedy}")
    return found[0]
