"""What trust knows of each kind of data: one row a kind, by the `kind` of its term."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from lensfit.trust.measures import Measures
from lensfit.trust.of_image import of_image
from lensfit.trust.of_pixels import of_images_on_pixels, of_visibilities_on_pixels
from lensfit.trust.of_visibilities import of_visibilities
from lensfit.trust.slopes import UNSEEN

REJECTED = 0.1
"""Share of its chi2 by which a neighbour may fit worse and still be a model of an image."""
REJECTED_VISIBILITIES = 0.05
"""Share of the lensed signal, its signal over noise squared, by which a neighbour may fit visibilities worse."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class KindOfData:
    """What the questions need of a kind.

    measures: of a term and a model of numbers, or a reconstruction. rejected: share by which a neighbour may fit worse
    and still be a model of the data, of chi2 or, `by_signal`, of the squared signal of the lensed source: where most of
    chi2 is noise. unseen: what neighbours do not show of a slope. band: whether several of them are bands of one lens,
    whose arcs have colours, and which each are compared with a fit of that one alone.
    """

    measures: Callable[[Any, Any], Measures]
    rejected: float = REJECTED
    by_signal: bool = False
    unseen: float = 0.0
    band: bool = False


KINDS: dict[str, KindOfData] = {
    "image": KindOfData(measures=of_image, unseen=UNSEEN, band=True),
    "visibilities": KindOfData(measures=of_visibilities, rejected=REJECTED_VISIBILITIES, by_signal=True),
    "pixels image": KindOfData(measures=of_images_on_pixels, unseen=UNSEEN),
    "pixels visibilities": KindOfData(measures=of_visibilities_on_pixels),
}
"""By the kind of a term. What has no row is not examined."""


def rejected_beyond(kinds: tuple[str, ...], chi2: float, signal_squared: float) -> float:
    """By how much more chi2 than that of the fit a neighbour is no model of data of these kinds: a share of chi2 where
    that of one of them is not mostly noise, else of the squared signal of the lensed source in all of them."""
    rows = [KINDS[kind] for kind in kinds]
    of_chi2 = [row.rejected for row in rows if not row.by_signal]
    if of_chi2:
        return max(of_chi2) * chi2
    return max((row.rejected for row in rows), default=0.0) * signal_squared


def unseen_in(kinds: tuple[str, ...]) -> float:
    """What neighbouring models of data of these kinds do not show of a slope."""
    return max((KINDS[kind].unseen for kind in kinds), default=0.0)
