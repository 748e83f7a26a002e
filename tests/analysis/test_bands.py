"""Images of one lens in several bands on the road: placed, tied, fitted, written and read."""

import dataclasses
import types

import numpy as np
import pytest
from astropy.wcs import WCS
from documents import quantities
from run_files import MAP_FILES, WRITTEN

import lensfit
from lensfit.alignment import Alignment
from lensfit.analysis import Analysis, Region, Search
from lensfit.datasets import Galaxy, write_imaging
from lensfit.errors import DataError, ModelError
from lensfit.fitters.result import Clock, result_of
from lensfit.instruments import Instrument, gaussian_psf
from lensfit.model import LensModel, Models
from lensfit.observations import placing
from lensfit.plots import BAND_FIGURES, COLOURS, FIGURES
from lensfit.priors import LogNormal, Normal
from lensfit.profiles import SIE, Exponential, Sersic
from lensfit.progress import silent
from lensfit.pytree import replace
from lensfit.recipe import read_recipe
from lensfit.results import read_document
from lensfit.simulate import simulate_imaging
from lensfit.space import Space
from lensfit.trust.of_bands import colours_of

SHIFT = {"VIS": (0.0, 0.0), "J": (0.03, -0.02)}
BANDS = {"VIS": (0.06, 60, 0.14), "J": (0.12, 30, 0.3)}
"""Pixel [arcsec], pixels a side, FWHM of the PSF [arcsec]."""
RADIUS = 0.9
MASS = {"center_x": 0.02, "center_y": -0.03, "e1": 0.1, "e2": 0.05, "einstein_radius": RADIUS}


def truth(band, angle=0.0):
    """The lens in a band: its light is red, its source blue and larger in the blue band."""
    place = {"center_x": 0.02, "center_y": -0.03, "e1": 0.08, "e2": 0.03}
    arc = {"center_x": 0.12, "center_y": 0.05, "e1": 0.1, "e2": -0.1}
    lens, source, size = {"VIS": (1.0, 3.0, 0.15), "J": (12.0, 6.0, 0.1)}[band]
    alignment = None if band == "VIS" else Alignment(shift_x=SHIFT[band][0], shift_y=SHIFT[band][1], angle=angle)
    return LensModel(
        light={"bulge": Sersic(**place, intensity=lens, effective_radius=0.3, sersic_index=3.0)},
        mass={"sie": SIE(**MASS)},
        source={"arc": Exponential(**arc, intensity=source, effective_radius=size)},
        alignment=alignment,
    )


def observed(band, model=None, seed=1):
    pixel, side, width = BANDS[band]
    psf = gaussian_psf(width, pixel, 2 * int(width / pixel * 1.5) + 3)
    instrument = Instrument(pixel_scale=pixel, psf=psf, exposure_time=600.0, gain=1.0, sky=0.05, read_noise=3.0,
                            unit="nJy")  # fmt: skip
    return simulate_imaging(truth(band) if model is None else model, instrument, (side, side), seed=seed)


@pytest.fixture(scope="module")
def data():
    return {band: observed(band) for band in BANDS}


@pytest.fixture(scope="module")
def placed(data):
    return Analysis.begin(data).then(Region(), silent)


def free_model(band, shared):
    """A model of few parameters about the truth."""
    own = truth(band)
    light = dataclasses.replace(own.light["bulge"], effective_radius=LogNormal(median=0.3, sigma=0.2))
    size = LogNormal(median={"VIS": 0.15, "J": 0.1}[band], sigma=0.3)
    arc = dataclasses.replace(own.source["arc"], center_x=shared.x, center_y=shared.y, effective_radius=size)
    align = None
    if band != "VIS":
        align = Alignment(shift_x=Normal(mean=0.0, sigma=0.05), shift_y=Normal(mean=0.0, sigma=0.05), angle=0.0)
    return LensModel(light={"bulge": light}, mass={"sie": shared.sie}, source={"arc": arc}, alignment=align)


@pytest.fixture(scope="module")
def done(data):
    """An analysis of models of eight parameters whose result is the truth."""
    sie = SIE(**MASS | {"einstein_radius": Normal(mean=0.88, sigma=0.1)})
    shared = types.SimpleNamespace(sie=sie, x=Normal(mean=0.1, sigma=0.1), y=Normal(mean=0.0, sigma=0.1))
    masked = {name: imaging.circular_mask(1.6) for name, imaging in data.items()}
    begun = Analysis.begin(masked, {band: free_model(band, shared) for band in BANDS}).ready()
    values = {
        "mass.sie.einstein_radius": RADIUS, "source.arc.center_x": 0.12, "source.arc.center_y": 0.05,
        "VIS.source.arc.effective_radius": 0.15, "J.source.arc.effective_radius": 0.1,
        "VIS.light.bulge.effective_radius": 0.3, "J.light.bulge.effective_radius": 0.3,
        "J.alignment.shift_x": SHIFT["J"][0], "J.alignment.shift_y": SHIFT["J"][1],
    }  # fmt: skip
    theta = np.array([values[name] for name in begun.problem.names])
    result = result_of(begun.problem, theta, fitter="by hand", clock=Clock.start(), converged=True, evaluations=1,
                       gradients=1)  # fmt: skip
    return begun.changed(result=result)


def test_an_alignment_moves_light_and_turns_back():
    frame = Alignment(shift_x=0.3, shift_y=-0.1, angle=30.0)
    x, y = np.array([0.5, -1.0]), np.array([0.2, 0.7])
    np.testing.assert_allclose(frame.seen(*frame.placed(x, y)), (x, y), atol=1e-14)
    np.testing.assert_allclose(frame.seen(0.0, 0.0), (0.3, -0.1))
    np.testing.assert_allclose(frame.seen(1.0, 0.0), (0.3 + np.cos(np.pi / 6), -0.1 + 0.5))
    still = dataclasses.replace(truth("J"), alignment=None)
    moved = dataclasses.replace(still, alignment=frame)
    np.testing.assert_allclose(moved.brightness(*frame.seen(x, y)), still.brightness(x, y), rtol=1e-12)
    np.testing.assert_allclose(moved.source_position(x, y), still.source_position(x, y), err_msg="in the mass's frame")


def test_the_band_with_the_clearest_arcs_leads_and_gives_the_region(placed, data):
    observation = placed.observation
    assert observation.reference == "VIS"
    vis, near = (observation.observations[name].imaging for name in BANDS)
    np.testing.assert_allclose(near.origin, -np.array(SHIFT["J"]), atol=0.015, err_msg="found by correlation")
    area = [np.count_nonzero(~one.mask) * one.pixel_scale**2 for one in (vis, near)]
    assert area[1] == pytest.approx(area[0], rel=0.05)
    assert any("the search begins here" in note for note in observation.notes)
    assert any(note.startswith("J: placed on VIS by the centres of the lens") for note in observation.notes)


def test_a_galaxy_named_in_another_band_alone_is_not_forgotten(data):
    named = data | {"J": data["J"].with_galaxies(["0.9,0.6"])}
    with pytest.raises(DataError, match=r"galaxies= of J: .* name them in \[data.VIS\]"):
        Analysis.begin(named).then(Region(), silent)
    first = {"VIS": data["VIS"].with_galaxies(["-0.9,0.6"]), "J": data["J"].with_galaxies(["-0.9,0.6", "0.9,0.6"])}
    with pytest.raises(DataError, match="galaxies= of J"):
        Analysis.begin(first).then(Region(), silent)


def test_a_galaxy_that_was_seen_is_one_mass_in_all_bands(placed):
    """It stands in the model of each; without its mass it has a light of its own in each."""
    observation = placed.observation.with_galaxies((Galaxy(0.9, 0.6, seen=True),))
    (galaxy,) = observation.galaxies_in_the_model
    models = observation.model("parametric")
    assert observation.holds_galaxies and (galaxy.x, galaxy.y) == (0.9, 0.6)
    assert models["J"].mass["galaxy_1"] is models["VIS"].mass["galaxy_1"]
    light = [models[band].light["galaxy_1"] for band in BANDS]
    assert light[0].center_x is light[1].center_x and light[0].intensity is not light[1].intensity
    names = Space.of(Models(terms=models)).names
    assert names.count("mass.galaxy_1.einstein_radius") == 1
    told = [note for note in observation.notes if "galaxy in the model, its light and mass" in note]
    assert [note.split(":")[0] for note in told] == [*BANDS]
    alone = observation.without_mass([1])
    assert [one.has for one in alone.galaxies_in_the_model] == ["light"]
    for model in alone.model("parametric").values():
        assert "galaxy_1" in model.light and "galaxy_1" not in model.mass


@pytest.mark.slow
def test_a_satellite_that_no_one_named_is_found_in_all_bands():
    """Its light and mass are in the model of both bands, and the Einstein radius of the lens is right."""
    place = {"center_x": -1.05, "center_y": 0.7, "e1": 0.0, "e2": 0.0}
    blob = Sersic(**place, intensity=3.0, effective_radius=0.08, sersic_index=2.0)
    halo = SIE(**place, einstein_radius=0.15)
    data = {}
    for band in BANDS:
        lens = truth(band)
        data[band] = observed(band, replace(lens, light=lens.light | {"blob": blob}, mass=lens.mass | {"halo": halo}))
    done = lensfit.analyse(data, "flexible", source="profiles", progress=silent)
    (galaxy,) = done.observation.galaxies_in_the_model
    assert (galaxy.x, galaxy.y) == pytest.approx((-1.05, 0.7), abs=0.06)
    assert done.fitted["mass.galaxy_1.einstein_radius"] == pytest.approx(0.15, abs=0.03)
    assert done.fitted["mass.epl.einstein_radius"] == pytest.approx(RADIUS, rel=0.02)
    assert done.trust.trusted, done.trust.reasons


def sky(imaging, angle=0.0, mirrored=False, at=(150.0, 2.0)):
    """Celestial coordinates of an image whose North is turned by an angle [degrees] from +y."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = at
    wcs.wcs.crpix = [(side + 1) / 2 for side in imaging.shape[::-1]]
    scale, turn = imaging.pixel_scale / 3600, np.radians(angle)
    wcs.wcs.cd = scale * np.array([[-np.cos(turn), -np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    if mirrored:
        wcs.wcs.cd[0] *= -1
    return dataclasses.replace(imaging, wcs=wcs)


@pytest.mark.parametrize("angle", [0.0, 40.0])
def test_celestial_coordinates_place_a_turned_image(data, angle):
    turned = observed("J", truth("J", angle))
    reference, image = sky(data["VIS"]), sky(turned, angle)
    found = placing.place(reference, image, "J", "VIS")
    assert found.angle == pytest.approx(angle, abs=1e-3)
    np.testing.assert_allclose(found.imaging.origin, -np.array(SHIFT["J"]), atol=0.015)
    analysis = Analysis.begin({"VIS": reference, "J": image}, "source_only").then(Region(), silent).ready()
    assert analysis.problem.model["J"].alignment.angle == pytest.approx(angle, abs=1e-3)


def test_bad_bands_are_refused(data):
    vis, near = data["VIS"], data["J"]

    def refused(words, first, second):
        with pytest.raises(DataError, match=words):
            Analysis.begin({"VIS": first, "J": second}).then(Region(), silent)

    empty = dataclasses.replace(near, data=np.random.default_rng(1).normal(0, near.noise))
    refused("J: nothing stands out of the noise; leave this band out", vis, empty)
    refused("J: its celestial coordinates are mirrored against those of VIS", sky(vis), sky(near, mirrored=True))
    far = sky(near, at=(150.0, 2.002))
    refused("J: shows 0 % of the region in which VIS shows the lens", sky(vis), far)
    coarse = sky(dataclasses.replace(near, pixel_scale=0.06))
    refused("J: by its celestial coordinates its pixels are", sky(vis), dataclasses.replace(coarse, pixel_scale=0.12))
    quarter = {name: np.rot90(getattr(near, name)).copy() for name in ("data", "noise", "mask")}
    refused("J: its arcs are far more like those of VIS if it is turned by 270 degrees", vis,
            dataclasses.replace(near, **quarter))  # fmt: skip
    for name in ("mass", "2d"):
        with pytest.raises(DataError, match="is no name of data"):
            Analysis.begin({name: vis, "J": near})


@pytest.mark.parametrize(("structure", "count"), [("own", 2 + 3 + 7 + 4), ("scaled", 2 + 3 + 3), ("shared", 2 + 3)])
def test_structures_of_a_standard_model(data, structure, count):
    """A further band has a shift, three amplitudes, and shapes of its own or their sizes."""
    analysis = Analysis.begin(data, light_bands=structure, source_bands=structure).then(Region(), silent).ready()
    own = [name for name in analysis.problem.names if name.startswith("J.")]
    assert len(own) == count, own
    assert {name for name in own if "alignment" in name} == {"J.alignment.shift_x", "J.alignment.shift_y"}
    model = analysis.problem.model
    assert model["J"].mass is model["VIS"].mass
    assert model["J"].source["sersic"].center_x is model["VIS"].source["sersic"].center_x
    if structure == "scaled":
        size = model["J"].source["sersic"].effective_radius
        assert size.median is model["VIS"].source["sersic"].effective_radius


def test_structures_are_of_bands_alone(data):
    with pytest.raises(ModelError, match="no structure of light in several bands is named 'both'"):
        Analysis.begin(data, light_bands="both").then(Region(), silent).ready()
    with pytest.raises(ModelError, match="is for images with a name each"):
        Analysis.begin(data["VIS"], source_bands="shared")


def test_one_verdict_colours_and_photometry(done):
    assert done.result.chi2 / done.result.data_count == pytest.approx(1, abs=0.1)
    assert done.einstein_radius == done.derived["VIS.effective_einstein_radius"]
    (colours,) = colours_of(done.problem.parts(done.result.model))
    assert (colours.first, colours.second) == ("VIS", "J") and len(colours.angle) > 6
    assert colours.off_the_model < 0.1, "the source has one colour along all images"
    assert colours.off_the_lens > 0.5, "and it is bluer than the lens"
    found = done.photometry
    assert found.names[:3] == (("VIS", "lens"), ("VIS", "source"), ("VIS", "lensed_source"))
    arc = truth("J").source["arc"]
    b = 1.67835  # of an exponential, whose integral is 2 pi I_e R_e^2 exp(b) / b^2
    whole = arc.intensity * 2 * np.pi * arc.effective_radius**2 * np.exp(b) / b**2 / BANDS["J"][0] ** 2
    assert dict(zip(found.names, found.flux, strict=True))["J", "source"] == pytest.approx(whole, rel=2e-3)
    assert found.magnitude[0] == pytest.approx(31.4 - 2.5 * np.log10(found.flux[0]), abs=1e-6), "unit nJy"
    colour, error = found.colour("lens", "VIS", "J")
    assert colour == pytest.approx(found.magnitude[0] - found.magnitude[3])
    apart = np.hypot(found.magnitude_error[0], found.magnitude_error[3])
    assert 0 < error < 1.5 * apart


def test_a_companion_of_one_band_is_left_out_of_all(done):
    vis = done.observation.observations["VIS"]
    x, y = 0.1, -1.4
    star = np.exp(-0.5 * ((vis.imaging.x - x) ** 2 + (vis.imaging.y - y) ** 2) / 0.08**2)
    spoiled = dataclasses.replace(vis, imaging=dataclasses.replace(vis.imaging, data=vis.imaging.data + 2 * star))
    observation = dataclasses.replace(
        done.observation, observations={**done.observation.observations, "VIS": spoiled}
    )
    term = observation.term(done.problem.model)
    (found,) = observation.companions(term, done.result.model)
    assert np.hypot(found.x - x, found.y - y) < 0.05
    for name, one in observation.without((found,)).observations.items():
        before = observation.observations[name].imaging.mask
        inside = np.hypot(one.imaging.x - x, one.imaging.y - y) < 0.5 * found.radius
        assert one.imaging.mask[inside].all() and not before[inside].all(), name
        assert "companion masked" in one.imaging.notes[-1]


def test_a_run_folder_goes_round(done, data, tmp_path):
    for name in BANDS:
        write_imaging(data[name], tmp_path / name)
    done.save(tmp_path / "run")
    document = read_document(tmp_path / "run")
    assert document["figures"][:3] == [f"{name}.png" for name in (*BAND_FIGURES, COLOURS)]
    figures = {f"{name}_{figure}.png" for name in BANDS for figure in FIGURES}
    figures |= {f"{name}.png" for name in (*BAND_FIGURES, COLOURS)}
    maps = {f"VIS_{file}" for file in MAP_FILES}  # in the frame of the mass, which the other band is shifted against
    written = {*WRITTEN, "photometry.ecsv"} - {*MAP_FILES} | maps
    assert {path.name for path in (tmp_path / "run").iterdir()} == written | figures
    assert done.maps().frame.shape == done.observation.frames["VIS"].shape
    with pytest.raises(ModelError, match="maps are drawn in the frame of the mass"):
        done.maps("J")
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Photometry" in page and "missing" not in page
    loaded = lensfit.load(tmp_path / "run")
    np.testing.assert_equal(quantities(loaded), quantities(done))
    recipe = read_recipe(tmp_path / "run" / "recipe.toml")
    assert Space.of(recipe.model).names == done.problem.names
    assert loaded.result.model["J"].alignment.shift_x == pytest.approx(SHIFT["J"][0])


def test_files_named_in_a_recipe_and_read_again(data, tmp_path):
    folders = [tmp_path / name for name in BANDS]
    for folder in folders:
        write_imaging(data[folder.name], folder)
    listed = Analysis.begin(folders, "source_only")
    assert list(listed.data) == list(BANDS)
    (tmp_path / "recipe.toml").write_text(
        '[data.VIS]\npath = "VIS"\n\n[data.J]\npath = "J"\nnan = "mask"\n\n[fit]\nstandard = "source_only"\n'
    )
    recipe = read_recipe(tmp_path / "recipe.toml")
    assert recipe.model is None and recipe.data["J"].nan == "mask"
    begun = Analysis.begin(recipe.data, recipe.fit.standard).then(Region(), silent).ready()
    same = listed.then(Region(), silent).ready()
    assert begun.problem.names == same.problem.names
    again = lensfit.observations.read(recipe.data).restored(
        begun.observation.document(),
        {f"{name}_MASK": one.imaging.mask for name, one in begun.observation.observations.items()},
        begun.problem.model,
    )
    assert again.document()["hash"] == begun.observation.document()["hash"]
    with pytest.raises(DataError, match="psf=: of one image"):
        Analysis.begin(folders, psf=tmp_path / "psf.fits")


def test_the_sum_is_searched_from_its_clearest_band(data):
    """The shift, the mass and both sources, from the data alone; each band alone is a neighbour."""
    sie = SIE(**MASS | {"einstein_radius": LogNormal(median=0.7, sigma=0.5)})
    shared = types.SimpleNamespace(sie=sie, x=Normal(mean=0.0, sigma=0.3), y=Normal(mean=0.0, sigma=0.3))
    masked = {name: imaging.circular_mask(1.6) for name, imaging in data.items()}
    done = Analysis.begin(masked, {band: free_model(band, shared) for band in BANDS}).then(Search(), silent)
    found = dict(zip(done.result.names, done.result.theta, strict=True))
    for name, value in (("mass.sie.einstein_radius", RADIUS), ("J.alignment.shift_x", SHIFT["J"][0])):
        assert found[name] == pytest.approx(value, abs=4 * done.result.errors[done.result.names.index(name)])
    assert {"VIS alone", "J alone"} <= {variant.name for variant in done.result.variants}
    checks = {check.name: check for check in done.trust.checks}
    assert checks["one colour"].passed and checks["colour of the lens"].passed and checks["bands agree"].passed
    assert not done.trust.failed, done.trust.reasons
