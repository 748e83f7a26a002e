"""What the headers of a FITS file promise, walked through before astropy believes them.

astropy makes one axis, one field of a table and one array for each that a header counts. Only what would be counted
for ever or lies beyond the end of the file is refused here; whether a header is sound is for astropy to say.
"""
from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import BinaryIO

from lensfit.errors import DataError
from lensfit.outside import visible

BLOCK, CARD = 2880, 80
MOST_AXES = 999
"""Axes of an array and fields of a table that the FITS standard allows."""
MOST_HEADERS = 2**23
"""Bytes of all headers of a file."""
MOST_EXTENSIONS = 5000
LARGEST = {"ZBLOCK": 2**20, "A_ORDER": 9, "B_ORDER": 9, "AP_ORDER": 9, "BP_ORDER": 9, "WCSAXES": 99}
"""The largest sensible value of keywords for which a reader makes room. Those of SIP are its standard's."""

TILES = {"BYTEPIX": (1, 2, 4, 8), "BLOCKSIZE": (16, 32), "SMOOTH": (0, 1)}
"""What the parameters of a tile's compression can be. astropy hands them to its decoder in C, which believes them."""

_START = re.compile(rb"(SIMPLE  |XTENSION)=")
_COUNT = re.compile(rb"(?:HIERARCH +)?([A-Z0-9_-]+) *= *([+-]?[0-9]+(?:\.[0-9]*)?(?:[ED][+-]?[0-9]+)?) *(?:/|$)", re.I)
_STRUCTURE = re.compile(r"Z?NAXIS[0-9]*|Z?BITPIX|[PG]COUNT|TFIELDS")
_STATED = re.compile(rb"(?:HIERARCH +)?([A-Z0-9]+) *= *([^/]*)", re.I)


def check_headers(file: BinaryIO, path: Path) -> None:
    """Raise DataError where a header counts what cannot be, or promises more than the file holds.

    Args:
        file: open; it is left at its start.
        path: of the file, for messages.
    """
    try:
        _walk(file, file.seek(0, os.SEEK_END), path)
    finally:
        file.seek(0)


def _walk(file: BinaryIO, size: int, path: Path) -> None:
    start = read = number = 0
    while start < size:
        file.seek(start)
        header = _header(file, MOST_HEADERS - read)
        if header is None:
            return  # no header any more, or one without an end: astropy says which
        read += len(header)
        number += 1
        where = f"{path}[{_name(header, number - 1)}]"
        if read >= MOST_HEADERS or number > MOST_EXTENSIONS:
            raise DataError(
                f"{path}: more than {MOST_EXTENSIONS} extensions or {MOST_HEADERS // 2**20} MiB of headers; keep the "
                "extensions of the lens alone"
            )
        counts = _counts(header, where)
        end = start + len(header) + _span(counts, where)
        _check_tiles(header, counts, where)
        if end > size:
            raise DataError(
                f"{where}: the header promises {end} bytes, the file holds {size}; it was cut short or its header is "
                "wrong, fetch it again"
            )
        start = end


def _header(file: BinaryIO, most: int) -> bytes | None:
    """A header with its padding, None where none starts here or it does not end."""
    blocks: list[bytes] = []
    while True:
        block = file.read(BLOCK)
        if len(block) < BLOCK or not (blocks or _START.match(block)):
            return None
        blocks.append(block)
        cards = (block[k : k + 8] for k in range(0, BLOCK, CARD))
        if b"END     " in cards or len(blocks) * BLOCK >= most:
            return b"".join(blocks)


def _counts(header: bytes, where: str) -> dict[str, int]:
    """The whole numbers of a header by keyword, the first where one stands twice.

    Raises DataError where one that says how the data lie is no number, or stands there twice with different ones.
    """
    found: dict[str, int] = {}
    for k in range(0, len(header), CARD):
        card = header[k : k + CARD].rstrip()
        match, stated = _COUNT.match(card), _STATED.match(card)
        if not match:
            if stated and _STRUCTURE.fullmatch(stated[1].decode().upper()):
                text = visible(stated[2].decode("latin-1").strip(), 70)
                raise DataError(f"{where}: its header says {stated[1].decode()} = {text}, no number; fetch it again")
            continue
        key, value = match[1].decode().upper(), float(match[2].upper().replace(b"D", b"E"))
        number = found.setdefault(key, whole := int(value) if math.isfinite(value) else 2**62)
        if number != whole and _STRUCTURE.fullmatch(key):
            raise DataError(f"{where}: its header says {key} = {number} and {key} = {whole}; fetch it again")
    return found


def _check_tiles(header: bytes, counts: dict[str, int], where: str) -> None:
    """Raise DataError where a compressed image states what no decoder can do with its tiles."""
    for match in re.finditer(rb"ZNAME([0-9]+) *= *'([A-Z]+) *'", header):
        name, value = match[2].decode(), counts.get(f"ZVAL{match[1].decode()}", 0)
        if name in TILES and value not in TILES[name]:
            known = ", ".join(map(str, TILES[name]))
            raise DataError(f"{where}: its header says {name} = {value}, and there are {known}; fetch it again")
    for axis in range(1, counts.get("ZNAXIS", 0) + 1):
        tile, side = counts.get(f"ZTILE{axis}", 1), counts.get(f"ZNAXIS{axis}", 1)
        if not 1 <= tile <= max(side, 1):
            raise DataError(f"{where}: its header says ZTILE{axis} = {tile} of {side} pixels; fetch it again")


def _span(counts: dict[str, int], where: str) -> int:
    """Bytes of data, with their padding, that follow a header."""
    for key, most in {"NAXIS": MOST_AXES, "ZNAXIS": MOST_AXES, "TFIELDS": MOST_AXES, **LARGEST}.items():
        if not 0 <= counts.get(key, 0) <= most:
            raise DataError(f"{where}: its header says {key} = {counts[key]}, and {most} is the most; fetch it again")
    axes = [counts.get(f"NAXIS{k + 1}", 0) for k in range(counts.get("NAXIS", 0))]
    groups = len(axes) > 1 and axes[0] == 0
    each = math.prod(axes[1:] if groups else axes) if axes else 0
    more, times = counts.get("PCOUNT", 0), counts.get("GCOUNT", 1)
    if min([*axes, more, times], default=0) < 0:
        raise DataError(f"{where}: its header counts axes, groups or bytes below zero; it is corrupt, fetch it again")
    bits = abs(counts.get("BITPIX", 8)) * times * (each + more)
    return -(-bits // 8 // BLOCK) * BLOCK


def _name(header: bytes, number: int) -> str:
    """EXTNAME of a header, else its number."""
    match = re.search(rb"EXTNAME *= *'([^']*)'", header)
    return visible(match[1].decode("latin-1").strip() or number, 70) if match else str(number)
