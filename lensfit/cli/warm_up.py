"""lensfit warm-up: the compiled programs that fits will need, made ahead."""
from __future__ import annotations

import argparse
import dataclasses
from typing import cast

from lensfit.analysis.warming import STAMPS, warm_up
from lensfit.cli.ending import say
from lensfit.cli.fit import data_section
from lensfit.cli.run_folder import Display
from lensfit.errors import ModelError
from lensfit.recipe import DataSection, read_recipe


def run(arguments: argparse.Namespace) -> int:
    """Walk the road once for each shape, and say what it took."""
    if arguments.data and arguments.stamp:
        raise ModelError("give DATA, or --stamp for images that are simulated, not both")
    model, mass = arguments.standard, arguments.mass
    if arguments.model is not None:
        recipe = read_recipe(arguments.model)
        model, mass = recipe.model or recipe.fit.standard, mass or recipe.fit.mass
    folders, arguments.data = arguments.data, None
    section = cast(DataSection, data_section(arguments, DataSection()))
    data = [dataclasses.replace(section, path=folder) for folder in folders]
    with Display(arguments.quiet) as display:
        stamps = arguments.stamp or STAMPS
        for number, done in enumerate(warm_up(data, model, mass=mass, stamps=stamps, progress=display)):
            name = str(folders[number]) if folders else done.name
            said = "of a shape that was there" if done.known else f"{done.cpu_seconds:.1f} CPU s"
            if not arguments.quiet:
                say(f"{name}: {said}")
    return 0
