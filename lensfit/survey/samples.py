"""The samples of all lenses in one file: a group a lens, each in the InferenceData layout of ArviZ (netCDF 4)."""
from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lensfit.errors import DataError
from lensfit.results.files import CHAINS
from lensfit.whole_files import replacing


def write_samples(path: Path, folders: Iterable[Path]) -> int:
    """Gather samples.h5 of run folders under the name of each; the number of lenses that have one.

    `xarray.open_dataset(path, group=f"{NAME}/posterior")` reads one, `xarray.open_datatree(path)` all. No file is
    written where no lens has samples.

    Raises:
        DataError: one cannot be read, or the file cannot be written.
    """
    having = [folder for folder in folders if (folder / CHAINS).is_file()]
    if not having:
        return 0
    with replacing(path) as temporary:
        try:
            with h5py.File(temporary, "w", track_order=True) as file:
                for folder in having:
                    with h5py.File(folder / CHAINS, "r") as source:
                        _copy(source, file.create_group(folder.name, track_order=True))
        except OSError as error:
            raise DataError(f"{path}: cannot be written ({error}); make room, or fit the lens again whose samples "
                            "cannot be read") from error
    return len(having)


def _copy(source: Any, target: h5py.Group) -> None:
    """Groups, arrays, attributes and axes: references to the axes of one file mean nothing in another."""
    target.attrs.update(source.attrs)
    for name, group in source.items():
        made: Any = target.create_group(name, track_order=True)
        made.attrs.update(group.attrs)
        axes = {key: item for key, item in group.items() if item.is_scale}
        for key, item in group.items():
            dataset = made.create_dataset(key, data=np.asarray(item), track_order=True)
            if key in axes:
                dataset.make_scale(key)
            elif "units" in item.attrs:
                dataset.attrs["units"] = item.attrs["units"]
        for key, item in group.items():
            if key not in axes:
                for number, axis in enumerate(item.dims):
                    made[key].dims[number].attach_scale(made[Path(axis[0].name).name])
