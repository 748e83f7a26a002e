"""Names that a user types and several rooms must know, kept where nothing heavy is imported."""

from typing import Literal, get_args

IMAGE_MODELS = ("parametric", "flexible")
"""The standard models for images, in `lensfit.standard`; the first is the one by default."""
VISIBILITY_MODELS = ("one_source", "two_sources", "one_source_and_core")
"""The standard models for visibilities, likewise."""

Regularisation = Literal["gradient", "curvature", "adaptive", "matern"]
"""How a source on pixels is held smooth."""
REGULARISATIONS: tuple[Regularisation, ...] = get_args(Regularisation)
