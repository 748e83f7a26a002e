"""What a term is: ln L of one dataset given a model, and what more it can do, said by its type.

A term is a pytree whose data are arguments of compiled programs. `Term` has a density; `LeastSquares` has chi2 as a
quadratic function of the light before the instrument; `Residuals` has whitened residuals as well; `Evidence`
integrates a source on pixels out. `Sum` is the only joint likelihood.
"""
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lensfit.errors import ModelError
from lensfit.grid import Grid
from lensfit.model import Models
from lensfit.pytree import pytree
from lensfit.space import Space

RIDGE = 1e-11
"""Share of each amplitude's own curvature added before a solve: two columns may be the same image."""

STEPS = 10
"""Steps of the active set for each amplitude; two or three are the rule."""


@pytree
class Quadratic:
    """chi2 as a function of the amplitudes a (K,): `gram` G (K, K), `projection` b (K,), `constant` c."""

    gram: jax.Array
    projection: jax.Array
    constant: jax.Array

    @classmethod
    def of(cls, columns: jax.Array, target: jax.Array) -> Quadratic:
        """From whitened columns (K, ...) and a whitened target (...)."""
        flat = columns.reshape(columns.shape[0], target.size)
        y = target.ravel()
        return cls(gram=flat @ flat.T, projection=flat @ y, constant=y @ y)

    def chi2(self, amplitudes: jax.Array) -> jax.Array:
        """chi2 at the amplitudes (K,)."""
        return amplitudes @ (self.gram @ amplitudes) - 2 * amplitudes @ self.projection + self.constant

    def solve(self, positive: jax.Array | np.ndarray) -> jax.Array:
        """The amplitudes (K,) of least chi2, those flagged in positive (K,) kept >= 0.

        Active-set method of Lawson & Hanson (1974) on the normal equations, started with every column in
        use; those that come out negative are dropped together. A column that is zero gets amplitude zero.
        """
        diagonal = jnp.diagonal(self.gram)
        scale = jnp.where(diagonal > 0, 1 / jnp.sqrt(jnp.where(diagonal > 0, diagonal, 1.0)), 0.0)
        gram = self.gram * scale * scale[:, None]
        return _non_negative(gram, self.projection * scale, jnp.asarray(positive), diagonal > 0) * scale


def _non_negative(gram: jax.Array, b: jax.Array, positive: jax.Array, usable: jax.Array) -> jax.Array:
    """Minimise x^T gram x - 2 x^T b with x >= 0 where positive, over the usable entries; NaN if STEPS for each
    entry are too few to find it."""
    size = b.shape[0]
    tolerance = 1e-10 * (jnp.max(jnp.abs(b)) + 1e-300)

    def least(passive: jax.Array) -> jax.Array:
        both = passive[:, None] & passive[None]
        matrix = jnp.where(both, gram, 0.0) + jnp.diag(jnp.where(passive, RIDGE, 1.0))
        return jnp.linalg.solve(matrix, jnp.where(passive, b, 0.0))

    def step(state: Any) -> Any:
        passive, x, count, _ = state
        new = least(passive)
        bad = passive & positive & (new <= 0)
        ratio = jnp.where(bad, x / jnp.where(bad & (x > new), x - new, 1.0), jnp.inf)
        share = jnp.minimum(jnp.min(ratio), 1.0)
        inside = ~jnp.any(bad)
        moved = jnp.where(inside, new, x + share * (new - x))
        kept = passive & ~(bad & (ratio <= share))
        pull = jnp.where(usable & ~kept, b - gram @ moved, -jnp.inf)
        best = jnp.argmax(pull)
        add = inside & (pull[best] > tolerance)
        grown = kept | (add & (jnp.arange(size) == best))
        moved = jnp.where(grown, moved, 0.0)
        return grown, moved, count + 1, inside & ~add

    state = (usable, jnp.zeros(size), 0, jnp.asarray(False))
    end = lax.while_loop(lambda s: ~s[3] & (s[2] < STEPS * size), step, state)
    return jnp.where(end[3], end[1], jnp.nan)


class Term(ABC):
    """ln L of a model.

    kind: of data, by which stages of a fit and measurements of it are chosen. log_norm: -1/2 sum ln(2 pi sigma^2),
    ln L where chi2 is zero. data_count: numbers that ln L sums over.
    """

    kind: ClassVar[str]
    log_norm: Any

    @property
    @abstractmethod
    def data_count(self) -> int: ...

    @property
    @abstractmethod
    def grids(self) -> tuple[Grid, ...]:
        """Where models are evaluated, one for each image."""

    @abstractmethod
    def __call__(self, model: Any) -> jax.Array:
        """ln L of a model: of numbers alone, or for an `Evidence` with its `Solved` leaves in place."""

    @abstractmethod
    def amplitudes(self, model: Any) -> jax.Array:
        """The `Solved` amplitudes (K,) of a model at their best. Carries no derivative."""

    def by_numba(self, space: Space) -> Callable[[np.ndarray], float]:
        """theta (n,) -> ln L without XLA and without derivatives. Raises ModelError where there is no such thing."""
        raise ModelError(f"{type(self).__name__} has no numba backend: make the problem with backend='jax'")


class LeastSquares(Term):
    """A term whose chi2 is quadratic in the light, as Levenberg and Marquardt ask for.

    Light (H, W) is what the model says before the instrument; `columns` (K, H, W) are the data of unit amplitude of
    the model's `Solved` ones. Of a `Sum` each of these is a dict with an entry for each term.
    """

    @abstractmethod
    def light(self, model: Any) -> Any:
        """Brightness (H, W) of a model before the instrument; `Solved` amplitudes are left out."""

    @abstractmethod
    def columns(self, model: Any) -> Any:
        """What unit amplitudes of the model's `Solved` ones look like (K, H, W), in the order of the tree."""

    @abstractmethod
    def shown(self, model: Any, columns: Any, flags: jax.Array) -> Any:
        """The columns with those not flagged in (K,) zero."""

    @abstractmethod
    def contrast(self) -> float:
        """chi2 of an empty sky less its expectation: how far the data stand out of their noise."""

    @abstractmethod
    def rest(self, model: Any) -> Any:
        """What is left for the columns to explain (H, W), as `quadratic` and `remains` take it."""

    @abstractmethod
    def quadratic(self, model: Any, columns: Any, rest: Any) -> Quadratic:
        """chi2 as a function of the amplitudes (K,) of the columns."""

    @abstractmethod
    def remains(self, model: Any, columns: Any, rest: Any, amplitudes: jax.Array) -> tuple[Any, jax.Array]:
        """Residuals (H, W) that amplitudes (K,) leave, and chi2.

        The product of a column and the residuals is half the slope of chi2 in that amplitude.
        """

    @abstractmethod
    def normal(
        self, model: Any, slopes: Any, columns: Any, residuals: Any, exact: Any
    ) -> tuple[jax.Array, jax.Array]:
        """Half the curvature (n + K, n + K) and gradient (n + K,) of chi2 that Gauss and Newton see.

        slopes (n, H, W) are derivatives of the light; columns and residuals as in `least`. Unless exact, in single
        precision where that is faster.
        """

    def capped(self, most: int) -> LeastSquares:
        """The same with at most so many sub-pixels per axis, where there are pixels; no new compilation."""
        return self

    def wider_psf(self, share: float) -> LeastSquares | None:
        """The same with PSFs whose cores are wider by a share, None where there is no PSF; no new compilation."""
        return None

    def least(self, model: Any, columns: Any) -> tuple[jax.Array, Any, jax.Array]:
        """The best amplitudes (K,) of the columns, the residuals that they leave, and chi2."""
        rest = self.rest(model)
        amplitudes = self.solve(model, columns, rest)
        return amplitudes, *self.remains(model, columns, rest, amplitudes)

    def solve(self, model: Any, columns: Any, rest: Any) -> jax.Array:
        """The best amplitudes (K,) of the columns, those that are to be positive kept so."""
        positive = model.positive()
        if not len(positive):
            return jnp.zeros(0)
        return self.quadratic(model, columns, rest).solve(positive)

    def amplitudes(self, model: Any) -> jax.Array:
        """See `Term`."""
        return lax.stop_gradient(self.solve(model, self.columns(model), self.rest(model)))


def hidden(columns: jax.Array, flags: jax.Array) -> jax.Array:
    """Columns (K, ...) with those not flagged in (K,) zero."""
    return jnp.where(jnp.broadcast_to(flags, columns.shape[:1]), columns.T, 0.0).T


class Residuals(LeastSquares):
    """A term with one number for each datum: whitened residuals, from which all else follows.

    A term of one's own writes `residuals`, `log_norm` and `data_count`; the rest is here to be made faster.
    """

    kind = "numbers"

    @abstractmethod
    def residuals(self, model: Any) -> jax.Array:
        """(model - data) / sigma of a model, zero where data are left out; `Solved` amplitudes count as zero."""

    @property
    def grids(self) -> tuple[Grid, ...]:
        """None that a picture could be drawn on."""
        return ()

    def __call__(self, model: Any) -> jax.Array:
        """ln L of a model of numbers."""
        residuals = self.residuals(model)
        return -0.5 * jnp.sum(residuals * residuals) + self.log_norm

    def light(self, model: Any) -> Any:
        """The residuals themselves, where nothing stands between light and data."""
        return self.residuals(model)

    def whiten(self, light: jax.Array) -> jax.Array:
        """Images (..., H, W) of light as the data show it, over the noise."""
        return light

    def columns(self, model: Any) -> jax.Array:
        """See `LeastSquares`: residuals are linear in the amplitudes."""
        one = jnp.eye(len(model.positive()))
        nothing = self.residuals(model.filled(0 * one.sum(0)))
        return jax.vmap(lambda amplitudes: self.residuals(model.filled(amplitudes)) - nothing)(one)

    def shown(self, model: Any, columns: jax.Array, flags: jax.Array) -> jax.Array:
        """See `LeastSquares`."""
        return hidden(columns, flags)

    def rest(self, model: Any) -> jax.Array:
        """Data less the model over the noise, its `Solved` amplitudes left out."""
        return -self.residuals(model.filled(jnp.zeros(len(model.positive()))))

    def quadratic(self, model: Any, columns: jax.Array, rest: jax.Array) -> Quadratic:
        """See `LeastSquares`."""
        return Quadratic.of(columns, rest)

    def remains(
        self, model: Any, columns: jax.Array, rest: jax.Array, amplitudes: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Whitened residuals, and the sum of their squares."""
        residuals = jnp.tensordot(amplitudes, columns, 1) - rest
        return residuals, jnp.sum(residuals * residuals)

    def normal(
        self, model: Any, slopes: jax.Array, columns: jax.Array, residuals: jax.Array, exact: Any
    ) -> tuple[jax.Array, jax.Array]:
        """See `LeastSquares`."""
        rows = jnp.concatenate([self.whiten(slopes), columns]).reshape(len(slopes) + len(columns), -1)
        return rows @ rows.T, rows @ residuals.ravel()

    def contrast(self) -> float:
        """Not known of data that are no image."""
        return 0.0


class Evidence(Term):
    """A term that integrates the source's coefficients and all `Solved` amplitudes out."""

    @abstractmethod
    def coefficients(self, model: Any) -> int:
        """How many coefficients S the source of a model has; amplitudes follow them in a solution."""

    @abstractmethod
    def solution(self, model: Any) -> Any:
        """The most probable coefficients and amplitudes, see `lensfit.inversion.solve.Solution`."""

    @abstractmethod
    def reconstruct(self, model: Any) -> Any:
        """The source with its uncertainty, see `lensfit.likelihood.reconstruction.Reconstruction`."""

    def less_source(self, found: Any) -> LeastSquares | None:
        """The data less the lensed source of a reconstruction, for a fit of lens light alone; None where it knows none.
        """
        return None

    def away(self, model: Any) -> tuple[jax.Array, ...]:
        """How far rays end from the middle of the mesh of a model of numbers, over half of what it covers; for each of
        `grids`, none where rays are followed everywhere in any case."""
        return ()

    def reach(self, away: tuple[Any, ...], margin: float) -> tuple[np.ndarray, ...]:
        """Where rays end on a mesh `margin` times as wide: (H, W) for each of `grids`, from `away`."""
        return ()

    def within(self, *regions: np.ndarray) -> Evidence:
        """The same where rays are followed only inside a region (H, W) of each of `grids`: none ends on a mesh outside.
        """
        return self

    def coarser(self) -> Evidence:
        """The same of fewer data, for a search; itself where that saves nothing."""
        return self

    @abstractmethod
    def lensed(self, model: Any, coefficients: jax.Array) -> tuple[jax.Array, ...]:
        """The source of these coefficients (S,) as it is lensed, before the instrument: (H, W) for each of `grids`."""

    @abstractmethod
    def normal(self, model: Any) -> Any:
        """What the data say of the S coefficients and the K amplitudes: see `lensfit.inversion.solve.Normal`."""

    @abstractmethod
    def products(self, model: Any, images: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        """Scalar products of n further images, (n, H, W) before the instrument for each of `grids`, as the data weigh
        them: with those of the coefficients and amplitudes (S + K, n), and with each other (n, n)."""

    def light_of(self, model: Any) -> Any:
        """What the data see of a model of light and sky alone, numbers but for their amplitudes; empty where a term
        does not hold light."""
        return ()

    def holding(self, model: Any, light: Any) -> tuple[Evidence, Any, np.ndarray]:
        """The same for models whose light and sky keep the shape that they have in `model`, `light_of` which is given;
        the model that it then takes, and the places of the K amplitudes of `model` among those solved."""
        return self, model, np.arange(len(model.positive()))


@pytree
class Sum(LeastSquares):
    """ln L of several datasets: the sum of their terms, by name. Its models are `Models`, one of each term's name.

    `Solved` amplitudes that stand in several models (the same object) are one number, solved on all their data.

    Attributes:
        terms: by name, in the order in which their ln L add up.
    """

    kind = "sum"
    terms: dict[str, LeastSquares]

    @classmethod
    def of(cls, terms: Mapping[str, LeastSquares]) -> Sum:
        """The sum of these terms.

        Args:
            terms: by name.

        Raises:
            ModelError: there is no term, or one that is no sum of squares.
        """
        if not terms:
            raise ModelError("a sum needs at least one term")
        for name, term in terms.items():
            if not isinstance(term, LeastSquares) or isinstance(term, Sum):
                raise ModelError(
                    f"{name}: a sum is of terms of one image or one set of visibilities, and {type(term).__name__} is "
                    "none; sources on pixels are fitted to one dataset"
                )
            if not name.isidentifier():
                raise ModelError(f"{name!r} is no name of a term: use letters, digits and _, as F444W or alma")
        return cls(terms=dict(sorted(terms.items())))

    @property
    def log_norm(self) -> Any:
        """Of all terms."""
        return sum(term.log_norm for term in self.terms.values())

    @property
    def data_count(self) -> int:
        """Of all terms."""
        return sum(term.data_count for term in self.terms.values())

    @property
    def grids(self) -> tuple[Grid, ...]:
        """Of all terms."""
        return tuple(grid for term in self.terms.values() for grid in term.grids)

    def __call__(self, model: Models) -> jax.Array:
        """ln L of models of numbers."""
        return jnp.sum(jnp.stack([term(model[name]) for name, term in self.terms.items()]))

    def light(self, model: Models) -> dict[str, Any]:
        """Of each term."""
        return {name: term.light(model[name]) for name, term in self.terms.items()}

    def columns(self, model: Models) -> dict[str, Any]:
        """Of each term."""
        return {name: term.columns(model[name]) for name, term in self.terms.items()}

    def shown(self, model: Models, columns: dict[str, Any], flags: jax.Array) -> dict[str, Any]:
        """Of each term."""
        flags, places = jnp.broadcast_to(flags, (len(model.positive()),)), model.places()
        return {
            name: term.shown(model[name], columns[name], flags[places[name]]) for name, term in self.terms.items()
        }

    def rest(self, model: Models) -> dict[str, Any]:
        """Of each term."""
        return {name: term.rest(model[name]) for name, term in self.terms.items()}

    def quadratic(self, model: Models, columns: dict[str, Any], rest: dict[str, Any]) -> Quadratic:
        """chi2 of all terms as a function of all amplitudes (K,)."""
        size, places = len(model.positive()), model.places()
        gram, projection, constant = jnp.zeros((size, size)), jnp.zeros(size), jnp.zeros(())
        for name, term in self.terms.items():
            own, place = term.quadratic(model[name], columns[name], rest[name]), places[name]
            gram = gram.at[place[:, None], place].add(own.gram)
            projection = projection.at[place].add(own.projection)
            constant = constant + own.constant
        return Quadratic(gram=gram, projection=projection, constant=constant)

    def remains(
        self, model: Models, columns: dict[str, Any], rest: dict[str, Any], amplitudes: jax.Array
    ) -> tuple[dict[str, Any], jax.Array]:
        """Residuals of each term, and chi2 of all."""
        places = model.places()
        left = {
            name: term.remains(model[name], columns[name], rest[name], amplitudes[places[name]])
            for name, term in self.terms.items()
        }
        residuals = {name: residual for name, (residual, _) in left.items()}
        return residuals, jnp.sum(jnp.stack([chi2 for _, chi2 in left.values()]))

    def normal(
        self, model: Models, slopes: dict[str, Any], columns: dict[str, Any], residuals: dict[str, Any], exact: Any
    ) -> tuple[jax.Array, jax.Array]:
        """See `LeastSquares`: each term's system added at the places of its amplitudes."""
        n, places = len(next(iter(slopes.values()))), model.places()
        size = n + len(model.positive())
        curvature, gradient = jnp.zeros((size, size)), jnp.zeros(size)
        for name, term in self.terms.items():
            own = term.normal(model[name], slopes[name], columns[name], residuals[name], exact)
            place = np.concatenate([np.arange(n), n + places[name]])
            curvature = curvature.at[place[:, None], place].add(own[0])
            gradient = gradient.at[place].add(own[1])
        return curvature, gradient

    def wider_psf(self, share: float) -> Sum | None:
        """See `LeastSquares`."""
        wider = {name: term.wider_psf(share) for name, term in self.terms.items()}
        if all(term is None for term in wider.values()):
            return None
        return Sum(terms={name: wider[name] or term for name, term in self.terms.items()})

    def capped(self, most: int) -> Sum:
        """The same with at most so many sub-pixels per axis in each image: faster, less accurate."""
        return Sum(terms={name: term.capped(most) for name, term in self.terms.items()})

    def contrast(self) -> float:
        """Of all terms."""
        return sum(term.contrast() for term in self.terms.values())

    def lead(self) -> str:
        """The name of the term whose data stand out of their noise most: the one that a search begins with."""
        return max(self.terms, key=lambda name: self.terms[name].contrast())
