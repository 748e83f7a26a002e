"""The source that the data ask for: one profile where that explains the arcs, two where they do, else pixels."""
import dataclasses
import types

import numpy as np
import pytest

from lensfit.analysis import Analysis, AutoSource, Mesh, Search, load
from lensfit.errors import FitError
from lensfit.instruments import Instrument, gaussian_psf
from lensfit.lensing import einstein_radius_of, whole_field
from lensfit.model import LensModel
from lensfit.profiles import SIE, Gaussian, Sersic, Shear
from lensfit.progress import silent
from lensfit.simulate import simulate_imaging
from lensfit.staged.second_source import fit_two_sources
from lensfit.standard import parametric
from lensfit.trust.facts import AgainstProfiles, gather

RADIUS = 0.8
BULGE = Sersic(center_x=0.01, center_y=-0.02, e1=0.08, e2=0.03, intensity=1.0, effective_radius=0.3, sersic_index=2.0)
MASS = {
    "sie": SIE(center_x=0.01, center_y=-0.02, e1=0.1, e2=0.05, einstein_radius=RADIUS),
    "shear": Shear(gamma1=0.03, gamma2=-0.02),
}
DISC = Sersic(center_x=0.08, center_y=0.05, e1=0.1, e2=0.1, intensity=1.5, effective_radius=0.1, sersic_index=1.0)
KNOT = Gaussian(center_x=-0.06, center_y=0.11, e1=0.0, e2=0.0, intensity=6.0, sigma=0.025)
KNOTS = {
    f"knot_{k}": Gaussian(center_x=x, center_y=y, e1=0.0, e2=0.0, intensity=8.0, sigma=0.03)
    for k, (x, y) in enumerate([(-0.07, 0.12), (0.17, -0.03), (0.02, -0.09), (0.12, 0.16)])
}


def searched(source):
    """The fit with one Sersic source of a lens with this one."""
    lens = LensModel(light={"bulge": BULGE}, mass=MASS, source=source)
    instrument = Instrument(pixel_scale=0.05, psf=gaussian_psf(0.1, 0.05, 11), exposure_time=500.0, gain=1.0, sky=0.1,
                            read_noise=5.0, unit="e/s")  # fmt: skip
    imaging = simulate_imaging(lens, instrument, (60, 60), seed=3).circular_mask(1.4)  # as in test_pixel_source.py
    return Analysis.begin(imaging, parametric, seed=1).then(Search(), silent)


@pytest.fixture(scope="module")
def two():
    """One fit of a source of two, and that with the source which the data ask for."""
    before = searched({"disc": DISC, "knot": KNOT})
    return before, before.then(AutoSource(Mesh(pixels=16)), silent)


@pytest.fixture(scope="module")
def many():
    """The same of a source of five."""
    before = searched({"disc": DISC, **KNOTS})
    return before, before.then(AutoSource(Mesh(pixels=16)), silent)


def test_one_profile_stays_where_it_explains_the_arcs():
    before = searched({"sersic": DISC})
    done = before.then(AutoSource(), silent)
    assert done.result.theta is before.result.theta and done.problem.names == before.ready().problem.names
    assert done.trust == before.trust and done.fit.source == "profiles"
    assert "Akaike's criterion" in done.notes[-1]


def test_two_profiles_where_the_arcs_show_two(two, tmp_path):
    before, done = two
    assert {name.split(".")[1] for name in done.result.names if name.startswith("source.")} == {
        "sersic", "sersic_second"
    }  # fmt: skip
    assert done.result.chi2 < before.result.chi2 - 100 and "one source" in [v.name for v in done.result.variants]
    assert any("a second source lowered Akaike's criterion" in note for note in done.notes)
    assert done.trust.trusted, done.trust.reasons
    radius = done.einstein_radius
    assert abs(radius.value - RADIUS) < 4 * radius.total
    assert {"another seed", "next basin"} <= {check.name for check in done.trust.checks if check.passed}
    done.save(tmp_path)
    again = load(tmp_path)
    assert again.fit.source == "profiles" and set(again.model.source) == {"sersic", "sersic_second"}


def test_a_second_source_needs_a_search(two):
    before, _ = two
    alone = dataclasses.replace(before.fitted, search=None)
    with pytest.raises(FitError, match="a second source is added to a fit of one source by staged"):
        fit_two_sources(before.ready().problem, alone, 0, silent)


@pytest.mark.slow
def test_pixels_where_profiles_leave_more(many):
    before, done = many
    assert done.fit.source == "pixels" and done.parametric is not None
    assert any("the source on pixels lowered Akaike's criterion" in note for note in done.notes)
    field = whole_field(before.problem.likelihood.grids[0])
    truth = einstein_radius_of(LensModel(light={}, mass=MASS, source={}), field)
    assert abs(done.einstein_radius.value - truth) < 0.01 * truth
    assert "profiles" in [v.name for v in done.result.variants]
    # what was wrong with the mass in the fit of profiles stays wrong on pixels
    far = before.fitted.theta.copy()
    far[before.fitted.names.index("mass.shear.gamma1")] = 0.45
    moved = dataclasses.replace(before.fitted, theta=far)
    against = gather(done.problem, done.fitted, moved)[1].against
    assert isinstance(against, AgainstProfiles) and "mass.shear.gamma1 = 0.45" in against.wrong[0]


def refuses(sources):
    """What says that the mass is carried off wherever the model has one of these sources."""
    return lambda problem, *_: ("mass.shear.gamma2 = 0.28 (+6.6)",) if sources & problem.model.source.keys() else ()


def test_a_source_that_takes_the_mass_out_of_its_priors_stands_beside_the_simpler_one(two, monkeypatch):
    before, richer = two
    monkeypatch.setattr("lensfit.analysis.auto_source.far_out", refuses({"sersic_second"}))
    done = before.then(AutoSource(Mesh(pixels=16)), silent)
    assert stands_beside(done, richer) and "sersic_second" not in done.problem.model.source


@pytest.mark.slow
def test_pixels_that_take_the_mass_out_of_its_priors_stand_beside_the_profiles(many, monkeypatch):
    before, richer = many
    tried = types.SimpleNamespace(
        problem=richer.problem, theta=richer.fitted.theta, variant=lambda _: richer.fitted.variants[0],
        finished=lambda _: richer)  # fmt: skip
    monkeypatch.setattr("lensfit.analysis.auto_source.try_on_pixels", lambda *_: tried)
    monkeypatch.setattr("lensfit.analysis.auto_source.far_out", refuses({"pixels"}))
    done = before.then(AutoSource(Mesh(pixels=16)), silent)
    assert stands_beside(done, richer) and "pixels" not in done.problem.model.source
    assert "source on pixels" in [v.name for v in done.fitted.variants]


def stands_beside(done, richer):
    """Whether the simpler source is the answer and the note says why it is not the richer one."""
    told = "takes the mass far out of its prior [widths]: mass.shear.gamma2 = 0.28 (+6.6)" in done.notes[-1]
    return told and done.fit.source == "profiles" and done.problem.names != richer.problem.names


def test_the_criterion_is_none_where_nothing_is_lensed(two):
    before, _ = two
    dark = dataclasses.replace(before.fitted, trust=dataclasses.replace(before.trust, checks=()))
    done = before.changed(result=dark).then(AutoSource(), silent)
    assert done.result is dark and np.isfinite(done.fitted.chi2)
