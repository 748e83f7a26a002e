"""Which stages a kind of data goes through, and how their fit is questioned."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from lensfit.fitters.lm import Point
from lensfit.fitters.result import Variant
from lensfit.likelihood.interferometer import InterferometerLikelihood
from lensfit.model import LensModel
from lensfit.staged import evidence, family, pipeline, trust, visibilities
from lensfit.staged.case import Basin, Case, Found, Tell
from lensfit.staged.joint import Joint
from lensfit.staged.roles import Roles
from lensfit.verdict import Check


@dataclasses.dataclass(frozen=True)
class Stages:
    """The stages of a fit, from the data alone; a search from another seed and its end; the questions.

    seconds, easing: starts of a second source in the neighbouring models, and steps in which shear goes.
    excess: how far chi2 of a neighbour may be above that of the fit, given its evidence and chi2.
    """

    run: Callable[[Case, np.random.Generator, Tell], Found]
    search_again: Callable[[Case, Joint, np.ndarray, np.random.Generator], list[Basin]]
    finish: Callable[[Case, Joint, list[Basin]], Found]
    gather: Callable[[Any, LensModel, Point], trust.Evidence]
    seconds: tuple[tuple[float, float, float], ...]
    easing: tuple[float, ...]
    excess: Callable[[trust.Evidence, float], float]
    check_residual: Callable[[Any, Point], list[Check]]
    check_family: Callable[[Roles, tuple[Variant, ...]], list[Check]]

    @classmethod
    def of(cls, likelihood: Any) -> Stages:
        """Those for the data of a likelihood."""
        return _VISIBILITIES if isinstance(likelihood, InterferometerLikelihood) else _IMAGE


_IMAGE = Stages(
    run=pipeline.run_stages,
    search_again=pipeline.search_again,
    finish=pipeline.finish,
    gather=trust.gather,
    seconds=tuple((size, 0.0, 0.0) for size in family.SECOND_SOURCE),
    easing=(),
    excess=trust.excess,
    check_residual=trust.check_residual,
    check_family=trust.check_family,
)
_VISIBILITIES = Stages(
    run=visibilities.run_stages,
    search_again=visibilities.search_again,
    finish=visibilities.finish,
    gather=evidence.gather,
    seconds=evidence.SECOND_SOURCE,
    easing=evidence.EASING,
    excess=evidence.excess,
    check_residual=evidence.check_residual,
    check_family=evidence.check_family,
)
