"""Which stages a kind of data goes through; a term says of what kind it is."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from lensfit.errors import FitError
from lensfit.fitters.result import Basin
from lensfit.model import LensModel
from lensfit.staged import image_stages, search, visibility_stages
from lensfit.staged.case import Case, Found, Score, Tell, objective_score
from lensfit.staged.joint import SECOND_SOURCE, Joint
from lensfit.terms import LeastSquares


@dataclasses.dataclass(frozen=True)
class Stages:
    """The stages of a fit, from the data alone; a search from another seed and its end.

    score: what basins are ranked by. seconds, easing: starts of a second source in the neighbouring models, and steps
    in which shear goes. alone: whether each of several is fitted alone as a neighbour, by its term's `weighted`.
    """

    score: Score
    run: Callable[[Case, np.random.Generator, Tell], Found]
    search_again: Callable[[Case, Joint, np.ndarray, np.random.Generator], list[Basin]]
    finish: Callable[[Case, Joint, list[Basin]], Found]
    seconds: tuple[tuple[float, float, float], ...]
    easing: tuple[float, ...]
    alone: bool = False

    @classmethod
    def of(cls, term: LeastSquares) -> Stages:
        """Those for the data of a term. Raises FitError where there are none."""
        if term.kind not in STAGES:
            raise FitError(
                f"the staged fitter has stages for {' and '.join(STAGES)}, none for {term.kind}; use another fitter, "
                "as lm"
            )
        return STAGES[term.kind]

    def case(self, model: LensModel, term: LeastSquares) -> Case:
        """The fit of a model whose amplitudes are solved. Raises FitError where it cannot be staged."""
        return Case.of(model, term, self.score)


STAGES = {
    "image": Stages(
        score=search.sharp_score,
        run=image_stages.run_stages,
        search_again=image_stages.search_again,
        finish=image_stages.finish,
        seconds=tuple((size, 0.0, 0.0) for size in SECOND_SOURCE),
        easing=(),
        alone=True,
    ),
    "visibilities": Stages(
        score=objective_score,
        run=visibility_stages.run_stages,
        search_again=visibility_stages.search_again,
        finish=visibility_stages.finish,
        seconds=visibility_stages.SECOND_SOURCE,
        easing=visibility_stages.EASING,
    ),
}
"""By the kind of the term."""
