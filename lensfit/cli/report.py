"""lensfit report."""
from __future__ import annotations

import argparse

from lensfit.report import write_report


def run(arguments: argparse.Namespace) -> int:
    """Write report.html of a run folder again, and print its path."""
    print(write_report(arguments.folder))
    return 0
