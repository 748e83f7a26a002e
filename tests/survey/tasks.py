"""What stands in for the fit of a lens: quick, slow, failing, deadly."""

import faulthandler
import os
import time
from pathlib import Path

from lensfit.errors import DataError
from lensfit.survey import Lens


def lenses(names, **columns):
    """Lenses of those names; columns by name are of all of them."""
    return [Lens(name=name, options={"path": name}, base=Path(), columns=columns) for name in names]


def quick(lens, folder, seed):
    """A row that only the seed decides; `result.json` as a run folder has it."""
    (folder / "result.json").write_text("{}")
    value = seed / 2**31
    quantity = {"value": value, "error": 0.1 * value, "spread": None, "total": 0.1 * value, "unit": "arcsec"}
    return {"verdict": "TRUSTED" if seed % 2 else "NOT TRUSTED", "trusted": bool(seed % 2), "reasons": ["a", "b"],
            "einstein_radius": quantity, "chi2": 10 * value, "data_count": 10, "check residuals": "passed"}  # fmt: skip


def by_name(lens, folder, seed):
    """What the first word of the lens's name says; a second time `once` and `mended` are quick."""
    word = lens.name.partition("-")[0]
    marker = folder.parents[1] / f"seen-{lens.name}"
    seen = marker.exists()
    marker.touch()
    if word == "bad" or (word == "mended" and not seen):
        raise DataError("data.fits: <b>no</b> pixel; give one")
    if word == "odd":
        raise ZeroDivisionError("of <i>nothing</i>")
    if word == "sleeping":
        time.sleep(100)
    if word == "faulty":
        faulthandler._sigsegv()
    if word == "greedy":
        held = [bytearray(b"x") * (20 * 2**20) for _ in range(10**4) if time.sleep(0.05) is None]
        return {"blocks": len(held)}
    if word == "once" and not seen:
        os._exit(1)
    return quick(lens, folder, seed)
