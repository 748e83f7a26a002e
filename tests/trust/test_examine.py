"""Fits examined: by any fitter, of any number of masses and datasets; inputs at fault; what a start passes on."""

import dataclasses

import numpy as np
import pytest
from small_fits import LENS, found_at, numbers, posed, searched

from lensfit.fitters.result import Variant
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.priors import Disk, LogNormal, Normal
from lensfit.problem import Problem
from lensfit.profiles import SIE
from lensfit.pytree import replace
from lensfit.registry import fit, fitter
from lensfit.terms import Sum
from lensfit.trust import examine
from lensfit.verdict import Check, Outcome, Trust


def outcomes(result):
    """Outcome of each check, by name."""
    return {check.name: check.outcome for check in result.trust.checks}


def failed(result):
    """Names of the checks that failed."""
    return [check.name for check in result.trust.failed]


def finding(result, name):
    """What a check of a result says."""
    return next(check.finding for check in result.trust.checks if check.name == name)


def test_a_right_fit_with_a_search_is_trusted(lens):
    result = examine(lens.problem, lens.result)
    assert result.trust.trusted, result.trust.reasons
    assert examine(lens.problem, result).trust == result.trust, "asked again it answers the same"


def test_without_a_search_it_is_unchecked(lens):
    result = examine(lens.problem, dataclasses.replace(lens.result, search=None))
    assert result.trust.word == "UNCHECKED" and not result.trust.failed
    assert all("no search says" in reason and "staged" in reason for reason in result.trust.reasons)


@pytest.mark.parametrize(("explored", "word"), [(True, "TRUSTED"), (False, "UNCHECKED")])
def test_a_sampler_that_explored_the_whole_prior_needs_no_search(lens, explored, word):
    result = dataclasses.replace(lens.result, search=None, explored=explored)
    assert examine(lens.problem, result).trust.word == word


def test_what_did_not_converge_says_so(lens):
    result = dataclasses.replace(lens.result, converged=False, gain=None, samples=np.zeros((1, 13)))
    assert "did not converge" in finding(examine(lens.problem, result), "converged")


@pytest.mark.parametrize(
    ("factor", "passes", "told"),
    [(2.5, False, "times too small"), (1.6, True, "times too small"), (1 / 3, True, "times too large"),
     (1 / 10, False, "times too large")],
)  # fmt: skip
def test_noise_that_is_off_by_a_factor_is_told_with_it(lens, factor, passes, told):
    imaging = dataclasses.replace(lens.imaging, noise=lens.imaging.noise / factor)
    result = examine(posed(imaging), lens.result)
    words = finding(result, "noise")
    assert told in words and outcomes(result)["noise"] == ("passed" if passes else "failed")
    assert float(words.split()[2]) == pytest.approx(max(factor, 1 / factor), rel=0.12)


def test_a_variance_in_place_of_the_noise_is_told(lens):
    imaging = dataclasses.replace(lens.imaging, noise=lens.imaging.noise**2)
    assert "noise" in failed(examine(posed(imaging), lens.result))


def test_a_model_without_source_or_mass_is_unchecked(lens):
    for group in ("source", "mass"):
        model = replace(lens.problem.model, **{group: {}})
        if group == "source":
            problem = posed(lens.imaging, model)
            theta = np.array([lens.result[name] for name in problem.names])
            result = examine(problem, found_at(problem, theta))
            assert result.trust.word == "UNCHECKED" and "no mass or no source" in result.trust.reasons[0]


def two_masses(model):
    """The model with another SIE, and where a fit of it begins."""
    e = Disk(scale=0.2, limit=0.8).parts
    second = SIE(center_x=Normal(mean=0.4, sigma=0.3), center_y=Normal(mean=0.0, sigma=0.3), e1=e[0], e2=e[1],
                 einstein_radius=LogNormal(median=0.05, sigma=1.0))  # fmt: skip
    truth = SIE(center_x=0.4, center_y=0.0, e1=0.0, e2=0.0, einstein_radius=0.05)
    return replace(model, mass={**model.mass, "second": second}), replace(LENS, mass={**LENS.mass, "second": truth})


def test_two_masses_by_lm_are_asked_all_questions_and_end_unchecked(lens):
    model, truth = two_masses(lens.problem.model)
    problem = posed(lens.imaging, model)
    result = fit(problem, fitter("lm", {"starts": 1}), start=numbers(problem, truth))
    assert result.trust.word in ("UNCHECKED", "NOT TRUSTED")
    assert set(outcomes(result)) >= {"lensed source", "counter-image", "edges", "optimum", "next basin", "noise"}
    assert outcomes(result)["counter-image"] is Outcome.PASSED, "by the parity of both masses together"
    assert any("no search says" in reason for reason in result.trust.reasons)


def test_each_term_of_a_sum_is_asked(lens):
    dark = dataclasses.replace(lens.imaging, noise=lens.imaging.noise * 20)
    terms = Sum.of({"bright": lens.problem.likelihood, "dark": ImagingLikelihood.of(dark, 2)})
    problem = Problem(lens.problem.model, terms)
    theta = np.array([lens.result[name] for name in problem.names])
    result = examine(problem, found_at(problem, theta, search=searched(theta)))
    noise = [check for check in result.trust.checks if check.name == "noise"]
    assert [check.finding.split(":")[0] for check in noise] == ["bright", "dark"]
    assert [check.outcome for check in noise] == ["passed", "failed"]
    assert not result.trust.trusted


def test_a_parameter_at_the_end_of_its_prior_is_told_unless_its_light_is_hardly_there(lens):
    k = lens.problem.names.index("light.disk.effective_radius")
    theta = lens.theta.copy()
    theta[k] = 0.4 * np.exp(0.5 * 4.2)
    far = examine(lens.problem, found_at(lens.problem, theta, search=searched(theta)))
    assert "light.disk.effective_radius = 3.266 (+4.2)" in finding(far, "edges") and "edges" in failed(far)
    none = replace(lens.result.model.light["disk"], intensity=0.0)
    gone = dataclasses.replace(far, model=replace(far.model, light={"disk": none}))
    assert outcomes(examine(lens.problem, gone))["edges"] is Outcome.PASSED


def test_what_is_known_of_the_start_holds_at_the_same_optimum_alone(lens):
    known = Check.of("companions", False, "leaving out 1 companion moved the Einstein radius by 9.0 %")
    start = examine(lens.problem, lens.result)
    variant = Variant("other", lens.result.chi2, dict(zip(lens.result.names, lens.theta, strict=True)), True,
                      lens.result.model)  # fmt: skip
    start = dataclasses.replace(start, trust=Trust((*start.trust.checks, known)), variants=(variant,))
    here = dataclasses.replace(lens.result, search=None, trust=Trust())
    carried = examine(lens.problem, here, start=start)
    assert known in carried.trust.checks and outcomes(carried)["next basin"] is Outcome.PASSED
    assert carried.variants[0].name == "other"
    away = dataclasses.replace(here, theta=lens.theta + 3e-3)
    assert known not in examine(lens.problem, away, start=start).trust.checks
