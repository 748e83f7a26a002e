"""Fitters by name, imported when asked for, and the verb `fit`."""
from __future__ import annotations

import dataclasses
import datetime
import difflib
import importlib
import importlib.metadata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from lensfit.errors import FitError
from lensfit.fitters.base import Fitter, NoCheckpoint
from lensfit.fitters.calls import place
from lensfit.fitters.checkpoint import Store
from lensfit.fitters.result import FitResult
from lensfit.problem import Problem
from lensfit.progress import Progress, shown
from lensfit.start_up import one_blas_thread
from lensfit.terms import LeastSquares, Residuals
from lensfit.trust import examine

REQUIREMENTS = {
    LeastSquares: "chi2 as a quadratic function of the light",
    Residuals: "a residual for each datum",
}
"""What a type of likelihood that a fitter needs has beside its density, in words."""
GROUP = "lensfit.fitters"
"""Entry-point group under which other packages add their fitters."""
FITTERS = {
    "staged": "lensfit.staged:Staged",
    "lm": "lensfit.fitters.lm:LM",
    "lbfgs": "lensfit.fitters.optax:LBFGS",
    "adam": "lensfit.fitters.optax:Adam",
    "jaxopt-lbfgs": "lensfit.fitters.jaxopt:JaxoptLBFGS",
    "jaxopt-lbfgsb": "lensfit.fitters.jaxopt:JaxoptLBFGSB",
    "jaxopt-lm": "lensfit.fitters.jaxopt:JaxoptLM",
    "pyswarms": "lensfit.fitters.pyswarms:PySwarms",
    "emcee": "lensfit.fitters.emcee:Emcee",
    "dynesty": "lensfit.fitters.dynesty:Dynesty",
    "dynesty-dynamic": "lensfit.fitters.dynesty:DynestyDynamic",
    "nautilus": "lensfit.fitters.nautilus:Nautilus",
    "nuts": "lensfit.fitters.nuts:NUTS",
    "nss": "lensfit.fitters.nss:NSS",
    "importance": "lensfit.fitters.importance:Importance",
}
"""Name of a fitter -> module:class."""
INSTALL = {
    "nautilus-sampler": "pip install 'lensfit[nautilus]'",
    "scikit-learn": "pip install 'lensfit[nautilus]'",
    "blackjax": "pip install 'lensfit[blackjax]'",
}
"""How to get a distribution that `pip install lensfit` leaves out."""
STATED = ("needs", "needs_gradient", "needs_optimum", "explores_prior", "packages")
"""What the class of a fitter says of itself."""


def fitters() -> tuple[str, ...]:
    """Names of the fitters: lensfit's, then those that other packages add."""
    return (*FITTERS, *(name for name in _added() if name not in FITTERS))


def _added() -> dict[str, importlib.metadata.EntryPoint]:
    return {point.name: point for point in importlib.metadata.entry_points(group=GROUP)}


def fitter(name: str, settings: Mapping[str, Any] | None = None) -> Fitter:
    """The fitter of that name, with its default settings beside those that are given.

    Args:
        name: as `lensfit fit --fitter` takes it.
        settings: fields of the fitter, by their names.

    Returns:
        The fitter, for `fit` and `compare`.

    Raises:
        FitError: there is none of that name, it has no such setting, or a package of its is not installed.
    """
    cls = _find(name)
    _check_installed(name, cls)
    given = dict(settings or {})
    known = [f.name for f in dataclasses.fields(cls)]
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=3) or known or ["none"]
            raise FitError(f"{name}: no setting named {key!r}; nearest: {', '.join(near)}")
    return cls(**given)


def name_of(chosen: Fitter) -> str:
    """The name under which a fitter of this class is found, that of the class where there is none."""
    cls = type(chosen)
    for name in fitters():
        where = FITTERS[name] if name in FITTERS else _added()[name].value
        if where.partition(":")[2] == cls.__name__ and _find(name) is cls:
            return name
    return cls.__name__


def _find(name: str) -> type[Any]:
    if name in FITTERS:
        module, cls = FITTERS[name].split(":")
        with _telling_how_to_install(name):
            return getattr(importlib.import_module(module), cls)
    added = _added()
    if name in added:
        with _telling_how_to_install(name):
            return added[name].load()
    near = difflib.get_close_matches(name, fitters(), n=3) or fitters()
    raise FitError(f"there is no fitter named {name!r}; nearest: {', '.join(near)}")


@contextmanager
def _telling_how_to_install(name: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        raise FitError(f"{name}: the package {missing} is not installed; pip install {missing}") from error


def _check_installed(name: str, cls: type[Any]) -> None:
    """Raise FitError where a distribution that a fitter names is missing: before any work, not when it is imported."""
    for package in cls.packages:
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError as error:
            how = INSTALL.get(package, f"pip install {package}")
            raise FitError(f"{name}: the package {package} is not installed; {how}") from error


def fit(
    problem: Problem,
    fitter_or_name: Fitter | str = "staged",
    *,
    seed: int = 0,
    start: np.ndarray | FitResult | None = None,
    progress: Progress | None = None,
    checkpoint: Store | None = None,
) -> FitResult:
    """Fit a problem with a fitter, given by name or as an object with its settings.

    Args:
        problem: model with priors, and the data's terms.
        fitter_or_name: as "staged" or "importance", or an object with its settings.
        seed: of the random numbers; on one machine the same seed gives the same result.
        start: theta (n,) or an earlier result to begin at; by default the fitter begins in the prior, but for
            `importance`, which needs one. A fit that stays at the optimum of an earlier result takes over its
            checks, spread and variants.
        progress: is told how it goes on; None shows a bar on a terminal or in a notebook, `progress.silent` nothing.
        checkpoint: where the fit keeps what it needs to go on; one that is there already is gone on with.

    Returns:
        The result. One that should not be believed is returned too, and says so in its `trust`.

    Raises:
        FitError: no fit can be returned.
    """
    chosen = fitter(fitter_or_name) if isinstance(fitter_or_name, str) else fitter_or_name
    _check_installed(type(chosen).__name__, type(chosen))
    _check_suited(problem, type(chosen))
    if start is not None and chosen.explores_prior:
        raise FitError(f"{type(chosen).__name__} explores the whole prior; leave start out, or narrow the priors")
    started = datetime.datetime.now(datetime.UTC)
    theta = None if start is None else _start(problem, start)
    store = nullcontext(NoCheckpoint()) if checkpoint is None else checkpoint.opened(problem, chosen, seed, theta)
    with one_blas_thread(), store as session, shown(progress) as told:
        result = chosen.run(problem, seed=seed, start=theta, progress=_Rising(told), checkpoint=session)
    result = dataclasses.replace(result, explored=chosen.explores_prior)
    result = examine(problem, result, start=start if isinstance(start, FitResult) else None)
    return dataclasses.replace(result, provenance=provenance(seed, started) | result.provenance)


def _check_suited(problem: Problem, cls: type[Any]) -> None:
    """Raise FitError where a problem does not have what a fitter needs, with the fitters that would do."""
    lacking = [name for name in STATED if not hasattr(cls, name)]
    if lacking:
        raise FitError(f"{cls.__name__} is no fitter: its class does not state {', '.join(lacking)} (see Fitter)")
    if not isinstance(problem.likelihood, cls.needs):
        what = REQUIREMENTS.get(cls.needs, f"a likelihood that is {cls.needs.__name__}")
        trouble, remedy = f"{what}, which {type(problem.likelihood).__name__} does not have", ""
    elif cls.needs_gradient and not problem.has_gradient:
        trouble = f"gradients, which the backend {problem.backend!r} does not have"
        remedy = "make the problem with backend='jax', or "
    else:
        return
    raise FitError(f"{cls.__name__} needs {trouble}; {remedy}take one of {', '.join(_suited(problem))}")


def _suited(problem: Problem) -> Iterator[str]:
    """Names of lensfit's fitters that have what they need in a problem."""
    for name in FITTERS:
        cls = _find(name)
        if isinstance(problem.likelihood, cls.needs) and (problem.has_gradient or not cls.needs_gradient):
            yield name


class _Rising:
    """Progress told shares of the work between 0 and 1 that never fall, as a fitter's estimate of what is left may."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.highest = progress, 0.0

    def __call__(
        self, stage: str, chi2: float, share: float, note: str = "", theta: np.ndarray | None = None
    ) -> None:
        """See `Progress`."""
        self.highest = min(max(self.highest, share), 1.0)
        self.progress(stage, chi2, self.highest, note, theta)


def _start(problem: Problem, start: np.ndarray | FitResult) -> np.ndarray:
    """theta (n,) of a start at which ln L and the prior are finite."""
    if isinstance(start, FitResult):
        missing = [name for name in problem.names if name not in start.names + start.amplitude_names]
        if missing:
            raise FitError(f"start: the earlier result has no {', '.join(missing)}")
        start = np.array([start[name] for name in problem.names])
    theta = np.asarray(start, float)
    if theta.shape != (problem.ndim,):
        raise FitError(f"start: shape {theta.shape}; give the {problem.ndim} numbers of {', '.join(problem.names)}")
    outside = ~np.isfinite(np.asarray(problem.to_z(theta)))
    if outside.any():
        bad = (f"{name} = {value:.6g}" for name, value, out in zip(problem.names, theta, outside, strict=True) if out)
        raise FitError(f"start: outside the prior: {', '.join(bad)}")
    value = float(problem.log_likelihood(theta))
    if not np.isfinite(value):
        raise FitError(f"start: ln L is {value}; {_culprits(problem, theta)}")
    return theta


def _culprits(problem: Problem, theta: np.ndarray) -> str:
    """Which parameters of theta (n,) make ln L not finite there, in words."""
    middle = np.asarray(problem.to_theta(np.zeros(problem.ndim)))
    moved = np.where(np.eye(problem.ndim, dtype=bool), middle, theta)
    helps = np.isfinite(np.asarray(problem.log_likelihood(moved)))
    named = [f"{n} = {v:.6g}" for n, v, h in zip(problem.names, theta, helps, strict=True) if h]
    if named:
        return f"it is finite where one of these moves to the middle of its prior: {', '.join(named)}"
    return f"at {place(problem.names, theta)}"


def provenance(seed: int, started: datetime.datetime) -> dict[str, Any]:
    """What it takes to make a result again, beside the versions that the result files name."""
    return {"seed": seed, "started": started.isoformat()}
