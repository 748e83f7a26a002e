"""Where a saved analysis lies, and what is read from there."""
from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from lensfit.analysis.sections import paths_of
from lensfit.datasets.array_files import open_images
from lensfit.datasets.cutout import Frame
from lensfit.errors import DataError
from lensfit.observations import Observation, Sections, read
from lensfit.results import Quantity
from lensfit.results.files import MODEL, SOURCE, read_masks


@dataclasses.dataclass(frozen=True, eq=False)
class Kept:
    """Where a saved analysis lies: its files are read when they are asked for."""

    folder: Path
    document: dict[str, Any]
    derived: dict[str, Quantity]
    data: Sections | None
    model: Any

    def observation(self) -> Observation:
        """The data, read again, as they were fitted. Raises DataError where that cannot be."""
        if self.data is None:
            raise DataError(f"{self.folder}: the data came from a script and lie in no file; begin with them again")
        made = read(self.data).restored(self.document["data"], read_masks(self.folder), self.model)
        if made.document()["hash"] != self.document["data"]["hash"]:
            raise DataError(f"{paths_of(self.data)}: holds other data than those that were fitted")
        return made

    def frame(self) -> Frame | None:
        """The grid of the data as model.fits has it, None where the run does not say it; of several data None."""
        about = self.document["data"]
        if "shape" not in about or "origin" not in about:
            return None
        with open_images(self.folder / MODEL) as images:
            wcs = images.wcs("MODEL") if "MODEL" in images.names else None
        rows, columns = about["shape"]
        x, y = about["origin"]
        return Frame(shape=(rows, columns), pixel_scale=about["pixel_scale"], origin=(x, y), wcs=wcs)

    def coefficients(self) -> np.ndarray:
        """(n, n) of the splines of the source on pixels, of source.fits."""
        with open_images(self.folder / SOURCE) as images:
            return np.asarray(images.array("COEFFICIENT"), float)  # in the byte order of this machine
