"""Photometry of lens and source in each of several data: fluxes with their covariance, AB magnitudes, colours."""
from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any

import numpy as np
from astropy.table import Table

from lensfit.fitters.result import FitResult
from lensfit.observations import Observation
from lensfit.problem import Problem
from lensfit.results.fluxes import COMPONENTS, Fluxes, covariance_of

MAGNITUDE = 2.5 / np.log(10)


@dataclasses.dataclass(frozen=True, eq=False)
class Photometry:
    """Fluxes of lens and source in several data.

    names: (data, component) of each flux, component "lens", "galaxies" (beside it), "source"
    (without the lens) or "lensed_source".
    flux: (F,) summed over pixels, in `unit`, that of each one's data. covariance: (F, F), NaN where it is not known.
    zero: (F,) what is added to -2.5 lg flux to give AB magnitudes, NaN where the unit does not say it.
    """

    names: tuple[tuple[str, str], ...]
    flux: np.ndarray
    covariance: np.ndarray
    unit: tuple[str, ...]
    zero: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """(F,) of the fluxes."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def magnitude(self) -> np.ndarray:
        """(F,) AB; NaN where the zero point is not known."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.zero - MAGNITUDE * np.log(self.flux)

    @property
    def magnitude_error(self) -> np.ndarray:
        """(F,) of the magnitudes, zero points taken for exact."""
        return MAGNITUDE * self.error / self.flux

    def colour(self, component: str, first: str, second: str) -> tuple[float, float]:
        """Magnitude of a component in one band less that in another, and its error with what both share; AB where both
        zero points are known, else of data units.

        Raises:
            KeyError: no such component, or no such data.
        """
        places = {name: k for k, name in enumerate(self.names)}
        a, b = places[first, component], places[second, component]
        zero = self.zero[a] - self.zero[b]
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = MAGNITUDE * np.array([-1 / self.flux[a], 1 / self.flux[b]])
            value = (zero if np.isfinite(zero) else 0.0) - MAGNITUDE * np.log(self.flux[a] / self.flux[b])
        return float(value), float(np.sqrt(slope @ self.covariance[np.ix_([a, b], [a, b])] @ slope))

    def colours(self) -> list[tuple[str, str, str, float, float]]:
        """(component, first, second, colour, error) of neighbouring data, in their order."""
        found = []
        for component in COMPONENTS:
            with_it = [data for data, name in self.names if name == component]
            found += [(component, a, b, *self.colour(component, a, b)) for a, b in pairwise(with_it)]
        return found

    def table(self) -> Table:
        """One flux a row; the covariance of all of them, and the colours, are in its meta."""
        columns = {
            "data": [data for data, _ in self.names], "component": [component for _, component in self.names],
            "flux": self.flux, "error": self.error, "unit": list(self.unit),
            "magnitude_ab": self.magnitude, "magnitude_error": self.magnitude_error,
        }  # fmt: skip
        rows = [dict(zip(("component", "first", "second", "colour", "error"), row, strict=True))
                for row in self.colours()]  # fmt: skip
        return Table(columns, meta={"covariance": self.covariance.tolist(), "colours": rows})

    def document(self) -> dict[str, Any]:
        """What result.json says."""
        table = self.table()
        columns = {name: np.asarray(table[name]).tolist() for name in table.colnames}
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        return {"rows": rows, **(table.meta or {})}


def photometry_of(problem: Problem, observation: Observation, result: FitResult) -> Photometry | None:
    """Of a fit to several data, None where there is one alone.

    Errors are those that parameters and amplitudes together have in their Gaussian approximation.
    """
    parts = problem.parts(result.model)
    if len(parts) < 2:
        return None
    fluxes = Fluxes.of(parts, observation)
    frames = [observation.frames[name] for name, _ in fluxes.names]
    scale = 1 / np.array([frame.pixel_scale**2 for frame in frames])
    known = [np.nan if frame.zero_point is None else frame.zero_point for frame in frames]
    covariance = covariance_of(fluxes, problem, result) * scale * scale[:, None]
    return Photometry(
        names=fluxes.names, flux=fluxes(result.model) * scale, covariance=covariance,
        unit=tuple(frame.unit_label for frame in frames), zero=np.array(known),
    )  # fmt: skip
