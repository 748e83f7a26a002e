"""lensfit fit."""
from __future__ import annotations

import argparse
import math
import shlex
import sys
from dataclasses import dataclass, replace

from lensfit._version import __version__
from lensfit.cli._data import data_section, read_data
from lensfit.cli._folder import CHECKPOINT, RECIPE, REPORT, appearing, check_folder, check_free, check_resumable, clear
from lensfit.cli._log import Display, RunLog, logger
from lensfit.companions import fit_without_companions
from lensfit.datasets import Imaging
from lensfit.errors import FitError, ModelError
from lensfit.fitters._base import FitResult, Fitter
from lensfit.fitters.checkpoint import Store
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.model import LensModel
from lensfit.problem import Problem
from lensfit.recipe import DataSection, FitSection, Recipe, read_recipe, write_recipe
from lensfit.registry import AT_OPTIMUM, fit, fitter
from lensfit.report import write_report
from lensfit.results import replacing, write_results
from lensfit.standard import STANDARD


@dataclass(frozen=True)
class Task:
    """What is to be fitted, and how."""

    data: DataSection
    fit: FitSection
    imaging: Imaging
    problem: Problem
    fitter: Fitter


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
    with RunLog(folder, "a" if arguments.resume else "w") as log:
        logger.info("lensfit %s: %s", __version__, shlex.join(sys.argv))
        task = read_task(arguments)
        if not arguments.resume:
            clear(folder)
            store.discard()
        log.open()
        with replacing(folder / RECIPE) as path:
            write_recipe(path, task.problem.model, data=task.data, fit=replace(task.fit, standard=None))
        task, result = run_task(task, arguments.quiet, store)
        with appearing(folder, "result.json") as made:
            write_results(made, task.problem, task.imaging, result)
            write_report(made)
        store.discard()
        lines = [*verdict(task.problem, result), f"report           {folder / REPORT}"]
        for line in lines:
            logger.info(line)
    trusted = result.trust.trusted
    if not arguments.quiet:
        print("\n".join(lines))
    elif not trusted:
        print("lensfit: the fit is not trusted:", *result.trust.reasons, sep="\n  ", file=sys.stderr)
    return 0 if trusted else 4


def run_task(task: Task, quiet: bool, store: Store) -> tuple[Task, FitResult]:
    """The fit, from the optimum that the staged fitter finds where its fitter needs one; the task as fitted last."""
    name = task.fit.fitter
    start = None
    with Display(quiet) as display:
        if name == "staged" or name in AT_OPTIMUM:
            task, start = _without_companions(task, display)
        if start is not None and name == "staged":
            return task, start
        seed, problem = task.fit.seed, task.problem
        return task, fit(problem, task.fitter, seed=seed, start=start, progress=display, checkpoint=store)


def _without_companions(task: Task, display: Display) -> tuple[Task, FitResult]:
    """The staged fit, bright companions left out unless the mask was given as a file."""

    def staged(problem: Problem) -> FitResult:
        return fit(problem, "staged", seed=task.fit.seed, progress=display)

    if task.data.mask is not None:
        return task, staged(task.problem)
    imaging, problem, result = fit_without_companions(task.imaging, task.problem, staged)
    for note in imaging.notes[len(task.imaging.notes) :]:
        logger.info("data: %s", note)
    return replace(task, imaging=imaging, problem=problem), result


def read_task(arguments: argparse.Namespace) -> Task:
    """Data, model and settings from the arguments, and from the recipe where they name one."""
    recipe = _recipe(arguments)
    try:
        chosen = fitter(recipe.fit.fitter, recipe.fit.settings)
    except FitError as error:
        raise ModelError(f"fit.fitter: {error}") from error
    data = data_section(arguments, recipe.data)
    if data.path is None:
        raise ModelError(f"{arguments.model or 'fit'}: no data; give DATA, or path in [data] of the recipe")
    imaging = read_data(data)
    logger.info("data %s: %d x %d pixels of %.5g arcsec", data.path, *imaging.shape, imaging.pixel_scale)
    for note in imaging.notes:
        logger.info("data: %s", note)
    problem = Problem(_model(recipe, imaging), ImagingLikelihood.of(imaging))
    logger.info("model %s: %d free parameters", arguments.model or recipe.fit.standard, problem.ndim)
    return Task(data=data, fit=recipe.fit, imaging=imaging, problem=problem, fitter=chosen)


def _recipe(arguments: argparse.Namespace) -> Recipe:
    if arguments.model is None:
        recipe = Recipe(fit=FitSection(standard=arguments.standard or "parametric"))
    else:
        recipe = read_recipe(arguments.model)
        if recipe.model is None and recipe.fit.standard is None:
            raise ModelError(f"{arguments.model}: no model; give its profiles, or standard in [fit]")
    given = {"seed": arguments.seed, "fitter": arguments.fitter}
    return replace(recipe, fit=replace(recipe.fit, **{k: v for k, v in given.items() if v is not None}))


def _model(recipe: Recipe, imaging: Imaging) -> LensModel:
    if recipe.fit.standard is not None:
        return STANDARD[recipe.fit.standard](imaging)
    assert recipe.model is not None
    return recipe.model


def verdict(problem: Problem, result: FitResult) -> list[str]:
    """The result in a few lines: whether it is trusted, Einstein radius, chi2."""
    checks = result.trust.checks
    reasons = [f"  {reason}" for reason in result.trust.reasons]
    lines = [f"NOT TRUSTED: {len(reasons)} of {len(checks)} checks failed", *reasons]
    if result.trust.trusted:
        lines = [f"TRUSTED: all {len(checks)} checks passed"]
    for parameter in problem.space.parameters:
        if parameter.role == "einstein_radius":
            k = result.names.index(parameter.name)
            numbers = (result.theta[k], result.errors[k], result.spread[k])
            lines.append(f"Einstein radius  {_with_errors(*numbers)}")
    ratio = result.chi2 / result.data_count
    return [*lines, f"chi2 / pixels    {result.chi2:.1f} / {result.data_count} = {ratio:.3f}"]


def _with_errors(value: float, error: float, spread: float) -> str:
    text = f"{value:.5g} +- {error:.2g} arcsec"
    return text if math.isnan(spread) else f"{text}, +- {spread:.2g} over neighbouring models"
