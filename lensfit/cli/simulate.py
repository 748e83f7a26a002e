"""lensfit simulate."""
from __future__ import annotations

import argparse
import json
from typing import Any

import jax
import numpy as np

from lensfit.cli._folder import appearing, check_free
from lensfit.datasets import write_imaging
from lensfit.errors import ModelError
from lensfit.model import LensModel
from lensfit.recipe import read_recipe
from lensfit.simulate import simulate_imaging
from lensfit.space import describe


def run(arguments: argparse.Namespace) -> int:
    """Write the data of an observed model, and truth.json."""
    check_free(arguments.out)
    recipe = read_recipe(arguments.model)
    shape = recipe.instrument.shape
    if recipe.model is None or shape is None:
        needed = "a model of numbers, and shape = [rows, columns] in [instrument]"
        raise ModelError(f"{arguments.model}: to simulate, give {needed}")
    imaging = simulate_imaging(recipe.model, recipe.instrument.instrument(), shape, seed=arguments.seed)
    with appearing(arguments.out, "data.fits") as made:
        text = json.dumps(truth(recipe.model), indent=1)
        (made / "truth.json").write_text(text + "\n", encoding="utf-8")
        write_imaging(imaging, made)
    print(arguments.out)
    return 0


def truth(model: LensModel) -> dict[str, dict[str, Any]]:
    """Value and unit of every number of a model, by its dotted name."""
    paths, _ = jax.tree_util.tree_flatten_with_path(model)
    known = [(describe(model, path), np.asarray(value, float).tolist()) for path, value in paths]
    return {parameter.name: {"value": value, "unit": parameter.unit} for parameter, value in known}
