"""The short commands: inspect, report, export, simulate and compare."""
from __future__ import annotations

import argparse
import json
from typing import Any

import jax
import numpy as np

from lensfit.analysis import load
from lensfit.analysis.road import prepare_as
from lensfit.cli.ending import say
from lensfit.cli.fit import as_options, data_section, read_asked
from lensfit.cli.run_folder import Display, check_free, taken
from lensfit.comparison import compare as compare_fitters
from lensfit.comparison import markdown, write_comparison
from lensfit.datasets import write_imaging
from lensfit.errors import DataError, ModelError
from lensfit.model import LensModel
from lensfit.observations import read
from lensfit.recipe import DataSection, read_recipe
from lensfit.report import write_report
from lensfit.simulate import simulate_imaging
from lensfit.space import describe
from lensfit.whole_files import appearing, unwritable, written


def inspect(arguments: argparse.Namespace) -> int:
    """Print what is understood of the data, and write a picture where asked to."""
    if arguments.out is not None and not arguments.out.parent.is_dir():
        raise DataError(f"{arguments.out.parent}: no such folder; make it first")
    observation = read(data_section(arguments, DataSection())).region()
    for label, text in [*observation.describe(), *observation.field()]:
        say(f"{label + ' ':<13}{as_options(text)}")
    if arguments.out is not None:
        with written(arguments.out) as path:
            observation.figure().savefig(path)
        say(f"{'picture':<13}{arguments.out}")
    return 0


def report(arguments: argparse.Namespace) -> int:
    """Write report.html of a run folder again, and print its path."""
    try:
        path = write_report(arguments.folder)
    except OSError as error:
        raise unwritable(arguments.folder, error) from error
    say(str(path))
    return 0


def export(arguments: argparse.Namespace) -> int:
    """Write the model of a run in the format of another code, and print the path."""
    path = arguments.out or arguments.folder / "coolest.json"
    try:
        say(str(load(arguments.folder).write_coolest(path)))
    except OSError as error:
        raise unwritable(path, error) from error
    return 0


def simulate(arguments: argparse.Namespace) -> int:
    """Write the data of an observed model, and truth.json."""
    with taken(arguments.out):
        check_free(arguments.out)
        return _simulate(arguments)


def _simulate(arguments: argparse.Namespace) -> int:
    recipe = read_recipe(arguments.model)
    shape = recipe.instrument.shape
    if not isinstance(recipe.model, LensModel) or shape is None:
        needed = "a model of numbers of one dataset, and shape = [rows, columns] in [instrument]"
        raise ModelError(f"{arguments.model}: to simulate, give {needed}")
    imaging = simulate_imaging(recipe.model, recipe.instrument.instrument(), shape, seed=arguments.seed)
    with appearing(arguments.out, "data.fits") as made:
        text = json.dumps(truth(recipe.model), indent=1)
        (made / "truth.json").write_text(text + "\n", encoding="utf-8")
        write_imaging(imaging, made)
    say(str(arguments.out))
    return 0


def truth(model: LensModel) -> dict[str, dict[str, Any]]:
    """Value and unit of every number of a model, by its dotted name."""
    paths, _ = jax.tree_util.tree_flatten_with_path(model)
    known = [(describe(model, path), np.asarray(value, float).tolist()) for path, value in paths]
    return {parameter.name: {"value": value, "unit": parameter.unit} for parameter, value in known}


def compare(arguments: argparse.Namespace) -> int:
    """Run the fitters on the data, write tables and picture, print the table; 0 also where some did not arrive."""
    with taken(arguments.out):
        check_free(arguments.out)
        return _compare(arguments)


def _compare(arguments: argparse.Namespace) -> int:
    asked = read_asked(arguments)
    problem = prepare_as(asked.fit, asked.data, asked.model).problem
    with Display(arguments.quiet) as display:
        comparison = compare_fitters(
            problem, arguments.fitters, seeds=arguments.seeds, budget=arguments.budget, progress=display
        )
    with appearing(arguments.out, "compare.json") as made:
        write_comparison(made, comparison)
    if not arguments.quiet:
        say(markdown(comparison).rstrip("\n"))
    return 0
