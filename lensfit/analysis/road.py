"""The whole road in one call, as the command line walks it."""
from __future__ import annotations

import dataclasses
import logging
import warnings
from collections.abc import Mapping
from typing import Any

from lensfit.analysis.analysis import Analysis, Model, Step
from lensfit.analysis.auto_source import AutoSource
from lensfit.analysis.galaxies import Companions
from lensfit.analysis.pixel_model import Mesh
from lensfit.analysis.sections import paths_of
from lensfit.analysis.source_on_pixels import SourceOnPixels
from lensfit.analysis.steps import Calibration, Posterior, Region, Search
from lensfit.errors import FitError, ModelError
from lensfit.fitters.base import Fitter
from lensfit.fitters.checkpoint import Store
from lensfit.names import SOURCES, MassModel, SourceModel, Structure
from lensfit.observations import Sections
from lensfit.progress import Progress
from lensfit.recipe import OF_STANDARD, DataSection, FitSection
from lensfit.registry import fitter as fitter_of
from lensfit.registry import name_of
from lensfit.start_up import check_precision, keeps_programs
from lensfit.words import counted, nearest

PREPARED = (*OF_STANDARD, "seed")
"""What [fit] says that `prepare` takes; what else it says of the road, `standard_road` does."""
logger = logging.getLogger("lensfit")


def analyse(
    data: Any,
    model: Model = None,
    fitter: Fitter | str = "staged",
    *,
    mass: MassModel | None = None,
    light_bands: Structure | None = None,
    source_bands: Structure | None = None,
    seed: int = 0,
    source: SourceModel | None = None,
    mesh: Mesh | Mapping[str, Any] | None = None,
    steps: tuple[Step, ...] | None = None,
    progress: Progress | None = None,
    redshift_lens: float | None = None,
    redshift_source: float | None = None,
    cosmology: str | None = None,
    **reading: Any,
) -> Analysis:
    """From data to a verdict, as `lensfit fit` goes.

    The mask (of visibilities the window) is chosen from the data, the model is searched for, bright companions are
    masked or put into the model, visibilities calibrated, the source made richer where the data ask for it, and the
    fitter run from there.

    Args:
        data: file or folder, an `Imaging`, an `Interferometer`, several visibilities of one lens as a list, or a
            mapping of names to any of these, which are then fitted together; files of several images, as a list, are
            named by these.
        model: a standard model by its name ("parametric", "flexible", "one_source", ...; by default "parametric",
            of visibilities "one_source"; of images in several bands that of each, tied), a `LensModel` with priors, a
            function that makes one of the dataset, or of several named data a mapping of their names to models that
            share priors.
        fitter: by name, or as an object with its settings.
        mass: the main mass of a standard model, "sie" or "epl", whose slope is free; by default "epl" of
            "flexible", "sie" of the others.
        light_bands, source_bands: the shape of lens light and source of a standard model of images in several bands:
            "own" (by default) for each band, "shared" by all, or "scaled", shared but for a size that changes smoothly
            from one band to the next, in their order.
        seed: same seed, same result.
        source: "auto" gives it what the data ask for, one profile, two or pixels, of visibilities further components
            (see `AutoSource`), by default where the model is a standard one; "profiles" those of the model, by default
            where it is given; "pixels" puts it on pixels once the model is fitted.
        mesh: of pixels, a `Mesh`, or its fields.
        steps: the steps in place of those.
        progress: None shows a bar, `lensfit.progress.silent` nothing.
        redshift_lens, redshift_source: where they are known (or in info.json beside the data) radii in kpc and pc, the
            mass within the Einstein radius and the velocity dispersion are among the derived quantities.
        cosmology: of astropy.cosmology by its name, "Planck18" by default, or as "H0=70, Om0=0.3".
        reading: of data from files, the fields of `lensfit.recipe.DataSection`, as psf="psf.fits".

    Returns:
        The analysis: its `result`, `trust`, `einstein_radius`, `derived`; `save(folder)` writes it.

    Raises:
        DataError: the data cannot be used. ModelError: the model or the mesh cannot. FitError: the fit failed.
    """
    redshifts = {"redshift_lens": redshift_lens, "redshift_source": redshift_source, "cosmology": cosmology}
    bands = {"light_bands": light_bands, "source_bands": source_bands}
    begun = prepare(data, model, mass=mass, seed=seed, progress=progress, **bands, **redshifts, **reading)
    if steps is None:
        steps = standard_road(begun, fitter, source=source, mesh=mesh)
    return begun.along(steps, progress)


def prepare(
    data: Any, model: Model = None, *, mass: MassModel | None = None, light_bands: Structure | None = None,
    source_bands: Structure | None = None, seed: int = 0, progress: Progress | None = None, **reading: Any,
) -> Analysis:
    """Data and model with the region chosen, ready to be fitted: see `analyse`."""
    _check_setup()
    begun = Analysis.begin(
        data, model, mass=mass, light_bands=light_bands, source_bands=source_bands, seed=seed, **reading
    ).then(Region(), progress).ready()
    observation, frame = begun.observation, begun.observation.frame
    where = paths_of(begun.data) if begun.data is not None else observation.kind
    logger.info("data %s: %d x %d pixels of %.5g arcsec", where, *frame.shape, frame.pixel_scale)
    for note in observation.notes:
        logger.info("data: %s", note)
    named = observation.default if model is None else model if isinstance(model, str) else "given"
    logger.info("model %s: %s", named, counted(begun.problem.ndim, "free parameter"))
    return begun


def prepare_as(section: FitSection, data: Any, model: Model = None) -> Analysis:
    """Data and model made ready as a section says; model: in place of the standard one that it names."""
    said = {name: getattr(section, name) for name in PREPARED}
    standard = said.pop("standard")
    return prepare(data, standard if model is None else model, **said)


def road_as(
    section: FitSection, data: Any, model: Model = None, *, checkpoint: Store | None = None
) -> tuple[Analysis, tuple[Step, ...]]:
    """The analysis made ready and the steps to take from there, by all that a section says: every field of it goes to
    `prepare` or `standard_road`.

    Raises:
        ModelError: the settings are none of the fitter's, or what `prepare` and `standard_road` raise it for.
    """
    said = {f.name: getattr(section, f.name) for f in dataclasses.fields(section) if f.name not in PREPARED}
    try:
        chosen = fitter_of(said.pop("fitter"), said.pop("settings"))
    except FitError as error:
        raise ModelError(f"fit.fitter: {error}") from error
    begun = prepare_as(section, data, model)
    return begun, standard_road(begun, chosen, checkpoint=checkpoint, **said)


def standard_road(
    begun: Analysis,
    fitter: Fitter | str = "staged",
    *,
    source: SourceModel | None = None,
    mesh: Mesh | Mapping[str, Any] | None = None,
    checkpoint: Store | None = None,
) -> tuple[Step, ...]:
    """The steps that `analyse` takes after `prepare`.

    A fitter that needs no optimum goes its own way from the priors, where no step before it is needed.
    """
    if source is not None and source not in SOURCES:
        raise ModelError(f"source={source!r}: {nearest(source, SOURCES)}")
    chosen = fitter_of(fitter) if isinstance(fitter, str) else fitter
    staged = name_of(chosen) == "staged"
    observation, on_pixels = begun.observation, source == "pixels"
    if source == "auto" and not observation.source_by_data:
        raise ModelError(
            f"source=\"auto\" is for images, or visibilities alone, and these are {observation.kind}: leave it out"
        )
    direct = not (staged or chosen.needs_optimum or on_pixels or observation.free)
    if direct and (source == "auto" or mesh is not None):
        raise ModelError(
            f"{name_of(chosen)} goes its own way from the priors, with the source that the model has: leave "
            "source=\"auto\" and the mesh out, or fit with staged"
        )
    if source is None:
        by_data = observation.source_by_data and begun.fit.standard is not None
        source = "auto" if by_data else "profiles"
    if mesh is not None and source == "profiles":
        raise ModelError("a mesh is for a source on pixels: give source=\"pixels\" too, or \"auto\"")
    made = mesh if isinstance(mesh, Mesh) else Mesh(**mesh or {})
    made.check()
    if direct:
        return (Search(chosen, checkpoint),)
    given = _mask_is_given(begun.data)
    steps: list[Step] = [Calibration() if observation.free else Search()]
    if not given:
        steps.append(Companions())
    if source != "profiles":
        steps.append(SourceOnPixels(made) if on_pixels else AutoSource(made))
    if not staged:
        steps.append(Posterior(chosen, checkpoint))
    return tuple(steps)


def _mask_is_given(section: Sections | None) -> bool:
    """Whether a mask was named, of several data one for any."""
    several = () if section is None else (section,) if isinstance(section, DataSection) else section.values()
    return any(one.mask is not None for one in several)


def _check_setup() -> None:
    """Say how to set JAX up where it is not.

    Raises:
        ModelError: JAX is set to single precision.
    """
    check_precision()
    if not keeps_programs():
        warnings.warn(
            "compiled programs are not kept from one run to the next: lensfit.setup() before the first fit keeps them",
            stacklevel=4,
        )
