"""The celestial coordinates that a FITS header states, of keywords that are what they must be.

wcslib, which reads them in C, writes a report of each card that it rejects into memory that is too small for many of
them (`wcsfprintf` makes room for 128 characters, a report may have more). So it is shown a header of its own: the
keywords of celestial axes alone, each once, each a finite number or a word.
"""
from __future__ import annotations

import math
import re
import warnings
from typing import Any

from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning

from lensfit.errors import DataError
from lensfit.outside import visible

_NUMBERS = re.compile(
    r"WCSAXES|NAXIS[1-9]?|(?:CRPIX|CRVAL|CDELT|CROTA)[1-9]|(?:CD|PC)[1-9]_[1-9]|(?:CD|PC)00[1-9]00[1-9]"
    r"|PV[1-9]_[0-9]{1,2}|LONPOLE|LATPOLE|EQUINOX|EPOCH"
    r"|[AB]P?_(?:ORDER|DMAX|[0-9]_[0-9])|(?:CPERR|D2IMERR)[12]|AXISCORR|(?:DP|D2IM)[12]\.[A-Z0-9.]+"
)
"""Keywords of axes, of a projection, and of its distortion (SIP, and tables in other extensions) that are numbers."""
_WORDS = re.compile(r"(?:CTYPE|CUNIT)[1-9]|RADESYS|RADECSYS|(?:CPDIS|D2IMDIS)[12]|D2IMEXT|WAT[12]_[0-9]{3}")
"""Those that are words."""
_TABLES = re.compile(r"(?:DP|D2IM)[12]\..*")
"""Numbers that say where and how large a table of distortion is."""
LARGEST_TABLE = 10_000
_CELESTIAL = re.compile(r"RA\b|RA-|DEC\b|DEC-|[A-Z]LON|[A-Z]LAT|[A-Z]{2}L[NT]-")
"""How CTYPE of a celestial axis begins."""
_OF_AXIS = re.compile(r"(?:CTYPE|CUNIT|PV)([1-9])")
"""Keywords without meaning on an axis that is linear."""


def celestial_wcs(header: fits.Header, hdus: fits.HDUList, where: str) -> WCS | None:
    """The celestial WCS with a scale of its own, None where the header has none.

    Without CD and CDELT the scale would silently be one degree per pixel.

    Args:
        header: of an image; hdus: its file, which may hold tables of distortion; where: its name in messages.

    Raises:
        DataError: a keyword of the coordinates is no finite number, or no word.
    """
    sides = ["CDELT1", "CDELT2"] + [f"CD{i}_{j}" for i in (1, 2) for j in (1, 2)]
    if not any(header.get(side) for side in sides):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)  # old spellings that astropy reads correctly
        wcs = WCS(coordinate_cards(header, where), fobj=hdus)
    return wcs.celestial if wcs.has_celestial else None


def coordinate_cards(header: fits.Header, where: str) -> fits.Header:
    """The cards of a header that say where celestial axes are, each once; other axes are linear in it.

    Raises:
        DataError: a number among them is not finite or is none, or a word is none.
    """
    found: dict[str, fits.Card] = {}
    for card in header.cards:
        key = card.keyword
        if key in found or not (_NUMBERS.fullmatch(key) or _WORDS.fullmatch(key)):
            continue
        value = _value(card)
        if isinstance(value, fits.card.Undefined):
            continue
        _check(key, value, where)
        found[key] = card if isinstance(value, str) or _TABLES.fullmatch(key) else _short(card)
    types = {key[5:]: str(card.value).upper() for key, card in found.items() if key.startswith("CTYPE")}
    linear = [axis for axis, of in types.items() if not _CELESTIAL.match(of)]
    made = fits.Header()
    for key, card in found.items():
        axis = _OF_AXIS.match(key)
        if axis is None or axis[1] not in linear:
            made.append(card)
    return made


def _short(card: fits.Card) -> fits.Card:
    """A card of a number without its comment, of which nothing that wcslib reports is too long."""
    return fits.Card.fromstring(card.image.partition("/")[0].rstrip())


def _value(card: fits.Card) -> Any:
    """What a card says, its own text where astropy cannot tell."""
    try:
        return card.value
    except fits.VerifyError:
        return card.image[9:].strip().encode()


def _check(key: str, value: Any, where: str) -> None:
    """Raise DataError where a keyword of the coordinates is not of its kind."""
    if key.startswith(("CPDIS", "D2IMDIS")):
        sound, wanted = isinstance(value, str) and value.upper() == "LOOKUP", "LOOKUP, the one kind that is read"
    elif _WORDS.fullmatch(key):
        sound, wanted = isinstance(value, str), "a word"
    else:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        sound, wanted = number and abs(value) < math.inf, "a finite number"
        if _TABLES.fullmatch(key):
            sound, wanted = number and 0 <= value <= LARGEST_TABLE, f"a number from 0 to {LARGEST_TABLE}"
    if not sound:
        said = value.decode("ascii", "replace") if isinstance(value, bytes) else value
        raise DataError(f"{where}: its header says {key} = {visible(said, 70)}; write {wanted}, or remove it")
