"""What a worker does with one lens: the road of `lensfit fit`, its run folder, and a row of numbers."""
from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import numpy as np

from lensfit.analysis import Analysis
from lensfit.analysis.road import road_as
from lensfit.errors import ModelError
from lensfit.names import Figures
from lensfit.progress import in_words
from lensfit.recipe import Recipe, read_recipe
from lensfit.results import read_document
from lensfit.results.derived import RADIUS
from lensfit.start_up import setup
from lensfit.survey.catalogue import Lens
from lensfit.survey.thumbnail import write_thumbnail
from lensfit.trust.kinds import KINDS

VERSIONS = ("lensfit", "jax", "numpy")
"""The packages whose versions a row tells."""
QUANTITY = ("value", "error", "spread", "total", "unit")
"""What a row tells of a quantity."""
logger = logging.getLogger("lensfit")


def fit_lens(lens: Lens, folder: Path, seed: int, figures: Figures = "overview") -> dict[str, Any]:
    """Fit one lens as `lensfit fit` does, save the run with these figures into a folder, and give its row.

    Raises:
        DataError: the data cannot be used. ModelError: the model or an option cannot. FitError: the fit failed.
    """
    setup()
    done = fitted(lens, seed)
    done.save(folder, figures)
    for line in (*done.summary().splitlines(), *(f"note: {note}" for note in done.notes)):
        logger.info(line)
    write_thumbnail(done, folder)
    return row(read_document(folder)) | {"signal_to_noise": signal(done)}


def fitted(lens: Lens, seed: int) -> Analysis:
    """The analysis of a lens, not saved yet."""
    data, fit, path = lens.sections(seed)
    recipe = Recipe() if path is None else read_recipe(path)
    if path is not None and recipe.model is None:
        raise ModelError(f"{path}: no model; give its profiles, or the option standard in place of model")
    begun, steps = road_as(fit, data, recipe.model)
    return begun.along(steps, Stages())


class Stages:
    """Progress that logs where a fit is, for whoever looks why it took so long."""

    def __init__(self) -> None:
        self.stage, self.begun = "", time.perf_counter()

    def __call__(
        self, stage: str, chi2: float, share: float, note: str = "", theta: np.ndarray | None = None
    ) -> None:
        """See `lensfit.progress.Progress`."""
        if stage != self.stage:
            self.stage = stage
            logger.info("%.1f s: %s%s", time.perf_counter() - self.begun, stage, in_words(chi2, note))


def signal(done: Analysis) -> float | None:
    """Signal over noise of the lensed source in all data, None of data that nobody measures."""
    result, problem = done.fitted, done.problem
    named = problem.parts(result.model)
    if any(term.kind not in KINDS for _, term, _ in named):
        return None
    found = problem.reconstruct(result.theta) if result.model.pixels() else None
    measured = [KINDS[term.kind].measures(term, found or model).signal for _, term, model in named]
    known = [value for value in measured if value is not None]
    return float(np.sqrt(np.sum(np.square(known)))) if known else None


def row(document: dict[str, Any]) -> dict[str, Any]:
    """What a table says of a result.json.

    A quantity is a dict of value, error, spread, total and unit; a list is texts; what else there is, is itself.
    """
    trust, fit = document["trust"], document["fit"]
    derived = dict(document["derived"])
    radius = derived.pop(next((name for name in derived if name.rpartition(".")[2] == RADIUS), ""), None)
    quantities = {**document["parameters"], **document["amplitudes"], **derived}
    return {
        "verdict": trust["word"],
        "trusted": trust["trusted"],
        "reasons": trust["reasons"],
        "einstein_radius": _numbers(radius) if radius else None,
        "chi2": fit["chi2"],
        "data_count": fit["data_count"],
        "log_evidence": fit["log_evidence"],
        **{name: _numbers(quantity) for name, quantity in quantities.items()},
        **{f"check {check['name']}": check["outcome"] for check in trust["checks"]},
        "fitter": document["fitter"],
        "notes": [*document["notes"], *document["data"]["notes"]],
        **{f"{name}_version": document["provenance"]["versions"][name] for name in VERSIONS},
        "data_hash": document["data"]["hash"],
    }


def _numbers(quantity: dict[str, Any]) -> dict[str, Any]:
    return {key: quantity[key] for key in QUANTITY if key in quantity}
