"""Samples in the run folder: table, HDF5 as arviz reads it, figures, derived quantities, report."""

import dataclasses
import warnings

import numpy as np
import pytest
from astropy.table import Table
from made_run import made_problem, made_result
from scipy.special import gamma

from lensfit.analysis import Analysis
from lensfit.fitters.diagnostics import Diagnostics
from lensfit.observations import observe
from lensfit.plots import corner_figure, trace_figure
from lensfit.report import report_html
from lensfit.results import derived_quantities, read_document
from lensfit.results.files import equal_draws

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # that a refactor of arviz is coming
    import arviz

COUNT = 4000


@pytest.fixture(scope="module")
def chains(mock):
    """A result with samples of its covariance as four chains; `weighted` has samples twice as wide with weights."""
    imaging, problem = made_problem(mock.imaging)
    result = made_result(problem, mock.truth)
    rng = np.random.default_rng(8)
    draws = rng.multivariate_normal(result.theta, result.covariance, COUNT)
    found = dataclasses.replace(
        result, fitter="nuts", samples=draws, weights=np.full(COUNT, 1 / COUNT),
        log_likelihoods=rng.standard_normal(COUNT),
        diagnostics=Diagnostics(effective_samples=3500.0, chains=4, r_hat=1.002, divergences=0),
    )  # fmt: skip
    return imaging, problem, found


@pytest.fixture(scope="module")
def weighted(chains):
    imaging, problem, result = chains
    away = 1.3 * (result.samples - result.theta)
    distance = np.einsum("si,ij,sj->s", away, np.linalg.inv(result.covariance), away)
    weights = np.exp(-0.5 * distance * (1 - 1 / 1.3**2) + 5)
    found = dataclasses.replace(
        result, fitter="importance", samples=result.theta + away, weights=weights / weights.sum(),
        diagnostics=Diagnostics(effective_samples=1 / np.sum((weights / weights.sum()) ** 2), pareto_k=0.4),
        log_evidence=-12.5, log_evidence_error=0.02,
    )  # fmt: skip
    return imaging, problem, found


@pytest.fixture(scope="module")
def folder(weighted, tmp_path_factory):
    imaging, problem, result = weighted
    folder = tmp_path_factory.mktemp("run")
    Analysis.of(problem, result, imaging).save(folder)
    return folder


def test_table(folder, weighted):
    *_, result = weighted
    table = Table.read(folder / "samples.ecsv")
    assert table.colnames == ["weight", "log_likelihood", *result.names]
    np.testing.assert_allclose(table["mass.sie.einstein_radius"], result.samples[:, result.names.index(
        "mass.sie.einstein_radius")], rtol=1e-12)  # fmt: skip
    assert table["mass.sie.einstein_radius"].description == "arcsec"
    assert table["weight"].sum() == pytest.approx(1) and table.meta["log_evidence"] == -12.5


def test_arviz_reads_weighted_samples_as_equal_draws(folder, weighted):
    *_, result = weighted
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = arviz.from_netcdf(folder / "samples.h5")
        summary = arviz.summary(found, var_names=["mass.sie.einstein_radius"], kind="stats", round_to=12)
    k = result.names.index("mass.sie.einstein_radius")
    assert found.posterior.sizes["chain"] == 1
    assert found.posterior.sizes["draw"] == int(result.diagnostics.effective_samples)
    assert found.posterior["mass.sie.einstein_radius"].attrs["units"] == "arcsec"
    assert float(summary["mean"].iloc[0]) == pytest.approx(result.theta[k], abs=0.2 * result.errors[k])
    assert float(summary["sd"].iloc[0]) == pytest.approx(result.errors[k], rel=0.15)
    assert np.all(np.isfinite(found.sample_stats["lp"]))
    assert found.posterior.attrs["inference_library"] == "lensfit"


def test_chains_stay_chains(chains, tmp_path):
    imaging, problem, result = chains
    Analysis.of(problem, result, imaging).save(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = arviz.from_netcdf(tmp_path / "samples.h5")
    values = found.posterior["mass.sie.einstein_radius"].values
    assert values.shape == (4, COUNT // 4)
    np.testing.assert_array_equal(values.ravel(), result.samples[:, result.names.index("mass.sie.einstein_radius")])
    assert {"corner.png", "trace.png"} <= {path.name for path in tmp_path.iterdir()}


def test_equal_draws_have_the_weighted_moments(weighted):
    *_, result = weighted
    theta, log_l, chains = equal_draws(result)
    mean = result.weights @ result.samples
    np.testing.assert_allclose(theta.mean(axis=0), mean, atol=0.1 * result.errors.min())
    np.testing.assert_allclose(theta.std(axis=0), result.errors, rtol=0.12)
    assert len(log_l) == len(theta) and chains == 1


def test_derived_quantities_scatter_as_the_covariance_says(chains):
    """Samples of a normal distribution this narrow must give the errors of linear propagation."""
    imaging, problem, result = chains
    linear = derived_quantities(problem, observe(imaging), dataclasses.replace(result, samples=None))
    sampled = derived_quantities(problem, observe(imaging), result)
    assert sampled.keys() == linear.keys() >= {"source_flux", "lens_flux", "lensed_source_flux"}
    for name, quantity in sampled.items():
        assert quantity.value == pytest.approx(linear[name].value)
        np.testing.assert_allclose(quantity.error, linear[name].error, rtol=0.2, err_msg=name)
    product = sampled["source_flux"].value * sampled["source_magnification"].value
    assert product == pytest.approx(sampled["lensed_source_flux"].value)


def test_lens_flux_is_the_sum_over_the_pixels(chains, mock):
    """All of the bulge and disc inside the wide field against the closed form of two Sersic profiles."""
    imaging, problem, result = chains
    total = 0.0
    for profile, n in (("bulge", mock.truth["light.bulge.sersic_index"]), ("disk", 1.0)):
        radius, value = mock.truth[f"light.{profile}.effective_radius"], result[f"light.{profile}.intensity"]
        b = 2 * n - 1 / 3 + 4 / (405 * n) + 46 / (25515 * n**2) + 131 / (1148175 * n**3)
        total += value * radius**2 * 2 * np.pi * n * np.exp(b) * b ** (-2 * n) * gamma(2 * n)
    found = derived_quantities(problem, observe(imaging), dataclasses.replace(result, samples=None))["lens_flux"]
    assert found.value * imaging.pixel_scale**2 == pytest.approx(total, rel=0.1)
    assert found.unit == "MJy / sr, summed over pixels"


def test_report_shows_diagnostics_and_figures(folder):
    document = read_document(folder)
    assert document["diagnostics"]["pareto_k"] == 0.4 and document["diagnostics"]["r_hat"] is None
    page = report_html(folder)
    assert "Pareto k 0.4" in page and "effective samples" in page
    assert "contours hold 68 and 95 %" in page and "is missing" not in page


def test_a_trace_needs_samples_and_a_corner_does_not(chains):
    *_, result = chains
    without = dataclasses.replace(result, samples=None)
    with pytest.raises(ValueError, match="no samples"):
        trace_figure(without)
    titles = [[axes.get_title() for axes in corner_figure(one, result.names[:2]).axes] for one in (result, without)]
    assert [sum(bool(title) for title in some) for some in titles] == [2, 2]
