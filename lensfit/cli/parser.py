"""The arguments of every command. Nothing heavy is imported here: --help answers at once."""
from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from lensfit import version
from lensfit.names import (
    FIGURE_CHOICES,
    IMAGE_MODELS,
    MASK_MEANINGS,
    MASSES,
    NAN_POLICIES,
    NOISE_MEANINGS,
    PRESETS,
    REGULARISATIONS,
    SIDES,
    SIGNS,
    SOURCES,
    STRUCTURES,
    VISIBILITY_MODELS,
)

CODES = """\
exit codes:
  0    a trusted fit, or the command did what it was asked
  1    unexpected error (its traceback is in the run folder's log.txt)
  2    wrong usage
  3    the data, the model, the output folder or standard output cannot be used
  4    the fit is NOT TRUSTED, or UNCHECKED; its results are written, the reasons printed
  5    the fit failed; of fit-many: every one
  130  interrupted; 143 and 129 where SIGTERM or SIGHUP did it
  141  nobody reads what it prints, as behind `| head`; files are written all the same
"""
GALAXY = "--galaxy"


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments of a command; wrong ones are told on standard error and end the process with 2."""
    parser = _make_parser()
    arguments = parser.parse_args(_joined(sys.argv[1:] if argv is None else argv))
    if arguments.command == "fit" and not arguments.data and arguments.model is None:
        parser.error("fit: no data; give DATA, or a --model file that names the data")
    if arguments.command == "fit" and arguments.out is None and (arguments.resume or arguments.overwrite):
        parser.error("fit: --resume and --overwrite are about a run folder; name it as --out")
    return arguments


def _joined(argv: Sequence[str]) -> list[str]:
    """The arguments with a place that begins with a minus joined to its option, which argparse takes for another."""
    made: list[str] = []
    for argument in argv:
        if made and made[-1] == GALAXY and argument.startswith("-") and "," in argument:
            made[-1] += f"={argument}"
        else:
            made.append(argument)
    return made


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lensfit",
        description="Strong lens modelling, from image or visibilities to a model that says whether it can be trusted.",
        epilog=CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lensfit {version.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_fit(commands)
    _add_fit_many(commands)
    _add_population(commands)
    _add_inspect(commands)
    _add_report(commands)
    _add_export(commands)
    _add_simulate(commands)
    _add_compare(commands)
    _add_bench(commands)
    _add_warm_up(commands)
    return parser


def _command(commands: argparse._SubParsersAction, name: str, text: str) -> argparse.ArgumentParser:
    return commands.add_parser(
        name, help=text, description=text, epilog=CODES, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def _add_fit(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "fit", "fit a model to an image or to visibilities, from the data alone")
    parser.add_argument(
        "data", metavar="DATA", type=Path, nargs="*",
        help="file or folder, or several of visibilities; may be left out where the --model file names the data",
    )
    _add_what_is_fitted(parser)
    parser.add_argument("--out", metavar="DIR", type=Path, help="run folder, new or empty; default: runs/NAME-DATE")
    folder = parser.add_mutually_exclusive_group()
    folder.add_argument("--overwrite", action="store_true", help="replace the files of an earlier run in DIR")
    folder.add_argument("--resume", action="store_true", help="go on with the interrupted run in DIR")
    parser.add_argument(
        "--live", action="store_true",
        help="draw data, model and residual into DIR/live.png while the fit runs, leave live.gif of how it converged",
    )
    parser.add_argument("--figures", choices=FIGURE_CHOICES, default="all",
                        help="all, the overview alone (and no maps), or all with a PDF beside each; default: all")
    parser.add_argument("--quiet", action="store_true", help="no progress, nothing on standard output")


def _add_fit_many(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "fit-many", "fit every lens of a catalogue; in the same folder again, go on")
    parser.add_argument(
        "catalogue", metavar="CATALOGUE", type=Path,
        help="ECSV, CSV, FITS, VOTable or Parquet table with columns name, path and any option below of single "
        "lenses; or a folder with a folder of data a lens",
    )
    _add_what_is_fitted(parser)
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder, new or of an earlier run")
    parser.add_argument("--quiet", action="store_true", help="no progress, nothing on standard output")
    group = parser.add_argument_group("many lenses")
    group.add_argument("--workers", metavar="N", type=_count, help="processes; default: one a core")
    group.add_argument("--scheduler", metavar="ADDRESS", help="of a dask cluster; default: workers are made here")
    group.add_argument("--memory", metavar="GIB", type=_seconds, help="most of a worker; default: its share")
    group.add_argument("--lens-timeout", metavar="SECONDS", type=_seconds, help="most for one lens; default: no limit")
    group.add_argument("--retries", metavar="N", type=_seed, default=1, help="for a lens whose worker died; default: 1")
    group.add_argument("--retry-failed", action="store_true", help="try lenses again that failed in an earlier run")
    group.add_argument("--figures", choices=FIGURE_CHOICES, default="overview", help="of each lens; default: overview")


def _add_what_is_fitted(parser: argparse.ArgumentParser) -> None:
    """What `fit` and `fit-many` have in common: data, and what [fit] of a recipe says."""
    _add_data_options(parser)
    _add_model_options(parser)
    group = parser.add_argument_group("source")
    told = "what the data ask for (default, of a standard model), the profiles of the model, or pixels"
    group.add_argument("--source", choices=SOURCES, help=told)
    group.add_argument("--mesh-pixels", metavar="N", type=_count, help="nodes along a side of the mesh; default: 28")
    group.add_argument("--regularisation", choices=REGULARISATIONS, help="default: gradient")
    group.add_argument("--positive", action="store_const", const=True, help="keep the source from being negative")
    parser.add_argument("--fitter", metavar="NAME", help="staged, importance, lm, emcee, dynesty, ...; default: staged")
    parser.add_argument("--seed", metavar="N", type=_seed, help="same seed, same result; default: 0")


def _add_population(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "population", "mean and intrinsic scatter of a parameter over many lenses")
    parser.add_argument("folder", metavar="DIR", type=Path, help="of fit-many, or with a run folder a lens")
    parser.add_argument("--parameter", metavar="NAME", default="slope", help="dotted, or its last part; default: slope")
    parser.add_argument("--no-outliers", action="store_true", help="all lenses are of the population")
    parser.add_argument("--out", metavar="DIR", type=Path, help="folder of its files; default: population in DIR")
    parser.add_argument("--quiet", action="store_true", help="nothing on standard output")


def _add_inspect(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "inspect", "show what is understood of data before they are fitted")
    parser.add_argument("data", metavar="DATA", type=Path, nargs="+", help="file or folder, several of visibilities")
    _add_data_options(parser)
    parser.add_argument("--out", metavar="FILE.png", type=_picture, help="write a picture of the data")


def _add_report(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "report", "make report.html of a run folder again")
    parser.add_argument("folder", metavar="DIR", type=Path, help="run folder that `lensfit fit` or Analysis.save wrote")


def _add_export(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "export", "write the model of a run in a format that other codes read")
    parser.add_argument("folder", metavar="RUN", type=Path, help="run folder that `lensfit fit` or Analysis.save wrote")
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument("--coolest", action="store_true", help="a template of COOLEST")
    parser.add_argument("--out", metavar="FILE.json", type=Path, help="default: coolest.json in RUN")


def _add_simulate(commands: argparse._SubParsersAction) -> None:
    told = f"observe a model: data with noise, and truth.json; presets of [instrument]: {', '.join(PRESETS)}"
    parser = _command(commands, "simulate", told)
    parser.add_argument("model", metavar="MODEL.toml", type=Path, help="recipe of numbers with [instrument]")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder, new or empty")
    parser.add_argument("--seed", metavar="N", type=_seed, default=0, help="of the noise; default: 0")


def _add_compare(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "compare", "run several fitters on the same data, show what each costs and finds")
    parser.add_argument(
        "data", metavar="DATA", type=Path, nargs="+", help="file or folder, or several of visibilities"
    )
    _add_data_options(parser)
    _add_model_options(parser)
    parser.add_argument("--fitters", metavar="A,B,C", type=_words, required=True, help="names, as staged,lm,emcee")
    parser.add_argument(
        "--budget", metavar="SECONDS", type=_seconds, default=60.0,
        help="CPU time of each run, compilation not counted; one that needs more is stopped and shown; default: 60",
    )
    parser.add_argument("--seeds", metavar="N", type=_count, default=2, help="runs of each fitter; default: 2")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder, new or empty")
    parser.add_argument("--quiet", action="store_true", help="no progress, nothing on standard output")


def _add_bench(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "bench", "measure ways to compute w_tilde or F, in NumPy, numba, JAX and lensfit")
    whats = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    for name, text in (("w-tilde", "w_tilde of mock tracks"), ("curvature", "F = T^T w_tilde T of a mock source")):
        what = whats.add_parser(name, help=text, description=text)
        what.add_argument("--grid", metavar="N", type=_count, default=64, help="pixels a side; default: 64")
        what.add_argument("--visibilities", metavar="K", type=_count, default=32768, help="default: 32768")
        if name == "curvature":
            what.add_argument("--source-pixels", metavar="S", type=_count, default=256, help="default: 256")
            what.add_argument("--weights", metavar="B", type=_count, default=3, help="of a pixel; default: 3")
        what.add_argument("--memory", metavar="GIB", type=float, default=4.0, help="most to use; default: 4")
        what.add_argument("--json", metavar="FILE", type=Path, help="write the rows")
        what.add_argument("--out", metavar="FILE.png", type=_picture, help="write a picture of the table")


def _add_warm_up(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "warm-up", "make the compiled programs ahead that fits of such data will need")
    parser.add_argument(
        "data", metavar="DATA", type=Path, nargs="*",
        help="file or folder of a lens each; one of each shape is fitted; default: the data of the --model file, else "
        "simulated images",
    )
    _add_data_options(parser)
    parser.add_argument("--stamp", metavar="N", type=_count, action="append",
                        help="pixels along a side of a simulated image; may be repeated; default: 80, 120, 150, 200")
    _add_model_options(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress, nothing on standard output")


def _add_data_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("data")
    for name, what in (("noise", "noise map"), ("psf", "PSF"), ("mask", "mask, 1 = left out")):
        group.add_argument(f"--{name}", metavar="FILE[EXT]", type=Path, help=f"{what}; default: found at DATA")
    group.add_argument("--mask-is", choices=MASK_MEANINGS, help="what 1 means in the mask; default: masked")
    group.add_argument("--plane", metavar="K", type=_seed, help="plane of a cube, counted from 0")
    _add_region_options(group)
    group.add_argument("--pixel-scale", metavar="S", type=float, help="arcsec per pixel; default: the file's")
    group.add_argument(
        "--zero-point", metavar="M", type=float,
        help="AB magnitude of a datum of 1 in one pixel; default: the header's, or that of the unit",
    )
    group.add_argument("--nan", choices=NAN_POLICIES, help="pixels that hold no number; default: error")
    group.add_argument(
        "--psf-center", action="store_const", const=True, help="move the PSF so that its centroid is in its centre"
    )
    group.add_argument(
        "--noise-is", choices=NOISE_MEANINGS, help="what the numbers of the noise map are; default: told by its name"
    )
    group.add_argument(
        "--noise-scale", metavar="F", type=_scale,
        help="multiply the noise, and take it as it is then; auto: by what the scatter of visibilities says",
    )
    _add_redshifts_and_visibilities(parser)


def _add_region_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--center", metavar=("X", "Y"), type=float, nargs=2,
        help="where the lens is [arcsec]; default: the brightest place in the middle of the image",
    )
    group.add_argument(
        "--center-sky", metavar=("RA", "DEC"), type=float, nargs=2, help="the same on the sky [degrees]"
    )
    group.add_argument(
        "--cutout", metavar="R", type=float, help="use the pixels within R arcsec of it along both axes alone"
    )
    group.add_argument(
        "--mask-radius", metavar="R", type=float,
        help="use the disc of R arcsec about the lens or, without --center, about the origin; "
        "default, without --mask: chosen from the data",
    )
    group.add_argument(
        GALAXY, metavar="X,Y[,light|mass|both]", dest="galaxies", action="append",
        help="a further galaxy of the model, a satellite or a second lens, at X,Y [arcsec]; may be repeated; "
        "default: both",
    )


def _add_redshifts_and_visibilities(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("redshifts, for lengths, masses and velocities")
    group.add_argument("--redshift-lens", metavar="Z", type=_seconds, help="default: that of info.json, if it has one")
    group.add_argument("--redshift-source", metavar="Z", type=_seconds, help="likewise")
    group.add_argument(
        "--cosmology", metavar="NAME", help='of astropy.cosmology, or "H0=70, Om0=0.3"; default: Planck18'
    )
    group = parser.add_argument_group("visibilities")
    group.add_argument("--sign", type=int, choices=SIGNS, help="of V = sum I exp(sign 2 pi i (u l + v m))")
    group.add_argument("--east", choices=SIDES, help="side of the image to which l (East) counts")
    group.add_argument("--wavelength", metavar="M", type=float, help="in metres, where u and v are in metres")
    group.add_argument("--field", metavar="NAME", help="the lens, by name or number, in a UVFITS of several sources")
    group.add_argument("--primary-beam", metavar="W", type=float, help="full width at half maximum [arcsec]")
    group.add_argument(
        "--antenna-phases", action="store_const", const=True, help="fit the phases of the antennas with the model"
    )


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--model", metavar="FILE.toml", type=Path, help="recipe, as the recipe.toml of a run")
    model.add_argument(
        "--standard", choices=(*IMAGE_MODELS, *VISIBILITY_MODELS),
        help=f"model to start from; default: {IMAGE_MODELS[0]}, for visibilities {VISIBILITY_MODELS[0]}",
    )
    parser.add_argument(
        "--mass", choices=MASSES,
        help="its main mass: isothermal, or a power law whose slope is free; default: epl of flexible, else sie",
    )
    for what, word in (("light", "lens light"), ("source", "source")):
        parser.add_argument(
            f"--{what}-bands", choices=STRUCTURES,
            help=f"shape of its {word} in several bands: of each its own, one of smoothly changing size, or one; "
            "default: own",
        )


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 on")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return value


def _scale(text: str) -> float | str:
    if text == "auto":
        return text
    try:
        return _seconds(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}, nor is it auto") from None


def _picture(text: str) -> Path:
    if Path(text).suffix not in (".png", ".pdf", ".svg"):
        raise argparse.ArgumentTypeError(f"{text!r} does not end in .png, .pdf or .svg")
    return Path(text)
