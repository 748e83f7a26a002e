"""lensfit fit-many: a catalogue in, a table with a verdict a lens out."""
from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

from lensfit.cli.ending import say
from lensfit.cli.run_folder import RunLog
from lensfit.survey import OPTIONS, Lines, analyse_many, read_catalogue
from lensfit.survey.tables import ECSV
from lensfit.words import counted

logger = logging.getLogger("lensfit")


def run(arguments: argparse.Namespace) -> int:
    """Fit all lenses: 0 where each has its row in the table, 5 where not one could be fitted."""
    with Lines(arguments.quiet) as lines, RunLog(arguments.out, "a") as log:
        lenses = read_catalogue(arguments.catalogue, _options(arguments))
        log.open()
        survey = analyse_many(
            lenses,
            arguments.out,
            seed=arguments.seed or 0,
            workers=arguments.workers,
            scheduler=arguments.scheduler,
            memory=arguments.memory,
            lens_timeout=arguments.lens_timeout,
            retries=arguments.retries,
            retry_failed=arguments.retry_failed,
            figures=arguments.figures,
            progress=lines,
        )
        logger.info("%s", survey.tally)
    if not arguments.quiet:
        tally = survey.tally
        rest = tally.done - tally.trusted
        say(f"{counted(tally.total, 'lens', 'lenses')}: {tally.trusted} trusted, {rest} not, {tally.failed} failed")
        say(f"{'table':<17}{survey.folder / ECSV}")
        say(f"{'page':<17}{survey.index}")
    return 0 if survey.tally.done else 5


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of a fit that are given for all lenses; their paths start from here."""
    given = {name: getattr(arguments, name, None) for name in OPTIONS}
    return {name: value.absolute() if isinstance(value, Path) else value for name, value in given.items()
            if value is not None}  # fmt: skip
