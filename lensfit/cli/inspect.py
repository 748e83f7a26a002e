"""lensfit inspect."""
from __future__ import annotations

import argparse
from functools import partial

from lensfit.cli._data import as_options, data_section, read_data
from lensfit.cli._visibilities import are_visibilities, read_observations
from lensfit.errors import DataError
from lensfit.plots import inspect_figure, inspect_visibilities
from lensfit.recipe import DataSection
from lensfit.results import replacing


def run(arguments: argparse.Namespace) -> int:
    """Print what is understood of the data, and write a picture where asked to."""
    if arguments.out is not None and not arguments.out.parent.is_dir():
        raise DataError(f"{arguments.out.parent}: no such folder; make it first")
    section = data_section(arguments, DataSection())
    if are_visibilities(section):
        observations = read_observations(section)
        datasets, figure = observations.datasets, partial(inspect_visibilities, observations)
    else:
        imaging = read_data(section)
        datasets, figure = (imaging,), partial(inspect_figure, imaging)
    for label, text in (row for data in datasets for row in data.describe()):
        print(f"{label:<13}{as_options(text)}")
    if arguments.out is not None:
        with replacing(arguments.out) as path:
            figure().savefig(path)
        print(f"{'picture':<13}{arguments.out}")
    return 0
