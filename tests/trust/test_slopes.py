"""What is known of a slope: how much of it is its prior, over which neighbours it spreads, and its figure."""

import dataclasses
import types

import numpy as np
import pytest
from small_fits import found_at, model, numbers, observed, posed

from lensfit.fitters.result import Variant
from lensfit.plots import corner_figure
from lensfit.priors import Normal
from lensfit.profiles import EPL
from lensfit.pytree import replace
from lensfit.results.files import slope_and_beside
from lensfit.trust.facts import counted, spread
from lensfit.trust.kinds import REJECTED, REJECTED_VISIBILITIES, rejected_beyond, unseen_in
from lensfit.trust.slopes import HELD, UNSEEN, Slope, of_held_slope, of_these_masses, places, slopes_of

NAME = "mass.sie.slope"


@pytest.fixture(scope="module")
def problem():
    """The small lens with a power law in place of its isothermal mass."""
    asked = model()
    power = EPL(**vars(asked.mass["sie"]), slope=Normal(mean=2.08, sigma=0.16))
    return posed(observed(), replace(asked, mass={"sie": power}))


def variant(problem, name, without=(), **changed):
    values = {key: 1.0 for key in problem.names if key not in without} | changed
    return Variant(name, 100.0, values, True, None)


def fitted(problem, error=0.04):
    """What a fitter tells of a slope of 1.9."""
    theta = numbers(posed(observed()))
    k = problem.names.index(NAME)
    theta = np.insert(theta, k, 1.9)
    errors = np.full(problem.ndim, 0.01)
    errors[k] = error
    others = (variant(problem, "as fitted"), variant(problem, "two sources", **{NAME: 1.8}))
    return types.SimpleNamespace(
        widened=1.0,
        theta=theta, errors=errors, covariance=np.diag(errors**2), names=problem.names, samples=None, weights=None,
        variants=others, units=("",) * problem.ndim, symbols=("s",) * problem.ndim, index=problem.names.index,
    )  # fmt: skip


@pytest.mark.parametrize(("error", "alone"), [(0.04, False), (0.15, True)])
def test_a_slope_knows_the_width_of_its_prior(error, alone, problem):
    (slope,) = slopes_of(problem, fitted(problem, error))
    assert slope == Slope(NAME, 1.9, error, slope.width) and slope.width == pytest.approx(0.16)
    assert slope.prior_alone == alone
    assert slopes_of(posed(observed()), fitted(problem)) == ()


def test_a_slope_spreads_over_models_of_the_same_masses(problem):
    """Without shear, or with the slope held, it is another quantity or none."""
    whole, second = variant(problem, "as fitted"), variant(problem, "two sources", **{NAME: 1.2})
    lacking = variant(problem, "no shear", without=("mass.sie.e1",), **{NAME: 5.0})
    held = variant(problem, "slope 2", without=(NAME,))
    kept = of_these_masses(problem, (whole, second, lacking, held))
    assert kept == (whole, second)
    assert spread(problem.names, kept)[places(problem)] == pytest.approx([0.1])


def test_an_einstein_radius_spreads_where_no_slope_is_fitted(problem):
    """Galaxies are not isothermal to the digits of its statistical error."""
    free, held = problem, posed(observed())
    assert (of_held_slope(free), of_held_slope(held)) == (0.0, HELD)
    found = found_at(held, numbers(held))
    for one, share in ((free, 0.0), (held, HELD)):
        values = dict.fromkeys(one.names, 1.0)
        both = tuple(Variant(name, 100.0, values, True, None) for name in ("as fitted", "two sources"))
        result = dataclasses.replace(found, names=one.names, theta=np.full(one.ndim, 1.2), variants=both)
        over = dict(zip(one.names, counted((), result, one).spread, strict=True))
        radius = next(name for name in one.names if name.endswith("einstein_radius"))
        assert over.pop(radius) == pytest.approx(1.2 * share)
        assert set(over.values()) == {0.0}


@pytest.mark.parametrize(
    ("kinds", "excess", "unseen"),
    [
        (("image",), REJECTED * 500, UNSEEN), (("visibilities",), REJECTED_VISIBILITIES * 900, 0.0),
        (("pixels image",), REJECTED * 500, UNSEEN), (("pixels visibilities",), REJECTED * 500, 0.0),
        (("visibilities", "image"), REJECTED * 500, UNSEEN),
        (("visibilities", "visibilities"), REJECTED_VISIBILITIES * 900, 0.0), ((), 0.0, 0.0),
    ],
)  # fmt: skip
def test_neighbours_count_by_the_kind_of_the_data(kinds, excess, unseen):
    """Most of the chi2 of visibilities is noise: of them alone the signal says what is much."""
    assert rejected_beyond(kinds, 500.0, 900.0) == excess
    assert unseen_in(kinds) == unseen


@pytest.mark.parametrize("sampled", [False, True])
def test_the_figure_shows_einstein_radius_and_slope_with_the_neighbours(sampled, problem):
    result, chosen = fitted(problem), slope_and_beside(problem)
    assert [problem.names[k].rpartition(".")[2] for k in chosen] == ["einstein_radius", "slope"]
    if sampled:
        result.samples = result.theta + 0.01 * np.random.default_rng(0).standard_normal((400, problem.ndim))
        result.weights = np.ones(400)
    figure = corner_figure(result, [problem.names[k] for k in chosen])
    assert [axes.get_title().partition(" = ")[0] for axes in figure.axes if axes.get_title()] == [
        f"${result.symbols[k]}" for k in chosen
    ]  # fmt: skip
    below = figure.axes[2]
    (marks,) = [line for line in below.lines if line.get_marker() == "x"]
    assert marks.get_ydata() == pytest.approx([1.8])
    assert below.get_ylim()[0] < 1.8 < 1.9 < below.get_ylim()[1]
    assert slope_and_beside(posed(observed())) == []
