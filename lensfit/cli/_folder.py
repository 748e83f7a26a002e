"""Folders that commands write to: never over what others wrote there."""
from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lensfit.cli._log import NAME
from lensfit.errors import DataError
from lensfit.plots import FIGURES, VISIBILITY_FIGURES

RECIPE, REPORT = "recipe.toml", "report.html"
RUN_FILES = (
    NAME, RECIPE, REPORT, "result.json", "parameters.ecsv", "model.fits",
    *(f"{name}.png" for name in FIGURES),
)
"""What the folder of a run on an image holds."""
OTHER_FILES = tuple(f"{name}.png" for name in VISIBILITY_FIGURES if name not in FIGURES)
"""What that of a run on visibilities may hold beside it."""


def check_folder(path: Path) -> None:
    """Raise DataError where a path is there and is no folder."""
    if path.exists() and not path.is_dir():
        raise DataError(f"{path}: is a file; choose a folder as --out")


def check_free(folder: Path, remedy: str = "choose another folder as --out") -> None:
    """Raise DataError where a folder holds anything."""
    check_folder(folder)
    if folder.is_dir() and any(folder.iterdir()):
        raise DataError(f"{folder}: holds files already; {remedy}")


def clear(folder: Path) -> None:
    """Remove what an earlier run left in a folder, and nothing else."""
    for name in (*RUN_FILES, *OTHER_FILES):
        (folder / name).unlink(missing_ok=True)


@contextmanager
def appearing(folder: Path, last: str) -> Iterator[Path]:
    """A folder of the same name, whose files move into `folder` when all went well; `last` is the last.

    Raises:
        DataError: the folder cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.TemporaryDirectory(dir=folder, prefix=".lensfit-")
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror}); choose another as --out") from error
    with temporary as name:
        made = Path(name) / folder.resolve().name
        made.mkdir()
        yield made
        for file in sorted(made.iterdir(), key=lambda file: file.name == last):
            file.replace(folder / file.name)
