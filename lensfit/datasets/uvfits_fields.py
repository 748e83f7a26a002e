"""Which source of a UVFITS is meant: the SOURCE of each row, and their names in the AIPS SU table."""

from pathlib import Path
from typing import Any

import numpy as np

from lensfit.errors import DataError


def choose_source(
    hdus: Any, header: Any, ids: np.ndarray | None, used: np.ndarray, wanted: str | int | None, path: Path
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Which groups (G,) are of the source that is meant, and a note where that is not all of them.

    Args:
        ids: SOURCE of each group, None where the file is of one source. used: (G,) whether a group has any weight.
        wanted: name or number of a source, None = the only one.

    Raises:
        DataError: there are several and none is named, or the one named is not there or is not the only one so called.
    """
    every = np.ones(len(used), bool)
    if ids is None:
        own = str(header.get("OBJECT", "")).strip()
        if wanted is not None and _plain(str(wanted)) != _plain(own):
            raise DataError(
                f"{path}: holds one source, {own or 'nameless'}, and no SOURCE {wanted!r}; leave out field="
            )
        return every, ()
    present = [int(number) for number in np.unique(ids[used])]
    names = _names(hdus)
    if wanted is None and len(present) < 2:
        return every, ()
    listed = ", ".join(f"{n} = {names.get(n, 'nameless')} ({np.count_nonzero(ids == n)} rows)" for n in present)
    if wanted is None:
        raise DataError(f"{path}: holds {len(present)} sources: {listed}; give the lens as field=, by name or number")
    found = _meant(wanted, names, present)
    if len(found) != 1:
        raise DataError(
            f"{path}: {len(found) or 'no'} sources {wanted!r} among {listed}; give field= by "
            + ("its number" if found else "one of these names or numbers")
        )
    rows = ids == found[0]
    told = f"source {found[0]}, {names.get(found[0], 'nameless')}: {np.count_nonzero(rows)} of {len(rows)} rows"
    return rows, (told,)


def _meant(wanted: str | int, names: dict[int, str], present: list[int]) -> list[int]:
    """The numbers of the sources of that name, or else that number."""
    text = str(wanted)
    by_name = [n for n in present if _plain(names.get(n, "")) == _plain(text)]
    exact = [n for n in by_name if names[n] == text.strip()]
    return exact or by_name or [n for n in present if str(n) == text.strip()]


def _names(hdus: Any) -> dict[int, str]:
    """Names by number."""
    tables = [hdu for hdu in hdus if hdu.name == "AIPS SU"]
    if not tables or not {"ID. NO.", "SOURCE"} <= set(tables[0].columns.names):
        return {}
    rows = tables[0].data
    return {int(n): str(name).strip() for n, name in zip(rows["ID. NO."], rows["SOURCE"], strict=True)}


def _plain(name: str) -> str:
    return name.strip().casefold()
