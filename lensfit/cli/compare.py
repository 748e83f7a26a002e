"""lensfit compare."""
from __future__ import annotations

import argparse

from lensfit.cli._folder import appearing, check_free
from lensfit.cli._log import Display
from lensfit.cli.fit import read_task
from lensfit.comparison import compare, markdown, write_comparison


def run(arguments: argparse.Namespace) -> int:
    """Run the fitters on the data, write tables and picture, print the table; 0 also where some did not arrive."""
    check_free(arguments.out)
    problem = read_task(arguments).problem
    with Display(arguments.quiet) as display:
        comparison = compare(
            problem, arguments.fitters, seeds=arguments.seeds, budget=arguments.budget, progress=display
        )
    with appearing(arguments.out, "compare.json") as made:
        write_comparison(made, comparison)
    if not arguments.quiet:
        print(markdown(comparison), end="")
    return 0
