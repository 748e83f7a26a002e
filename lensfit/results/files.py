"""Files of a run folder, written into one that takes its place: all appear or none of them."""
from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.io import fits
from matplotlib.figure import Figure

from lensfit import version
from lensfit.cosmology import Redshifts
from lensfit.datasets import Dataset
from lensfit.datasets.array_files import open_images
from lensfit.datasets.cutout import frame_of
from lensfit.fitters.result import FitResult
from lensfit.likelihood.reconstruction import Reconstruction
from lensfit.maps import Maps
from lensfit.names import Figures
from lensfit.observations import Observation, Plane, Shown
from lensfit.plots import (
    BAND_FIGURES,
    COLOURS,
    FIGURES,
    PIXEL_FIGURES,
    PIXEL_VISIBILITY_FIGURES,
    SAMPLE_FIGURES,
    VISIBILITY_FIGURES,
    corner_figure,
    halved,
    pixels_of,
    sheet,
    write_png,
)
from lensfit.problem import Problem
from lensfit.results.derived import Quantity
from lensfit.results.document import RESULT, SAMPLES, as_document, as_table, plain, samples_table, write_json
from lensfit.results.photometry import Photometry

if TYPE_CHECKING:
    import h5py


def write_inference_data(path: Path, problem: Problem, result: FitResult) -> None:
    """Write samples in the InferenceData layout (netCDF 4): groups posterior and sample_stats, by chain and draw.

    Weighted samples are resampled to as many equal draws as they are worth. sample_stats holds `lp`, ln of the
    posterior density up to the evidence, and `log_likelihood`.
    """
    import h5py  # it takes long to load

    theta, log_l, chains = equal_draws(result)
    shape = (chains, len(theta) // chains)
    with h5py.File(path, "w", track_order=True) as file:
        posterior = _group(file, "posterior", shape, result)
        for name, values, unit in zip(result.names, theta.T, result.units, strict=True):
            _variable(posterior, name, values.reshape(shape)).attrs["units"] = unit
        stats = _group(file, "sample_stats", shape, result)
        _variable(stats, "lp", (log_l + np.asarray(problem.log_prior(theta))).reshape(shape))
        _variable(stats, "log_likelihood", log_l.reshape(shape))


def equal_draws(result: FitResult) -> tuple[np.ndarray, np.ndarray, int]:
    """Draws (S, n) of equal weight with their ln L (S,), and the number of chains that they are, one after the other.

    Samples of equal weight are kept as they are. Others are drawn systematically (Kitagawa 1996).
    """
    assert result.samples is not None and result.weights is not None
    weights = result.weights / result.weights.sum()
    chains = 1 if result.diagnostics is None else result.diagnostics.chains
    if np.ptp(weights) < 1e-9 * weights.max():
        return result.samples, _log_likelihoods(result), chains
    count = int(1 / np.sum(weights**2))
    chosen = np.searchsorted(np.cumsum(weights), (np.arange(count) + 0.5) / count)
    chosen = np.random.default_rng(0).permutation(chosen)
    return result.samples[chosen], _log_likelihoods(result)[chosen], 1


def _log_likelihoods(result: FitResult) -> np.ndarray:
    assert result.samples is not None
    return np.full(len(result.samples), np.nan) if result.log_likelihoods is None else result.log_likelihoods


def _group(file: h5py.File, name: str, shape: tuple[int, int], result: FitResult) -> h5py.Group:
    group = file.create_group(name, track_order=True)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    group.attrs.update({"created_at": now, "inference_library": "lensfit",
                        "inference_library_version": version.__version__, "fitter": result.fitter,
                        "sampling_time": result.seconds})  # fmt: skip
    for number, axis in enumerate(("chain", "draw")):
        scale = group.create_dataset(axis, data=np.arange(shape[number]), track_order=True)
        scale.make_scale(axis)
    return group


def _variable(group: h5py.Group, name: str, values: Any) -> h5py.Dataset:
    dataset = group.create_dataset(name, data=values, track_order=True)
    for number, axis in enumerate(("chain", "draw")):
        dataset.dims[number].attach_scale(group[axis])
    return dataset


TABLE, MODEL, SOURCE, CHAINS = "parameters.ecsv", "model.fits", "source.fits", "samples.h5"
MAPS, CRITICAL, CAUSTICS = "maps.fits", "critical_curves.reg", "caustics.reg"
REPORT, RECIPE, PHOTOMETRY = "report.html", "recipe.toml", "photometry.ecsv"
OVERVIEW = "overview"
LIVE = ("live.png", "live.gif")
SLOPE_FIGURE, BESIDE_SLOPE = "slope", ("einstein_radius", "strength", "slope", "gamma1", "gamma2")
_OF_DATA = {*BAND_FIGURES, COLOURS, *FIGURES, *VISIBILITY_FIGURES, *PIXEL_FIGURES, *PIXEL_VISIBILITY_FIGURES}
_EVERY = {*_OF_DATA, *SAMPLE_FIGURES, SLOPE_FIGURE}
_TABLES = (RESULT, TABLE, MODEL, MAPS, CRITICAL, CAUSTICS, SOURCE, SAMPLES, CHAINS, REPORT, RECIPE, PHOTOMETRY)
MADE = frozenset({*_TABLES, *LIVE, *(f"{name}.{ending}" for name in _EVERY for ending in ("png", "pdf"))})
"""What a run may write; of several data the names of figures begin with that of each."""


def write_results(
    folder: Path,
    result: FitResult,
    problem: Problem,
    observation: Observation,
    derived: dict[str, Quantity],
    road: tuple[dict[str, Any], ...] = (),
    figures: Figures = "all",
    photometry: Photometry | None = None,
    redshifts: Redshifts | None = None,
) -> None:
    """Write result.json, parameters.ecsv, model.fits, maps and the figures (PNG) of a fit into an existing folder.

    A source on pixels gets source.fits: its brightness at the nodes and the standard deviation of that. A fit that
    has samples gets samples.ecsv, samples.h5 (for ArviZ), a corner and a trace figure as well. With `figures`
    "overview" the other figures of the data, and the maps, are left out; with "pdf" each is a PDF as well. Several data
    have photometry.ecsv.
    """
    found = problem.reconstruct(result.theta) if result.model.pixels() else None
    shown = observation.shown(problem.likelihood, result.model, found, redshifts)
    names = _draw_overview(folder, shown) if figures == "overview" else _draw_all(folder, shown)
    if figures == "pdf":
        for name in names:
            shown.figures[name]().savefig(folder / f"{name}.pdf")
    if slope := slope_and_beside(problem):
        _draw(folder, SLOPE_FIGURE, corner_figure(result, [result.names[k] for k in slope]))
        names.append(SLOPE_FIGURE)
    model_file(shown.planes, observation.frame, result).writeto(folder / MODEL)
    if found is not None:
        source_file(found, observation.frame.unit).writeto(folder / SOURCE)
    if figures != "overview":
        _write_maps(folder, problem, observation, result, found)
    if result.samples is not None:
        for name, figure in SAMPLE_FIGURES.items():
            _draw(folder, name, figure(result))
        names += SAMPLE_FIGURES
        samples_table(result).write(folder / SAMPLES, format="ascii.ecsv")
        write_inference_data(folder / CHAINS, problem, result)
    document = as_document(result, problem, observation, derived, [f"{name}.png" for name in names], road, redshifts)
    if photometry is not None:
        document["photometry"] = plain(photometry.document())
        photometry.table().write(folder / PHOTOMETRY, format="ascii.ecsv")
    as_table(document).write(folder / TABLE, format="ascii.ecsv")
    write_json(folder / RESULT, document)


def _write_maps(
    folder: Path, problem: Problem, observation: Observation, result: FitResult, found: Reconstruction | None
) -> None:
    """maps.fits and the curves as regions, of data in whose frame the mass is; of several data the names begin with
    that of each."""
    coefficients = None if found is None else np.asarray(found.coefficients)
    for name, _, model in problem.parts(result.model):
        if model.alignment is not None:
            continue
        data, start = observation.frames[name], f"{name}_" if name else ""
        maps = Maps.of(model, frame=frame_of(data), unit=data.unit, coefficients=coefficients)
        maps.write(folder / f"{start}{MAPS}")
        if model.mass:
            maps.write_regions(folder / f"{start}{CRITICAL}")
            maps.write_regions(folder / f"{start}{CAUSTICS}", "source")


def _draw_all(folder: Path, shown: Shown) -> list[str]:
    """Write all figures, each panel of a sheet drawn once; their names."""
    names = [*shown.figures]
    panels = {name: _draw(folder, name, shown.figures[name]()) for name in names[bool(shown.sheet) :]}
    if shown.sheet:
        write_png(folder / f"{names[0]}.png", sheet([halved(panels[name]) for name in shown.sheet]))
    return names


def _draw_overview(folder: Path, shown: Shown) -> list[str]:
    """Write the overview alone, of several data one of each where there is none of all; their names. The panels of a
    sheet are drawn small."""
    if shown.sheet:
        name = next(iter(shown.figures))
        write_png(folder / f"{name}.png", sheet([pixels_of(shown.figures[n](), 0.5) for n in shown.sheet]))
        return [name]
    whole = [OVERVIEW] if OVERVIEW in shown.figures else []
    names = whole or [name for name in shown.figures if name.endswith(f"_{OVERVIEW}")]
    for name in names:
        _draw(folder, name, shown.figures[name]())
    return names


def slope_and_beside(problem: Problem) -> list[int]:
    """Where slopes of masses, and what goes with them, stand among the parameters; empty where no slope is free."""
    masses = {k: p.role for k, p in enumerate(problem.space.parameters) if p.group == "mass"}
    return [k for k, role in masses.items() if role in BESIDE_SLOPE] if "slope" in masses.values() else []


def _draw(folder: Path, name: str, figure: Figure) -> np.ndarray:
    """Write a figure, and give its pixels (H, W, 3)."""
    pixels = pixels_of(figure)
    write_png(folder / f"{name}.png", pixels)
    return pixels


def model_file(planes: Sequence[Plane], frame: Dataset, result: FitResult) -> fits.HDUList:
    """The images on the frame of the data, with its WCS where it has one."""
    trust = result.trust
    hdus = _hdus({
        "FITTER": result.fitter,
        "VERDICT": (trust.word, "TRUSTED, NOT TRUSTED or UNCHECKED"),
        "TRUSTED": (trust.trusted, "whether the fit passed all its checks"),
        "DATAHASH": (frame.hash[:16], "first digits of the sha256 of the data"),
    })  # fmt: skip
    for plane in planes:
        hdus.append(_hdu(plane.name, plane.array, plane.frame.frame_header(), plane.unit, plane.words))
    return hdus


def read_masks(folder: Path) -> dict[str, np.ndarray]:
    """The MASKs (H, W) of a run folder's model.fits, by name. Raises DataError where it cannot be read."""
    with open_images(folder / MODEL) as images:
        return {name: images.array(name).astype(bool) for name in images.names if name.endswith("MASK")}


def source_file(found: Reconstruction, unit: str | None) -> fits.HDUList:
    """SOURCE, its standard DEVIATION and the spline's COEFFICIENT at the nodes; offsets as the data's, in arcsec."""
    header = fits.Header()
    for axis, nodes in ((1, np.asarray(found.x)), (2, np.asarray(found.y))):
        header[f"CRPIX{axis}"] = (len(nodes) + 1) / 2
        header[f"CRVAL{axis}"] = float(nodes.mean())
        header[f"CDELT{axis}"] = float(nodes[1] - nodes[0])
        header[f"CUNIT{axis}"] = "arcsec"
    hdus = _hdus({})
    for name, array, words in (
        ("SOURCE", found.brightness, "brightness at the nodes"),
        ("DEVIATION", found.deviation, "posterior standard deviation of the brightness, lens and mesh held"),
        ("COEFFICIENT", found.coefficients, "of the B-splines centred on the nodes, zero beyond them"),
    ):
        hdus.append(_hdu(name, np.asarray(array), header, unit, words))
    return hdus


def _hdus(about: dict[str, Any]) -> Any:
    primary = fits.PrimaryHDU()
    primary.header["CREATOR"] = f"lensfit {version.__version__}"
    primary.header.update(about)
    return fits.HDUList([primary])


def _hdu(name: str, array: np.ndarray, header: fits.Header, unit: str | None, words: str) -> fits.ImageHDU:
    hdu = fits.ImageHDU(array, header, name=name)
    hdu.header["COMMENT"] = words
    if unit is not None:
        hdu.header["BUNIT"] = unit
    return hdu
