"""Folders that commands write to: never over what others wrote there."""
from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from lensfit.cli._live import FILM, PICTURE
from lensfit.cli._log import NAME
from lensfit.errors import DataError
from lensfit.plots import FIGURES, PIXEL_FIGURES, PIXEL_VISIBILITY_FIGURES, SAMPLE_FIGURES, VISIBILITY_FIGURES

RECIPE, REPORT, CHECKPOINT = "recipe.toml", "report.html", "checkpoint"
_TEXTS = (NAME, RECIPE, REPORT, "result.json", "parameters.ecsv", "model.fits")
RUN_FILES = (*_TEXTS, *(f"{name}.png" for name in FIGURES))
"""What the run folder of an image holds."""
VISIBILITY_FILES = (*_TEXTS, *(f"{name}.png" for name in VISIBILITY_FIGURES))
"""What that of visibilities holds."""
PIXEL_FILES = (*_TEXTS, "source.fits", *(f"{name}.png" for name in PIXEL_FIGURES))
"""What that of an image holds where the source is on pixels."""
PIXEL_VISIBILITY_FILES = (*_TEXTS, "source.fits", *(f"{name}.png" for name in PIXEL_VISIBILITY_FIGURES))
"""What that of visibilities holds where the source is on pixels."""
SAMPLE_FILES = ("samples.ecsv", "samples.h5", *(f"{name}.png" for name in SAMPLE_FIGURES))
"""What it holds as well where the fitter samples."""
_EVERY = {*RUN_FILES, *VISIBILITY_FILES, *PIXEL_FILES, *PIXEL_VISIBILITY_FILES, *SAMPLE_FILES, PICTURE, FILM}
RESULT_FILES = _EVERY - {NAME, RECIPE}
"""What one run may hold and the next may not."""


def check_folder(path: Path) -> None:
    """Raise DataError where a path is there and is no folder."""
    if path.exists() and not path.is_dir():
        raise DataError(f"{path}: is a file; choose a folder as --out")


def check_free(folder: Path, remedy: str = "choose another folder as --out") -> None:
    """Raise DataError where a folder holds anything."""
    check_folder(folder)
    if folder.is_dir() and any(folder.iterdir()):
        raise DataError(f"{folder}: holds files already; {remedy}")


def check_resumable(folder: Path) -> None:
    """Raise DataError where a folder holds no state of an interrupted fit."""
    if not (folder / CHECKPOINT / "manifest.json").is_file():
        raise DataError(f"{folder}: holds no interrupted fit to go on with; leave --resume out")


@contextmanager
def appearing(folder: Path, last: str, old: Collection[str] = ()) -> Iterator[Path]:
    """A folder of the same name, whose files move into `folder` when all went well; `last` is the last.

    Files of the names `old` that were there before go away then, `last` first of all.

    Raises:
        DataError: the folder cannot be made or written to, also by what fills it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".lensfit-") as name:
            made = Path(name) / folder.resolve().name
            made.mkdir()
            yield made
            for name in sorted(old, key=lambda name: name != last):
                (folder / name).unlink(missing_ok=True)
            for file in sorted(made.iterdir(), key=lambda file: file.name == last):
                file.replace(folder / file.name)
    except OSError as error:
        told = f"{folder}: cannot be written ({error.strerror}); make room, or choose another folder as --out"
        raise DataError(told) from error
