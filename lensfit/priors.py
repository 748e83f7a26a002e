"""Priors: smooth maps from a standard normal z to a parameter.

The one map gives all three spaces: theta = forward(z), u = Phi(z), and the density
p(theta) = N(z) / |d theta / d z|. A hyperparameter may be another prior (or a part of one): then this
prior is conditional on that parameter, as in `Normal(mean=light_x, sigma=0.05)`.

A prior is one parameter wherever it stands, and stays so when it is copied, pickled or mapped: its `tag` says
which one it is.
"""
from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import Any, ClassVar
from uuid import uuid4

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr, ndtri

from lensfit.pytree import pytree, replace, static

Hyper = Any  # a number, a Prior, or a Part of one


def _new_tag() -> str:
    return uuid4().hex


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Prior(ABC):
    """Base of all priors: a map of `size` standard normals to as many parameters, and its inverse.

    Attributes:
        tag: which parameter it is: that of every prior with the same tag. A new one for each prior that is made.
    """

    size: ClassVar[int] = 1

    tag: str = static(default_factory=_new_tag, repr=False)

    @abstractmethod
    def forward(self, z: jax.Array) -> jax.Array:
        """theta (size,) of the standard normal z (size,)."""

    @abstractmethod
    def inverse(self, theta: jax.Array) -> jax.Array:
        """z (size,) of the parameters theta (size,); NaN or infinite where theta is outside the support."""

    def contains(self, theta: jax.Array) -> jax.Array:
        """Whether theta lies inside the support."""
        return jnp.all(jnp.isfinite(theta))

    def trouble(self) -> str:
        """What is wrong with the hyperparameters, empty if nothing is."""
        return ""

    def log_density(self, theta: jax.Array) -> jax.Array:
        """ln p(theta); -inf outside the support, and so near its end that z is not finite."""
        inside = self.contains(theta) & jnp.all(jnp.isfinite(self.inverse(theta)))
        middle = self.forward(jnp.zeros(self.size))
        z = self.inverse(jnp.where(inside, theta, middle))
        _, log_det = jnp.linalg.slogdet(jax.jacfwd(self.forward)(z))
        log_normal = -0.5 * jnp.sum(z * z + jnp.log(2 * jnp.pi))
        return jnp.where(inside, log_normal - log_det, -jnp.inf)


class Part:
    """One parameter of a prior over several, as the leaf of a model; equal to another of the same parameter."""

    def __init__(self, prior: Prior, index: int) -> None:
        self.prior = prior
        self.index = index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Part) and key(self) == key(other)

    def __hash__(self) -> int:
        return hash(key(self))


@pytree
class Normal(Prior):
    """Normal distribution."""

    mean: Hyper
    sigma: Hyper

    def forward(self, z: jax.Array) -> jax.Array:
        return self.mean + self.sigma * z

    def inverse(self, theta: jax.Array) -> jax.Array:
        return (theta - self.mean) / self.sigma


@pytree
class LogNormal(Prior):
    """ln theta is normal about ln `median` with standard deviation `sigma`."""

    median: Hyper
    sigma: Hyper

    def forward(self, z: jax.Array) -> jax.Array:
        return self.median * jnp.exp(self.sigma * z)

    def inverse(self, theta: jax.Array) -> jax.Array:
        return jnp.log(theta / self.median) / self.sigma

    def contains(self, theta: jax.Array) -> jax.Array:
        return jnp.all(jnp.isfinite(theta) & (theta > 0))


class _Bounded(Prior):
    low: Hyper
    high: Hyper

    def contains(self, theta: jax.Array) -> jax.Array:
        return jnp.all((theta > self.low) & (theta < self.high))


@pytree
class Uniform(_Bounded):
    """Uniform between `low` and `high`."""

    low: Hyper
    high: Hyper

    def forward(self, z: jax.Array) -> jax.Array:
        return self.low + (self.high - self.low) * ndtr(z)

    def inverse(self, theta: jax.Array) -> jax.Array:
        return ndtri((theta - self.low) / (self.high - self.low))


@pytree
class LogUniform(_Bounded):
    """ln theta is uniform between ln `low` and ln `high`, both positive."""

    low: Hyper
    high: Hyper

    def forward(self, z: jax.Array) -> jax.Array:
        return self.low * jnp.exp(jnp.log(self.high / self.low) * ndtr(z))

    def inverse(self, theta: jax.Array) -> jax.Array:
        return ndtri(jnp.log(theta / self.low) / jnp.log(self.high / self.low))


@pytree
class TruncatedNormal(_Bounded):
    """Normal distribution cut at `low` and `high`."""

    mean: Hyper
    sigma: Hyper
    low: Hyper
    high: Hyper

    def _tails(self) -> tuple[jax.Array, jax.Array]:
        return ndtr((self.low - self.mean) / self.sigma), ndtr((self.high - self.mean) / self.sigma)

    def forward(self, z: jax.Array) -> jax.Array:
        below, above = self._tails()
        return self.mean + self.sigma * ndtri(below + (above - below) * ndtr(z))

    def inverse(self, theta: jax.Array) -> jax.Array:
        below, above = self._tails()
        return ndtri((ndtr((theta - self.mean) / self.sigma) - below) / (above - below))


@pytree
class Disk(Prior):
    """A pair inside the open disk of radius `limit`: an ellipticity (e1, e2) or a shear (gamma1, gamma2).

    With v(e) = e / sqrt(1 - |e|^2 / limit^2), which maps the disk to the plane, v is normal about
    v(center_1, center_2) with standard deviation `scale`. Smooth everywhere, isotropic about its centre.
    """

    size: ClassVar[int] = 2

    scale: Hyper
    limit: Hyper
    center_1: Hyper = 0.0
    center_2: Hyper = 0.0

    @property
    def parts(self) -> tuple[Part, Part]:
        """The two parameters, to be placed at two leaves of a model."""
        return Part(self, 0), Part(self, 1)

    def _plane(self, e: jax.Array) -> jax.Array:
        return e / jnp.sqrt(1 - jnp.sum(e * e) / self.limit**2)

    def forward(self, z: jax.Array) -> jax.Array:
        center = jnp.stack([jnp.asarray(self.center_1, z.dtype), jnp.asarray(self.center_2, z.dtype)])
        v = self._plane(center) + self.scale * z
        return v / jnp.sqrt(1 + jnp.sum(v * v) / self.limit**2)

    def inverse(self, theta: jax.Array) -> jax.Array:
        center = jnp.stack([jnp.asarray(self.center_1, theta.dtype), jnp.asarray(self.center_2, theta.dtype)])
        return (self._plane(theta) - self._plane(center)) / self.scale

    def contains(self, theta: jax.Array) -> jax.Array:
        return jnp.sum(theta * theta) < self.limit**2


class Solved:
    """Leaf for a linear amplitude that the likelihood solves exactly; it is no parameter of the problem.

    `positive=False` lets it take either sign. One object stands at one leaf; a leaf that holds several
    amplitudes (a multi-Gaussian expansion) takes one object for all of them. `tag` is as that of a prior.
    """

    def __init__(self, *, positive: bool = True, tag: str | None = None) -> None:
        self.positive = positive
        self.tag = _new_tag() if tag is None else tag


def key(leaf: Prior | Part | Solved) -> tuple[str, int]:
    """What a leaf of a model stands for: two with the same key are one parameter."""
    return (leaf.prior.tag, leaf.index) if isinstance(leaf, Part) else (leaf.tag, 0)


def renewed(prior: Prior) -> Prior:
    """Another parameter with the same prior: its hyperparameters stay, its tag is new."""
    return replace(prior, tag=_new_tag())
