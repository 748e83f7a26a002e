"""What cannot be fitted is told: what, where and the remedy."""

import dataclasses
import importlib.metadata
import logging
import re
import tomllib
from pathlib import Path

import analytic
import cases
import jax.numpy as jnp
import numpy as np
import pytest

from lensfit import compare, registry
from lensfit.errors import FitError
from lensfit.problem import Problem
from lensfit.pytree import pytree
from lensfit.registry import FITTERS, fit, fitter, fitters
from lensfit.terms import Residuals


@pytest.mark.parametrize(
    ("name", "near"), [("emce", "emcee"), ("LBFGS", "jaxopt"), ("dynasty", "dynesty"), ("nonsense", "staged")]
)
def test_unknown_fitter(name, near, exact):
    with pytest.raises(FitError, match=f"no fitter named '{name}'; nearest: .*{near}"):
        fit(exact.problem, name)


def test_unknown_setting():
    with pytest.raises(FitError, match="dynesty: no setting named 'nlives'; nearest: nlive"):
        fitter("dynesty", {"nlives": 3})


PACKAGES = [(name, package) for name in FITTERS for package in type(fitter(name)).packages]
NAUTILUS, BLACKJAX = "'lensfit[nautilus]'", "'lensfit[blackjax]'"
EXTRAS = {"nautilus-sampler": NAUTILUS, "scikit-learn": NAUTILUS, "blackjax": BLACKJAX}


@pytest.mark.parametrize(("name", "package"), PACKAGES)
def test_missing_package_is_told_before_any_work(name, package, exact, monkeypatch):
    chosen = fitter(name)

    def version(wanted):
        if wanted == package:
            raise importlib.metadata.PackageNotFoundError(wanted)
        return "1.0"

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(type(chosen), "run", None)
    told = re.escape(f"the package {package} is not installed; pip install {EXTRAS.get(package, package)}")
    for ask in (lambda: fitter(name), lambda: fit(exact.problem, chosen), lambda: compare(exact.problem, [name])):
        with pytest.raises(FitError, match=f": {told}$"):
            ask()


def test_packages_that_are_extras_have_the_command_that_the_docs_give():
    """The distributions of pyproject's extras, and no other."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    core = {re.split("[>=!]", line)[0] for line in project["dependencies"]}
    assert {package for _, package in PACKAGES} - core == set(EXTRAS)
    docs = (Path(__file__).parents[2] / "docs" / "fitters.md").read_text()
    posterior = (Path(__file__).parents[2] / "docs" / "posterior.md").read_text()
    assert all(f"pip install {extra}" in docs + posterior for extra in EXTRAS.values())


def test_module_missing_in_the_fitter_of_another_package(monkeypatch):
    monkeypatch.setattr(registry, "FITTERS", {"theirs": "not_there.sampler:Sampler"})
    with pytest.raises(FitError, match="theirs: the package not_there is not installed; pip install not_there"):
        fitter("theirs")


@pytest.fixture(scope="module")
def without_gradient(tiny_lens):
    """The small lens on the numba backend."""
    return Problem(tiny_lens[0].model, tiny_lens[0].likelihood, backend="numba")


@pytest.mark.parametrize("name", ["staged", *cases.SLOPES, "nss"])
def test_gradient_fitters_refuse_the_numba_backend(name, without_gradient, monkeypatch):
    chosen = fitter(name)
    monkeypatch.setattr(type(chosen), "run", None)
    with pytest.raises(FitError, match=rf"{type(chosen).__name__} needs gradients.*'numba'.*'jax'.*emcee"):
        fit(without_gradient, chosen)


@pytest.mark.parametrize("name", ["pyswarms", "dynesty"])
def test_fitters_without_gradients_take_the_numba_backend(name, without_gradient, tiny_lens):
    result, (same, truth) = fit(without_gradient, fitter(name, cases.QUICK[name]), seed=3), tiny_lens
    assert np.all(np.abs(result.theta - truth) < 4 * result.errors)
    assert result.log_likelihood == pytest.approx(float(same.log_likelihood(result.theta)), rel=1e-11)


@pytest.mark.parametrize(
    ("start", "told"),
    [
        (np.zeros(2), "give the 3 numbers of mass.shear.gamma1"),
        (np.array([0.0, np.nan, 0.0]), "outside the prior: mass.shear.gamma2 = nan"),
    ],
)
def test_starts_that_are_none(start, told, exact):
    with pytest.raises(FitError, match=told):
        fit(exact.problem, "lm", start=start)


def test_nan_at_the_start_names_the_parameters():
    with pytest.raises(FitError, match=r"start: ln L is nan; .*of its prior: mass.shear.gamma1 = 0.3$"):
        fit(analytic.not_defined_above(0.1), "lm", start=np.array([0.3, 0.0, 0.4]))


@pytree
class Impossible(Residuals):
    """A likelihood of zero."""

    data_count, log_norm = 1, 0.0

    def residuals(self, model):
        return jnp.full(1, jnp.inf)


@pytest.mark.parametrize("name", ["lm", "lbfgs", "adam"])
def test_impossible_everywhere(name, exact):
    with pytest.raises(FitError, match="finite at 0 of 60 draws of the prior"):
        fit(Problem(exact.problem.model, Impossible()), fitter(name, {"starts": 3}))


def test_a_class_that_does_not_say_what_it_needs(own, exact, monkeypatch):
    monkeypatch.delattr(own.CrossEntropy, "needs")
    with pytest.raises(FitError, match="CrossEntropy is no fitter: its class does not state needs"):
        fit(exact.problem, own.CrossEntropy())


def test_a_fitter_of_another_package_is_found_by_its_entry_point(own, monkeypatch):
    assert fitters()[-1] == "cross-entropy"
    assert fitter("cross-entropy", {"generations": 30}) == own.CrossEntropy()
    monkeypatch.setattr(registry.importlib.metadata, "entry_points", lambda group: ())
    with pytest.raises(FitError, match="no fitter named 'cross-entropy'"):
        fitter("cross-entropy")


def test_pyswarms_leaves_everything_as_it_was(exact, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before, handlers, level = np.random.get_state(), list(logging.root.handlers), logging.root.level  # noqa: NPY002
    fit(exact.problem, fitter("pyswarms", cases.QUICK["pyswarms"]))
    after = np.random.get_state()  # noqa: NPY002
    assert after[2] == before[2] and np.array_equal(after[1], before[1])
    assert logging.root.handlers == handlers and logging.root.level == level
    assert not list(tmp_path.iterdir())


def test_every_fitter_says_what_it_needs_and_how_its_settings_are_chosen():
    for name in cases.QUICK:
        cls = type(fitter(name))
        assert isinstance(cls.needs_gradient, bool) and isinstance(cls.needs_optimum, bool)
        assert isinstance(cls.packages, tuple)
        told = cls.__doc__ or ""
        assert [f.name for f in dataclasses.fields(cls) if f.name not in told] == [] or "as in" in told, name
    assert set(cases.QUICK) | {"staged"} <= set(fitters())
