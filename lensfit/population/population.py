"""The population of a folder of runs: of the trusted lenses alone, and of all; with files of it."""
from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from lensfit.population.figure import population_figure
from lensfit.population.hierarc import hierarc_table
from lensfit.population.inference import Population, infer
from lensfit.population.posteriors import read_posteriors
from lensfit.priors import Prior
from lensfit.whole_files import replacing

LEAST = 3
"""Lenses from which on a mean and a scatter are inferred."""
NAMES = ("population.json", "population.png", "population.pdf", "hierarc.csv")
WARNING = (
    "the verdict is a cut: it takes lenses whose arcs tell much, and what it leaves out may differ in this parameter; "
    "compare both, and simulate the cut before its mean is called that of galaxies"
)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Populations:
    """`trusted`: of the trusted lenses, None where they are fewer than three; `all`: of every lens; what was left out
    as `notes`; `folder`: of the runs."""

    folder: Path
    trusted: Population | None
    all: Population
    notes: tuple[str, ...] = ()

    @property
    def found(self) -> dict[str, Population]:
        """Those that there are, by what they are of."""
        every = {"trusted": self.trusted, "all": self.all}
        return {word: one for word, one in every.items() if one is not None}

    def __repr__(self) -> str:
        return f"<Populations: {self.found}>"

    def summary(self) -> str:
        """Mean, intrinsic scatter and share of outliers of each, in a few lines."""
        rows = [self.all.parameter]
        for word, one in self.found.items():
            outliers = f"outliers {100 * one.outliers.median:.0f} %, below {100 * one.outliers.high:.0f} %"
            rows.append(f"{word:<9}{len(one.lenses)} lenses: mean {one.mean}, scatter {one.scatter}, {outliers}")
        if self.trusted is not None and len(self.trusted.lenses) < len(self.all.lenses):
            shift = self.trusted.mean.value - self.all.mean.value
            rows.append(f"the cut moves the mean by {shift:+.3f}: {WARNING}")
        left = len(self.notes)
        return "\n".join(rows + ([f"{left} lenses say nothing: {self.notes[0]}, ..."] if left else []))

    def save(self, folder: str | Path) -> Path:
        """Write population.json, the figure as PNG and PDF, and hierarc.csv into a folder; give it.

        Raises:
            OSError: it cannot be written to.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / NAMES[0]) as path:
            path.write_text(json.dumps(self.document(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
        for name in NAMES[1:3]:
            with replacing(folder / name) as path:
                population_figure(self.found).savefig(path, format=name.rpartition(".")[2])
        with replacing(folder / NAMES[3]) as path:
            hierarc_table(self.folder, self.all.lenses).write(path, format="ascii.csv")
        return folder

    def document(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {"parameter": self.all.parameter, "notes": list(self.notes), "warning": WARNING,
                **{word: _document(one) for word, one in self.found.items()}}  # fmt: skip


def fit_population(
    folder: str | Path, parameter: str = "slope", *, interim: Prior | None = None, outliers: bool = True
) -> Populations:
    """Mean and intrinsic scatter of a parameter over the lenses of a folder, trusted alone and all.

    Args:
        folder: of `fit-many`, or one with a run folder a lens.
        parameter: by its dotted name, or its last part where that names one alone.
        interim: the prior that the fits had, by default that of each run's recipe.
        outliers: whether some lenses may be of no population.

    Returns:
        The population of all lenses and that of the trusted ones, with their draws; `save` writes them.

    Raises:
        DataError: no run is there. ModelError: no lens has the parameter. FitError: fewer than three have.
    """
    lenses, notes = read_posteriors(folder, parameter, interim)
    inside = Path(folder) / "lenses"
    every = infer(parameter, lenses, outliers=outliers)
    chosen = [lens for lens in lenses if lens.trusted]
    trusted = None
    if len(chosen) >= LEAST:
        trusted = infer(parameter, chosen, outliers=outliers, low=every.low, high=every.high)
    return Populations(inside if inside.is_dir() else Path(folder), trusted, every, notes)


def _document(one: Population) -> dict[str, Any]:
    rows = [{"name": lens.name, "value": lens.value, "error": lens.error, "trusted": lens.trusted,
             "belongs": float(share)} for lens, share in zip(one.lenses, one.belongs, strict=True)]  # fmt: skip
    hyper = {name: dataclasses.asdict(getattr(one, name)) for name in ("mean", "scatter", "outliers")}
    covariance = np.cov(one.draws[:, :2], rowvar=False).tolist()
    return {**hyper, "covariance_of_mean_and_scatter": covariance, "lenses": rows, "between": [one.low, one.high]}
