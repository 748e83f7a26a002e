"""Compiled programs made ahead: the road walked once for each shape of data that its fits will meet."""
from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from lensfit.analysis.analysis import Model
from lensfit.analysis.road import road_as
from lensfit.datasets import Imaging
from lensfit.errors import ModelError
from lensfit.instruments import Instrument, gaussian_psf
from lensfit.model import LensModel
from lensfit.names import MassModel, Structure
from lensfit.profiles import SIE, Sersic, Shear
from lensfit.progress import Progress
from lensfit.recipe import FitSection
from lensfit.simulate import simulate_imaging
from lensfit.start_up import keeps_programs

STAMPS = (80, 120, 150, 200)
"""Pixels along a side of the images that are simulated where no data are given."""
PIXEL = 0.05
"""Their pixels [arcsec]; programs do not depend on it."""


@dataclasses.dataclass(frozen=True)
class Warmed:
    """Data whose programs are kept now: what they are, CPU seconds, whether their shape was met before."""

    name: str
    cpu_seconds: float
    known: bool


def warm_up(
    data: Sequence[Any] = (),
    model: Model = None,
    *,
    mass: MassModel | None = None,
    light_bands: Structure | None = None,
    source_bands: Structure | None = None,
    stamps: Sequence[int] = STAMPS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Iterator[Warmed]:
    """Make and keep the programs that fits of such data need, so that no fit of a survey compiles them.

    Each shape that the data have, once masked, is fitted once by the standard road, its results thrown away.

    Args:
        data: as `analyse` takes them, each one lens; where there are none, images are simulated.
        model, mass, light_bands, source_bands: as for `analyse`, of all of them.
        stamps: pixels along a side of each image that is simulated where there are no data.
        seed: of the fits.
        progress: as for `analyse`.

    Yields:
        One `Warmed` for each of the data, when it is done.

    Raises:
        DataError: data cannot be used. ModelError: the model cannot, or programs are kept nowhere: see `lensfit.setup`.
    """
    standard = model if isinstance(model, str) else None
    section = FitSection(seed=seed, standard=standard, mass=mass, light_bands=light_bands, source_bands=source_bands)
    return warm_up_as(section, data, model, stamps=stamps, progress=progress)


def warm_up_as(
    section: FitSection,
    data: Sequence[Any] = (),
    model: Model = None,
    *,
    stamps: Sequence[int] = STAMPS,
    progress: Progress | None = None,
) -> Iterator[Warmed]:
    """`warm_up` by all that a section says of the fits to come; model: in place of the standard one that it names."""
    if not keeps_programs():
        raise ModelError("compiled programs are kept nowhere, so none can be made ahead: call lensfit.setup() first")
    met: set[Any] = set()
    named = [(str(one), one) for one in data] or [(f"{n} x {n} pixels", simulated(n)) for n in stamps]
    for name, one in named:
        (begun, steps), start = road_as(section, one, model), time.process_time()
        shape = _shape(begun.problem)
        if shape not in met:
            done = begun.along(steps, progress)
            with tempfile.TemporaryDirectory(prefix="lensfit-") as folder:
                done.save(folder)
        yield Warmed(name, time.process_time() - start, shape in met)
        met.add(shape)


def simulated(pixels: int) -> Imaging:
    """A lens on an image of pixels x pixels, its Einstein radius a fifth of a side."""
    psf = gaussian_psf(2.8 * PIXEL, PIXEL, 15)
    camera = Instrument(pixel_scale=PIXEL, psf=psf, exposure_time=1000.0, gain=1.0, sky=0.1, read_noise=5.0,
                        unit="electron/s")  # fmt: skip
    radius = 0.2 * pixels * PIXEL
    place: Any = {"center_x": 0.0, "center_y": 0.0}
    model = LensModel(
        light={"lens": Sersic(**place, e1=0.05, e2=0.03, intensity=2.0, effective_radius=0.4 * radius,
                              sersic_index=3.0)},
        mass={"sie": SIE(**place, e1=0.1, e2=0.05, einstein_radius=radius), "shear": Shear(gamma1=0.03, gamma2=-0.02)},
        source={"source": Sersic(center_x=0.06 * radius, center_y=0.1 * radius, e1=0.1, e2=-0.1, intensity=1.0,
                                 effective_radius=0.15 * radius, sersic_index=1.0)},
        sky=0.0,
    )  # fmt: skip
    return simulate_imaging(model, camera, (pixels, pixels), seed=1)


def _shape(problem: Any) -> Any:
    """What decides the programs of a problem: structure, shapes and types."""
    leaves, structure = jax.tree.flatten((problem.space, problem.likelihood))
    return structure, tuple((np.shape(leaf), str(np.asarray(leaf).dtype)) for leaf in leaves)
