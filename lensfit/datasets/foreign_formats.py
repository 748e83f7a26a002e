"""Formats of radio astronomy that lensfit does not read: told by name, with the command that exports them."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lensfit.datasets.array_files import file_format, read_as
from lensfit.errors import DataError

HEAD = 2**20
"""Bytes at the start of a FITS file in which the first table of a FITS-IDI is looked for."""


@dataclass(frozen=True, kw_only=True)
class ForeignFormat:
    """name: what it is called. found: whether a file or folder is one. export: the command, of its path."""

    name: str
    found: Callable[[Path], bool]
    export: Callable[[Path], str]


def refuse_foreign(path: Path) -> None:
    """Raise DataError where a file or folder is of a format that has to be exported first."""
    known = foreign_format(path)
    if known is not None:
        raise DataError(f"{path}: is {known.name}, which is not read: export it {known.export(path)}; give that file")


def foreign_format(path: Path) -> ForeignFormat | None:
    """Which of `FORMATS` a file or folder is of, None if of none."""
    return next((known for known in FORMATS if known.found(path)), None)


def _casa(path: Path) -> str | None:
    """'set', 'image' or 'table' of a CASA table: a folder with `table.dat`, whose `table.info` names its type."""
    if not (path / "table.dat").is_file():
        return None
    info = path / "table.info"
    text = info.read_bytes()[:200].decode("ascii", "replace") if info.is_file() else ""
    stated = text.partition("\n")[0].partition("=")[2].strip().casefold()
    if stated == "measurement set" or (path / "SPECTRAL_WINDOW").is_dir() or path.suffix == ".ms":
        return "set"
    return "image" if stated == "image" else "table"


def _is_idi(path: Path) -> bool:
    """A FITS-IDI has a table ARRAY_GEOMETRY, most often its first, and a table UV_DATA."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(6)
    if not start.startswith((b"SIMPLE", b"\x1f\x8b")):
        return False
    packed = not start.startswith(b"SIMPLE")
    with read_as(path, "gzip" if packed else "FITS"), gzip.open(path) if packed else path.open("rb") as file:
        head = file.read(HEAD)
    cards = (head[k : k + 80] for k in range(0, len(head), 80))
    return any(card.startswith((b"EXTNAME = 'UV_DATA", b"EXTNAME = 'ARRAY_GEOMETRY")) for card in cards)


def _is_uvh5(path: Path) -> bool:
    if not path.is_file() or file_format(path) != "HDF5":
        return False
    import h5py  # it takes long to load

    with read_as(path, "HDF5"), h5py.File(path, "r") as file:
        return "Data/visdata" in file and "Header" in file


FORMATS = (
    ForeignFormat(
        name="a CASA measurement set",
        found=lambda path: _casa(path) == "set",
        export=lambda path: (
            f"in CASA with exportuvfits(vis='{path.name}', fitsfile='{path.stem}.uvfits', datacolumn='corrected', "
            "multisource=False, combinespw=True), datacolumn='data' where it was split off already"
        ),
    ),
    ForeignFormat(
        name="a CASA image",
        found=lambda path: _casa(path) == "image",
        export=lambda path: f"in CASA with exportfits(imagename='{path.name}', fitsimage='{path.stem}.fits')",
    ),
    ForeignFormat(
        name="a CASA table without visibilities",
        found=lambda path: _casa(path) == "table",
        export=lambda path: "in CASA with exportuvfits(vis=..., fitsfile=...) of its measurement set",
    ),
    ForeignFormat(
        name="an ALMA archive's ASDM",
        found=lambda path: (path / "ASDM.xml").is_file(),
        export=lambda path: (
            f"in CASA with importasdm(asdm='{path.name}', vis='{path.stem}.ms'), calibrate it, then "
            f"exportuvfits(vis='{path.stem}.ms', fitsfile='{path.stem}.uvfits')"
        ),
    ),
    ForeignFormat(
        name="a MIRIAD dataset",
        found=lambda path: (path / "visdata").is_file() and (path / "vartable").is_file(),
        export=lambda path: f"in MIRIAD with fits in={path.name} op=uvout out={path.name}.uvfits",
    ),
    ForeignFormat(
        name="FITS-IDI",
        found=_is_idi,
        export=lambda path: (
            f"in CASA with importfitsidi(fitsidifile='{path.name}', vis='{path.stem}.ms'), calibrate it, then "
            f"exportuvfits(vis='{path.stem}.ms', fitsfile='{path.stem}.uvfits')"
        ),
    ),
    ForeignFormat(
        name="UVH5",
        found=_is_uvh5,
        export=lambda path: (
            f"in Python with pyuvdata's UVData.from_file('{path.name}').write_uvfits('{path.stem}.uvfits')"
        ),
    ),
)
"""The first that fits counts."""
