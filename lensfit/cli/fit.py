"""lensfit fit: arguments in, the road from data to verdict, an exit code out."""
from __future__ import annotations

import argparse
import dataclasses
import datetime
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from lensfit import version
from lensfit.analysis import Analysis
from lensfit.analysis.road import road_as
from lensfit.cli.ending import complain, say
from lensfit.cli.live import Live
from lensfit.cli.run_folder import CHECKPOINT, NAME, Display, RunLog, check_free, check_resumable, logger, taken
from lensfit.datasets.array_choice import Address
from lensfit.errors import DataError, ModelError
from lensfit.fitters.checkpoint import Store
from lensfit.model import AnyModel
from lensfit.names import MESH_OPTIONS, Figures
from lensfit.observations import Sections
from lensfit.recipe import DataSection, FitSection, Recipe, read_recipe
from lensfit.results import check_run
from lensfit.results.files import MADE, REPORT

NO_OPTION = {"path", "more", "shape", "origin"}
NO_FIT_OPTION = {"settings", "mesh"}
"""Fields of [fit] that no option has for a name: the former are a recipe's, the latter has an option for each."""
NAMES = "|".join(f.name for f in dataclasses.fields(DataSection) if f.name not in NO_OPTION)
ARGUMENT = re.compile(rf"(?<![^ (])({NAMES})=(?:'(\w+)'|(-?[\d.]+(?:e-?\d+)?)|\(([^()]*)\)|True)?")
"""An argument of a reader as its messages write it: `pixel_scale=`, `nan='mask'` or `psf_center=True`."""
REPEATED = {"galaxies": "galaxy"}
"""Options that say one of the things of which an argument lists all."""


@dataclasses.dataclass(frozen=True)
class Asked:
    """What the arguments, and the recipe where they name one, ask for."""

    data: Sections
    model: AnyModel | None
    fit: FitSection


def run(arguments: argparse.Namespace) -> int:
    """Fit, write the run folder, print the verdict: 0 where it is trusted, else 4."""
    if arguments.out is None:
        arguments.out = new_folder(arguments)
    with taken(arguments.out):
        _check_out(arguments)
        return _fit(arguments)


def new_folder(arguments: argparse.Namespace) -> Path:
    """runs/NAME-DATE for a run that names no folder: NAME of the data, or of the recipe that names them."""
    first = Address.of(arguments.data[0]).file if arguments.data else arguments.model
    name = re.sub(r"[^\w.+-]", "_", Path(first).resolve().name.partition(".")[0]) or "run"
    return Path("runs") / f"{name}-{datetime.datetime.now():%Y%m%d-%H%M%S}"


def _fit(arguments: argparse.Namespace) -> int:
    folder = arguments.out
    store = Store(folder / CHECKPOINT)
    with RunLog(folder, "a" if arguments.resume or arguments.overwrite else "w") as log:
        logger.info("lensfit %s: %s", version.__version__, shlex.join(sys.argv))
        asked = read_asked(arguments)
        begun, steps = road_as(asked.fit, asked.data, asked.model, checkpoint=store)
        if arguments.live:
            _check_live(begun, asked)
        if not arguments.resume:
            store.discard()
        log.open()
        with Display(arguments.quiet) as display:
            live = Live(folder, begun, display) if arguments.live else None
            done = begun.along(steps, live or display)
        _save(done, folder, arguments.figures)
        if live is not None:
            live.finish(done)
        store.discard()
        lines = [*done.summary().splitlines(), *(f"{'note':<17}{as_options(note)}" for note in done.notes)]
        lines.append(f"{'report':<17}{folder / REPORT}")
        for line in lines:
            logger.info(line)
    if not arguments.quiet:
        say("\n".join(lines))
    elif not done.trust.trusted:
        complain("\n  ".join([done.trust.headline, *done.trust.reasons]))
    return 0 if done.trust.trusted else 4


def _save(done: Analysis, folder: Path, figures: Figures) -> None:
    """Write the run folder; where that cannot be, the results are kept among the temporary files, and that is told."""
    try:
        done.save(folder, figures)
    except DataError as error:
        rescued = Path(tempfile.mkdtemp(prefix="lensfit-results-"))
        try:
            done.save(rescued, figures)
        except DataError:  # there is no room there either
            shutil.rmtree(rescued, ignore_errors=True)
            raise error from None
        raise DataError(f"{error}. The results of this fit are in {rescued}") from error


def _check_out(arguments: argparse.Namespace) -> None:
    if arguments.resume:
        check_resumable(arguments.out)
    elif arguments.overwrite:
        check_run(arguments.out, {NAME, *MADE})
    else:
        check_free(arguments.out, "choose another folder as --out, or add --overwrite")


def _check_live(begun: Analysis, asked: Asked) -> None:
    if asked.fit.source == "pixels":
        raise ModelError("--live shows sources of profiles; leave it out for a source on pixels")
    if not begun.observation.drawn_live:
        raise ModelError(f"--live shows fits of images; leave it out for {begun.observation.kind}")


def read_asked(arguments: argparse.Namespace) -> Asked:
    """Data, model and settings of the fit that are asked for. Raises ModelError where they cannot be had."""
    recipe = recipe_of(arguments)
    data = data_section(arguments, recipe.data)
    if isinstance(data, DataSection) and data.path is None:
        raise ModelError(f"{arguments.model or 'fit'}: no data; give DATA, or path in [data] of the recipe")
    return Asked(data, recipe.model, recipe.fit)


def recipe_of(arguments: argparse.Namespace) -> Recipe:
    """The recipe that is named, [fit] as the options of the command say. Raises ModelError where it holds no model."""
    if arguments.model is None:
        recipe = Recipe()
    else:
        recipe = read_recipe(arguments.model)
        if recipe.model is None and recipe.fit.standard is None:
            raise ModelError(f"{arguments.model}: no model; give its profiles, or standard in [fit]")
        if recipe.model is not None and arguments.mass is not None:
            raise ModelError(f"{arguments.model}: holds masses of its own; leave --mass out, or change them there")
        if recipe.model is not None and arguments.galaxies:
            raise ModelError(
                f"{arguments.model}: holds profiles of its own, and --galaxy adds to a standard model; give light and "
                "mass of the galaxy there, or leave --model out"
            )
    options = [f.name for f in dataclasses.fields(FitSection) if f.name not in NO_FIT_OPTION]
    given = {name: getattr(arguments, name, None) for name in options}
    said = {name: getattr(arguments, option, None) for option, name in MESH_OPTIONS.items()}
    mesh = {name: value for name, value in said.items() if value is not None}
    if mesh:
        given["mesh"] = (recipe.fit.mesh or {}) | mesh
    made = dataclasses.replace(recipe.fit, **{k: v for k, v in given.items() if v is not None})
    return dataclasses.replace(recipe, fit=made)


def data_section(arguments: argparse.Namespace, base: Sections) -> Sections:
    """What the arguments name; what they leave out is as in `base`, unless they name other data.

    Raises:
        ModelError: they say of several data that `base` names what belongs to one of them.
    """
    options = {f.name: getattr(arguments, f.name, None) for f in dataclasses.fields(DataSection)}
    if arguments.data:
        options |= {"path": arguments.data[0], "more": tuple(arguments.data[1:])}
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in options.items() if v is not None}
    if not isinstance(base, DataSection):
        if "path" not in given:
            return _of_several(given, base)
        base = DataSection()
    for one, other in (("center", "center_sky"), ("center_sky", "center")):
        if one in given:
            base = dataclasses.replace(base, **{other: None})
    return dataclasses.replace(DataSection() if "path" in given else base, **given)


def _of_several(given: dict[str, Any], base: Sections) -> Sections:
    if given:
        options = ", ".join(f"--{REPEATED.get(name, name).replace('_', '-')}" for name in given)
        raise ModelError(f"{options}: the recipe names several data; write it into the [data.NAME] that it is of")
    return base


def as_options(message: str) -> str:
    """A message of a reader with its arguments as the options of a command: `--pixel-scale`, `--nan mask`."""

    def option(match: re.Match[str]) -> str:
        value = match[2] or match[3] or (match[4] or "").replace(",", "")
        name = "--" + REPEATED.get(match[1], match[1]).replace("_", "-")
        return f"{name} {value}" if value else name

    return ARGUMENT.sub(option, message)
