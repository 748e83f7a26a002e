"""What cannot be fitted is told: what, where and the remedy."""

import dataclasses
import logging
import sys

import analytic
import cases
import jax.numpy as jnp
import numpy as np
import pytest

from lensfit.errors import FitError
from lensfit.problem import Problem
from lensfit.pytree import pytree
from lensfit.registry import fit, fitter, fitters


@pytest.mark.parametrize(
    ("name", "near"), [("emce", "emcee"), ("LBFGS", "jaxopt"), ("dynasty", "dynesty"), ("nonsense", "staged")]
)
def test_unknown_fitter(name, near, exact):
    with pytest.raises(FitError, match=f"no fitter named '{name}'; nearest: .*{near}"):
        fit(exact.problem, name)


def test_unknown_setting():
    with pytest.raises(FitError, match="dynesty: no setting named 'nlives'; nearest: nlive"):
        fitter("dynesty", {"nlives": 3})


BAD = [
    ("lm", "starts", 0), ("lm", "iterations", 2.5), ("lbfgs", "memory_size", 0), ("lbfgs", "lanes", True),
    ("adam", "learning_rate", -1.0), ("adam", "steps", 0), ("adam", "b1", float("nan")),
    ("jaxopt-lbfgs", "maxiter", 0), ("jaxopt-lbfgsb", "bound", 0.0), ("jaxopt-lm", "damping_parameter", "small"),
    ("pyswarms", "n_particles", 1), ("pyswarms", "ftol", -1), ("emcee", "nwalkers", 5), ("emcee", "moves", "walk"),
    ("dynesty", "nlive", 3), ("dynesty", "bound", "cube"), ("dynesty", "dlogz", 0.0), ("dynesty", "sample", "hslice"),
    ("dynesty-dynamic", "n_effective", 0), ("nautilus", "n_live", 2), ("nautilus", "f_live", 0.0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "setting", "value"), BAD)
def test_settings_out_of_range(name, setting, value, exact):
    with pytest.raises(FitError, match=f"{setting} = "):
        fit(exact.problem, fitter(name, {setting: value}))
    assert {name for name, *_ in BAD} == set(cases.QUICK), "every fitter checks its settings"


@pytest.mark.parametrize("name", ["adam", "emcee", "pyswarms", "nautilus", "dynesty", "jaxopt-lm"])
def test_missing_package(name, exact, monkeypatch):
    package = {"adam": "optax", "jaxopt-lm": "jaxopt"}.get(name, name)
    for module in [m for m in sys.modules if m == package or m.startswith(f"{package}.")]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, package, None)
    how = "lensfit.nautilus" if name == "nautilus" else package
    with pytest.raises(FitError, match=f"the package {package} is not installed; pip install .*{how}"):
        fit(exact.problem, fitter(name, cases.QUICK[name]))


@pytest.mark.parametrize("name", cases.SLOPES)
def test_gradients_where_there_are_none(name, exact, monkeypatch):
    monkeypatch.setattr(Problem, "has_gradient", False)
    with pytest.raises(FitError, match=r"needs gradients.*emcee"):
        fit(exact.problem, name)


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


@pytest.mark.parametrize("name", ["staged", *cases.NESTED])
def test_fitters_that_take_no_start(name, exact):
    with pytest.raises(FitError, match="leave start out"):
        fit(exact.problem, name, start=exact.mean)


@pytest.fixture(scope="module")
def undefined(exact):
    """The linear problem, not defined where gamma1 > 0.1: half of where its data are."""
    return Problem(exact.problem.model, Half(inner=analytic.linear().problem.likelihood))


@pytest.mark.parametrize("name", ["lm", "adam", "emcee"])
def test_nan_at_the_start_names_the_parameters(name, undefined):
    with pytest.raises(FitError, match=r"start: ln L is nan; .*of its prior: mass.shear.gamma1 = 0.3$"):
        fit(undefined, name, start=np.array([0.3, 0.0, 0.4]))


@pytest.mark.parametrize("name", ["emcee", "pyswarms", "dynesty", "nautilus"])
def test_nan_on_the_way_is_told_not_masked(name, undefined):
    with pytest.raises(FitError, match=r"ln L is NaN at mass.shear.gamma1 = 0\.\d+, .*sky = .*narrow the priors"):
        fit(undefined, fitter(name, cases.QUICK[name]))


@pytest.mark.parametrize("name", ["lm", "lbfgs", "adam"])
def test_nan_everywhere(name, exact):
    nowhere = Problem(exact.problem.model, Half(inner=analytic.linear().problem.likelihood, limit=-1e9))
    with pytest.raises(FitError, match="finite at 0 of 60 draws of the prior"):
        fit(nowhere, fitter(name, {"starts": 3}))


@pytree
class Half:
    """A likelihood that is NaN where gamma1 is above a limit."""

    inner: analytic.Linear
    limit: float = 0.1

    data_count = property(lambda self: self.inner.data_count)

    def __call__(self, model):
        return jnp.where(model.mass["shear"].gamma1 > self.limit, jnp.nan, self.inner(model))

    def residuals(self, model):
        return jnp.where(model.mass["shear"].gamma1 > self.limit, jnp.nan, self.inner.residuals(model))


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
        assert isinstance(cls.needs_gradient, bool) and isinstance(cls.packages, tuple)
        told = cls.__doc__ or ""
        assert [f.name for f in dataclasses.fields(cls) if f.name not in told] == [] or "as in" in told, name
    assert set(cases.QUICK) | {"staged"} <= set(fitters())
