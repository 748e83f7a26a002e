"""Several data of one lens with a name each: an image beside visibilities on the road."""

import numpy as np
import pytest
from documents import quantities, same
from run_files import MAP_FILES, VISIBILITY_FILES, WRITTEN

import lensfit
from lensfit import cli
from lensfit.analysis import Analysis, Region
from lensfit.datasets import Interferometer, write_interferometer
from lensfit.errors import DataError, ModelError
from lensfit.fitters.lm import LM
from lensfit.fitters.result import Clock, result_of
from lensfit.instruments import Instrument, earth_rotation, gaussian_psf, spiral
from lensfit.model import LensModel, Models
from lensfit.observations import observe
from lensfit.plots import FIGURES, VISIBILITY_FIGURES
from lensfit.priors import LogNormal, Normal, Solved, Uniform
from lensfit.profiles import SIE, Exponential
from lensfit.progress import silent
from lensfit.results import read_document
from lensfit.simulate import simulate_imaging, simulate_interferometer
from lensfit.terms import Sum

RADIUS = 0.8
BENT = {"center_x": 0.02, "center_y": -0.03, "e1": 0.1, "e2": 0.05}
ARC = {"center_x": 0.08, "center_y": 0.05, "e1": 0.1, "e2": 0.0}


def truth(intensity, size):
    """The lens with a source of that brightness and size."""
    source = Exponential(**ARC, intensity=intensity, effective_radius=size)
    return LensModel(light={}, mass={"sie": SIE(**BENT, einstein_radius=RADIUS)}, source={"arc": source})


@pytest.fixture(scope="module")
def data():
    """An image of stars and visibilities of dust, which is larger than the stars."""
    instrument = Instrument(pixel_scale=0.08, psf=gaussian_psf(0.16, 0.08, 7), exposure_time=500.0, gain=1.0, sky=0.1,
                            read_noise=5.0, unit="e/s")  # fmt: skip
    imaging = simulate_imaging(truth(1.5, 0.12), instrument, (36, 36), seed=3).circular_mask(1.3)
    rows = earth_rotation(
        spiral(7, 350.0), latitude=-23.0, declination=-45.0, hour_angles=np.linspace(-1, 1, 8), wavelength=870e-6,
        noise=0.012,
    )  # fmt: skip
    grid = Interferometer.of(rows, pixel_scale=0.16, shape=(32, 32))
    return {"F150W": imaging, "alma": simulate_interferometer(truth(6e-4, 0.2), grid, seed=4)}


@pytest.fixture(scope="module")
def models():
    """One mass; each dataset has a source of its own."""
    sie = SIE(**BENT, einstein_radius=Uniform(low=0.3, high=1.2))

    def model(size):
        arc = Exponential(center_x=Normal(mean=0.0, sigma=0.1), center_y=0.05, e1=0.1, e2=0.0, intensity=Solved(),
                          effective_radius=LogNormal(median=size, sigma=0.3))  # fmt: skip
        return LensModel(light={}, mass={"sie": sie}, source={"arc": arc})

    return {"F150W": model(0.12), "alma": model(0.2)}


@pytest.fixture(scope="module")
def done(data, models):
    """An analysis whose result is the truth."""
    begun = Analysis.begin(data, models).then(Region(), silent).ready()
    values = {"einstein_radius": RADIUS, "center_x": 0.08, "F150W.effective_radius": 0.12, "alma.effective_radius": 0.2}
    keys = [(f"{name.partition('.')[0]}.{name.rpartition('.')[2]}", name.rpartition(".")[2]) for name in
            begun.problem.names]  # fmt: skip
    theta = np.array([values.get(own, values.get(key)) for own, key in keys])
    result = result_of(begun.problem, theta, fitter="by hand", clock=Clock.start(), converged=True, evaluations=1,
                       gradients=1)  # fmt: skip
    return begun.changed(result=result)


def test_one_problem_of_the_sum_of_their_terms(done, data):
    assert isinstance(done.problem.likelihood, Sum) and isinstance(done.problem.model, Models)
    assert done.problem.ndim == 5, "the Einstein radius is one parameter"
    assert done.result.chi2 / done.result.data_count == pytest.approx(1, abs=0.15)
    assert done.observation.frame.shape == data["F150W"].shape


def test_the_first_one_heads_and_each_has_its_quantities(done):
    assert done.einstein_radius == done.derived["F150W.effective_einstein_radius"]
    assert done.derived["alma.effective_einstein_radius"].value == pytest.approx(done.einstein_radius.value, rel=1e-3)
    magnified = [done.derived[f"{name}.source_magnification"].value for name in ("F150W", "alma")]
    assert magnified[0] > magnified[1] > 1


def test_files_of_all_of_them(done, tmp_path):
    done.save(tmp_path)
    figures = [f"F150W_{name}.png" for name in FIGURES] + [f"alma_{name}.png" for name in VISIBILITY_FIGURES]
    written = {*WRITTEN, "photometry.ecsv"} - set(MAP_FILES)
    maps = {f"{name}_{file}" for name in ("F150W", "alma") for file in MAP_FILES}
    assert {path.name for path in tmp_path.iterdir()} == written | maps | set(figures)
    assert done.maps("alma").unit == "Jy / pixel" and done.maps().frame.shape == done.observation.frame.shape
    page = (tmp_path / "report.html").read_text()
    assert "F150W pixels" in page and "alma baselines" in page and "missing" not in page
    loaded = lensfit.load(tmp_path)
    np.testing.assert_equal(quantities(loaded), quantities(done))
    assert loaded.result.model.keys() == {"F150W", "alma"}
    assert loaded.summary() == done.summary()


def test_models_must_be_given_and_fit(data, models):
    several = {"alma": data["alma"], "noema": data["alma"]}
    with pytest.raises(ModelError, match="no standard model is for several data: give model= a mapping of alma, noema"):
        Analysis.begin(several).problem  # noqa: B018
    with pytest.raises(ModelError, match="no standard model is for several data"):
        Analysis.begin(several, "flexible").problem  # noqa: B018
    with pytest.raises(ModelError, match="give model= a mapping of F150W, alma"):
        Analysis.begin(data, {"F150W": models["F150W"]}).problem  # noqa: B018
    with pytest.raises(DataError, match="int is no data"):
        observe({"one": 1})


def test_the_standard_model_of_an_image_and_visibilities_has_one_mass(data):
    made = Analysis.begin(data, "source_only").then(Region(), silent).ready().problem.model
    assert made["alma"].mass is made["F150W"].mass and made["F150W"].alignment is None
    dust, stars = made["alma"].source["sersic"], made["F150W"].source["sersic"]
    assert dust.center_x.mean is stars.center_x, "dust is near the stars"
    shift = made["alma"].alignment.shift_x
    assert abs(shift.mean) < shift.sigma, "both are counted from about the same place"


@pytest.mark.slow
def test_the_command_and_python_give_the_same_numbers_of_visibilities(data, tmp_path, monkeypatch):
    """By a fitter that takes no time; the window is chosen, and the joint likelihood made, on both roads."""
    monkeypatch.setattr(cli, "setup", lambda: None)
    write_interferometer(data["alma"], tmp_path / "data")
    recipe = '[fit]\nstandard = "one_source"\nfitter = "lm"\nsettings = {starts = 1}\n'
    (tmp_path / "recipe.toml").write_text(recipe)
    command = ["fit", str(tmp_path / "data"), "--model", str(tmp_path / "recipe.toml"), "--out", str(tmp_path / "run")]
    assert cli.main([*command, "--quiet"]) in (0, 4)
    python = lensfit.analyse(tmp_path / "data", "one_source", LM(starts=1), progress=silent)
    folders = (tmp_path / "run", python.save(tmp_path / "python"))
    same(*(read_document(folder) for folder in folders))
    assert {path.name for path in folders[1].iterdir()} == set(VISIBILITY_FILES)
    loaded = lensfit.load(folders[0])
    assert loaded.problem.log_likelihood(loaded.result.theta) == python.problem.log_likelihood(python.result.theta)
