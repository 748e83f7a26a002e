"""lensfit warm-up: the compiled programs that fits will need, made ahead."""
from __future__ import annotations

import argparse
import dataclasses
from typing import cast

from lensfit.analysis.sections import paths_of
from lensfit.analysis.warming import STAMPS, warm_up_as
from lensfit.cli.ending import say
from lensfit.cli.fit import data_section, recipe_of
from lensfit.cli.run_folder import Display
from lensfit.errors import ModelError
from lensfit.observations import Sections
from lensfit.recipe import DataSection, Recipe


def run(arguments: argparse.Namespace) -> int:
    """Walk the road once for each shape, and say what it took."""
    if arguments.data and arguments.stamp:
        raise ModelError("give DATA, or --stamp for images that are simulated, not both")
    recipe = recipe_of(arguments)
    lenses = _lenses(arguments, recipe)
    with Display(arguments.quiet) as display:
        made = warm_up_as(
            recipe.fit, lenses, recipe.model, stamps=arguments.stamp or STAMPS, progress=display
        )
        for number, done in enumerate(made):
            name = paths_of(lenses[number]) if lenses else done.name
            said = "of a shape that was there" if done.known else f"{done.cpu_seconds:.1f} CPU s"
            if not arguments.quiet:
                say(f"{name}: {said}")
    return 0


def _lenses(arguments: argparse.Namespace, recipe: Recipe) -> list[Sections]:
    """What is named, a lens each; or the one of the recipe; none where images are to be simulated."""
    if arguments.data:
        folders, arguments.data = arguments.data, None
        section = cast(DataSection, data_section(arguments, DataSection()))
        return [dataclasses.replace(section, path=folder) for folder in folders]
    if arguments.stamp or (isinstance(recipe.data, DataSection) and recipe.data.path is None):
        return []
    return [data_section(arguments, recipe.data)]
