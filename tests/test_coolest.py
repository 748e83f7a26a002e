"""COOLEST: templates of the standard's own package read to its numbers, and models written so that it reads them so."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from small_fits import found_at, numbers, observed, posed

import lensfit
from lensfit import cli
from lensfit.analysis import Analysis
from lensfit.coolest import coolest_template, read_coolest, write_coolest
from lensfit.coolest.forms import FORMS, LIGHT_READERS, READERS
from lensfit.cosmology import Redshifts
from lensfit.errors import ModelError
from lensfit.likelihood.reconstruction import brightness_of
from lensfit.maps import Maps
from lensfit.model import LensModel
from lensfit.profiles import (
    DPIE,
    EPL,
    NFW,
    SIE,
    SIS,
    ConvergenceSheet,
    Exponential,
    Gaussian,
    MultiGaussian,
    PixelSource,
    PointMass,
    Sersic,
    Shear,
)
from lensfit.pytree import replace

HERE = Path(__file__).parent / "reference"
TEMPLATE, ANSWERS = HERE / "coolest_template.json", json.loads((HERE / "coolest.json").read_text())
CENTER = {"center_x": 0.05, "center_y": -0.03}
ELLIPSE = {**CENTER, "e1": 0.12, "e2": -0.2}
MODEL = LensModel(
    light={
        "bulge": Sersic(**ELLIPSE, intensity=1.3, effective_radius=0.7, sersic_index=3.3),
        "disk": Exponential(**ELLIPSE, intensity=0.8, effective_radius=1.0),
        "core": Gaussian(**ELLIPSE, intensity=0.5, sigma=0.3),
        "mge": MultiGaussian(**ELLIPSE, intensity=np.array([0.5, 0.2]), sigmas=np.array([0.1, 0.4])),
    },
    mass={
        "sie": SIE(**ELLIPSE, einstein_radius=1.1),
        "epl": EPL(**ELLIPSE, einstein_radius=0.9, slope=2.2),
        "dpie": DPIE(**ELLIPSE, einstein_radius=0.4, core_radius=0.1, cut_radius=2.0),
        "nfw": NFW(**CENTER, e1=0.0, e2=0.0, scale_radius=3.0, alpha_rs=1.2),
        "sis": SIS(**CENTER, einstein_radius=0.3),
        "shear": Shear(gamma1=0.03, gamma2=-0.05),
        "sheet": ConvergenceSheet(kappa=-0.04),
    },
    source={"arc": Sersic(center_x=0.1, center_y=0.02, e1=-0.3, e2=0.1, intensity=2.0, effective_radius=0.15,
                          sersic_index=1.2)},
    sky=0.1,
)  # fmt: skip
REDSHIFTS = Redshifts.of(0.4, 1.7, "H0=70, Om0=0.3")


@pytest.fixture(scope="module")
def maps():
    return Maps.of(MODEL, shape=(20, 24), pixel_scale=0.08)


def test_a_template_of_the_standard_s_package_is_read_to_its_numbers():
    """An NFW is as near to the closed profile as lensfit's own sum of ellipsoids is."""
    model, redshifts, _ = read_coolest(TEMPLATE)
    x, y = np.array(ANSWERS["x"]), np.array(ANSWERS["y"])
    assert redshifts == Redshifts.of(0.4, 1.7, "H0=70.0, Om0=0.3")
    for kind, theirs in ANSWERS["convergence"].items():
        found = np.asarray(model.mass[kind.lower()].convergence(x, y))
        np.testing.assert_allclose(found, theirs, rtol=2e-6 if kind == "NFW" else 1e-8, err_msg=kind)
    field = LensModel(light={}, mass={n: model.mass[n] for n in ("externalshear", "convergencesheet")}, source={})
    np.testing.assert_allclose(np.stack(field.deflection(x, y)), ANSWERS["field"], rtol=1e-10)
    for name, theirs in zip(("sersic", "sersic_2", "sersic_3"), ANSWERS["light"], strict=True):
        np.testing.assert_allclose(np.asarray(model.light[name].brightness(x, y)), theirs, rtol=1e-8)
    found = np.asarray(model.source["sersic"].brightness(0.2 * x, 0.2 * y))
    np.testing.assert_allclose(found, ANSWERS["source"], rtol=1e-8)


def test_the_template_is_written_again_with_its_numbers(tmp_path):
    model, redshifts, _ = read_coolest(TEMPLATE)
    write_coolest(tmp_path / "again.json", Maps.of(model, shape=(40, 40), pixel_scale=0.08), redshifts)
    first, second = (json.loads(path.read_text()) for path in (TEMPLATE, tmp_path / "again.json"))

    def said(template):
        rows = [(entity["name"], p["type"], key, value["point_estimate"]["value"])
                for entity in template["lensing_entities"] for group in ("mass_model", "light_model")
                for p in entity.get(group, ()) for key, value in p["parameters"].items()]  # fmt: skip
        return sorted((row[1:] for row in rows), key=str)

    theirs, ours = said(first), said(second)
    assert [row[:2] for row in theirs] == [row[:2] for row in ours]
    np.testing.assert_allclose([row[2] for row in ours], [row[2] for row in theirs], rtol=1e-12, atol=1e-13)
    assert second["cosmology"] == {"H0": 70.0, "Om0": 0.3, "astropy_name": "FlatLambdaCDM"}
    assert first.keys() <= second.keys() and first["instrument"].keys() <= second["instrument"].keys()
    assert first["observation"]["pixels"] == second["observation"]["pixels"] | {"fits_file": {"path": None}}


def test_every_profile_that_it_has_is_the_same_after_the_way_there_and_back(maps, tmp_path):
    assert {type(p) for group in (MODEL.mass, MODEL.light) for p in group.values()} == set(FORMS)
    assert {form.kind for form in FORMS.values()} == set(READERS) | set(LIGHT_READERS)
    model, redshifts, _ = read_coolest(write_coolest(tmp_path / "model.json", maps, REDSHIFTS))
    again = Maps.of(model, shape=(20, 24), pixel_scale=0.08)
    np.testing.assert_allclose(again.convergence, maps.convergence, rtol=1e-12)
    np.testing.assert_allclose(again.deflection, maps.deflection, rtol=1e-10)
    np.testing.assert_allclose(sum(again.light.values()), sum(maps.light.values()), rtol=1e-12)
    np.testing.assert_allclose(again.lensed_source["arc"], maps.lensed_source["arc"], rtol=1e-9)
    assert set(model.mass) == set(MODEL.mass) and set(model.light) == {*MODEL.light, "mge_2"}
    assert model.sky == 0.1 and redshifts.lens == 0.4


@pytest.mark.parametrize(
    ("mass", "light", "words"),
    [
        ({"point": PointMass(**CENTER, einstein_radius=1.0)}, {}, "mass.point: COOLEST has no PointMass"),
        ({"nfw": NFW(**ELLIPSE, scale_radius=3.0, alpha_rs=1.0)}, {}, "has its ellipse in the mass here"),
        ({}, {"hole": Exponential(**ELLIPSE, intensity=-1.0, effective_radius=1.0)}, "a negative intensity"),
        ({}, {"flat": Sersic(**ELLIPSE, intensity=1.0, effective_radius=1.0, sersic_index=0.4)}, "has 0.5 to 10"),
    ],
)
def test_what_the_standard_has_not_is_told(maps, mass, light, words):
    model = replace(MODEL, mass=mass or MODEL.mass, light=light or MODEL.light)
    with pytest.raises(ModelError, match=words):
        coolest_template(Maps.of(model, shape=4, pixel_scale=0.1, source={"shape": 2, "pixel_scale": 0.1,
                                                                           "center": (0, 0)}), None)  # fmt: skip


def changed(change):
    template = copy.deepcopy(json.loads(TEMPLATE.read_text()))
    change(template)
    return template


def lens(template):
    return template["lensing_entities"][1]


def q_of(template, place):
    return lens(template)["mass_model"][place]["parameters"]["q"]["point_estimate"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.update(standard="other"), "is no COOLEST template"),
        (lambda t: t.pop("instrument"), "is no COOLEST template"),
        (lambda t: lens(t)["mass_model"][0].update(type="NIE"), "lensfit reads no NIE there"),
        (lambda t: lens(t)["light_model"][0].update(type="Shapelets"), "lensfit reads no Shapelets there"),
        (lambda t: q_of(t, 2).update(value=0.9), "an NFW of q = 0.9"),
        (lambda t: q_of(t, 0).update(value=None), "null is no number"),
        (lambda t: t["lensing_entities"][0].update(redshift=0.2), "one lens plane"),
    ],
)
def test_what_lensfit_cannot_read_is_told(tmp_path, change, words):
    path = tmp_path / "template.json"
    path.write_text(json.dumps(changed(change)))
    with pytest.raises(ModelError, match=words):
        read_coolest(path)
    with pytest.raises(ModelError, match="cannot be read"):
        read_coolest(tmp_path / "none.json")


def test_a_run_is_exported_with_its_intervals(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli, "setup", lambda: None)
    problem = posed(observed())
    done = Analysis.of(problem, found_at(problem, numbers(problem)), observed()).with_redshifts(0.4)
    run = done.save(tmp_path / "run", "overview")
    assert cli.main(["export", str(run), "--coolest"]) == 0
    assert capsys.readouterr().out.strip() == str(run / "coolest.json")
    model, redshifts, _ = read_coolest(run / "coolest.json")
    assert model.mass["sie"].einstein_radius == pytest.approx(1.0) and redshifts == Redshifts(lens=0.4)
    template = json.loads((run / "coolest.json").read_text())
    radius = template["lensing_entities"][0]["mass_model"][0]["parameters"]["theta_E"]["posterior_stats"]
    assert radius["median"] == pytest.approx(1.0, abs=1e-4)
    assert radius["percentile_84th"] - radius["percentile_16th"] == pytest.approx(0.002, rel=0.1)
    assert lensfit.load(run).result.model.mass["sie"].einstein_radius == model.mass["sie"].einstein_radius
    assert cli.main(["export", str(run), "--coolest", "--out", str(tmp_path / "x.txt")]) == 3


def test_pixels_of_the_standard_s_package_are_read_to_its_brightness():
    """Between their centres too, as its bilinear interpolation has it."""
    model, _, coefficients = read_coolest(HERE / "coolest_pixels.json")
    (mesh,) = model.source.values()
    x, y = (0.15 * np.array(ANSWERS[axis]) for axis in "xy")
    found = brightness_of(mesh, coefficients, x, y)
    np.testing.assert_allclose(np.asarray(found), ANSWERS["pixels"], rtol=1e-10)


GRID = {"shape": (7, 9), "pixel_scale": 0.05, "center": (0.02, -0.1)}


@pytest.fixture
def on_pixels(tmp_path):
    """A template of a source on pixels, and its maps."""
    mesh = PixelSource(center_x=0.0, center_y=0.0, half_width=0.4, strength=0.0, pixels=6)
    coefficients = np.random.default_rng(0).random((6, 6))
    maps = Maps.of(replace(MODEL, source={"mesh": mesh}), shape=10, pixel_scale=0.1, source=GRID,
                   coefficients=coefficients)  # fmt: skip
    return write_coolest(tmp_path / "t.json", maps, REDSHIFTS), maps


def test_a_source_on_pixels_goes_into_a_file_and_comes_back(on_pixels):
    """Its pixels are the nodes of a bilinear mesh, dark ones where there are fewer rows than columns."""
    path, maps = on_pixels
    image = maps.source["mesh"]
    np.testing.assert_array_equal(fits.getdata(path.with_name("t_source.fits")), image)
    pixels = pixels_of(json.loads(path.read_text()))
    assert pixels["fits_file"]["path"] == "t_source.fits"
    assert pixels["field_of_view_x"] == pytest.approx([-0.205, 0.245]) and pixels["num_pix_y"] == 7
    model, redshifts, coefficients = read_coolest(path)
    assert coefficients.shape == (9, 9) and not coefficients[7:].any() and redshifts == REDSHIFTS
    again = Maps.of(model, shape=10, pixel_scale=0.1, source=GRID, coefficients=coefficients)
    np.testing.assert_allclose(again.source["mesh"], image, rtol=1e-10)
    fine = Maps.of(model, shape=10, pixel_scale=0.1, coefficients=coefficients,
                   source={"shape": (13, 17), "pixel_scale": 0.025, "center": (0.02, -0.1)})  # fmt: skip
    np.testing.assert_allclose(fine.source["mesh"][::2, 1::2], 0.5 * (image[:, 1:] + image[:, :-1]), rtol=1e-10)
    np.testing.assert_allclose(again.deflection, maps.deflection, rtol=1e-10)


def pixels_of(template):
    return template["lensing_entities"][2]["light_model"][0]["parameters"]["pixels"]


def spoil(path, image):
    fits.PrimaryHDU(image).writeto(path, overwrite=True)


@pytest.mark.parametrize(
    ("change", "image", "words"),
    [
        (lambda t: None, np.zeros((9, 7)), r"t_source.fits: an image of \(9, 7\), where the template says \(7, 9\)"),
        (lambda t: None, np.full((7, 9), np.nan), "t_source.fits: 63 pixels are no numbers"),
        (lambda t: pixels_of(t)["fits_file"].update(path="gone.fits"), None, "gone.fits"),
        (lambda t: pixels_of(t)["fits_file"].update(path=None), None, "names no FITS file of them"),
        (lambda t: pixels_of(t).update(field_of_view_y=[0.0, 1.0]), None, "and lensfit's mesh has square ones"),
        (lambda t: t["lensing_entities"][2].update(light_model=2 * t["lensing_entities"][2]["light_model"]), None,
         "a second source on pixels, and lensfit has one"),
        (lambda t: t["lensing_entities"][1].update(light_model=t["lensing_entities"][2]["light_model"]), None,
         "lens, light: lensfit reads no PixelatedRegularGrid there"),
    ],
)  # fmt: skip
def test_pixels_that_cannot_be_read_are_told(on_pixels, change, image, words):
    path, _ = on_pixels
    template = json.loads(path.read_text())
    change(template)
    path.write_text(json.dumps(template))
    if image is not None:
        spoil(path.with_name("t_source.fits"), image)
    with pytest.raises(ModelError, match=words):
        read_coolest(path)
