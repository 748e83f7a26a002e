"""Galaxies that a fit shows: with their mass in the model where that explains the rest of the image better."""
import dataclasses

import numpy as np
import pytest
from test_companions import INSTRUMENT, LENS, SATELLITE, observed

from lensfit.analysis import Analysis, Companions, Search
from lensfit.datasets import FieldObject, FieldTable, Galaxy
from lensfit.lensing import bright_cells, flux
from lensfit.observations import observe
from lensfit.profiles import SIE
from lensfit.progress import silent
from lensfit.pytree import replace
from lensfit.results.fluxes import wide_field
from lensfit.verdict import Check, Trust

PLACE = SATELLITE.center_x, SATELLITE.center_y
HALO = SIE(center_x=PLACE[0], center_y=PLACE[1], e1=0.0, e2=0.0, einstein_radius=0.15)


def searched(mass):
    """A lens with a satellite, of this mass or none, fitted without a word of it."""
    image = observed(replace(LENS, light=LENS.light | {"satellite": SATELLITE}, mass=LENS.mass | mass))
    return Analysis.begin(image, "parametric").then(Search(), silent)


@pytest.fixture(scope="module")
def begun():
    return searched({"satellite": HALO})


@pytest.mark.slow
def test_a_companion_whose_mass_bends_the_arcs_comes_into_the_model(begun):
    done = begun.then(Companions(), silent)
    values = done.fitted
    (galaxy,) = done.observation.galaxies_in_the_model
    assert galaxy.seen and galaxy.has == "both" and (galaxy.x, galaxy.y) == pytest.approx(PLACE, abs=0.05)
    assert values["mass.galaxy_1.einstein_radius"] == pytest.approx(0.15, abs=0.02)
    assert values["mass.sie.einstein_radius"] == pytest.approx(0.8, abs=0.01)
    assert any(note.startswith("galaxy in the model, its light and mass: (-0.8") for note in done.observation.notes)
    assert done.observation.left_out == () and values.data_count == begun.fitted.data_count
    assert done.trust.trusted, done.trust.reasons
    assert done.fitted.cpu_seconds > begun.fitted.cpu_seconds
    assert "\ngalaxy_1         0.1" in done.summary() and "galaxy_" not in begun.summary()
    light = LENS.only("light")
    truth = flux(light, bright_cells(light, wide_field(done.observation.frame))) / INSTRUMENT.pixel_scale**2
    assert done.derived["lens_flux"].value == pytest.approx(truth, rel=0.03)
    blob = 2 * np.pi * SATELLITE.intensity * (SATELLITE.sigma / INSTRUMENT.pixel_scale) ** 2
    assert done.derived["galaxies_flux"].value == pytest.approx(blob, rel=0.1)
    assert "galaxies_flux" not in begun.derived


@pytest.mark.parametrize("standard", ["parametric", None])
def test_a_mass_that_the_data_do_not_want_is_left_out_of_a_standard_model_alone(begun, standard):
    """A model of one's own may have a galaxy_1 too, and stays as it is."""
    seen = begun.observation.with_galaxies((Galaxy(*PLACE, seen=True),))
    posed = begun.changed(seen=seen, model="parametric").ready()
    z = np.zeros(posed.problem.ndim)
    z[posed.problem.names.index("mass.galaxy_1.einstein_radius")] = -5.0
    fit = dataclasses.replace(begun.fit, standard=standard)
    faint = dataclasses.replace(begun.fitted, theta=np.asarray(posed.problem.to_theta(z)))
    given = posed.changed(result=faint, fit=fit)

    def search(analysis, progress):
        return analysis.changed(result=begun.fitted)

    done = given.then(Companions(search=search, rounds=0), silent)
    assert [one.has for one in done.observation.galaxies_in_the_model] == ["light" if standard else "both"]
    assert (done.problem.model is posed.problem.model) == (standard is None)


@pytest.mark.slow
def test_one_without_mass_gets_none():
    done = searched({}).then(Companions(), silent)
    assert "mass.galaxy_1.einstein_radius" not in done.fitted.names
    assert done.observation.left_out or [g.has for g in done.observation.galaxies_in_the_model] == ["light"]
    assert done.fitted["mass.sie.einstein_radius"] == pytest.approx(0.8, abs=0.01)
    assert done.trust.trusted, done.trust.reasons


@pytest.mark.parametrize("explaining", [(), (-0.4,)])
def test_where_the_arcs_are_not_explained_objects_among_them_are_tried(begun, explaining):
    """The one with which they are explained, and better, is in the model; none where they are not."""
    lens = FieldObject("lens", 0.0, 0.0, 9.0, 0.1, 1.0, 0.0, 0.0, "")
    near = [dataclasses.replace(lens, kind="image", x=x, flux=flux, distance=abs(x))
            for x, flux in ((0.3, 1.0), (0.5, 3.0), (-0.4, 2.0), (1.2, 5.0))]  # fmt: skip
    image, good = begun.observation.frame, begun.fitted
    table = FieldTable((lens, *near), np.zeros(image.shape, int), image.frame, 0.8, 1.0, (), False)
    failed = Trust((Check.of("arcs explained", False, "the source explains 20 %"),))
    sie = replace(good.model.mass["sie"], einstein_radius=0.85)
    poor = dataclasses.replace(good, trust=failed, model=replace(good.model, mass=good.model.mass | {"sie": sie}))
    fit = {"model": begun.problem.model, "posed": begun.problem}
    bad = begun.changed(seen=dataclasses.replace(begun.observation, table=table), result=poor, **fit)
    tried = []

    def search(analysis, progress):
        tried.append(analysis.observation.galaxies_in_the_model[-1].x)
        return analysis.changed(result=good if tried[-1] in explaining else poor, **fit)

    done = bad.then(Companions(search=search, rounds=1), silent)
    assert tried == [0.5, -0.4]  # the two brightest of those within the arcs
    assert [one.x for one in done.observation.galaxies_in_the_model] == [*explaining]
    if explaining:
        assert done.trust is good.trust and done.fitted.seconds == pytest.approx(3 * good.seconds)
    else:
        assert done.result is poor


@pytest.mark.parametrize("has", ["both", "light"])
def test_what_is_in_the_model_is_told(has):
    seen = observe(observed(LENS)).with_galaxies((Galaxy(0.6, 0.5, has, seen=True),))
    assert seen.notes[-1].startswith("galaxy in the model, its light")
    alone = seen.without_mass([1])
    assert [one.has for one in alone.galaxies_in_the_model] == ["light"]
    assert alone.notes[-1].endswith("the data want no mass there")
    assert "mass.galaxy_1" not in {f"mass.{name}" for name in alone.model("parametric").mass}
