"""The battery: what every fitter does, lensfit's own and another package's, on the cheapest problem of known answer."""

import itertools

import analytic
import cases
import jax.numpy as jnp
import numpy as np
import pytest

from lensfit.errors import FitError
from lensfit.fitters import Clock, Emcee, Samples, Store, result_of
from lensfit.fitters.descents import with_convergence
from lensfit.problem import Problem
from lensfit.pytree import replace
from lensfit.registry import fit, fitter
from lensfit.terms import Residuals, Sum


@pytest.mark.parametrize("name", cases.QUICK)
def test_right_answer(name, exact, fitted):
    result, sigma = fitted(name).result, np.sqrt(np.diag(exact.covariance))
    if result.samples is None:
        near = 0.2 if name == "cross-entropy" else 1e-2
        np.testing.assert_allclose(result.theta, exact.mean, atol=near * sigma.min())
        np.testing.assert_allclose(result.covariance, exact.covariance, rtol=1e-6)
        assert result.converged and result.trust.word == "UNCHECKED", "it is the fit of no lens"
        return
    weights = result.weights / result.weights.sum()
    effective = 1 / np.sum(weights**2) if name in cases.WEIGHTED else 200
    apart = (weights @ result.samples - exact.mean) / sigma
    assert np.max(np.abs(apart)) < 4 / np.sqrt(effective), "weighted mean"
    np.testing.assert_allclose(result.errors, sigma, rtol=4 / np.sqrt(2 * effective))
    assert np.max(np.abs(result.theta - exact.mean) / sigma) < 2, "best point"
    assert result.explored == (name in cases.NESTED)


@pytest.mark.parametrize("name", cases.QUICK)
def test_a_sum_of_terms(name, exact):
    """The same data in two terms: what a fitter reads of them is the sum."""
    whole = analytic.linear().problem
    cut = {part: replace(whole.likelihood, matrix=whole.likelihood.matrix[rows], data=whole.likelihood.data[rows])
           for part, rows in (("first", slice(0, 4)), ("second", slice(4, 8)))}  # fmt: skip
    problem = Problem(whole.model, Sum.of(cut))
    chosen = fitter(name, cases.SHORT[name])
    if chosen.needs is Residuals:
        with pytest.raises(FitError, match="a residual for each datum"):
            fit(problem, chosen, seed=5)
        return
    result = fit(problem, chosen, seed=5, start=cases.start(name, exact.mean))
    assert problem.names == whole.names
    away = np.abs(result.theta - exact.mean) / np.sqrt(np.diag(exact.covariance))
    assert np.max(away) < (0.3 if result.samples is None else 2)


@pytest.mark.parametrize("name", cases.WEIGHTED)
def test_evidence(name, exact, fitted):
    result = fitted(name).result
    assert abs(result.log_evidence - exact.log_evidence) < 3 * result.log_evidence_error
    assert result.log_evidence_error < 0.5


@pytest.mark.parametrize("name", cases.QUICK)
def test_evaluations_are_what_the_likelihood_counts(name, exact, fitted):
    done = fitted(name)
    before, samples = analytic.counter(), None
    if done.result.samples is not None:
        samples = Samples(theta=done.result.samples, weights=done.result.weights)
    result = result_of(exact.problem, done.result.theta, fitter=name, clock=Clock.start(), converged=True,
                       evaluations=None, gradients=None, samples=samples)
    if samples is None and name != "cross-entropy":
        with_convergence(exact.problem, result)
    checked = int(cases.start(name, exact.mean) is not None)
    assert done.result.evaluations == done.calls - checked - (analytic.counter() - before)
    assert (done.result.gradients is not None) == (name in cases.SLOPES)


@pytest.mark.parametrize("name", cases.QUICK)
def test_same_seed_same_result(name, exact, short):
    start = cases.start(name, exact.mean)
    same(short(name).result, fit(exact.problem, fitter(name, cases.SHORT[name]), seed=5, start=start))


def same(first, second):
    """Two results are one, bit for bit."""
    np.testing.assert_array_equal(first.theta, second.theta)
    np.testing.assert_array_equal(first.covariance, second.covariance)
    assert (first.evaluations, first.gradients) == (second.evaluations, second.gradients)
    assert (first.log_evidence, first.log_evidence_error) == (second.log_evidence, second.log_evidence_error)
    for name in ("samples", "weights"):
        one, other = getattr(first, name), getattr(second, name)
        assert (one is None) == (other is None)
        assert one is None or np.array_equal(one, other)


@pytest.mark.parametrize("name", cases.QUICK)
def test_shares_of_the_work_never_fall(name, short):
    shares = np.array(short(name).shares)
    assert len(shares) > 1 and np.all(np.diff(shares) >= 0)
    assert 0 <= shares[0] < shares[-1] <= 1


class Stopped(Exception):
    """Ends a fit in the middle."""


def stopping_at(call):
    """Progress that ends the fit at that call."""
    calls = itertools.count()

    def progress(*_, **__):
        if next(calls) == call:
            raise Stopped

    return progress


def ends(exact, name, store, progress):
    """The result of a fit, None where it was stopped."""
    try:
        start = cases.start(name, exact.mean)
        return fit(exact.problem, fitter(name, cases.SHORT[name]), seed=5, start=start, checkpoint=store,
                   progress=progress)
    except Stopped:
        return None


@pytest.mark.parametrize("name", cases.QUICK)
def test_resumed_is_uninterrupted(name, exact, short, tmp_path):
    store = Store(tmp_path / "store", interval=0.02 if name in cases.NESTED else 0.0)
    stops = 0
    for call in (1, 2, 7, 11):
        result = ends(exact, name, store, stopping_at(call))
        if result is not None:
            break
        stops += 1
    else:
        result = ends(exact, name, store, stopping_at(-1))
    assert stops
    same(result, short(name).result)
    same(ends(exact, name, store, stopping_at(-1)), result)  # as if it had been killed after its last state
    store.discard()
    assert not (tmp_path / "store").exists()


BAD = [
    ("lm", "starts", 0), ("lm", "iterations", 2.5), ("lbfgs", "memory_size", 0), ("lbfgs", "lanes", True),
    ("adam", "learning_rate", -1.0), ("adam", "steps", 0), ("adam", "b1", float("nan")),
    ("jaxopt-lbfgs", "maxiter", 0), ("jaxopt-lbfgsb", "bound", 0.0), ("jaxopt-lm", "damping_parameter", "small"),
    ("pyswarms", "n_particles", 1), ("pyswarms", "ftol", -1), ("emcee", "nwalkers", 5), ("emcee", "moves", "walk"),
    ("dynesty", "nlive", 3), ("dynesty", "bound", "cube"), ("dynesty", "dlogz", 0.0), ("dynesty", "sample", "hslice"),
    ("dynesty-dynamic", "n_effective", 0), ("nautilus", "n_live", 2), ("nautilus", "f_live", 0.0),
    ("importance", "draws", 10), ("importance", "degrees_of_freedom", 1), ("nuts", "chains", 0), ("nuts", "samples", 3),
    ("nuts", "target_acceptance", "high"), ("nuts", "target_acceptance", 1.0),
    ("nss", "num_live", 9), ("nss", "num_delete", 0), ("nss", "dlogz", 0.0), ("cross-entropy", "elite", 0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "setting", "value"), BAD)
def test_settings_out_of_range(name, setting, value, exact):
    with pytest.raises(FitError, match=f"{setting} = "):
        fit(exact.problem, fitter(name, {setting: value}), start=cases.start(name, exact.mean))
    assert {name for name, *_ in BAD} == set(cases.QUICK), "every fitter checks its settings"


@pytest.mark.parametrize("name", ["staged", *cases.QUICK])
def test_a_start_outside_the_prior(name, exact, monkeypatch):
    """Told before any work; those that explore the whole prior take none."""
    if name in cases.NESTED:
        monkeypatch.setattr(type(fitter(name)), "run", None)
    told = "leave start out" if name in ("staged", *cases.NESTED) else "outside the prior: mass.shear.gamma2 = nan"
    bad = np.array([0.0, np.nan, 0.0])
    with pytest.raises(FitError, match=told):
        fit(exact.problem, fitter(name), start=exact.mean if name == "staged" else bad)


@pytest.mark.parametrize("name", cases.QUICK)
def test_nan_on_the_way_is_told_not_masked(name, exact):
    """The start is on this side of the limit, the data on the other."""
    start = None if name in cases.NESTED else np.array([0.05, *exact.mean[1:]])
    told = r"(NaN|not finite).* at mass.shear.gamma1 = 0?\.?\d+.*, .*sky = .*narrow the priors"
    with pytest.raises(FitError, match=told):
        fit(analytic.not_defined_above(0.1), fitter(name, cases.SHORT[name]), start=start)


@pytest.mark.parametrize("name", [name for name in cases.QUICK if name != "importance"])
def test_nan_at_a_draw_of_the_prior_is_told(name):
    with pytest.raises(FitError, match=r"ln L is NaN at mass.shear.gamma1 = .*narrow the priors"):
        fit(analytic.not_defined_above(0.1), fitter(name, cases.SHORT[name]))


@pytest.fixture(scope="module")
def density():
    """The linear problem as a density alone."""
    return analytic.density()


@pytest.mark.parametrize("name", ["staged", *cases.LINEAR])
def test_a_problem_without_what_it_needs(name, density, monkeypatch):
    chosen = fitter(name)
    monkeypatch.setattr(type(chosen), "run", None)
    with pytest.raises(FitError) as refused:
        fit(density, chosen)
    told = str(refused.value)
    assert told.startswith(f"{type(chosen).__name__} needs ") and "which Density does not have; take one of " in told
    assert set(told.rpartition("one of ")[2].split(", ")) == set(cases.QUICK) - {*cases.LINEAR, "cross-entropy"}


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=[pytest.mark.slow] * (name in (*cases.LONG, "nuts")))
    for name in cases.QUICK if name not in cases.LINEAR
])  # fmt: skip
def test_a_density_alone_is_enough(name, density, exact):
    result = fit(density, fitter(name, cases.SHORT[name]), seed=5, start=cases.start(name, exact.mean))
    assert np.max(np.abs(result.theta - exact.mean) / np.sqrt(np.diag(exact.covariance))) < 2
    if result.samples is None:
        np.testing.assert_allclose(result.errors, np.sqrt(np.diag(exact.covariance)), rtol=1e-3)


@pytest.mark.parametrize("name", ["lm", "adam", "jaxopt-lm", "pyswarms", "emcee"])
def test_start(name, exact):
    """From the answer, moved by some sigma."""
    settings = dict(cases.QUICK[name]) | ({"nsteps": 100} if name == "emcee" else {})
    start = exact.mean + 3 * np.sqrt(np.diag(exact.covariance))
    result = fit(exact.problem, fitter(name, settings), start=start)
    assert np.max(np.abs(result.theta - exact.mean) / np.sqrt(np.diag(exact.covariance))) < 1
    again = fit(exact.problem, fitter(name, settings), start=result)
    assert again.log_posterior >= result.log_posterior - 1


def test_a_descent_that_was_cut_short_says_so(exact):
    result = fit(exact.problem, fitter("adam", {"starts": 2, "steps": 3}))
    assert not result.converged and not result.trust.trusted
    assert any("not at an optimum" in note for note in result.notes)
    assert "did not converge" in result.trust.reasons[0]


def test_a_chain_too_short_for_every_walker_to_move_is_not_converged(exact):
    """In two steps some of 40 walkers accept nothing: their autocorrelation is not known."""
    result = fit(exact.problem, Emcee(nwalkers=40, nsteps=2), seed=0)
    assert not result.converged and not result.trust.trusted
    assert result.diagnostics.effective_samples == 0
    assert "autocorrelation inf steps" in " ".join(result.notes)


def test_descents_side_by_side_end_where_they_do_one_by_one(exact, fitted):
    result = fit(exact.problem, fitter("adam", cases.QUICK["adam"] | {"lanes": 2}), seed=5)
    np.testing.assert_allclose(result.theta, fitted("adam").result.theta, atol=1e-7)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in cases.LONG)) for name in cases.QUICK]
)
def test_small_lens(name, tiny_lens):
    problem, truth = tiny_lens
    result = fit(problem, fitter(name, cases.QUICK[name]), seed=2, start=cases.start(name, truth))
    assert np.all(np.abs(result.theta - truth) < 4 * result.errors), (result.theta - truth) / result.errors
    assert result.chi2 < result.data_count + 5 * np.sqrt(2 * result.data_count)
    asked = {check.name for check in result.trust.checks}
    assert {"lensed source", "counter-image", "optimum", "residuals"} < asked
    assert asked & {"converged", "importance weights", "chains agree"}, "its fitter's own check"
    assert jnp.isfinite(result.log_likelihood)


def test_noise_that_is_far_too_small_is_told_whatever_the_fitter(lens_with_sky):
    """It converged, the arcs are explained, and chi2 is far above the noise."""
    problem, truth = lens_with_sky
    likelihood = problem.likelihood
    bright = replace(likelihood, whitened_data=8 * likelihood.whitened_data, inverse_noise=8 * likelihood.inverse_noise)
    sharp = Problem(problem.model, bright)
    result = fit(sharp, fitter("lm", {"starts": 1}), start=truth)
    assert result.trust.word == "NOT TRUSTED"
    (reason,) = (check.finding for check in result.trust.checks if check.name == "noise")
    assert reason in result.trust.reasons and "times too small" in reason
    assert any("no search says that no other basin is better" in reason for reason in result.trust.reasons)
