"""lensfit inspect."""
from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path

import numpy as np
from scipy.ndimage import zoom

from lensfit.cli._data import data_section, read_data
from lensfit.cli._visibilities import are_visibilities, read_observations
from lensfit.datasets import Imaging
from lensfit.errors import DataError
from lensfit.likelihood.joint import Observations
from lensfit.plots import inspect_figure, inspect_visibilities
from lensfit.recipe import DataSection
from lensfit.results import replacing

FINE = 8
"""Sub-pixels per axis on which the width of the PSF is measured."""


def run(arguments: argparse.Namespace) -> int:
    """Print what is understood of the data, and write a picture where asked to."""
    if arguments.out is not None and not arguments.out.parent.is_dir():
        raise DataError(f"{arguments.out.parent}: no such folder; make it first")
    section = data_section(arguments, DataSection())
    if are_visibilities(section):
        observations = read_observations(section)
        found, figure = visibility_rows(observations), partial(inspect_visibilities, observations)
    else:
        imaging = read_data(section)
        found, figure = rows(imaging, section), partial(inspect_figure, imaging)
    for label, text in found:
        print(f"{label:<13}{text}")
    if arguments.out is not None:
        with replacing(arguments.out) as path:
            figure().savefig(path)
        print(f"{'picture':<13}{arguments.out}")
    return 0


def rows(imaging: Imaging, section: DataSection) -> list[tuple[str, str]]:
    """(label, text) of everything that is understood of the data."""
    good = ~imaging.mask
    used, noise = int(np.count_nonzero(good)), imaging.noise[good]
    unit = imaging.unit or "unknown unit"
    height, width = imaging.psf.shape
    width_of_psf = fwhm(imaging.psf) * imaging.pixel_scale
    return [
        *((role, path) for role, path, _ in imaging.sources),
        ("shape", f"{imaging.shape[0]} rows x {imaging.shape[1]} columns"),
        ("pixel scale", f"{imaging.pixel_scale:.6g} arcsec, from {_origin_of_scale(imaging, section)}"),
        ("centre", f"x = {imaging.origin[0]:.6g}, y = {imaging.origin[1]:.6g} arcsec"),
        ("sky", "no celestial coordinates" if imaging.wcs is None else "celestial coordinates of the header"),
        ("unit", unit),
        ("pixels", f"{used} used, {imaging.mask.sum()} masked"),
        ("data", f"{imaging.data[good].min():.4g} to {imaging.data[good].max():.4g} {unit}"),
        ("noise", f"{noise.min():.4g} to {noise.max():.4g} {unit}, median {np.median(noise):.4g}"),
        ("signal/noise", f"up to {np.max(imaging.data[good] / noise):.4g}"),
        ("PSF", f"{height} x {width} pixels, FWHM {width_of_psf:.3g} arcsec, sum 1"),
        *(("note", note) for note in imaging.notes),
    ]


def visibility_rows(observations: Observations) -> list[tuple[str, str]]:
    """(label, text) of everything that is understood of visibilities."""
    first = observations.datasets[0]
    found = []
    for data in observations.datasets:
        table = data.visibilities
        length = np.hypot(table.u, table.v)
        known = "known" if table.antenna1 is not None else "unknown"
        found += [
            *((role, path) for role, path, _ in table.sources),
            ("visibilities", f"{len(table)}, antennas {known}"),
            ("baselines", f"{length.min():.4g} to {length.max():.4g} wavelengths"),
            ("noise", f"{1e3 * table.sigma_re.min():.4g} to {1e3 * table.sigma_re.max():.4g} mJy per real part"),
            *(("note", note) for note in data.notes),
        ]
    beam = "flat" if first.primary_beam is None else f"{first.primary_beam:.4g} arcsec wide at half maximum"
    return [
        *found,
        ("primary beam", beam),
        ("image", f"{first.shape[0]} rows x {first.shape[1]} columns of {first.pixel_scale:.4g} arcsec"),
        ("centre", f"x = {first.origin[0]:.4g}, y = {first.origin[1]:.4g} arcsec from the phase centre"),
    ]


def fwhm(psf: np.ndarray) -> float:
    """Diameter in pixels of the disc as large as the part of the PSF above half of its peak."""
    fine = np.asarray(zoom(psf, FINE, order=3, grid_mode=True, mode="grid-constant"))
    return 2 * float(np.sqrt(np.count_nonzero(fine > fine.max() / 2) / np.pi)) / FINE


def _origin_of_scale(imaging: Imaging, section: DataSection) -> str:
    if section.pixel_scale is not None:
        return "--pixel-scale"
    for role, path, _ in imaging.sources:
        if role == "info" and "pixel_scale" in json.loads(Path(path).read_text(encoding="utf-8")):
            return path
    return "the file of the data"
