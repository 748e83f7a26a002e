"""What is worth telling of a fit with the source on pixels beside its numbers."""
from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from lensfit.fitters.result import FitResult
from lensfit.lensing import Field, einstein_radius_of
from lensfit.likelihood.reconstruction import Reconstruction
from lensfit.pixelised.mesh import Mesh

STANDS_OUT = 5.0
"""Normalised residual from which on it is told where it is."""
BETTER = 10.0
"""Gain in ln evidence from which on a neighbouring mesh is to be asked for."""
BIAS = (
    "errors and spread leave out how the regularisation moves the mass: by up to some 2 errors where arcs are bright "
    "(docs/pixelised_sources.md, Bias)"
)
OPTIONS = {"pixels": "--mesh-pixels", "regularisation": "--regularisation"}


def describe_start(start: FitResult, field: Field) -> str:
    """The parametric fit that it began at, of a lens in a field."""
    return f"parametric fit: Einstein radius {einstein_radius_of(start.model, field):.4f} arcsec, chi2 {start.chi2:.1f}"


def describe_neighbour(name: str, gain: float, mesh: Mesh, changed: Mesh) -> str:
    """What another mesh does to ln evidence, and how to have it."""
    told = f"{name}: ln evidence {gain:+.1f} from the fit's"
    if not gain >= BETTER:
        return told
    was, new = (dataclasses.asdict(m) for m in (mesh, changed))
    asked = [f"{OPTIONS[key]} {value}" for key, value in new.items() if value != was[key]]
    return f"{told}, {' '.join(asked)} asks for it"


def describe_residuals(likelihood: Any, found: Reconstruction) -> list[str]:
    """Where each dataset has its largest residual, if it stands out."""
    notes = []
    for number, (grid, seen) in enumerate(zip(likelihood.grids, found.seen, strict=True)):
        left = -np.asarray(seen.residuals)
        place = np.unravel_index(np.argmax(np.abs(left)), left.shape)
        if abs(left[place]) > STANDS_OUT:
            x, y = (float(np.asarray(axis)[place]) for axis in grid.coordinates())
            of = f" of dataset {number + 1}" if len(found.seen) > 1 else ""
            notes.append(f"largest residual{of}: {left[place]:+.1f} sigma at ({x:.2f}, {y:.2f}) arcsec")
    return notes
