"""Which stages a kind of data goes through, and how their fit is questioned."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from lensfit.fitters._base import Check, Progress, Variant
from lensfit.fitters.lm import Point
from lensfit.likelihood.interferometer import InterferometerLikelihood
from lensfit.model import LensModel
from lensfit.staged import evidence, pipeline, trust, visibilities
from lensfit.staged.case import Basin, Case, Found
from lensfit.staged.joint import Joint
from lensfit.staged.roles import Roles


@dataclasses.dataclass(frozen=True)
class Stages:
    """The stages of a fit, from the data alone; a search from another seed and its end; the questions."""

    run: Callable[[Case, np.random.Generator, Progress], Found]
    search_again: Callable[[Case, Joint, np.ndarray, np.random.Generator], list[Basin]]
    finish: Callable[[Case, Joint, list[Basin]], Found]
    gather: Callable[[Any, LensModel, Point], trust.Evidence]
    check_family: Callable[[Roles, tuple[Variant, ...]], list[Check]]

    @classmethod
    def of(cls, likelihood: Any) -> Stages:
        """Those for the data of a likelihood."""
        return _VISIBILITIES if isinstance(likelihood, InterferometerLikelihood) else _IMAGE


_IMAGE = Stages(
    pipeline.run_stages, pipeline.search_again, pipeline.finish, trust.gather, lambda roles, variants: []
)
_VISIBILITIES = Stages(
    visibilities.run_stages, visibilities.search_again, visibilities.finish, evidence.gather, evidence.check_family
)
