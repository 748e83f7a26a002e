"""lensfit population: mean and intrinsic scatter of a parameter over the lenses of a folder."""
from __future__ import annotations

import argparse

from lensfit.cli.ending import say
from lensfit.population import fit_population
from lensfit.whole_files import unwritable


def run(arguments: argparse.Namespace) -> int:
    """Infer it, write files, print the summary."""
    found = fit_population(arguments.folder, arguments.parameter, outliers=not arguments.no_outliers)
    out = arguments.out or arguments.folder / "population"
    try:
        found.save(out)
    except OSError as error:
        raise unwritable(out, error) from error
    if not arguments.quiet:
        say(found.summary())
        say(f"{'folder':<9}{out}")
    return 0
