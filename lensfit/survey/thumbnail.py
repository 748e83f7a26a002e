"""Four small panels of a fit in one picture: data, model, residual, source."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import AsinhNorm, Normalize, to_rgb
from matplotlib.image import imsave
from scipy.ndimage import zoom

from lensfit.analysis import Analysis
from lensfit.datasets.array_files import open_images
from lensfit.lensing import Field, brightness_at, centers, unlensed, unmasked_field
from lensfit.plots.panels import LIGHT, MASKED, RESIDUAL, SOURCE, stretch
from lensfit.results.files import MODEL
from lensfit.results.files import SOURCE as SOURCE_FILE
from lensfit.survey.outcome import THUMBNAIL

SIDE, GAP = 96, 2
"""Pixels of a panel and between two."""
QUALITY = 82
FAINT = 0.03
"""Share of the source's peak down to which its panel reaches."""


def write_thumbnail(done: Analysis, folder: Path) -> None:
    """Write the panels of a saved analysis into its folder; of several data those of the first."""
    panels = [_shown(image, norm, colours) for image, norm, colours in _panels(done, folder)]
    gap = np.full((SIDE, GAP, 3), 255, np.uint8)
    strip = np.concatenate([part for panel in panels for part in (panel, gap)][:-1], axis=1)
    imsave(folder / THUMBNAIL, strip, pil_kwargs={"quality": QUALITY})


def _panels(done: Analysis, folder: Path) -> list[tuple[np.ndarray, Normalize, str]]:
    """Image, scale and colour map of each panel; data and model share a scale."""
    with open_images(folder / MODEL) as images:
        planes = {name.rpartition("_")[2]: images.array(name) for name in reversed(images.names)}
    used = planes["MASK"] == 0
    if "DIRTY" in planes:  # both over their noise
        data, noise = planes["DIRTY"], 1.0
        model = data - planes["RESIDUAL"]
    else:
        frame: Any = next(iter(done.observation.frames.values()))
        data, model = frame.data, planes["MODEL"]
        with np.errstate(all="ignore"):
            noise = float(np.nanmedian(np.abs((data - model) / planes["RESIDUAL"])[used]))
    part, inside = _square(used), np.where(used, 1.0, np.nan)
    scale = stretch((data * inside)[part], noise)
    source = _source(done, folder)
    top = max(float(np.nanmax(source)), 1e-300)
    return [
        ((data * inside)[part], scale, LIGHT),
        ((model * inside)[part], scale, LIGHT),
        ((planes["RESIDUAL"] * inside)[part], Normalize(-5, 5), RESIDUAL),
        (source, AsinhNorm(linear_width=0.1 * top, vmin=0.0, vmax=top), SOURCE),
    ]


def _square(used: np.ndarray) -> tuple[slice, slice]:
    """The smallest square about the pixels (H, W) that are used, within the image."""
    rows, columns = np.nonzero(used.any(axis=1))[0], np.nonzero(used.any(axis=0))[0]
    side = max(np.ptp(rows), np.ptp(columns)) + 1
    first = [max(0, min((line.min() + line.max() + 1 - side) // 2, size - side))
             for line, size in ((rows, used.shape[0]), (columns, used.shape[1]))]  # fmt: skip
    return np.s_[first[0] : first[0] + side, first[1] : first[1] + side]


def _source(done: Analysis, folder: Path) -> np.ndarray:
    """The source as it would look without a lens, (n, n)."""
    if (folder / SOURCE_FILE).is_file():
        with open_images(folder / SOURCE_FILE) as images:
            return images.array("SOURCE")
    _, _, model = next(iter(done.problem.parts(done.fitted.model)))
    source, places = unlensed(model), list(centers(model.source).values())
    if not places:
        return np.zeros((SIDE, SIDE))
    x, y = np.array(places).T
    brightest = int(np.argmax(brightness_at(source, x, y)))
    half = unmasked_field(next(iter(done.observation.frames.values()))).half_width / 2
    field = Field(float(x[brightest]), float(y[brightest]), half)
    across, up = field.cells(SIDE)
    light = brightness_at(source, across, up)
    bright = light > FAINT * light.max()
    reach = max(np.abs(across[bright] - field.x).max(initial=0.0), np.abs(up[bright] - field.y).max(initial=0.0))
    return brightness_at(source, *Field(field.x, field.y, float(1.1 * reach) or half).cells(SIDE))


def _shown(image: np.ndarray, norm: Normalize, colours: str) -> np.ndarray:
    """An image (H, W), row 0 at the bottom, as colours (SIDE, SIDE, 3)."""
    coloured = matplotlib.colormaps[colours](norm(np.nan_to_num(np.asarray(image, float), posinf=0.0, neginf=0.0)))
    rgb = np.where(np.isfinite(image)[..., None], coloured[..., :3], to_rgb(MASKED))
    sides = (SIDE / rgb.shape[0], SIDE / rgb.shape[1], 1)
    made = zoom(rgb[::-1], sides, order=1, mode="nearest", grid_mode=True)
    return np.rint(255 * np.clip(np.asarray(made, float), 0.0, 1.0)).astype(np.uint8)
