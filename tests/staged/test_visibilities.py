"""Two datasets of visibilities with phase errors: window, calibration, command line and report; the door."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lensfit as package
from lensfit import cli
from lensfit.cli import main
from lensfit.datasets import Interferometer, read_interferometer, write_interferometer
from lensfit.errors import DataError, ModelError
from lensfit.fitters.laplace import laplace
from lensfit.fitters.lm import evaluate, linear_system
from lensfit.fitters.result import Clock, result_of
from lensfit.instruments import earth_rotation, spiral
from lensfit.likelihood.calibration import Observations
from lensfit.model import LensModel
from lensfit.observations.window import choose_window
from lensfit.plots import VISIBILITY_FIGURES
from lensfit.priors import LogNormal, Normal, Solved
from lensfit.problem import Problem
from lensfit.profiles import SIE, Gaussian, Sersic, Shear
from lensfit.recipe import read_recipe
from lensfit.simulate import simulate_interferometer
from lensfit.space import Space, solve_amplitudes
from lensfit.staged.joint import Joint
from lensfit.staged.stages import Stages
from lensfit.staged.visibility_stages import align, calibrate, seen
from lensfit.standard import one_source
from lensfit.verdict import Check, Trust

TRUTH = LensModel(
    light={},
    mass={
        "sie": SIE(center_x=0.9, center_y=-0.7, e1=0.1, e2=-0.06, einstein_radius=0.8),
        "shear": Shear(gamma1=0.03, gamma2=0.02),
    },
    source={
        "sersic": Sersic(
            center_x=0.98, center_y=-0.65, e1=0.1, e2=0.05, intensity=6e-4, effective_radius=0.12, sersic_index=1.0
        )
    },
)


def mock(antennas, longest, seed):
    """The lens, more than an arcsec from the phase centre, as one run sees it; pixels of 0.08 arcsec."""
    rows = earth_rotation(
        spiral(antennas, longest), latitude=-23.0, declination=-45.0, hour_angles=np.linspace(-2, 2, 20),
        wavelength=870e-6, noise=0.012,
    )  # fmt: skip
    wide = Interferometer.of(rows, pixel_scale=0.08, shape=(80, 80), primary_beam=12.0)
    return simulate_interferometer(TRUTH, wide, seed=seed, phase_errors=8.0)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two runs written to folders, without a grid: the window is to be chosen."""
    made = []
    for number, (antennas, longest) in enumerate(((12, 700.0), (9, 350.0))):
        folder = tmp_path_factory.mktemp(f"run{number}")
        write_interferometer(mock(antennas, longest, number), folder)
        stated = json.loads((folder / "info.json").read_text())
        kept = {key: stated[key] for key in ("sign", "east", "primary_beam")}
        (folder / "info.json").write_text(json.dumps(kept))
        made.append(folder)
    return made


@pytest.fixture
def lensfit(monkeypatch, capsys):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    monkeypatch.setattr(cli, "setup", lambda: None)

    def run(*arguments):
        return main([str(argument) for argument in arguments]), *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def windowed(folders):
    """Both runs on the window that is chosen for them."""
    return choose_window([read_interferometer(folder) for folder in folders])


@pytest.fixture(scope="module")
def joint(windowed):
    """Both runs on one window, their phases free, and the image of the truth there [Jy/pixel]."""
    observations = Observations.of(windowed, antenna_phases=True)
    area = (observations.datasets[0].pixel_scale / 0.08) ** 2
    return observations, area * np.asarray(seen(observations.likelihood(), TRUTH))


def test_model_and_calibration_end_at_their_joint_optimum(joint):
    observations, _ = joint
    aligned = align(observations)
    assert np.hypot(*aligned.calibrations[1].numbers[1:3]) < 0.1
    likelihood = aligned.likelihood()
    case = Stages.of(likelihood).case(solve_amplitudes(one_source(observations.datasets[0])), likelihood)
    truth = np.array([true(name) for name in case.space.names])
    found = calibrate(case, aligned, [truth + 0.02])
    likelihood = found.likelihood()
    point = Joint.of(case).descend(likelihood, truth, 30, 0.01)
    assert float(point.chi2) / likelihood.data_count == pytest.approx(1, abs=0.05)
    assert float(case.levels.full.chi2(jnp.asarray(joint[1]))) / likelihood.data_count > 1.2, "before any phase"
    best = dict(zip(case.space.names, np.asarray(point.theta), strict=True))
    assert best["mass.sie.einstein_radius"] == pytest.approx(0.8, abs=0.02)
    assert best["mass.sie.center_x"] == pytest.approx(0.9, abs=0.04)
    model = case.space.build(point.theta).filled(point.amplitudes)
    again = found.calibrated(np.asarray(seen(likelihood, model))).likelihood()
    assert abs(float(again.chi2(again.image(model))) - float(point.chi2)) < 1, "neither wants to move"


def test_two_runs_with_antenna_phases(lensfit, folders, joint, tmp_path, monkeypatch):
    """The command line on two datasets, calibrated at the image of the truth; the fit itself is a stand-in's."""

    def at_truth(analysis, progress):
        observation = analysis.observation
        now = replace(observation, joint=observation.observations.calibrated(joint[1]))
        analysis = analysis.changed(seen=now).ready()
        problem = analysis.problem
        theta = np.array([true(name) for name in problem.names])
        gain = f"{now.free} calibration parameters, fitted with the model, lowered chi2 by 0"
        told = (gain, *now.calibration_notes())
        result = result_of(
            problem, theta, fitter="staged", clock=Clock.start(), converged=True, evaluations=1, gradients=0,
            curvature=laplace(problem.space, problem.likelihood, theta), notes=told,
            trust=Trust((Check.of("made", True, "by hand"),)),
        )  # fmt: skip
        return analysis.changed(result=result)

    monkeypatch.setattr("lensfit.analysis.road.Calibration", lambda: at_truth)
    out = tmp_path / "out"
    code, said, errors = lensfit("fit", *folders, "--antenna-phases", "--out", out, "--seed", 3)
    assert code == 0, said + errors
    result = json.loads((out / "result.json").read_text())
    assert result["fit"]["chi2"] / result["fit"]["data_count"] == pytest.approx(1, abs=0.05)
    assert [len(c["antenna_phases_deg"]) for c in result["data"]["calibration"]] == [12, 9]
    assert result["data"]["calibration"][1]["scale"] == pytest.approx(1, abs=0.03)
    assert any("calibration parameters, fitted with the model, lowered chi2" in note for note in result["notes"])
    assert result["figures"] == [f"{name}.png" for name in VISIBILITY_FIGURES]
    page = (out / "report.html").read_text()
    assert "primary beam" in page and "phases of 12 antennas" in page
    loaded = package.load(out)
    now, kept = loaded.observation.observations, result["data"]["calibration"]
    assert [c.numbers.tolist() for c in now.calibrations] == [row["numbers"] for row in kept]
    assert loaded.problem.log_likelihood(loaded.result.theta) == pytest.approx(loaded.result.log_likelihood, abs=0.5)
    recipe = read_recipe(out / "recipe.toml")
    assert recipe.data.antenna_phases and [p.resolve() for p in recipe.data.more] == [folders[1].resolve()]


def true(name):
    """The truth at a dotted name."""
    group, profile, field = name.split(".")
    return getattr(getattr(TRUTH, group)[profile], field)


def test_inspect(lensfit, folders, tmp_path):
    picture = tmp_path / "seen.png"
    code, said, _ = lensfit("inspect", *folders, "--out", picture)
    assert code == 0 and picture.stat().st_size > 1e4
    assert said.count("antennas known") == 2 and "window chosen from the data" in said


def test_the_window_is_about_the_lens(windowed):
    first, second = windowed
    assert np.hypot(first.origin[0] - 0.9, first.origin[1] + 0.7) < 0.5
    assert 2.5 < first.shape[0] * first.pixel_scale < 8
    assert first.pixel_scale <= 0.37 * min(d.nyquist for d in windowed)
    assert (first.origin, first.shape) == (second.origin, second.shape)


def test_a_dark_field_is_refused(folders):
    data = read_interferometer(folders[0])
    rows = data.visibilities
    with pytest.raises(DataError, match="no emission in the field"):
        choose_window([replace(data, visibilities=replace(rows, values=np.zeros(len(rows), complex)))])


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (["RUN", "--mask-radius", 2], 3, "--mask-radius can be given for images alone"),
        (["RUN", "--standard", "parametric"], 3, "is not for visibilities: use one_source or"),
        (["IMAGE", "--standard", "one_source"], 3, "is not for images: use parametric or flexible"),
    ],
)
def test_what_does_not_go_together(lensfit, folders, tmp_path, arguments, code, message):
    named = {"RUN": folders[0], "IMAGE": "data/jwst_mock"}
    said = lensfit("fit", *(named.get(a, a) for a in arguments), "--out", tmp_path / "out")
    assert said[0] == code and message in said[2]


def test_system_of_a_descent_is_that_of_chi2(folders):
    """Gauss-Newton's gradient is the gradient of chi2 + |z|^2, its curvature that of the errors."""
    data = read_interferometer(folders[1]).regridded(pixel_scale=0.1, shape=(40, 40), origin=(0.9, -0.7))
    likelihood = Observations.of([data]).likelihood()
    blob = {"center_x": Normal(mean=0.9, sigma=0.3), "center_y": -0.6, "e1": 0.1, "e2": 0.0, "intensity": Solved()}
    light = {"a": Gaussian(**blob, sigma=LogNormal(median=0.5, sigma=0.3))}
    space = Space.of(LensModel(light=light, mass={}, source={}))
    z, groups, exact = np.array([0.3, -0.4]), ("light", "source"), jnp.asarray(True)

    @jax.jit
    def system(z):
        point = evaluate(space, likelihood, z, groups, jnp.asarray(True))
        return point, linear_system(space, likelihood, point, groups, exact)

    point, found = system(z)
    ends = [[float(system(z + h * s)[0].objective) for h in (1e-4, -1e-4)] for s in np.eye(2)]
    slopes = [(above - below) / 4e-4 for above, below in ends]
    np.testing.assert_allclose(found.slope, [*slopes, 0.0], rtol=1e-4, atol=1e-6 * np.abs(found.curvature).max())
    expected = np.linalg.inv(np.asarray(found.curvature))
    stretch = np.eye(3)
    stretch[:2, :2] = np.asarray(jax.jacfwd(space.to_theta)(z))
    covariance = laplace(space, likelihood, np.asarray(point.theta)).covariance
    np.testing.assert_allclose(covariance, stretch @ expected @ stretch.T, rtol=1e-6)


def test_residuals_on_pixels_are_refused(folders):
    data = read_interferometer(folders[0])
    problem = Problem(TRUTH, Observations.of([data]).likelihood())
    with pytest.raises(ModelError, match="InterferometerLikelihood has no residuals of its own"):
        problem.residuals(np.zeros(0))
