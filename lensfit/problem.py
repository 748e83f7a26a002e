"""A model and a likelihood as one thing that every optimiser and sampler sees."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from lensfit.compiled import compiled
from lensfit.errors import ModelError
from lensfit.model import LensModel, Models
from lensfit.native import refuse_fork
from lensfit.space import Space
from lensfit.start_up import check_precision
from lensfit.terms import Evidence, Residuals, Sum, Term
from lensfit.words import counted


class Problem:
    """The posterior of the free parameters of `model` given the data of `likelihood`, a term or a sum of terms.

    The model of a sum is a mapping from the names of its terms to models that share the priors of what they share;
    one model alone is that of every term.

    theta is (ndim,) in physical units and in the order of `names`, z (ndim,) standard normal a priori,
    u (ndim,) in the unit cube. Each method also takes a batch (B, ndim). All are compiled once for one
    structure of model and one shape of data, and differentiable by JAX.

    With the backend "numba" ln L comes from numba's kernels and numpy, XLA compiles nothing for it, and there
    are no derivatives.
    """

    def __init__(
        self, model: LensModel | Mapping[str, LensModel], likelihood: Term, backend: str = "jax"
    ) -> None:
        check_precision()
        if backend not in ("jax", "numba"):
            raise ModelError(f"unknown backend {backend!r}; there are 'jax' and 'numba'")
        if not isinstance(likelihood, Term):
            raise ModelError(f"{type(likelihood).__name__} is no likelihood of lensfit: derive it from Term")
        self.model = _model_of(model, likelihood)
        self.likelihood = likelihood
        self.space = Space.of(self.model)
        self.backend = backend
        if backend == "jax":
            refuse_fork()
        self._by_numba = likelihood.by_numba(self.space) if backend == "numba" else None

    def __repr__(self) -> str:
        kind = type(self.likelihood).__name__
        return f"<Problem of {counted(self.ndim, 'parameter')} and {kind}; .names says which>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Problem, (self.model, self.likelihood, self.backend)

    def parts(self, model: Any) -> list[tuple[str, Term, LensModel]]:
        """(name, term, model of it) for each term of a sum; where there is no sum one, its name empty."""
        if isinstance(self.likelihood, Sum):
            return [(name, term, model[name]) for name, term in self.likelihood.terms.items()]
        return [("", self.likelihood, model)]

    @property
    def names(self) -> tuple[str, ...]:
        """Dotted names of the parameters, in the order of theta."""
        return self.space.names

    @property
    def ndim(self) -> int:
        """Number of free parameters."""
        return self.space.ndim

    @property
    def has_gradient(self) -> bool:
        """Whether JAX can differentiate it: not with the backend "numba"."""
        return self._by_numba is None

    def _call(self, function: Callable[..., Any], vector: Any) -> Any:
        if self._by_numba is not None and function in _NEED_JAX:
            raise ModelError("the numba backend gives ln L alone: make the problem with backend='jax' for more")
        refuse_fork()
        if not isinstance(vector, jax.Array):
            vector = np.asarray(vector, float)
        elif vector.dtype != float:
            vector = jnp.asarray(vector, float)
        if vector.shape[-1:] != (self.ndim,) or vector.ndim > 2:
            raise ModelError(f"expected ({self.ndim},) or (B, {self.ndim}) numbers, got shape {vector.shape}")
        chosen = function if vector.ndim == 1 else _BATCH[function]
        return chosen(self.space, None if function in _OF_PRIOR else self.likelihood, vector)

    def log_likelihood(self, theta: Any) -> jax.Array:
        """ln L, solved amplitudes at their best."""
        if self._by_numba is not None:
            return self._numba(theta)
        return self._call(_log_likelihood, theta)

    def _numba(self, theta: Any) -> Any:
        """ln L of theta (n,) or (B, n) as numpy numbers."""
        if isinstance(theta, Tracer):
            raise ModelError("JAX cannot trace the numba backend: make the problem with backend='jax'")
        theta = np.asarray(theta, float)
        if theta.shape[-1:] != (self.ndim,) or theta.ndim > 2:
            raise ModelError(f"expected ({self.ndim},) or (B, {self.ndim}) numbers, got shape {theta.shape}")
        values = np.array([self._by_numba(t) for t in np.atleast_2d(theta)])  # pyright: ignore[reportOptionalCall]
        return values[0] if theta.ndim == 1 else values

    def log_prior(self, theta: Any) -> jax.Array:
        """ln p(theta), -inf outside the support."""
        return self._call(_log_prior, theta)

    def log_posterior(self, z: Any) -> jax.Array:
        """ln L + ln N(z): the density of z that gradient samplers walk on, up to the evidence."""
        if self._by_numba is not None:
            normal = -0.5 * np.sum(np.square(z) + np.log(2 * np.pi), -1)
            return self._numba(self.to_theta(z)) + normal
        return self._call(_log_posterior, z)

    def prior_transform(self, u: Any) -> jax.Array:
        """theta of a point u of the unit cube."""
        return self._call(_prior_transform, u)

    def to_theta(self, z: Any) -> jax.Array:
        """theta of z."""
        return self._call(_to_theta, z)

    def to_z(self, theta: Any) -> jax.Array:
        """z of theta."""
        return self._call(_to_z, theta)

    def value_and_grad(self, theta: Any) -> tuple[jax.Array, jax.Array]:
        """ln L and its gradient (ndim,)."""
        return self._call(_value_and_grad, theta)

    def residuals(self, theta: Any) -> jax.Array:
        """Whitened residuals (model - data) / sigma, zero where data are left out.

        Raises:
            ModelError: the likelihood has none, as that of visibilities, of a sum, or of a source on pixels.
        """
        self._check_residuals()
        return self._call(_residuals, theta)

    def jacobian(self, theta: Any) -> jax.Array:
        """Derivative of the residuals by theta, (ndim, *residuals.shape), amplitudes held.

        Raises:
            ModelError: as `residuals`.
        """
        self._check_residuals()
        return self._call(_jacobian, theta)

    def _check_residuals(self) -> None:
        if not isinstance(self.likelihood, Residuals):
            raise ModelError(
                f"{type(self.likelihood).__name__} has no residuals of its own: those of visibilities are "
                "lensfit.likelihood.interferometer.whitened_residuals(data, image), those of a source on pixels are in "
                "reconstruct(theta), and each term of a sum has its own"
            )

    def amplitudes(self, theta: Any) -> jax.Array:
        """The solved amplitudes (K,) at theta, in the order of `space.amplitudes`."""
        return self._call(_amplitudes, theta)

    def reconstruct(self, theta: Any) -> Any:
        """The source on pixels at theta (n,): see `lensfit.likelihood.reconstruction.Reconstruction`.

        Raises:
            ModelError: the likelihood is of no source on pixels, or the linear system cannot be solved.
        """
        if not isinstance(self.likelihood, Evidence):
            raise ModelError(f"{type(self.likelihood).__name__} solves no source on pixels")
        theta = np.asarray(theta, float)
        found = self._call(_reconstruct, theta)
        if not jnp.isfinite(found.solution.log_evidence):
            self.likelihood(self.space.build(theta))  # says why
        return found

    def solved_model(self, theta: Any) -> LensModel:
        """The model at theta (ndim,) with every leaf a number."""
        theta = np.asarray(theta)
        return self.space.build(theta).filled(self.amplitudes(theta))

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """(count, ndim) draws of theta from the prior."""
        return np.asarray(self.to_theta(rng.standard_normal((count, self.ndim))))


def _model_of(model: Any, likelihood: Term) -> LensModel | Models:
    """The model as the likelihood takes it."""
    if not isinstance(likelihood, Sum):
        if not isinstance(model, LensModel):
            raise ModelError(f"{type(likelihood).__name__} is of one dataset and takes a LensModel, no mapping of them")
        return model
    names = list(likelihood.terms)
    models = dict.fromkeys(names, model) if isinstance(model, LensModel) else dict(model)
    if sorted(models) != sorted(names):
        raise ModelError(
            f"the terms of the sum are {', '.join(names)}, the models are of {', '.join(sorted(models)) or 'nothing'}: "
            "give each term its model, by its name"
        )
    return Models(terms=models)


def _model(space: Space, likelihood: Any, theta: jax.Array) -> LensModel:
    model = space.build(theta)
    return model.filled(likelihood.amplitudes(model)) if space.amplitudes else model


def _solve(space: Space, likelihood: Any, theta: jax.Array) -> jax.Array:
    if not space.amplitudes:
        return jnp.zeros(0)
    return likelihood.amplitudes(space.build(theta))


def _plain_log_likelihood(space: Space, likelihood: Any, theta: jax.Array) -> jax.Array:
    if isinstance(likelihood, Evidence):
        return likelihood(space.build(theta))
    return likelihood(_model(space, likelihood, theta))


def log_posterior(space: Space, likelihood: Any, z: jax.Array) -> jax.Array:
    """ln L + ln N(z) at z (ndim,), for programs that compile it as a part: they take its data as arguments."""
    normal = -0.5 * jnp.sum(z * z + jnp.log(2 * jnp.pi))
    return _plain_log_likelihood(space, likelihood, space.to_theta(z)) + normal


def _plain_residuals(space: Space, likelihood: Any, theta: jax.Array) -> jax.Array:
    return likelihood.residuals(_model(space, likelihood, theta))


def _plain_jacobian(space: Space, likelihood: Any, theta: jax.Array) -> jax.Array:
    _, push = jax.linearize(lambda t: _plain_residuals(space, likelihood, t), theta)
    return jax.vmap(push)(jnp.eye(space.ndim))


@compiled
def _log_prior(space: Space, likelihood: Any, theta: jax.Array) -> jax.Array:
    return space.log_prior(theta)


@compiled
def _prior_transform(space: Space, likelihood: Any, u: jax.Array) -> jax.Array:
    return space.from_unit_cube(u)


@compiled
def _to_theta(space: Space, likelihood: Any, z: jax.Array) -> jax.Array:
    return space.to_theta(z)


@compiled
def _to_z(space: Space, likelihood: Any, theta: jax.Array) -> jax.Array:
    return space.to_z(theta)


@compiled
def _value_and_grad(space: Space, likelihood: Any, theta: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jax.value_and_grad(_plain_log_likelihood, argnums=2)(space, likelihood, theta)


@compiled
def _reconstruct(space: Space, likelihood: Any, theta: jax.Array) -> Any:
    return likelihood.reconstruct(space.build(theta))


_log_likelihood = compiled(_plain_log_likelihood)
_log_posterior = compiled(log_posterior)
_residuals = compiled(_plain_residuals)
_jacobian = compiled(_plain_jacobian)
_amplitudes = compiled(_solve)


def _batched(function: Any) -> Any:
    """One point after the other: a batch in lanes would make every point wait for the slowest."""

    def of_many(space: Space, likelihood: Any, many: jax.Array) -> Any:
        return jax.lax.map(lambda v: function(space, likelihood, v), many)

    of_many.__qualname__ = f"{function.__qualname__} of many"
    return compiled(of_many)


_SINGLE = (
    _log_likelihood, _log_prior, _log_posterior, _prior_transform, _to_theta, _to_z,
    _value_and_grad, _residuals, _jacobian, _amplitudes,
)
_OF_PRIOR = (_log_prior, _prior_transform, _to_theta, _to_z)
"""What asks nothing of the data: one program for all of them."""
_NEED_JAX = (_value_and_grad, _residuals, _jacobian)
_BATCH: dict[Any, Any] = {function: _batched(function) for function in _SINGLE}
