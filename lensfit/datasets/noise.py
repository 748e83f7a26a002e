"""The noise map of an image: what its numbers are, and whether the scatter of the sky bears them out."""
from __future__ import annotations

from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter, label

from lensfit.datasets.dataset import MASKING_NOISE
from lensfit.datasets.sky import Sky
from lensfit.errors import DataError
from lensfit.names import NOISE_MEANINGS, NoiseIs

REFUSED = 30.0
"""Factor between noise and the scatter of the sky beyond which data and noise do not belong together."""
TOLD = 1.3
"""Factor beyond which it is told, of images and visibilities, at the door and by trust."""
FITS = 1.5
"""Factor within which another meaning of the numbers bears the scatter out."""
OFF_ZERO, OFF_LIGHT = 2.0, 0.5
"""Level of the sky, over its scatter and over the light of the lens at the border, from which on it is not at zero."""
SLOPES = 2.0
"""Change of the sky across the image, over its scatter, from which on it is told."""
PLATEAU = 3
"""Neighbouring pixels of the one brightest value that are a plateau."""
STANDS_OUT = 20.0
"""Its own noise by which the brightest pixel must exceed the typical one to be taken for saturated."""
SAMPLE = 10_000
"""Pixels of which the typical one is taken."""

WORDS: dict[NoiseIs, str] = {
    "sigma": "standard deviations",
    "variance": "variances",
    "ivm": "inverse variances",
    "exposure": "exposure times",
}
"""What the numbers of a noise map can be, in words."""
MADE_OF: dict[NoiseIs, str] = {
    "sigma": "the numbers",
    "variance": "sqrt",
    "ivm": "1 / sqrt, read as inverse variance,",
    "exposure": "scatter of the sky and counts over the exposure times",
}
"""How noise is made of them."""
TIMES = {"s", "sec", "second", "seconds"}
COUNTS = {"electron", "electrons", "e", "e-", "count", "counts", "ct", "dn", "adu", "photon", "photons"}


def made_noise(
    values: np.ndarray, data: np.ndarray, unit: str | None, noise_is: Any, noise_scale: Any, where: str
) -> tuple[np.ndarray, list[str]]:
    """Standard deviations (H, W) from the numbers of a noise map, with notes of what was done to them.

    Raises:
        DataError: `noise_is` is no known word, `noise_scale` no positive number, or see `of_exposures`.
    """
    if noise_is not in NOISE_MEANINGS:
        raise DataError(f"noise_is={noise_is!r} is not known; give one of {', '.join(map(repr, NOISE_MEANINGS))}")
    notes = [] if noise_is == "sigma" else [f"noise = {MADE_OF[noise_is]} of {where}"]
    noise = of_exposures(data, values, unit, where) if noise_is == "exposure" else standard_deviations(values, noise_is)
    if noise_scale is None:
        return noise, notes
    if isinstance(noise_scale, str) or not 0 < noise_scale < np.inf:
        raise DataError(f"noise_scale={noise_scale!r} for an image; give a positive number that multiplies its noise")
    noise = np.where(noise < MASKING_NOISE, noise * noise_scale, noise)
    return noise, [*notes, f"noise multiplied by {noise_scale:.6g}"]


def standard_deviations(values: np.ndarray, noise_is: NoiseIs) -> np.ndarray:
    """Of the numbers (H, W) of a noise map, a wrong sign kept; NaN of exposure times, which need the data too."""
    if noise_is == "sigma":
        return values
    if noise_is == "exposure":
        return np.full(values.shape, np.nan)
    root = np.copysign(np.sqrt(np.abs(values)), values + 0.0)  # + 0.0 turns -0.0 into 0.0
    if noise_is == "variance":
        return root
    with np.errstate(divide="ignore"):
        return 1 / root


def of_exposures(data: np.ndarray, seconds: np.ndarray, unit: str | None, where: str) -> np.ndarray:
    """Standard deviations (H, W) from exposure times (H, W): what the sky scatters, and what light above it adds.

    sigma^2 = s^2 / t + max(data - sky, 0) / t for data in electrons per second, s from the scatter of the sky;
    s^2 t + max(data - sky, 0) for data in electrons.

    Raises:
        DataError: the sky shows no scatter, or the unit is neither.
    """
    good = np.isfinite(data) & (seconds > 0)
    sky = Sky.of(np.where(good, data, 0.0), good)
    if sky is None:
        raise DataError(f"{where}: noise from exposure times needs a sky that scatters; give a noise map as noise=")
    rate = _is_rate(unit, where)
    light = np.maximum(np.where(good, data, 0.0) - _level(sky), 0.0)
    time = np.where(seconds > 0, seconds, 1.0)
    of_sky = 1 / np.sqrt(time) if rate else np.sqrt(time)
    variance = (sky.in_units_of(of_sky) * of_sky) ** 2 + (light / time if rate else light)
    return np.where(seconds > 0, np.sqrt(variance), np.where(seconds == 0, np.inf, seconds))


def notes_on(
    data: np.ndarray,
    noise: np.ndarray,
    mask: np.ndarray,
    holds: np.ndarray,
    *,
    given: np.ndarray,
    noise_is: NoiseIs,
    scale: float | None,
    where: str,
) -> list[str]:
    """What sky, noise and brightest pixels of an image say, in plain words.

    Args:
        data, noise, mask: (H, W) as they are used; holds: (H, W) bool, where the first two were numbers.
        given: (H, W) the numbers that the noise was made from, as `noise_is` says.
        scale: by which they were multiplied; given, the noise is to be taken as it is.
        where: the name of the noise map in a message.

    Raises:
        DataError: the noise is more than REFUSED times off the scatter of the sky.
    """
    notes = plateau(data, noise, ~mask)
    sky = Sky.of(data, holds)
    if sky is None:
        return notes
    scatter = sky.in_units_of(noise)
    if not 0 < scatter < np.inf:
        return notes
    factor = 1 / scatter
    mend = _remedy(sky, factor / (scale or 1.0), given, noise_is)
    if _at_odds(factor) and scale is None:
        raise DataError(
            f"{where}: read as {WORDS[noise_is]}, the noise is {factor:.3g} times {_measured(sky)}; {mend}, "
            "or give noise_scale=1 to have it taken as it is"
        )
    return [*notes, *_compared(sky, factor, mend), *_sky_notes(sky)]


def numbers(data: np.ndarray, noise: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Pixels (H, W) whose data and noise are numbers; masked ones too, for a disc about a lens holds no sky."""
    filled = mask & (data == 0)
    return np.isfinite(data) & np.isfinite(noise) & (noise > 0) & (noise < MASKING_NOISE) & ~filled


def smoothed_noise(noise: np.ndarray, used: np.ndarray, width: float) -> np.ndarray:
    """Standard deviations (H, W) of white noise in an image that was smoothed by a Gaussian of `width` pixels, where
    noise (H, W) is that of its pixels; of those not used none comes."""
    variance = gaussian_filter(np.where(used, noise, 0.0) ** 2, width)
    return np.sqrt(variance) / (2 * width * np.sqrt(np.pi))


def level_of_sky(data: np.ndarray, noise: np.ndarray, mask: np.ndarray) -> float:
    """Level of the sky at the border of an image, light of the lens taken off; 0 where it is at zero, or unknown.

    data, noise, mask: (H, W) of an image that was checked.
    """
    sky = Sky.of(data, numbers(data, noise, mask))
    return 0.0 if sky is None else _level(sky)


def _level(sky: Sky) -> float:
    return sky.level * sky.scatter if abs(sky.level) > max(OFF_ZERO, OFF_LIGHT * sky.light) else 0.0


def plateau(data: np.ndarray, noise: np.ndarray, used: np.ndarray) -> list[str]:
    """A note on neighbouring used pixels of the one brightest value, as a saturated detector gives."""
    highest = float(np.max(data, where=used, initial=-np.inf))
    rows, columns = np.nonzero(used & (data == highest))
    if len(rows) < PLATEAU or len(rows) > 0.5 * np.count_nonzero(used):
        return []
    spread = highest - float(np.median(data[used][:: data.size // SAMPLE + 1]))
    if not spread > STANDS_OUT * float(np.median(noise[rows, columns])):
        return []
    box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    groups, _ = label(used[box] & (data[box] == highest))  # pyright: ignore[reportGeneralTypeIssues]
    sizes = np.bincount(groups.ravel())[1:]
    largest = int(sizes.max())
    if largest < PLATEAU:
        return []
    row, column = np.argwhere(groups == 1 + sizes.argmax())[0] + (rows.min(), columns.min())
    return [
        f"{largest} neighbouring pixels have the one brightest value {highest:.6g}, the first at row {row}, column "
        f"{column} (counted from 0): saturated, as it seems; mask them"
    ]


def _at_odds(factor: float) -> bool:
    return not 1 / REFUSED <= factor <= REFUSED


def _compared(sky: Sky, factor: float, mend: str) -> list[str]:
    """A note on noise that is too large, too small or correlated."""
    parts, net = [], factor / sky.growth
    if not 1 / TOLD <= factor <= TOLD:
        parts.append(f"noise is {factor:.3g} times {_measured(sky)}")
    if sky.growth > 1:
        parts.append(
            f"noise of neighbouring pixels is correlated ({sky.correlation:.2f}), as drizzling makes it, and a fit "
            "takes it for independent"
        )
    if not parts:
        return []
    if 1 / TOLD < net < TOLD:
        return [f"{', and '.join(parts)}: errors come out about right, the one makes up for the other"]
    size = f"{net:.2g} times too large" if net > 1 else f"{1 / net:.2g} times too small"
    meant = " unless it is meant so, as a floor is" if net > 1 else ""
    return [f"{', and '.join(parts)}: errors come out {size}{meant}; {mend}"]


def _measured(sky: Sky) -> str:
    return f"the scatter of the sky ({sky.scatter:.3g} in {sky.count} pixels away from light)"


def _remedy(sky: Sky, factor: float, given: np.ndarray, noise_is: NoiseIs) -> str:
    """What the numbers are, as it seems, and the option that says so."""
    inside = given[sky.part][sky.quiet]
    scale = f"noise_scale={sky.growth / factor:.3g}"
    if np.all(inside == inside[0]) and noise_is == "sigma":
        return f"it is {inside[0]:.6g} everywhere, as a map of ones is: give a noise map, or {scale}"
    kinds: list[NoiseIs] = [kind for kind in NOISE_MEANINGS if kind not in (noise_is, "exposure")]
    off = {kind: abs(np.log(float(np.median(standard_deviations(inside, kind))) / sky.scatter)) for kind in kinds}
    best = min(kinds, key=lambda kind: off[kind])
    if noise_is != "exposure" and off[best] < min(np.log(FITS), 0.5 * abs(np.log(factor))):
        return f"as {WORDS[best]} its numbers fit the sky: give noise_is={best!r}"
    if noise_is == "ivm" and sky.growth == 1:
        return f"give noise_is='exposure' if the weights are exposure times, or {scale}"
    return f"as noise of another unit is: {scale} mends it" if _at_odds(factor) else f"{scale} mends it"


def _sky_notes(sky: Sky) -> list[str]:
    notes = []
    if level := _level(sky):
        notes.append(
            f"the sky at the border of the image is {level:.3g}, {abs(sky.level):.2g} times its "
            "scatter, and not zero: a standard model fits a constant sky too, a model of your own needs one"
        )
    if sky.slope > SLOPES:
        notes.append(
            f"the border of the image is brighter on one side, by {sky.slope:.2g} times the scatter of the sky: a "
            "gradient of the sky, or light of a neighbour, which no model here has; subtract it, or mask that side"
        )
    return notes


def counts_a_second(unit: str) -> bool | None:
    """Whether a unit is that of electrons or counts per second, rather than of these; None where it is neither."""
    words = unit.strip().lower().replace(" per ", "/").replace("cps", "counts/s").replace(" ", "")
    counted, _, time = words.replace("s-1", "/s").replace("//", "/").partition("/")
    return bool(time) if counted in COUNTS and (not time or time in TIMES) else None


def _is_rate(unit: str | None, where: str) -> bool:
    """Whether data are electrons per second, rather than electrons."""
    rate = counts_a_second(unit or "e/s")
    if rate is not None:
        return rate
    raise DataError(
        f"{where}: noise from exposure times needs data in electrons or electrons per second, not in {unit!r}; "
        "convert them, or give a noise map as noise="
    )
