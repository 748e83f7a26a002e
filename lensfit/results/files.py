"""Writing of a run folder; every file appears whole or not at all."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from lensfit.datasets import Imaging, Interferometer
from lensfit.datasets.fits import _header as frame_header
from lensfit.errors import DataError
from lensfit.fitters._saved import RESULT, SAMPLES, replacing, samples_table, write_json
from lensfit.fitters.result import FitResult
from lensfit.likelihood.joint import Observations
from lensfit.likelihood.reconstruction import Reconstruction
from lensfit.plots import (
    FIGURES,
    PIXEL_FIGURES,
    PIXEL_VISIBILITY_FIGURES,
    SAMPLE_FIGURES,
    VISIBILITY_FIGURES,
    ModelImages,
    Scene,
    VisibilityScene,
    pixel_scene,
    pixel_visibility_scene,
)
from lensfit.problem import Problem
from lensfit.results._planes import Images, image_file
from lensfit.results.derived import derived_quantities
from lensfit.results.pixels import source_file
from lensfit.results.samples import write_inference_data
from lensfit.results.tables import as_document, as_table


def write_results(
    folder: str | Path, problem: Problem, observed: Imaging | Observations, result: FitResult
) -> None:
    """Write result.json, parameters.ecsv, model.fits and the figures (PNG) of a fit into its run folder.

    A source on pixels gets source.fits: its brightness at the nodes and the standard deviation of that.
    A fit that has samples gets samples.ecsv, samples.h5 (for ArviZ), a corner and a trace figure as well.
    `observed` is what the problem's likelihood was made of. result.json comes last: where it is, all is.

    Raises:
        DataError: the folder does not exist.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; make it first, results go into an existing run folder")
    frame: Imaging | Interferometer = observed if isinstance(observed, Imaging) else observed.datasets[0]
    pixels = problem.reconstruct(result.theta) if result.model.pixels() else None
    scene, figures, images = _shown(problem, observed, result, pixels)
    if pixels is not None:
        with replacing(folder / "source.fits") as path:
            source_file(pixels, frame.unit).writeto(path)
    for name, figure in figures.items():
        with replacing(folder / f"{name}.png") as path:
            figure(scene).savefig(path)  # pyright: ignore[reportArgumentType]
    with replacing(folder / "model.fits") as path:
        _model_file(frame, images, result).writeto(path)
    derived = derived_quantities(problem, frame, result)
    names = [f"{name}.png" for name in (*figures, *(SAMPLE_FIGURES if result.samples is not None else ()))]
    document = as_document(problem, observed, result, derived, names)
    if result.samples is not None:
        _write_samples(folder, problem, result)
    with replacing(folder / "parameters.ecsv") as path:
        as_table(document).write(path, format="ascii.ecsv")
    with replacing(folder / RESULT) as path:
        write_json(path, document)


def _shown(
    problem: Problem, observed: Imaging | Observations, result: FitResult, pixels: Reconstruction | None
) -> tuple[Any, dict[str, Any], Images]:
    """What the figures show, the figures, and the images of model.fits."""
    scene: Any
    if isinstance(observed, Imaging):
        if pixels is None:
            scene, figures = Scene.of(observed, problem.likelihood, result.model), FIGURES
        else:
            scene, figures = pixel_scene(observed, problem, pixels), PIXEL_FIGURES
        return scene, figures, _of_image(observed, scene.images)
    if pixels is None:
        scene, figures = VisibilityScene.of(observed, result.model), VISIBILITY_FIGURES
    else:
        scene, figures = pixel_visibility_scene(observed, pixels), PIXEL_VISIBILITY_FIGURES
    return scene, figures, _of_visibilities(scene)


def _write_samples(folder: Path, problem: Problem, result: FitResult) -> None:
    for name, figure in SAMPLE_FIGURES.items():
        with replacing(folder / f"{name}.png") as path:
            figure(result).savefig(path)
    with replacing(folder / SAMPLES) as path:
        samples_table(result).write(path, format="ascii.ecsv")
    with replacing(folder / "samples.h5") as path:
        write_inference_data(path, problem, result)


def _of_image(imaging: Imaging, images: ModelImages) -> Images:
    return (
        ("MODEL", images.model, imaging.unit, "lens light, lensed source and sky, convolved"),
        ("RESIDUAL", images.residual, None, "(data - model) / sigma"),
        ("LENS_LIGHT", images.light, imaging.unit, "lens light and sky, convolved"),
        ("SOURCE", images.source, imaging.unit, "lensed source, convolved"),
        ("MASK", imaging.mask.astype(np.uint8), None, "1 = left out of the fit"),
    )


def _of_visibilities(scene: Any) -> Images:
    return (
        ("MODEL", scene.sky, scene.imaging.unit, "sky of the model, before the primary beam"),
        ("RESIDUAL", scene.dirty_residual, None, "dirty image of data less model over its noise"),
        ("DIRTY", scene.dirty, None, "dirty image of the data over its noise"),
        ("SOURCE", scene.source, scene.imaging.unit, "lensed source, before the primary beam"),
        ("MASK", scene.imaging.mask.astype(np.uint8), None, "1 = no emission is modelled"),
    )


def _model_file(frame: Imaging | Interferometer, images: Images, result: FitResult) -> fits.HDUList:
    """The images on the frame of the data, with its WCS where it has one."""
    about = {
        "FITTER": result.fitter,
        "TRUSTED": (result.trust.trusted, "whether the fit passed all its checks"),
        "DATAHASH": (frame.hash[:16], "first digits of the sha256 of the data"),
    }
    return image_file(images, frame_header(frame), about)
