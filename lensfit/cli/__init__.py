"""The command line: arguments in, library calls, exit codes out.

Exit codes: 0 a trusted fit, or the command did what it was asked; 1 unexpected error; 2 wrong usage;
3 the data, the model or the output folder cannot be used; 4 a fit that is NOT TRUSTED, or UNCHECKED (its results
are written); 5 the fit failed; 130 interrupted.
"""
from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence

from lensfit.cli.parser import parse
from lensfit.errors import DataError, FitError, ModelError
from lensfit.start_up import setup

COMMANDS = {
    "fit": ("fit", "run"),
    "bench": ("bench", "run"),
    **{name: ("commands", name) for name in ("inspect", "report", "simulate", "compare")},
}
"""Of each command its module and function, imported when it is called."""
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Read when numpy and numba are imported; a benchmark of one core sets them."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code; wrong usage raises SystemExit(2) as argparse does."""
    arguments = parse(argv)
    if arguments.command == "bench" and "numba" not in sys.modules:  # numba refuses another number later
        os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        setup()
        module, function = COMMANDS[arguments.command]
        return getattr(importlib.import_module(f"lensfit.cli.{module}"), function)(arguments)
    except (DataError, ModelError) as error:
        return _say(importlib.import_module("lensfit.cli.fit").as_options(str(error)), 3)
    except FitError as error:
        return _say(str(error), 5)
    except KeyboardInterrupt as error:
        return _say("; ".join(["interrupted", *map(str, error.args)]), 130)
    except Exception as error:
        notes = getattr(error, "__notes__", [])
        if not notes:
            traceback.print_exc()
        return _say("; ".join([f"unexpected {type(error).__name__}: {error}", *notes]), 1)


def _say(message: str, code: int) -> int:
    print(f"lensfit: {message}", file=sys.stderr)
    return code
