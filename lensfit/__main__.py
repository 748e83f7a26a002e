"""`python -m lensfit` is the command `lensfit`."""
from __future__ import annotations

import sys

from lensfit.cli import main

if __name__ == "__main__":
    sys.exit(main())
