"""The files of a run, read back."""

import dataclasses
import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable, Table
from astropy.wcs import WCS
from made_run import made_problem, made_result, written_run
from matplotlib.image import imread
from run_files import IMAGE_FILES, PIXEL_FILES, PIXEL_VISIBILITY_FILES, SAMPLE_FILES, VISIBILITY_FILES
from small_fits import numbers, observed, posed

from lensfit.analysis import Analysis
from lensfit.errors import DataError
from lensfit.fitters.result import Clock, result_of
from lensfit.lensing import Field, critical_curves, einstein_radius
from lensfit.observations import observe
from lensfit.plots import BAND_FIGURES, COLOURS, ModelImages
from lensfit.results import derived_quantities, read_document
from lensfit.results.document import plain
from lensfit.results.files import MADE
from lensfit.results.fluxes import Fluxes, error_of_ratio
from lensfit.whole_files import replacing


@pytest.fixture(scope="module")
def run(mock):
    return written_run(mock.imaging, tuple(mock.truth.items()))


def refuse(word):
    raise AssertionError(f"{word} is not JSON")


def test_result_is_strict_json(run):
    folder, _, _, result = run
    document = json.loads((folder / "result.json").read_text(), parse_constant=refuse)
    assert document["fit"]["log_posterior"] is None
    assert document["amplitudes"]["source.sersic.intensity"]["error"] is None
    assert np.isnan(result.log_posterior)


def test_result_holds_every_number(run):
    folder, imaging, problem, result = run
    document = read_document(folder)
    assert (document["schema"], document["version"]) == ("lensfit.result", 6)
    assert tuple(document["parameters"]) == problem.names
    radius = document["parameters"]["mass.sie.einstein_radius"]
    index = problem.names.index("mass.sie.einstein_radius")
    assert radius == {
        "value": result.theta[index],
        "error": result.errors[index],
        "spread": result.spread[index],
        "total": np.hypot(result.errors[index], result.spread[index]),
        "unit": "arcsec",
        "symbol": r"\theta_\mathrm{E}",
    }
    assert document["amplitudes"]["source.sersic.intensity"]["unit"] == "MJy / sr"
    assert document["covariance"]["matrix"] == plain(result.joint_covariance)
    assert document["fit"]["chi2"] == result.chi2
    assert document["fixed"] == {"sky": 0.0}
    assert document["data"]["hash"] == imaging.hash
    assert document["data"]["pixels_used"] == np.count_nonzero(~imaging.mask)
    assert document["provenance"]["seed"] == 7
    assert {"lensfit", "jax", "numpy", "python"} <= document["provenance"]["versions"].keys()


def test_trust_is_kept_with_its_reasons(run):
    trust = read_document(run[0])["trust"]
    assert trust["trusted"] is False
    assert trust["reasons"] == list(run[3].trust.reasons)
    assert [check["outcome"] for check in trust["checks"]] == ["passed", "failed"]


def test_no_file_is_left_half_written(run):
    assert {path.name for path in run[0].iterdir()} == set(IMAGE_FILES)


def test_overwriting_knows_every_file_beforehand():
    """What a run may write is told before a fit begins: hours later it must not meet a file of one's own."""
    told = {*IMAGE_FILES, *VISIBILITY_FILES, *PIXEL_FILES, *PIXEL_VISIBILITY_FILES, *SAMPLE_FILES} - {"manifest.json"}
    several = {"photometry.ecsv", *(f"{name}.png" for name in (*BAND_FIGURES, COLOURS))}
    pictures = {name for name in MADE if name.endswith(".pdf")}
    assert told | several | pictures | {"slope.png", "live.png", "live.gif"} == MADE
    assert pictures == {name.replace(".png", ".pdf") for name in MADE if name.endswith(".png")} - {"live.pdf"}


def test_the_overview_alone_can_be_drawn_and_the_others_later(run, tmp_path):
    folder, imaging, problem, result = run
    done = Analysis.of(problem, result, imaging)
    small = done.save(tmp_path, "overview")
    assert [path.name for path in small.glob("*.png")] == ["overview.png"]
    whole, drawn = (imread(path / "overview.png")[..., :3] for path in (folder, small))
    assert whole.shape == drawn.shape
    assert np.mean(np.abs(whole - drawn)) < 0.02
    assert json.loads((small / "result.json").read_text())["figures"] == ["overview.png"]
    assert "The overview alone was drawn" in (small / "report.html").read_text()
    assert {path.name for path in done.save(tmp_path).iterdir()} == {path.name for path in folder.iterdir()}


def test_table_has_units_descriptions_and_all_rows(run):
    folder, _, problem, result = run
    table = Table.read(folder / "parameters.ecsv", format="ascii.ecsv")
    assert list(table["name"][: problem.ndim]) == list(problem.names)
    np.testing.assert_array_equal(table["value"][: problem.ndim], result.theta)
    assert set(table["kind"]) == {"parameter", "amplitude", "derived"}
    assert table["unit"][list(table["name"]).index("mass.sie.einstein_radius")] == "arcsec"
    assert all(column.info.description for column in table.itercols())
    assert (table.meta["trusted"], table.meta["verdict"]) == (False, "NOT TRUSTED")
    assert len(QTable.read(folder / "parameters.ecsv")) == len(table)


def test_model_file_lies_on_the_frame_of_the_data(run):
    folder, imaging, problem, result = run
    images = ModelImages.of(imaging, problem.likelihood, result.model)
    with fits.open(folder / "model.fits") as hdus:
        names = [hdu.name for hdu in hdus[1:]]
        assert names == ["MODEL", "RESIDUAL", "LENS_LIGHT", "SOURCE", "MASK"]
        expected = (images.model, images.residual, images.light, images.source)
        for hdu, image in zip(hdus[1:5], expected, strict=True):
            np.testing.assert_array_equal(hdu.data, image)
        np.testing.assert_array_equal(hdus["MASK"].data, imaging.mask)
        good = ~imaging.mask
        left = (imaging.data - hdus["MODEL"].data)[good] / imaging.noise[good]
        assert np.sum(left**2) == pytest.approx(result.chi2, rel=1e-9)
        assert hdus["MODEL"].header["BUNIT"] == "MJy / sr"
        assert (hdus[0].header["TRUSTED"], hdus[0].header["VERDICT"]) == (False, "NOT TRUSTED")
        here = WCS(hdus["MODEL"].header).pixel_to_world(3, 7)
    assert here.separation(imaging.wcs.pixel_to_world(3, 7)).arcsec < 1e-6


def test_the_bright_pixel_of_the_model_is_that_of_the_data(run, mock):
    model = fits.getdata(run[0] / "model.fits", "MODEL")
    used = np.where(run[1].mask, -np.inf, 1.0)
    assert np.nanargmax(model * used) == np.argmax(mock.image * used)


def test_derived_quantities_agree_with_draws(run, mock):
    _, imaging, problem, result = run
    found = derived_quantities(problem, observe(imaging), result)
    rng = np.random.default_rng(5)
    draws = rng.multivariate_normal(result.theta, result.covariance, 4000)
    columns = dict(zip(problem.names, draws.T, strict=True))
    e1, e2 = columns["mass.sie.e1"], columns["mass.sie.e2"]
    e = np.hypot(e1, e2)
    ratio = found["mass.sie.axis_ratio"]
    assert ratio.error == pytest.approx(np.std((1 - e) / (1 + e)), rel=0.1)
    angle = found["mass.sie.position_angle"]
    assert angle.value == pytest.approx(np.degrees(np.arctan2(*result_pair(result, "e2", "e1")) / 2) % 180)
    spread = (np.degrees(np.arctan2(e2, e1) / 2) - angle.value + 90) % 180 - 90
    assert angle.error == pytest.approx(np.std(spread), rel=0.1)
    assert found["mass.shear.shear_strength"].value == pytest.approx(
        np.hypot(mock.truth["mass.shear.gamma1"], mock.truth["mass.shear.gamma2"])
    )
    assert found["source_magnification"].value > 1
    assert found["mass.sie.position_angle_sky"].error == angle.error


def test_errors_of_fluxes_hold_those_of_solved_amplitudes():
    """Against the scatter of models drawn of parameters and amplitudes together."""
    imaging = observed()
    problem = posed(imaging)
    result = result_of(problem, numbers(problem), fitter="lm", clock=Clock.start(), converged=True,
                       evaluations=1, gradients=1)  # fmt: skip
    found = derived_quantities(problem, observe(imaging), result)
    both = np.concatenate([result.theta, result.amplitudes])
    draws = np.random.default_rng(4).multivariate_normal(both, result.joint_covariance, 300)
    fluxes = Fluxes.of(problem.parts(result.model), observe(imaging))
    n, scale = problem.ndim, imaging.pixel_scale**2
    scatter = np.std([fluxes(problem.space.build(d[:n]).filled(d[n:])) for d in draws], axis=0) / scale
    for (_, component), expected in zip(fluxes.names, scatter, strict=True):
        quantity = found[f"{component}_flux"]
        assert quantity.error == pytest.approx(expected, rel=0.15) and quantity.value > 5 * quantity.error
    alone = dataclasses.replace(result, amplitude_covariance=0 * result.amplitude_covariance)
    assert derived_quantities(problem, observe(imaging), alone)["lens_flux"].error != found["lens_flux"].error


def result_pair(result, first, second):
    return result[f"mass.sie.{first}"], result[f"mass.sie.{second}"]


def test_the_error_of_a_ratio_knows_what_both_share():
    values, rng = np.array([3.1, 0.7]), np.random.default_rng(1)
    for sigma in rng.uniform(0.01, 0.3, 200):  # both in proportion to one amplitude: rounding is no error
        assert error_of_ratio(values, np.outer(sigma * values, sigma * values)) == 0.0
    alone = error_of_ratio(values, np.diag((0.1 * values) ** 2))
    assert alone == pytest.approx(0.1 * np.sqrt(2) * values[0] / values[1])
    assert np.isnan(error_of_ratio(np.array([1.0, 0.0]), np.eye(2)))


def test_error_of_the_einstein_radius_agrees_with_draws(run):
    _, imaging, problem, result = run
    found = derived_quantities(problem, observe(imaging), result)["effective_einstein_radius"]
    draws = np.random.default_rng(2).multivariate_normal(result.theta, result.covariance, 60)
    field = Field(0.0, 0.0, 1.6)
    radii = []
    for theta in draws:
        model = problem.space.build(theta).filled(result.amplitudes)
        radii.append(einstein_radius(model, critical_curves(model, field).main))
    assert found.error == pytest.approx(np.std(radii), rel=0.3)
    assert found.value == pytest.approx(np.mean(radii), abs=4 * found.error)


def test_an_einstein_radius_is_found_where_the_mask_ends_inside_the_critical_curve(run):
    """The arcs of a sheared lens need not reach as far as its critical curve."""
    _, imaging, problem, result = run
    found = derived_quantities(problem, observe(imaging), result)["effective_einstein_radius"]
    tight = observe(imaging.circular_mask(0.7 * found.value))
    beyond = derived_quantities(problem, tight, result)["effective_einstein_radius"]
    assert beyond.value == pytest.approx(found.value, rel=1e-4)


def test_unknown_covariance_leaves_unknown_errors(mock):
    imaging, problem = made_problem(mock.imaging)
    result = made_result(problem, mock.truth)
    result.covariance[:] = np.nan
    found = derived_quantities(problem, observe(imaging), result)
    assert all(np.isnan(quantity.error) and np.isfinite(quantity.value) for quantity in found.values())


def test_one_unknown_error_makes_those_unknown_that_depend_on_it(mock):
    imaging, problem = made_problem(mock.imaging)
    result = made_result(problem, mock.truth)
    before = derived_quantities(problem, observe(imaging), result)
    k = result.names.index("mass.shear.gamma1")
    result.covariance[k] = result.covariance[:, k] = np.nan
    after = derived_quantities(problem, observe(imaging), result)
    moved = {"mass.shear.shear_strength", "mass.shear.shear_angle", "mass.shear.shear_angle_sky"}
    moved |= {"effective_einstein_radius", "source_magnification"}
    for name, quantity in after.items():
        assert quantity.value == before[name].value
        expected = np.nan if name in moved else before[name].error
        assert quantity.error == pytest.approx(expected, nan_ok=True), name


def test_plain_knows_numpy_and_what_is_not_finite():
    value = {"a": np.array([1.0, np.nan]), "b": (np.float64(np.inf), np.int64(3), np.bool_(True)), "c": None}
    assert plain(value) == {"a": [1.0, None], "b": [None, 3, True], "c": None}


@pytest.mark.parametrize(
    "content, words",
    [
        (None, "no such file"),
        ("{", "not valid JSON"),
        ("[1]", "reads schema"),
        ('{"schema": "lensfit.result", "version": 99}', "version 6"),
        ('{"schema": NaN}', "NaN is no number in JSON"),
        ('{"schema": 1, "schema": 2}', "it says 'schema' twice"),
        ("[" * 100_000, "it is nested too deep"),
    ],
)
def test_a_result_that_cannot_be_read_says_why(tmp_path, content, words):
    if content is not None:
        (tmp_path / "result.json").write_text(content)
    with pytest.raises(DataError, match=words):
        read_document(tmp_path)


def test_a_pipe_is_no_result(tmp_path):
    os.mkfifo(tmp_path / "result.json")
    with pytest.raises(DataError, match="no such file, but a pipe"):
        read_document(tmp_path)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_read_only_disk_hides_no_error(tmp_path, monkeypatch):
    def unlink(path, missing_ok=False):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "unlink", unlink)
    with pytest.raises(RuntimeError), replacing(tmp_path / "file.txt"):
        raise RuntimeError
