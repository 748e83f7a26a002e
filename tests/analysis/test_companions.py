"""A companion is found on a fit and masked; a lensed image never is, however compact."""
import dataclasses

import numpy as np
import pytest

from lensfit.analysis import Analysis, Companions, Search
from lensfit.instruments import Instrument, gaussian_psf
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.model import LensModel
from lensfit.observations.companions import find_companions, leave_out
from lensfit.profiles import SIE, Exponential, Gaussian, Sersic, Shear
from lensfit.progress import silent
from lensfit.pytree import replace
from lensfit.simulate import simulate_imaging
from lensfit.standard import parametric
from lensfit.verdict import Check, Trust

RADIUS = 0.8
PSF = gaussian_psf(0.1, 0.05, 11)
INSTRUMENT = Instrument(pixel_scale=0.05, psf=PSF, exposure_time=1000.0, gain=1.0, sky=0.1, read_noise=5.0, unit="e/s")
CENTER = {"center_x": 0.01, "center_y": -0.02}
LENS = LensModel(
    light={
        "bulge": Sersic(**CENTER, e1=0.08, e2=0.03, intensity=2.0, effective_radius=0.3, sersic_index=3.0),
        "disk": Exponential(**CENTER, e1=0.05, e2=-0.05, intensity=0.2, effective_radius=0.8),
    },
    mass={
        "sie": SIE(**CENTER, e1=0.1, e2=0.05, einstein_radius=RADIUS),
        "shear": Shear(gamma1=0.03, gamma2=-0.02),
    },
    source={
        "sersic": Sersic(center_x=0.08, center_y=0.05, e1=0.1, e2=0.1, intensity=1.5, effective_radius=0.1,
                         sersic_index=1.2)
    },
)
QUAD = replace(
    LENS,
    source={"point": Gaussian(center_x=0.03, center_y=0.01, e1=0.0, e2=0.0, intensity=40.0, sigma=0.02)},
)
SATELLITE = Gaussian(center_x=-0.85, center_y=0.8, e1=0.05, e2=0.0, intensity=3.0, sigma=0.07)


def observed(model):
    return simulate_imaging(model, INSTRUMENT, (60, 60), seed=3).circular_mask(1.4)


def with_satellite(model):
    return observed(replace(model, light=model.light | {"satellite": SATELLITE}))


def companions_of(imaging, model):
    return find_companions(ImagingLikelihood.of(imaging), model)


@pytest.mark.parametrize("lens", [LENS, QUAD])
def test_a_satellite_is_found_where_it_is(lens):
    (found,) = companions_of(with_satellite(lens), lens)
    assert np.hypot(found.x - SATELLITE.center_x, found.y - SATELLITE.center_y) < 0.05
    assert SATELLITE.sigma < found.radius < 6 * SATELLITE.sigma


@pytest.mark.parametrize("lens", [LENS, QUAD])
def test_nothing_is_found_where_the_model_is_right(lens):
    assert not companions_of(observed(lens), lens)


def moved(model, **by):
    """The model with numbers of its mass and source moved."""
    source = {
        name: replace(p, center_x=p.center_x + by.get("source", 0.0)) for name, p in model.source.items()
    }
    sie = model.mass["sie"]
    sie = replace(sie, einstein_radius=sie.einstein_radius * by.get("radius", 1.0), e1=sie.e1 + by.get("e1", 0.0))
    return replace(model, source=source, mass=model.mass | {"sie": sie})


@pytest.mark.parametrize("by", [{"source": 0.01}, {"e1": 0.02}, {"radius": 1.02}, {"source": -0.02, "e1": -0.03}])
def test_images_of_a_compact_source_that_a_fit_misses_a_little_are_none(by):
    assert not companions_of(observed(QUAD), moved(QUAD, **by))


@pytest.mark.parametrize("lens", [LENS, QUAD])
def test_images_of_a_second_source_are_none(lens):
    second = Gaussian(center_x=-0.05, center_y=-0.12, e1=0.0, e2=0.0, intensity=30.0, sigma=0.02)
    assert not companions_of(observed(replace(lens, source=lens.source | {"second": second})), lens)


def test_masked_with_a_note_that_says_where():
    imaging = with_satellite(LENS)
    (found,) = companions_of(imaging, LENS)
    masked = leave_out(imaging, (found,))
    distance = np.hypot(imaging.x - found.x, imaging.y - found.y)
    np.testing.assert_array_equal(masked.mask, imaging.mask | (distance < found.radius))
    assert masked.notes[-1].startswith("companion masked")
    assert f'({found.x:.2f}", {found.y:.2f}") within {found.radius:.2f}"' in masked.notes[-1]


NUCLEI = {
    "a nucleus": Gaussian(**CENTER, e1=0.0, e2=0.0, intensity=60.0, sigma=0.03),
    "one that is not quite there": Gaussian(center_x=0.03, center_y=0.0, e1=0.0, e2=0.0, intensity=60.0, sigma=0.05),
}


@pytest.mark.parametrize("nucleus", NUCLEI)
def test_the_own_nucleus_of_a_lens_is_none(nucleus):
    """An active nucleus, which no profile of the model explains."""
    assert not companions_of(observed(replace(LENS, light=LENS.light | {"nucleus": NUCLEI[nucleus]})), LENS)


@pytest.mark.parametrize("away", [0.25, -0.3])
def test_a_companion_beside_the_nucleus_is_one(away):
    near = Gaussian(center_x=0.01 + away, center_y=-0.02, e1=0.0, e2=0.0, intensity=20.0, sigma=0.05)
    (found,) = companions_of(observed(replace(LENS, light=LENS.light | {"satellite": near})), LENS)
    assert np.hypot(found.x - near.center_x, found.y - near.center_y) < 0.05


def test_a_companion_does_not_take_the_nucleus_with_it():
    near = Gaussian(center_x=0.41, center_y=-0.02, e1=0.0, e2=0.0, intensity=60.0, sigma=0.1)
    (found,) = companions_of(observed(replace(LENS, light=LENS.light | {"satellite": near})), LENS)
    distance = np.hypot(found.x - CENTER["center_x"], found.y - CENTER["center_y"])
    assert found.radius == pytest.approx(distance)


@pytest.mark.parametrize("nucleus", NUCLEI)
def test_the_nucleus_of_a_lens_that_the_model_does_not_show_is_none(nucleus):
    dark = replace(LENS, light={})
    assert not companions_of(observed(replace(dark, light={"nucleus": NUCLEI[nucleus]})), dark)


@pytest.fixture(scope="module")
def disturbed():
    """The lens with its satellite, searched for."""
    return Analysis.begin(with_satellite(LENS), parametric).then(Search(), silent)


def test_a_fit_is_made_again_without_its_companion(disturbed):
    done = disturbed.then(Companions(), silent)
    result, imaging = done.result, done.observation.frame
    assert sum(note.startswith("companion masked") for note in imaging.notes) == 1
    (companion,) = done.observation.left_out
    assert f"{companion}" in "".join(imaging.notes)
    k = result.names.index("mass.sie.einstein_radius")
    assert abs(result.theta[k] - RADIUS) < 4 * result.errors[k]
    assert result.trust.checks[-1].name == "companions"
    assert result.trust.trusted, result.trust.reasons
    assert result.data_count == np.count_nonzero(~imaging.mask) < disturbed.result.data_count
    assert done.problem.model is disturbed.problem.model


def test_nothing_is_masked_on_a_fit_that_does_not_explain_the_arcs(disturbed):
    failed = Trust((Check.of("arcs explained", False, "the source explains 20 %"),))
    bad = disturbed.changed(result=dataclasses.replace(disturbed.result, trust=failed))
    done = bad.then(Companions(), silent)
    assert done.observation is bad.observation and done.problem is bad.problem and done.result is bad.result


def test_an_answer_that_hangs_on_the_companion_is_not_trusted(disturbed):
    """The search that is made again is a step as any other."""

    def moved_away(analysis, progress):
        good = disturbed.result
        sie = replace(good.model.mass["sie"], einstein_radius=1.2 * good["mass.sie.einstein_radius"])
        model = replace(good.model, mass=good.model.mass | {"sie": sie})
        return analysis.ready().changed(result=dataclasses.replace(good, model=model))

    done = disturbed.then(Companions(search=moved_away), silent)
    assert not done.trust.trusted
    assert done.trust.reasons[-1].startswith("leaving out ")
    moved = float(done.trust.reasons[-1].split("moved the Einstein radius by ")[1].split(" %")[0])
    assert moved == pytest.approx(20, abs=1)
