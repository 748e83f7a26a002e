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
from lensfit.cli._folder import RECIPE, REPORT, appearing, check_folder, check_free, clear
from lensfit.cli._log import Display, RunLog, logger
from lensfit.cli._visibilities import are_visibilities, read_observations
from lensfit.datasets import Imaging, Interferometer
from lensfit.errors import ModelError
from lensfit.fitters._base import FitResult, Progress
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.likelihood.interferometer import InterferometerLikelihood
from lensfit.likelihood.joint import Observations
from lensfit.model import LensModel
from lensfit.problem import Problem
from lensfit.recipe import DataSection, FitSection, Recipe, read_recipe, write_recipe
from lensfit.registry import fit
from lensfit.report import write_report
from lensfit.results import replacing, write_results
from lensfit.standard import STANDARD, VISIBILITIES


@dataclass(frozen=True)
class Task:
    """What is to be fitted, and how."""

    data: DataSection
    fit: FitSection
    observed: Imaging | Observations
    problem: Problem

    def solve(self, progress: Progress) -> tuple[Problem, Imaging | Observations, FitResult]:
        """Fit; the problem and the data as they are in the end, where visibilities are calibrated on the way."""
        name, seed = self.fit.fitter, self.fit.seed
        if isinstance(self.observed, Imaging):
            return self.problem, self.observed, fit(self.problem, name, seed=seed, progress=progress)
        done = fit_observations(self.problem.model, self.observed, name, seed=seed, progress=progress)
        return done.problem, done.observations, done.result


def run(arguments: argparse.Namespace) -> int:
    """Fit, write the run folder, print the verdict."""
    folder = arguments.out
    if arguments.overwrite:
        check_folder(folder)
    else:
        check_free(folder, "choose another folder as --out, or add --overwrite")
    with RunLog(folder) as log:
        logger.info("lensfit %s: %s", __version__, shlex.join(sys.argv))
        task = read_task(arguments)
        clear(folder)
        log.open()
        with replacing(folder / RECIPE) as path:
            write_recipe(path, task.problem.model, data=task.data, fit=replace(task.fit, standard=None))
        with Display(arguments.quiet) as display:
            problem, observed, result = task.solve(display)
        with appearing(folder, "result.json") as made:
            write_results(made, problem, observed, result)
            write_report(made)
        lines = [*verdict(task.problem, result), f"report           {folder / REPORT}"]
        for line in [*result.notes, *lines]:
            logger.info(line)
    trusted = result.trust.trusted
    if not arguments.quiet:
        print("\n".join(lines))
    elif not trusted:
        print("lensfit: the fit is not trusted:", *result.trust.reasons, sep="\n  ", file=sys.stderr)
    return 0 if trusted else 4


def read_task(arguments: argparse.Namespace) -> Task:
    """Data, model and settings from the arguments, and from the recipe where they name one."""
    recipe = _recipe(arguments)
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
    problem = Problem(_model(recipe, first), likelihood)
    logger.info("model %s: %d free parameters", arguments.model or _standard(recipe, first), problem.ndim)
    return Task(data=data, fit=recipe.fit, observed=observed, problem=problem)


def _recipe(arguments: argparse.Namespace) -> Recipe:
    if arguments.model is None:
        recipe = Recipe(fit=FitSection(standard=arguments.standard))
    else:
        recipe = read_recipe(arguments.model)
        if recipe.model is None and recipe.fit.standard is None:
            raise ModelError(f"{arguments.model}: no model; give its profiles, or standard in [fit]")
    return recipe if arguments.seed is None else replace(recipe, fit=replace(recipe.fit, seed=arguments.seed))


def _model(recipe: Recipe, data: Imaging | Interferometer) -> LensModel:
    if recipe.model is not None:
        return recipe.model
    known: dict[str, Any] = STANDARD if isinstance(data, Imaging) else VISIBILITIES
    name = _standard(recipe, data)
    if name not in known:
        kind = "images" if isinstance(data, Imaging) else "visibilities"
        raise ModelError(f"the standard model {name} is not for {kind}: use {' or '.join(known)}")
    return known[name](data)


def _standard(recipe: Recipe, data: Imaging | Interferometer) -> str:
    return recipe.fit.standard or ("parametric" if isinstance(data, Imaging) else "one_source")


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
    word = "numbers" if isinstance(problem.likelihood, InterferometerLikelihood) else "pixels "
    return [*lines, f"chi2 / {word}   {result.chi2:.1f} / {result.data_count} = {ratio:.3f}"]


def _with_errors(value: float, error: float, spread: float) -> str:
    text = f"{value:.5g} +- {error:.2g} arcsec"
    return text if math.isnan(spread) else f"{text}, +- {spread:.2g} over neighbouring models"
