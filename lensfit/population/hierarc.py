"""A table of lenses as hierArc takes them: redshifts, Einstein radius, slope, effective radius, each with its error."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.table import Table

from lensfit.analysis import Analysis, load
from lensfit.population.posteriors import LensPosterior

COLUMNS = ("name", "z_lens", "z_source", "theta_E", "theta_E_error", "gamma", "gamma_error", "r_eff", "r_eff_error",
           "trusted")  # fmt: skip


def hierarc_table(folder: Path, lenses: Sequence[LensPosterior]) -> Table:
    """A row a lens: z_lens, z_source, theta_E [arcsec], gamma, r_eff [arcsec] of the largest light profile.

    What is not known is NaN; errors are total errors.
    """
    rows = [row(lens, load(folder / lens.name)) for lens in lenses]
    return Table(rows=rows, names=COLUMNS)


def row(lens: LensPosterior, done: Analysis) -> tuple[object, ...]:
    """One lens."""
    result, radius = done.fitted, done.einstein_radius
    spread = np.where(np.isnan(result.spread), 0.0, result.spread)
    total = dict(zip(result.names, np.hypot(result.errors, spread), strict=True))
    redshifts = done.redshifts
    known = [np.nan if z is None else z for z in ((None, None) if redshifts is None
                                                  else (redshifts.lens, redshifts.source))]  # fmt: skip

    def largest(group: str, last: str) -> tuple[float, float]:
        found = [name for name in result.names if name.startswith(f"{group}.") and name.endswith(f".{last}")]
        name = max(found, key=lambda one: result[one], default=None)
        return (np.nan, np.nan) if name is None else (result[name], float(total[name]))

    return (lens.name, *known, radius.value, radius.total, *largest("mass", "slope"),
            *largest("light", "effective_radius"), lens.trusted)  # fmt: skip
