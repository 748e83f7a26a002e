"""A companion is found on a fit and masked; a lensed image never is, however compact."""
import dataclasses

import numpy as np
import pytest
from lensfit.companions import find_companions, fit_without_companions, leave_out

from lensfit.instruments import Instrument, gaussian_psf
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.model import LensModel
from lensfit.problem import Problem
from lensfit.profiles import SIE, Exponential, Gaussian, Sersic, Shear
from lensfit.pytree import replace
from lensfit.registry import fit
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


@pytest.fixture(scope="module")
def disturbed():
    imaging = with_satellite(LENS)
    return imaging, Problem(parametric(imaging), ImagingLikelihood.of(imaging))


def test_a_fit_is_made_again_without_its_companion(disturbed):
    imaging, _, result = fit_without_companions(*disturbed, fit)
    assert sum(note.startswith("companion masked") for note in imaging.notes) == 1
    k = result.names.index("mass.sie.einstein_radius")
    assert abs(result.theta[k] - RADIUS) < 4 * result.errors[k]
    assert result.trust.checks[-1].name == "companions"
    assert result.trust.trusted, result.trust.reasons
    assert result.data_count == np.count_nonzero(~imaging.mask) < np.count_nonzero(~disturbed[0].mask)


def test_nothing_is_masked_on_a_fit_that_does_not_explain_the_arcs(disturbed):
    good = fit(disturbed[1])
    bad = dataclasses.replace(good, trust=Trust((Check.of("arcs explained", False, "the source explains 20 %"),)))
    imaging, problem, result = fit_without_companions(*disturbed, lambda _: bad)
    assert imaging is disturbed[0]
    assert problem is disturbed[1]
    assert result is bad


def test_an_answer_that_hangs_on_the_companion_is_not_trusted(disturbed):
    good = fit(disturbed[1])
    k = good.names.index("mass.sie.einstein_radius")
    other = dataclasses.replace(good, theta=np.where(np.arange(len(good.theta)) == k, 1.2 * good.theta, good.theta))
    answers = iter([good, other, other])
    _, _, result = fit_without_companions(*disturbed, lambda _: next(answers))
    assert not result.trust.trusted
    assert "moved the Einstein radius by 20.0 %" in result.trust.reasons[-1]
