"""A fit with the source on pixels: right from the right basin, written and judged; wrong basins are told."""
import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from documents import quantities, same
from run_files import PIXEL_FILES, SAMPLE_FILES

import lensfit
from lensfit import cli
from lensfit.analysis import Analysis, Mesh, Search, SourceOnPixels
from lensfit.analysis.pixel_ascents import Begun, follow, settle
from lensfit.analysis.pixel_model import Arcs, LightHeld, extent_of, neighbour, pixel_model, pixel_source, reach
from lensfit.analysis.pixel_search import search
from lensfit.analysis.satellite import Lens, _responses, asked_satellites, companions_with_mass, with_satellite
from lensfit.analysis.source_on_pixels import (
    ASKED,
    _begun_with,
    as_high,
    beside,
    describe_neighbour,
    describe_residuals,
)
from lensfit.cli import main
from lensfit.datasets import write_imaging
from lensfit.errors import FitError, ModelError
from lensfit.fitters.importance import Importance
from lensfit.fitters.laplace import approximate_curvature, bend, bending, height
from lensfit.fitters.optimum import Climb, ascend, climb, finish
from lensfit.fitters.result import Basin
from lensfit.fitters.result import Search as Searched
from lensfit.instruments import Instrument, gaussian_psf
from lensfit.lensing import Field, einstein_radius_of, image_positions, whole_field
from lensfit.lensing.flux import FAINTEST, half_light_radius, mean_images
from lensfit.likelihood.pixel_images import PixelImagingLikelihood
from lensfit.model import LensModel
from lensfit.observations.companions import Companion
from lensfit.priors import Normal, Uniform
from lensfit.problem import Problem
from lensfit.profiles import DPIE, SIE, Sersic, Shear
from lensfit.progress import silent
from lensfit.pytree import replace
from lensfit.results import read_document
from lensfit.simulate import simulate_imaging
from lensfit.standard import parametric
from lensfit.trust import examine, questions
from lensfit.trust.facts import AgainstProfiles
from lensfit.trust.of_pixels import of_images_on_pixels
from lensfit.verdict import Trust

RADIUS = 0.8
LENS = LensModel(
    light={
        "bulge": Sersic(center_x=0.01, center_y=-0.02, e1=0.08, e2=0.03, intensity=1.0, effective_radius=0.3,
                        sersic_index=2.0),
    },
    mass={
        "sie": SIE(center_x=0.01, center_y=-0.02, e1=0.1, e2=0.05, einstein_radius=RADIUS),
        "shear": Shear(gamma1=0.03, gamma2=-0.02),
    },
    source={
        "sersic": Sersic(center_x=0.08, center_y=0.05, e1=0.1, e2=0.1, intensity=1.5, effective_radius=0.1,
                         sersic_index=1.0)
    },
)


def observed(lens, seed):
    psf = gaussian_psf(0.1, 0.05, 11)
    instrument = Instrument(pixel_scale=0.05, psf=psf, exposure_time=500.0, gain=1.0, sky=0.1, read_noise=5.0,
                            unit="e/s")
    return simulate_imaging(lens, instrument, (60, 60), seed=seed).circular_mask(1.4)  # as in staged/test_trust.py


@pytest.fixture(scope="module")
def imaging():
    return observed(LENS, seed=3)


@pytest.fixture(scope="module")
def searched(imaging):
    return Analysis.begin(imaging, parametric, seed=1).then(Search(), silent)


@pytest.fixture(scope="module")
def smooth(searched):
    return searched.problem, searched.result


@pytest.fixture(scope="module")
def done(searched):
    return searched.then(SourceOnPixels(Mesh(pixels=16)), silent)


@pytest.fixture(scope="module")
def run(done, tmp_path_factory):
    """The folder of the fit."""
    return done.save(tmp_path_factory.mktemp("runs") / "pixels")


def test_the_lens_is_found_and_trusted(done):
    result = done.result
    k = result.names.index("mass.sie.einstein_radius")
    assert abs(result.theta[k] - RADIUS) < max(5 * result.errors[k], 0.002 * RADIUS)
    assert result.trust.trusted, result.trust.reasons
    assert 0.8 < result.chi2 / result.data_count < 1.15
    assert np.all(result.errors > 0) and np.isfinite(result.log_evidence)
    meshes = ["as fitted", "curvature regularisation", "coarser mesh"]
    assert [v.name for v in result.variants] == [*meshes, "profiles", "profiles, two sources"]
    assert result.spread[k] < 0.01 * RADIUS


def test_the_light_keeps_its_shape_and_the_mass_its_priors(done, smooth):
    problem, first = smooth
    assert set(done.result.names) > {n for n in problem.names if n.startswith("mass.")}
    assert not [n for n in done.result.names if n.startswith("light.")]
    assert float(done.result.model.light["bulge"].effective_radius) == first["light.bulge.effective_radius"]


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_wrong_basin_is_told_by_the_source_alone(done, imaging, smooth, factor):
    problem, start = smooth
    sie = start.model.mass["sie"]
    mass = {**start.model.mass, "sie": replace(sie, einstein_radius=factor * sie.einstein_radius)}
    arcs = Arcs.of(problem.likelihood, start.model)
    source = pixel_source(Mesh(pixels=16), arcs, replace(start.model, mass=mass))
    prior = replace(problem.model.mass["sie"], einstein_radius=Uniform(low=0.1, high=4.0))
    wide = replace(problem.model, mass={**problem.model.mass, "sie": prior})
    begun = Problem(pixel_model(wide, start, source), done.problem.likelihood)
    theta = np.where([name == "mass.sie.einstein_radius" for name in start.names], factor, 1.0) * start.theta
    z = np.asarray(begun.to_z(beside(begun, dataclasses.replace(start, theta=theta))))
    end = ascend(begun.space, begun.likelihood, z)
    found = begun.reconstruct(begun.to_theta(end.z))
    assert abs(found.model.mass["sie"].einstein_radius / RADIUS - 1) > 0.2
    assert not questions.multiple_images(of_images_on_pixels(begun.likelihood, found).images)[0]


def test_a_faint_halo_makes_no_mesh_wider():
    rng = np.random.default_rng(0)
    near, far = rng.uniform(-0.3, 0.3, (2, 400)), rng.uniform(-2.0, 2.0, (2, 4000))
    unlensed = LensModel(light={}, mass={}, source={})
    without = extent_of(Arcs(*near, np.full(400, 100.0)), unlensed)
    weight = np.append(np.full(400, 100.0), np.full(4000, 0.1))
    assert extent_of(Arcs(*np.hstack([near, far]), weight), unlensed) == pytest.approx(without, abs=0.02)
    assert 0.28 < without[2] < 0.32


def test_mean_number_of_images_is_that_of_the_points_of_the_source(done):
    found = done.problem.reconstruct(done.result.theta)
    grid = done.problem.likelihood.images[0].grid
    x, y = np.meshgrid(found.x, found.y)
    bright = np.asarray(found.brightness) > 0.1 * np.max(found.brightness)
    field = Field(0.01, -0.02, 1.3)
    counts = [
        sum(abs(image.magnification) > FAINTEST for image in image_positions(found.model, *place, field))
        for place in zip(x[bright], y[bright], strict=True)
    ]
    expected = np.average(counts, weights=np.asarray(found.brightness)[bright] ** 2)
    assert mean_images(found, grid) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    ("radius", "flux", "chi2", "names"),
    [(1.05, 0.8, 0.9, []), (0.7, 0.8, 0.9, ["parametric basin"]), (1.3, 0.8, 0.9, ["parametric basin"]),
     (1.0, 0.2, 0.9, ["flux"]), (1.0, -1.0, 0.9, ["flux"]), (1.0, 3.0, 0.9, ["flux"]),
     (1.0, 0.8, 1.2, ["parametric residuals"]), (1.0, 0.8, np.nan, ["parametric residuals"])],
)  # fmt: skip
def test_each_check_against_the_parametric_fit_asks_one_thing(radius, flux, chi2, names):
    basin = AgainstProfiles(radius, flux, chi2, ())
    asked = {"parametric basin": questions.parametric_basin, "flux": questions.flux,
             "parametric residuals": questions.parametric_residuals}  # fmt: skip
    assert [name for name, ask in asked.items() if not ask(basin)[0]] == names


def test_what_fits_worse_than_profiles_is_not_trusted_whatever_the_fitter(done, smooth):
    for factor, names in ((1.0, []), (1.5, ["parametric residuals"])):
        worse = dataclasses.replace(done.result, chi2=factor * done.result.chi2, trust=Trust(()))
        judged = examine(done.problem, worse, parametric=smooth[1])
        assert [check.name for check in judged.trust.failed] == names


def test_a_mesh_has_nodes():
    with pytest.raises(ModelError, match="a mesh of 1 x 1 nodes is none: take 4 or more"):
        Mesh(pixels=1).check()


def test_a_climb_that_has_not_arrived_says_so(done):
    problem, theta = done.problem, np.asarray(done.problem.to_theta(np.zeros(done.problem.ndim)))
    z = np.asarray(problem.to_z(theta))
    whitening = 0.1 * np.eye(problem.ndim)
    assert not climb(problem.space, problem.likelihood, z, whitening, most=1).arrived


def test_rays_near_the_mesh_are_enough(done):
    problem, theta = done.problem, done.result.theta
    model = problem.space.build(theta)
    near = problem.likelihood.within(*problem.likelihood.reach(problem.likelihood.away(model), 1.5))
    assert len(near.rays[0].pixels) < len(problem.likelihood.rays[0].pixels)
    assert float(near(model)) == pytest.approx(float(problem.likelihood(model)), abs=1e-7)


def test_light_that_is_held_changes_nothing(done):
    whole = done.problem
    held = LightHeld.of(whole)
    assert held.bare.names == whole.names and not held.bare.model.light
    assert held.bare.likelihood.held[0].columns.shape[0] == 32
    z = np.asarray(whole.to_z(done.result.theta)) + 0.05
    bare, full = (height(problem.space, problem.likelihood, z) for problem in (held.bare, whole))
    bends = (bending(held.bare.space, held.bare.likelihood, z, bare.found),
             bending(whole.space, whole.likelihood, z, full.found))  # fmt: skip
    for one, other in ((bare.log_posterior, full.log_posterior), (bare.slope, full.slope),
                       bends, (bare.values.chi2, full.values.chi2),
                       (np.asarray(bare.values.amplitudes)[held.places], full.values.amplitudes)):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


def test_newtons_steps_end_at_the_optimum_with_its_curvature(done):
    problem = done.problem
    z = np.asarray(problem.to_z(done.result.theta))
    exact = bend(problem.space, problem.likelihood, z)
    assert 0.5 * exact.slope @ np.linalg.solve(exact.curvature, exact.slope) < 0.1
    here = height(problem.space, problem.likelihood, z)
    about = approximate_curvature(problem.space, problem.likelihood, here)
    ratio = np.linalg.eigvals(np.linalg.solve(exact.curvature, about)).real
    assert np.all((ratio > 0.2) & (ratio < 5.0)), ratio  # what the determinants bend is left out


def test_an_ascent_that_has_not_arrived_does_not_say_so(done, monkeypatch):
    monkeypatch.setattr("lensfit.fitters.optimum.ROUNDS", 1)
    monkeypatch.setattr("lensfit.fitters.optimum.FINISHING", 0)
    problem = done.problem
    z = np.asarray(problem.to_z(done.result.theta))
    far = Climb(z + 1.0, float(problem.log_likelihood(problem.to_theta(z + 1.0))), 0, False)
    end, _ = finish(problem.space, problem.likelihood, far)
    assert not end.arrived and np.array_equal(end.z, far.z)
    there = problem.to_z(done.result.theta)
    end, _ = finish(problem.space, problem.likelihood, Climb(np.asarray(there), done.result.log_posterior, 0, False))
    assert end.arrived


def test_places_alike_on_binned_data_are_told_apart_by_the_data_themselves(done):
    bare = LightHeld.of(done.problem).bare
    right = done.result.theta
    off = np.where([name == "mass.sie.einstein_radius" for name in bare.names], 0.5, 1.0) * right
    for first, other, score in ((off, right, 5.0), (right, off, 500.0)):  # the other is followed, and is not
        near = bare.likelihood.within(*reach(bare, bare.likelihood, first, 1.5))
        begun = Begun(near, Searched((Basin(first, 0.0), Basin(other, score)), right))
        settled = settle(bare, follow(bare, begun, lambda *_: None), lambda *_: None)
        best, rival = settled.search.basins
        assert np.array_equal(best.theta, bare.to_theta(settled.end.z)) and best.score == -2 * settled.end.log_posterior
        assert settled.end.log_posterior == pytest.approx(done.result.log_posterior, abs=0.1)
        assert np.array_equal(settled.search.other, best.theta) and settled.alike == ()
        assert rival.score == best.score + 500.0 if score > 100 else rival.score > best.score


def test_an_optimum_as_high_is_a_neighbour(done):
    held = LightHeld.of(done.problem)
    near = np.array([0.02 if name == "mass.sie.e1" else 0.0 for name in done.result.names]) + done.result.theta
    both = [Basin(done.result.theta, 0.0), Basin(near, 1.0)]
    begun = Begun(held.bare.likelihood, Searched(tuple(both), near))
    settled = settle(held.bare, follow(held.bare, begun, lambda *_: None), lambda *_: None)
    variant, = as_high(held, dataclasses.replace(settled, alike=(near,)))
    assert variant.name == "another optimum"
    assert variant.values["mass.sie.e1"] == pytest.approx(done.result["mass.sie.e1"] + 0.02)
    assert variant.chi2 > done.result.chi2 and variant.counts
    assert einstein_radius_of(variant.model.only(), whole_field(done.problem.likelihood.grids[0])) == pytest.approx(
        done.einstein_radius.value, rel=1e-3)


def test_starts_beyond_the_priors_are_left_out(searched):
    problem, found = searched.problem, searched.fitted
    for low, high, told in ((0.7, 0.82, None), (2.0, 3.0, "these lie outside the priors of the mass")):
        sie = replace(problem.model.mass["sie"], einstein_radius=Uniform(low=low, high=high))
        model = replace(problem.model, mass=problem.model.mass | {"sie": sie})
        source = pixel_source(Mesh(pixels=16).coarser(), Arcs.of(problem.likelihood, found.model), found.model)
        coarse = PixelImagingLikelihood.of(searched.observation.imaging).coarser()  # programs of the fit itself
        posed = LightHeld.of(Problem(pixel_model(model, found, source), coarse)).bare
        if told is None:
            reached = search(posed, found, lambda mass: (0.08, 0.05, 0.4), "source.pixels")
            assert np.isfinite(reached.end.log_posterior)
        else:
            with pytest.raises(FitError, match=told):
                search(posed, found, lambda mass: (0.08, 0.05, 0.4), "source.pixels")


def test_the_source_goes_onto_another_mesh_from_the_same_fit(done, searched):
    assert done.parametric.result is searched.result and done.model is searched.problem.model
    assert done.fit.source == "pixels" and done.fit.mesh == {"pixels": 16}
    with pytest.raises(ModelError, match="a mesh of 1 x 1 nodes is none"):
        done.then(SourceOnPixels(Mesh(pixels=1)), silent)
    with pytest.raises(ModelError, match="before the source goes onto pixels"):
        done.then(lensfit.analysis.Companions(), silent)


def test_results_and_report(done, run):
    document = json.loads((run / "result.json").read_text())
    assert document["parameters"]["source.pixels.strength"]["value"] == pytest.approx(
        done.result["source.pixels.strength"]
    )
    with fits.open(run / "source.fits") as planes:
        assert [plane.name for plane in planes[1:]] == ["SOURCE", "DEVIATION", "COEFFICIENT"]
        assert planes["SOURCE"].data.shape == (16, 16) and np.all(planes["DEVIATION"].data >= 0)
    assert (run / "magnification.png").is_file()
    assert "deviation of the reconstructed" in (run / "report.html").read_text()
    loaded = lensfit.load(run)
    np.testing.assert_equal(quantities(loaded), quantities(done))
    assert loaded.fit == dataclasses.replace(done.fit, standard=None)
    assert loaded.einstein_radius.spread > 0
    with pytest.raises(ModelError, match="the problem of a source on pixels is not kept"):
        loaded.problem  # noqa: B018


def test_notes_tell_the_start_what_stands_out_and_how_to_have_a_better_mesh(done, smooth):
    radius = einstein_radius_of(smooth[1].model.only(), whole_field(smooth[0].likelihood.grid))
    assert f"parametric fit: Einstein radius {radius:.4f} arcsec" in done.result.notes[0]
    assert describe_residuals(done.problem.likelihood, done.problem.reconstruct(done.result.theta)) == []
    moved = done.result.theta.copy()
    moved[done.result.names.index("mass.sie.einstein_radius")] *= 1.2
    found = done.problem.reconstruct(moved)
    (told,) = describe_residuals(done.problem.likelihood, found)
    assert told.startswith("largest residual: ") and "sigma at (" in told
    finer = Mesh(pixels=20, regularisation="curvature")
    told = describe_neighbour("other", 12.34, Mesh(pixels=16), finer)
    assert told == "other: ln evidence +12.3 from the fit's, --mesh-pixels 20 --regularisation curvature asks for it"
    assert describe_neighbour("other", -3.0, Mesh(), finer) == "other: ln evidence -3.0 from the fit's"


@pytest.mark.parametrize("kind", ["gradient", "curvature", "adaptive", "matern"])
def test_a_mesh_and_its_neighbours_of_any_regularisation(kind, imaging, smooth):
    problem, start = smooth
    mesh = Mesh(pixels=12, regularisation=kind)
    source = pixel_source(mesh, Arcs.of(problem.likelihood, start.model), start.model)
    on_pixels = Problem(pixel_model(problem.model, start, source), PixelImagingLikelihood.of(imaging))
    theta = np.asarray(on_pixels.to_theta(np.zeros(on_pixels.ndim)))
    found = on_pixels.reconstruct(theta)
    for changed in (Mesh(pixels=15, regularisation=kind), Mesh(pixels=12, regularisation="gradient")):
        beside, strength = neighbour(source, changed, found)
        model = dataclasses.replace(on_pixels.model, source={"pixels": beside})
        other = Problem(model, on_pixels.likelihood)
        known = dict(zip(on_pixels.names, theta, strict=True)) | {"source.pixels.strength": strength}
        reached = other.reconstruct(np.array([known[name] for name in other.names]))
        again = reached.source
        assert (again.pixels, again.regularisation) == (changed.pixels, changed.regularisation)
        assert np.abs(reached.at(0.08, 0.05) / found.at(0.08, 0.05) - 1) < 0.3
        assert reached.solution.chi2 < 1.3 * found.solution.chi2


def test_maps_show_the_source_that_was_reconstructed(done, imaging, run):
    found = done.problem.reconstruct(done.result.theta)
    mesh = {"shape": len(found.x), "pixel_scale": float(found.x[1] - found.x[0]),
            "center": (float(found.x.mean()), float(found.y.mean()))}  # fmt: skip
    for maps in (done.maps(source=mesh), lensfit.load(run).maps(source=mesh)):
        (name,) = maps.source
        np.testing.assert_allclose(maps.source[name], found.brightness, atol=1e-9 * float(found.brightness.max()))
        assert maps.convergence.shape == imaging.shape
        used = ~imaging.mask
        blurred = np.asarray(found.seen[0].lensed)
        assert maps.lensed_source[name][used].sum() == pytest.approx(blurred.sum(), rel=0.02)
    assert np.isnan(done.maps(source=mesh | {"shape": 60}).source[name]).any(), "beyond the mesh"


def test_nothing_lensed_is_an_error(smooth):
    problem, result = smooth
    with pytest.raises(FitError, match="nothing to put on pixels"):
        Arcs.of(problem.likelihood, dataclasses.replace(result.model, source={}))


def test_half_light_radius_of_a_disc():
    x = np.linspace(-1.5, 1.5, 301)
    disc = (np.hypot(*np.meshgrid(x, x)) < 1).astype(float)
    assert half_light_radius(disc, x, x) == pytest.approx(np.sqrt(0.5), abs=0.01)


@pytest.mark.slow
def test_the_command_samples_a_source_on_pixels_and_so_does_python(imaging, tmp_path, monkeypatch):
    monkeypatch.setattr(cli, "setup", lambda: None)
    write_imaging(imaging, tmp_path / "data")
    (tmp_path / "recipe.toml").write_text(
        '[fit]\nstandard = "parametric"\nfitter = "importance"\nsettings = {effective_samples = 100}\n'
    )
    command = ["fit", str(tmp_path / "data"), "--model", str(tmp_path / "recipe.toml"), "--seed", "1"]
    command += ["--source", "pixels", "--mesh-pixels", "14", "--regularisation", "adaptive"]
    code = main([*command, "--out", str(tmp_path / "run"), "--quiet"])
    result = read_document(tmp_path / "run")
    assert code == (0 if result["trust"]["trusted"] else 4)
    assert result["fitter"] == "importance" and result["diagnostics"]["effective_samples"] >= 100
    radius = result["parameters"]["mass.sie.einstein_radius"]
    assert abs(radius["value"] - RADIUS) < max(5 * radius["error"], 0.002 * RADIUS)
    assert result["fit"]["log_evidence"] is not None
    assert "parametric residuals" in [check["name"] for check in result["trust"]["checks"]]
    assert "14 x 14 numbers" in (tmp_path / "run" / "report.html").read_text()
    made = {path.name for path in (tmp_path / "run").iterdir()}
    assert made >= {*PIXEL_FILES, *SAMPLE_FILES}
    mesh = {"pixels": 14, "regularisation": "adaptive"}
    sampler = Importance(effective_samples=100)
    python = lensfit.analyse(tmp_path / "data", fitter=sampler, seed=1, source="pixels", mesh=mesh, progress=silent)
    same(read_document(python.save(tmp_path / "python")), result)
    assert (tmp_path / "python" / "recipe.toml").read_text() == (tmp_path / "run" / "recipe.toml").read_text()


def test_what_a_satellite_would_gain_is_told_by_slope_and_curvature(done):
    held = LightHeld.of(done.problem)
    z = np.asarray(held.bare.to_z(done.result.theta))
    places = np.array([[0.7, 0.3], [-0.5, 0.9]])
    lens = Lens.of(held.bare, z)
    found = _responses(held.bare.space, held.bare.likelihood, z, *places.T, lens.core)
    slope, curvature = (np.asarray(a) for a in found)
    n = len(z)
    for k, (x, y) in enumerate(places):
        free = Normal(mean=0.0, sigma=1.0)
        mass = replace(lens.satellite(x, y, 0.1).mass, center_x=x, center_y=y, einstein_radius=free)
        both = with_satellite(held.bare, mass)
        known = dict(zip(done.problem.names, done.result.theta, strict=True))

        def at(radius, both=both, known=known):
            theta = np.array([known.get(name, radius) for name in both.names])
            return both.log_likelihood(theta)

        step = 1e-4
        np.testing.assert_allclose((at(step) - at(-step)) / (2 * step), slope[k], rtol=1e-3, atol=0.5)
    space, likelihood = held.bare.space, held.bare.likelihood
    own = np.array(bending(space, likelihood, z, height(space, likelihood, z).found))
    np.testing.assert_allclose(curvature[:n, :n] + np.eye(n), own, rtol=1e-8, atol=1e-8 * np.abs(own).max())
    assert np.all(np.linalg.eigvalsh(curvature) > -1e-8 * np.abs(curvature).max())


def test_a_lens_alone_asks_for_no_satellite(done):
    assert not [name for name in done.result.names if "satellite" in name]
    assert not [v.name for v in done.result.variants if "satellite" in v.name or "companion" in v.name]


def test_a_masked_companion_near_the_lens_may_have_mass(done):
    held = LightHeld.of(done.problem)
    z = np.asarray(held.bare.to_z(done.result.theta))
    near, far = (Companion(x, -0.4, 0.2, 30.0) for x in (1.3, 4.0))
    (found,) = companions_with_mass(Lens.of(held.bare, z), [near, far])
    assert list(found.values.values())[:2] == [near.x, near.y]
    assert float(found.mass.center_x.sigma) == pytest.approx(0.02 * RADIUS, rel=0.05)


SATELLITE = DPIE(center_x=0.75, center_y=0.45, e1=0.0, e2=0.0, einstein_radius=0.06, core_radius=0.025,
                 cut_radius=100.0)  # fmt: skip
DISTURBED = replace(LENS, mass={**LENS.mass, "satellite": SATELLITE})


def test_a_satellite_is_asked_for_where_it_is_and_tried_there(done):
    """Beside the mass that was found without one."""
    held = LightHeld.of(Problem(done.problem.model, PixelImagingLikelihood.of(observed(DISTURBED, seed=4))))
    end = ascend(held.bare.space, held.bare.likelihood, np.asarray(held.bare.to_z(done.result.theta)))
    best, *_ = asked_satellites(Lens.of(held.bare, end.z), held.bare.space, held.bare.likelihood, end.z)
    tried = SimpleNamespace(problem=held.whole, theta=held.whole.to_theta(end.z), followed=SimpleNamespace(end=end))
    begun = _begun_with(tried, best)
    assert min(best.promise, begun.end.log_posterior - end.log_posterior) > ASKED
    np.testing.assert_allclose(begun.place, (SATELLITE.center_x, SATELLITE.center_y), atol=0.15)


@pytest.mark.slow
def test_a_satellite_is_found_by_its_mass():
    steps = Search(), SourceOnPixels(Mesh(pixels=16))
    result = Analysis.begin(observed(DISTURBED, seed=4), parametric, seed=1).along(steps, silent).result
    assert "no satellite" in [v.name for v in result.variants]
    for name in ("center_x", "center_y", "einstein_radius"):
        found, error = result[f"mass.satellite.{name}"], result.errors[result.index(f"mass.satellite.{name}")]
        assert abs(found - float(getattr(SATELLITE, name))) < 4 * error < 0.5
    field = Field(0.0, 0.0, 1.5)
    radius = einstein_radius_of(result.model.only(), field)
    assert radius == pytest.approx(einstein_radius_of(DISTURBED.only(), field), rel=0.01)
