"""Names that a user types and several rooms must know, kept where nothing heavy is imported."""

from typing import Literal, TypeAlias, get_args

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Variables that numpy and numba read when they are imported, for a process of one core."""
MESH_OPTIONS = {"mesh_pixels": "pixels", "regularisation": "regularisation", "positive": "positive"}
"""Options of a source on pixels, and what its mesh calls them."""

IMAGE_MODELS = ("parametric", "flexible", "source_only")
"""The standard models for images, in `lensfit.standard`; the first is the one by default."""
VISIBILITY_MODELS = ("one_source", "two_sources", "one_source_and_core")
"""The standard models for visibilities, likewise."""

SEVERAL_TAKEN = ("sky", "light", "mass", "source", "alignment", "data", "fit", "instrument")
"""What none of several data can be called: the tables of a recipe."""

Structure: TypeAlias = Literal["own", "scaled", "shared"]
"""The shape of a light in several bands: each band's own, one whose size changes smoothly from band to band, or one."""
STRUCTURES: tuple[Structure, ...] = get_args(Structure)

MassModel: TypeAlias = Literal["sie", "epl"]
"""The main mass of a standard model: a singular isothermal ellipsoid, or an elliptical power law, its slope free."""
MASSES: tuple[MassModel, ...] = get_args(MassModel)

GALAXY = "galaxy_"
"""What the profiles of galaxies beside the lens are called in a standard model, with their number: galaxy_1."""
GalaxyHas: TypeAlias = Literal["light", "mass", "both"]
"""What of a further galaxy is in the model."""
GALAXY_HAS: tuple[GalaxyHas, ...] = get_args(GalaxyHas)

PRESETS = ("jwst_f150w",)
"""Instruments that a simulation may name: functions of `lensfit.instruments`."""

Figures: TypeAlias = Literal["all", "overview", "pdf"]
"""Which figures of a fit are drawn: all, one, or all with a PDF beside each PNG."""
FIGURE_CHOICES: tuple[Figures, ...] = get_args(Figures)

NanPolicy: TypeAlias = Literal["error", "mask"]
"""What is done with unmasked pixels that hold no number."""
NAN_POLICIES: tuple[NanPolicy, ...] = get_args(NanPolicy)
NoiseIs: TypeAlias = Literal["sigma", "variance", "ivm", "exposure"]
"""What the numbers of a noise map are: standard deviations, variances, inverse variances, exposure times."""
NOISE_MEANINGS: tuple[NoiseIs, ...] = get_args(NoiseIs)
MaskIs: TypeAlias = Literal["masked", "used"]
"""What 1 (anything but 0) means in a mask."""
MASK_MEANINGS: tuple[MaskIs, ...] = get_args(MaskIs)
Sign: TypeAlias = Literal[-1, 1]
"""Of V = sum I exp(sign 2 pi i (u l + v m))."""
SIGNS: tuple[Sign, ...] = get_args(Sign)
East: TypeAlias = Literal["left", "right"]
"""The side of the image to which l (East) counts."""
SIDES: tuple[East, ...] = get_args(East)
NoiseScale: TypeAlias = float | Literal["auto"]
"""What the noise is multiplied by; "auto", for visibilities, takes it from the data."""
SourceModel: TypeAlias = Literal["auto", "profiles", "pixels"]
"""The source: what the data ask for, the profiles of the model, or pixels once those are fitted."""
SOURCES: tuple[SourceModel, ...] = get_args(SourceModel)
Regularisation: TypeAlias = Literal["gradient", "curvature", "adaptive", "matern"]
"""How a source on pixels is held smooth."""
REGULARISATIONS: tuple[Regularisation, ...] = get_args(Regularisation)
