"""lensfit fit."""
from __future__ import annotations

import argparse
import math
import shlex
import sys
from dataclasses import dataclass, replace
from typing import Any

from lensfit._version import __version__
from lensfit.calibrated_fit import fit_observations
from lensfit.cli._data import data_section, read_data
from lensfit.cli._folder import (
    CHECKPOINT,
    RECIPE,
    REPORT,
    RESULT_FILES,
    appearing,
    check_folder,
    check_free,
    check_resumable,
)
from lensfit.cli._live import Live
from lensfit.cli._log import Display, RunLog, logger
from lensfit.cli._visibilities import are_visibilities, read_observations
from lensfit.companions import fit_without_companions
from lensfit.datasets import Imaging, Interferometer
from lensfit.errors import FitError, ModelError
from lensfit.fitters.base import Fitter, Progress
from lensfit.fitters.checkpoint import Store
from lensfit.fitters.result import FitResult
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.likelihood.interferometer import InterferometerLikelihood
from lensfit.likelihood.joint import Observations
from lensfit.likelihood.pixel_visibilities import PixelInterferometerLikelihood
from lensfit.model import LensModel
from lensfit.pixel_fit import fit_pixels
from lensfit.pixelised.mesh import Mesh
from lensfit.plots import Glance
from lensfit.problem import Problem
from lensfit.recipe import DataSection, FitSection, Recipe, read_recipe, write_recipe
from lensfit.registry import fit, fitter
from lensfit.report import write_report
from lensfit.results import replacing, write_results
from lensfit.standard import STANDARD, VISIBILITIES
from lensfit.trust import examine


@dataclass(frozen=True)
class Task:
    """What is to be fitted, and how."""

    data: DataSection
    fit: FitSection
    observed: Imaging | Observations
    problem: Problem
    fitter: Fitter
    mesh: Mesh


def run(arguments: argparse.Namespace) -> int:
    """Fit, write the run folder, print the verdict."""
    folder = arguments.out
    store = Store(folder / CHECKPOINT)
    if arguments.resume:
        check_resumable(folder)
    elif arguments.overwrite:
        check_folder(folder)
    else:
        check_free(folder, "choose another folder as --out, or add --overwrite")
    with RunLog(folder, "a" if arguments.resume or arguments.overwrite else "w") as log:
        logger.info("lensfit %s: %s", __version__, shlex.join(sys.argv))
        task = read_task(arguments)
        if arguments.live:
            _check_live(task)
        if not arguments.resume:
            store.discard()
        log.open()
        with Display(arguments.quiet) as display:
            live = Live(folder, task.observed, task.problem, display) if arguments.live else None  # pyright: ignore
            fitted, result = run_task(task, live or display, store)
        with appearing(folder, "result.json", RESULT_FILES) as made:
            write_results(made, fitted.problem, fitted.observed, result)
            write_report(made)
            if live is not None:
                live.finish(Glance.of(fitted.observed, fitted.problem.likelihood, result.model), made)  # pyright: ignore
            with replacing(folder / RECIPE) as path:
                write_recipe(path, task.problem.model, data=task.data, fit=replace(task.fit, standard=None))
        store.discard()
        notes = [f"note             {note}" for note in result.notes]
        lines = [*verdict(fitted.problem, result), *notes, f"report           {folder / REPORT}"]
        for line in lines:
            logger.info(line)
    trusted = result.trust.trusted
    if not arguments.quiet:
        print("\n".join(lines))
    elif not trusted:
        print("lensfit: the fit is not trusted:", *result.trust.reasons, sep="\n  ", file=sys.stderr)
    return 0 if trusted else 4


def _check_live(task: Task) -> None:
    if not isinstance(task.observed, Imaging):
        raise ModelError("--live shows fits of images; leave it out for visibilities")
    if task.fit.source == "pixels":
        raise ModelError("--live shows sources of profiles; leave it out for a source on pixels")


def run_task(task: Task, progress: Progress, store: Store) -> tuple[Task, FitResult]:
    """The fit, from the optimum that the staged fitter finds where its fitter needs one; the task as fitted last."""
    name, pixels = task.fit.fitter, task.fit.source == "pixels"
    if not (name == "staged" or task.fitter.needs_optimum or pixels or not isinstance(task.observed, Imaging)):
        return task, _chosen(task, None, progress, store)
    task, start = _staged(task, progress)
    if not pixels:
        return task, start if name == "staged" else _chosen(task, start, progress, store)
    done = fit_pixels(task.observed, task.problem, start, task.mesh, progress=progress)
    on_pixels = replace(task, problem=done.problem)
    if name == "staged":
        return on_pixels, done.result
    result = _chosen(on_pixels, done.result, progress, store)
    return on_pixels, examine(done.problem, result, start=done.result, parametric=start)


def _chosen(task: Task, start: FitResult | None, progress: Progress, store: Store) -> FitResult:
    """By the fitter of the task, from an optimum if it needs one."""
    given = start if task.fitter.needs_optimum else None
    return fit(task.problem, task.fitter, seed=task.fit.seed, start=given, progress=progress, checkpoint=store)


def _staged(task: Task, progress: Progress) -> tuple[Task, FitResult]:
    """The staged fit: images without bright companions unless their mask was given, visibilities calibrated."""
    seed, observed = task.fit.seed, task.observed
    if not isinstance(observed, Imaging):
        done = fit_observations(task.problem.model, observed, "staged", seed=seed, progress=progress)
        return replace(task, observed=done.observations, problem=done.problem), done.result

    def staged(problem: Problem) -> FitResult:
        return fit(problem, "staged", seed=seed, progress=progress)

    if task.data.mask is not None:
        return task, staged(task.problem)
    imaging, problem, result = fit_without_companions(observed, task.problem, staged)
    for note in imaging.notes[len(observed.notes) :]:
        logger.info("data: %s", note)
    return replace(task, observed=imaging, problem=problem), result


def read_task(arguments: argparse.Namespace) -> Task:
    """Data, model and settings from the arguments, and from the recipe where they name one."""
    recipe = _recipe(arguments)
    try:
        chosen = fitter(recipe.fit.fitter, recipe.fit.settings)
    except FitError as error:
        raise ModelError(f"fit.fitter: {error}") from error
    mesh = Mesh(**recipe.fit.mesh or {})
    mesh.check()
    data = data_section(arguments, recipe.data)
    if data.path is None:
        raise ModelError(f"{arguments.model or 'fit'}: no data; give DATA, or path in [data] of the recipe")
    observed = read_observations(data) if are_visibilities(data) else read_data(data)
    likelihood: Any
    if isinstance(observed, Imaging):
        first, likelihood = observed, ImagingLikelihood.of(observed)
    else:
        first, likelihood = observed.datasets[0], observed.likelihood()
    logger.info("data %s: %d x %d pixels of %.5g arcsec", data.path, *first.shape, first.pixel_scale)
    for note in first.notes:
        logger.info("data: %s", note)
    name, model = _model(recipe, first)
    problem = Problem(model, likelihood)
    logger.info("model %s: %d free parameters", name or arguments.model, problem.ndim)
    return Task(data=data, fit=recipe.fit, observed=observed, problem=problem, fitter=chosen, mesh=mesh)


def _recipe(arguments: argparse.Namespace) -> Recipe:
    if arguments.model is None:
        recipe = Recipe(fit=FitSection(standard=arguments.standard))
    else:
        recipe = read_recipe(arguments.model)
        if recipe.model is None and recipe.fit.standard is None:
            raise ModelError(f"{arguments.model}: no model; give its profiles, or standard in [fit]")
    given = {"seed": arguments.seed, "fitter": arguments.fitter, "source": arguments.source}
    options = (("pixels", "mesh_pixels"), ("regularisation", "regularisation"), ("positive", "positive"))
    mesh = {name: getattr(arguments, option) for name, option in options if getattr(arguments, option) is not None}
    if mesh:
        given["mesh"] = (recipe.fit.mesh or {}) | mesh
    made = replace(recipe.fit, **{k: v for k, v in given.items() if v is not None})
    if made.mesh and made.source is None:
        raise ModelError(f"{', '.join(made.mesh)} of a mesh is for a source on pixels: give --source pixels too")
    return replace(recipe, fit=made)


def _model(recipe: Recipe, data: Imaging | Interferometer) -> tuple[str | None, LensModel]:
    """The recipe's own model, or the standard one that it names, with that name."""
    if recipe.model is not None:
        return None, recipe.model
    known, default = (STANDARD, "parametric") if isinstance(data, Imaging) else (VISIBILITIES, "one_source")
    name = recipe.fit.standard or default
    if name not in known:
        kind = "images" if isinstance(data, Imaging) else "visibilities"
        raise ModelError(f"the standard model {name} is not for {kind}: use {' or '.join(known)}")
    return name, known[name](data)  # pyright: ignore[reportArgumentType]


def verdict(problem: Problem, result: FitResult) -> list[str]:
    """The result in a few lines: whether it is trusted, Einstein radius, chi2."""
    lines = [result.trust.headline, *(f"  {reason}" for reason in result.trust.reasons)]
    for parameter in problem.space.parameters:
        if parameter.role == "einstein_radius":
            k = result.names.index(parameter.name)
            numbers = (result.theta[k], result.errors[k], result.spread[k])
            lines.append(f"Einstein radius  {_with_errors(*numbers)}")
    ratio = result.chi2 / result.data_count
    of_visibilities = isinstance(problem.likelihood, (InterferometerLikelihood, PixelInterferometerLikelihood))
    word = "numbers" if of_visibilities else "pixels "
    return [*lines, f"chi2 / {word}   {result.chi2:.1f} / {result.data_count} = {ratio:.3f}"]


def _with_errors(value: float, error: float, spread: float) -> str:
    text = f"{value:.5g} +- {error:.2g} arcsec"
    return text if math.isnan(spread) else f"{text}, +- {spread:.2g} over neighbouring models"
