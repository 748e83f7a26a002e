"""What the header of a drizzled image says of its weights."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

EQUAL = 0.02
"""Relative difference within which weights are the exposure time of the header."""

_WEIGHT_KEYS = ("WHT", "WGT", "WEIGHT", "WTYP", "WT_TYP", "WTTYP")
"""What keywords contain that say how a drizzled image was weighted."""
_TIME_KEYS = ("EXPTIME", "TEXPTIME", "EXPOSURE", "XPOSURE", "EFFEXPTM")
_SECONDS = ("s", "sec", "second", "seconds")


def exposure_time(header: Mapping[str, Any], weights: np.ndarray) -> str:
    """Why the weights of a drizzled image seem to be exposure times, not inverse variances; "" where they do not.

    drizzlepac weights by exposure time unless told otherwise, and no keyword of its own says so: the weights of the
    pixels that all exposures saw are then the exposure time of the header.
    """
    types = [value for key, value in header.items() if any(word in key for word in _WEIGHT_KEYS)]
    seconds = str(header.get("BUNIT", "")).strip().lower() in _SECONDS
    if seconds or any(str(value).strip().upper().startswith("EXP") for value in types):
        return "the header says that the weight is an exposure time"
    seen = np.asarray(weights, dtype=float)
    seen = seen[np.isfinite(seen) & (seen > 0)]
    typical = float(np.median(seen)) if seen.size else 0.0
    for key in _TIME_KEYS:
        time = header.get(key)
        equal = isinstance(time, (int, float)) and time > 1 and abs(typical - time) < EQUAL * time
        if equal:
            return f"the weight is {typical:.6g}, the exposure time of the header ({key})"
    return ""
