"""The command line: arguments in, library calls, exit codes out.

Exit codes: 0 a trusted fit, or the command did what it was asked; 1 unexpected error; 2 wrong usage;
3 the data, the model, the output folder or standard output cannot be used; 4 a fit that is NOT TRUSTED, or UNCHECKED
(its results are written); 5 the fit failed; 130 interrupted; 143, 129 ended by SIGTERM, SIGHUP; 141 nobody reads what
it prints.
"""
from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lensfit.cli.ending import Unheard, complain, flush_output, heeding_signals, unheard
from lensfit.cli.parser import parse
from lensfit.errors import DataError, FitError, ModelError
from lensfit.names import ONE_THREAD
from lensfit.start_up import setup

COMMANDS = {
    "fit": ("fit", "run"),
    "fit-many": ("fit_many", "run"),
    "bench": ("bench", "run"),
    "warm-up": ("warm_up", "run"),
    "population": ("population", "run"),
    **{name: ("commands", name) for name in ("inspect", "report", "export", "simulate", "compare")},
}
"""Of each command its module and function, imported when it is called."""
HEAP = 100_000
"""New objects after which Python looks for dead ones in cycles. Its own 700 cost an eighth of a short fit: nearly all
that imports and programs make lives as long as the command."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code; wrong usage raises SystemExit(2) as argparse does."""
    with heeding_signals() as came, _collecting_seldom():
        try:
            try:
                return _run(argv)
            finally:
                flush_output()
        except Unheard as error:
            return unheard(error)
        except KeyboardInterrupt as error:
            complain("; ".join(["interrupted", *map(str, error.args)]))
            return 128 + (came[0] if came else signal.SIGINT)


@contextmanager
def _collecting_seldom() -> Iterator[None]:
    """`HEAP` for this command; nothing is changed where Python was told to look less often, or not at all."""
    first, *rest = gc.get_threshold()
    gc.set_threshold(max(first, HEAP) if first else first, *rest)
    try:
        yield
    finally:
        gc.set_threshold(first, *rest)


def _run(argv: Sequence[str] | None) -> int:
    arguments = parse(argv)
    if arguments.command == "bench" and "numba" not in sys.modules:  # numba refuses another number later
        os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        setup()
        module, function = COMMANDS[arguments.command]
        return getattr(importlib.import_module(f"lensfit.cli.{module}"), function)(arguments)
    except (DataError, ModelError) as error:
        complain(importlib.import_module("lensfit.cli.fit").as_options(str(error)))
        return 3
    except FitError as error:
        complain(str(error))
        return 5
    except Unheard:
        raise
    except Exception as error:
        notes = getattr(error, "__notes__", [])
        if not notes:
            traceback.print_exc()
        complain("; ".join([f"unexpected {type(error).__name__}: {error}", *notes]))
        return 1
