"""Priors: smooth maps from a standard normal z to a parameter.

The one map gives all three spaces: theta = forward(z), u = Phi(z), and the density
p(theta) = N(z) / |d theta / d z|. A hyperparameter may be another prior (or a part of one): then this
prior is conditional on that parameter, as in `Normal(mean=light_x, sigma=0.05)`.

A prior is one parameter wherever it stands, and stays so when it is copied, pickled or mapped: its `tag` says
which one it is.
"""
from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar
from uuid import uuid4

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.special import ndtr, ndtri

from lensfit.pytree import pytree, replace, static

Hyper = Any  # a number, a Prior, or a Part of one

_TINY = 1e-300
"""The least distance from an end at zero: XLA takes the least of all doubles for zero."""
_EMPTY = 37.0
"""Standard deviations beyond which a normal distribution holds no probability in doubles."""
_SHORT = 1e-3
"""Steps below this share of the scale on which a normal density varies are integrated by their series."""


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
        """theta (size,) of the standard normal z (size,): inside the support for every finite z."""

    @abstractmethod
    def inverse(self, theta: jax.Array) -> jax.Array:
        """z (size,) of the parameters theta (size,); NaN or infinite where theta is outside the support."""

    def contains(self, theta: jax.Array) -> jax.Array:
        """Whether theta lies inside the support."""
        return jnp.all(jnp.isfinite(theta))

    def log_density(self, theta: jax.Array) -> jax.Array:
        """ln p(theta); -inf outside the support, and so near its end that z is not finite."""
        inside = self.contains(theta) & jnp.all(jnp.isfinite(self.inverse(theta)))
        middle = self.forward(jnp.zeros(self.size))
        z = self.inverse(jnp.where(inside, theta, middle))
        _, log_det = jnp.linalg.slogdet(jax.jacfwd(self.forward)(z))
        log_normal = -0.5 * jnp.sum(z * z + jnp.log(2 * jnp.pi))
        return jnp.where(inside, log_normal - log_det, -jnp.inf)

    def trouble(self) -> str:
        """What is wrong with its hyperparameters, in words; empty if nothing is. Those that are priors are left out."""
        numbers: dict[str, float] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.metadata.get("static") or isinstance(value, (Prior, Part)):
                continue
            try:
                numbers[field.name] = math.nan if isinstance(value, (str, bytes, bool)) else float(value)
            except (TypeError, ValueError):
                numbers[field.name] = math.nan
            if math.isnan(numbers[field.name]):
                return f"{field.name} is {value!r}, which is no number"
        return next((said for said, wrong in self._rules(numbers).items() if wrong), "")

    def _rules(self, numbers: dict[str, float]) -> dict[str, bool]:
        """What may be wrong with the hyperparameters that are numbers, in words, and whether it is."""
        return {}


def _positive(numbers: dict[str, float], *names: str) -> dict[str, bool]:
    """The rule that these are positive and finite."""
    given = {name: numbers[name] for name in names if name in numbers}
    return {f"{name} is {v:g}; it must be positive and finite": not 0 < v < math.inf for name, v in given.items()}


def _finite(numbers: dict[str, float], *names: str) -> dict[str, bool]:
    """The rule that these are finite."""
    return {f"{name} is {numbers[name]:g}; it must be finite": math.isinf(numbers[name]) for name in names
            if name in numbers}


class Part:
    """One parameter of a prior over several, as the leaf of a model; equal to another of the same parameter."""

    def __init__(self, prior: Prior, index: int) -> None:
        self.prior = prior
        self.index = index

    def __repr__(self) -> str:
        return f"{self.prior!r}.parts[{self.index}]"

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

    def _rules(self, numbers: dict[str, float]) -> dict[str, bool]:
        return _finite(numbers, "mean") | _positive(numbers, "sigma")


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

    def _rules(self, numbers: dict[str, float]) -> dict[str, bool]:
        return _positive(numbers, "median", "sigma")


class _Bounded(Prior):
    """Between two ends. Near each of them the map goes by the probability and the distance from that end."""

    low: Hyper
    high: Hyper

    def contains(self, theta: jax.Array) -> jax.Array:
        return jnp.all((theta > self.low) & (theta < self.high))

    def _inside(self, theta: jax.Array) -> jax.Array:
        """theta where it lies inside, else the number inside that is nearest to it; the slope stays."""
        least = jnp.maximum(jnp.nextafter(self.low, self.high), self.low + _TINY)
        most = jnp.minimum(jnp.nextafter(self.high, self.low), self.high - _TINY)
        return theta + lax.stop_gradient(jnp.clip(theta, least, most) - theta)

    def _rules(self, numbers: dict[str, float]) -> dict[str, bool]:
        if not {"low", "high"} <= set(numbers):
            return {}
        low, high = numbers["low"], numbers["high"]
        return {f"low is {low:g} and high {high:g}; low must be below high": low >= high}


@pytree
class Uniform(_Bounded):
    """Uniform between `low` and `high`."""

    low: Hyper
    high: Hyper

    def forward(self, z: jax.Array) -> jax.Array:
        way = (self.high - self.low) * ndtr(jnp.where(z > 0, -z, z))
        return self._inside(jnp.where(z > 0, self.high - way, self.low + way))

    def inverse(self, theta: jax.Array) -> jax.Array:
        lower = theta - self.low < self.high - theta
        way = jnp.where(lower, theta - self.low, self.high - theta)
        z = ndtri(way / (self.high - self.low))
        return jnp.where(lower, z, -z)

    def _rules(self, numbers: dict[str, float]) -> dict[str, bool]:
        return _finite(numbers, "low", "high") | super()._rules(numbers)


@pytree
class LogUniform(_Bounded):
    """ln theta is uniform between ln `low` and ln `high`, both positive."""

    low: Hyper
    high: Hyper

    def forward(self, z: jax.Array) -> jax.Array:
        way = jnp.log(self.high / self.low) * ndtr(jnp.where(z > 0, -z, z))
        theta = jnp.where(z > 0, self.high, self.low) * jnp.exp(jnp.where(z > 0, -way, way))
        return self._inside(theta)

    def inverse(self, theta: jax.Array) -> jax.Array:
        lower = theta / self.low < self.high / theta
        end = jnp.where(lower, self.low, self.high)
        way = jnp.log1p((theta - end) / end) / jnp.log(self.high / self.low)
        z = ndtri(jnp.where(lower, way, -way))
        return jnp.where(lower, z, -z)

    def _rules(self, numbers: dict[str, float]) -> dict[str, bool]:
        return _positive(numbers, "low", "high") | super()._rules(numbers)


@pytree
class TruncatedNormal(_Bounded):
    """Normal distribution cut at `low` and `high`, which may be infinite."""

    mean: Hyper
    sigma: Hyper
    low: Hyper
    high: Hyper

    def _ends(self) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]:
        """low and high, or where no probability is left before them; both over sigma from the mean; what they hold."""
        low = jnp.maximum(self.low, self.mean - _EMPTY * self.sigma)
        high = jnp.minimum(self.high, self.mean + _EMPTY * self.sigma)
        a, b = (low - self.mean) / self.sigma, (high - self.mean) / self.sigma
        return low, high, a, b, _between(a, b)

    def forward(self, z: jax.Array) -> jax.Array:
        low, high, a, b, whole = self._ends()
        way = self.sigma * _step(jnp.where(z > 0, -z, z), jnp.where(z > 0, -b, a), whole)
        return self._inside(jnp.where(z > 0, high - way, low + way))

    def inverse(self, theta: jax.Array) -> jax.Array:
        low, high, a, b, whole = self._ends()
        x = (theta - self.mean) / self.sigma
        below, above = _between(a, x), _between(x, b)
        lower = below < above
        way = jnp.where(lower, theta - low, high - theta) / self.sigma
        short, held = _short(jnp.where(lower, a, -b), way)
        z = ndtri(jnp.where(short, held, jnp.where(lower, below, above)) / whole)
        return jnp.where(lower, z, -z)

    def _rules(self, numbers: dict[str, float]) -> dict[str, bool]:
        rules = _finite(numbers, "mean") | _positive(numbers, "sigma") | super()._rules(numbers)
        if len(numbers) < 4 or any(rules.values()):
            return rules
        near, far = sorted(abs((numbers[end] - numbers["mean"]) / numbers["sigma"]) for end in ("low", "high"))
        outside = (numbers["low"] - numbers["mean"]) * (numbers["high"] - numbers["mean"]) > 0
        held = math.erfc(near / math.sqrt(2)) - math.erfc(far / math.sqrt(2))
        said = f"there is no probability between low and high, {near:.3g} sigma and more from the mean"
        return {said: outside and held < 1e-100}


def _between(a: jax.Array, b: jax.Array) -> jax.Array:
    """Probability of a standard normal between a and b, from the tail in which they lie."""
    upper = a + b > 0
    return ndtr(jnp.where(upper, -a, b)) - ndtr(jnp.where(upper, -b, a))


def _density(x: jax.Array) -> jax.Array:
    return jnp.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def _short(end: jax.Array, step: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Whether a step s from `end` is so short that the series is exact, and by it the probability on the step."""
    short = jnp.abs(step) * (1 + jnp.abs(end)) < _SHORT
    e, s = end, jnp.where(short, step, 0.0)
    series = 1 - s * (e / 2 - s * ((e * e - 1) / 6 - s * (e * (e * e - 3) / 24 - s * (e**4 - 6 * e * e + 3) / 120)))
    return short, _density(e) * s * series


@jax.custom_jvp
def _step(z: jax.Array, end: jax.Array, whole: jax.Array) -> jax.Array:
    """The step upwards from `end` that holds Phi(z) of the probability `whole` that lies above, z <= 0."""
    held, density = whole * ndtr(z), _density(end)
    short = held * (1 + jnp.abs(end)) < _SHORT * density
    r = held / jnp.where(short, density, 1.0)
    e, square = end, end * end
    series = 1 + r * (e / 2 + r * ((1 + 2 * square) / 6 + r * (e * (7 + 6 * square) / 24
                                                             + r * (7 + 46 * square + 24 * square**2) / 120)))
    below = ndtr(end) + held
    upper = below > 0.5
    x = ndtri(jnp.where(upper, ndtr(-end) - held, below))
    return jnp.where(short, r * series, jnp.maximum(jnp.where(upper, -x, x) - end, 0.0))


@_step.defjvp
def _step_jvp(primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    """With x = end + step: whole phi(z) dz + Phi(z) dwhole = phi(x) dx - phi(end) dend."""
    z, end, whole = primals
    step = _step(z, end, whole)
    x = end + step
    by_z = whole * jnp.exp(0.5 * (x * x - z * z))
    by_end = jnp.expm1(0.5 * step * (x + end))
    by_whole = math.sqrt(2 * math.pi) * ndtr(z) * jnp.exp(0.5 * x * x)
    return step, by_z * tangents[0] + by_end * tangents[1] + by_whole * tangents[2]


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
        e = v / jnp.sqrt(1 + jnp.sum(v * v) / self.limit**2)
        return jnp.where(self.contains(e), e, (1 - 4e-16) * e)

    def inverse(self, theta: jax.Array) -> jax.Array:
        center = jnp.stack([jnp.asarray(self.center_1, theta.dtype), jnp.asarray(self.center_2, theta.dtype)])
        return (self._plane(theta) - self._plane(center)) / self.scale

    def contains(self, theta: jax.Array) -> jax.Array:
        return jnp.sum(theta * theta) < self.limit**2

    def _rules(self, numbers: dict[str, float]) -> dict[str, bool]:
        rules = _positive(numbers, "scale", "limit")
        if {"limit", "center_1", "center_2"} <= set(numbers):
            off = math.hypot(numbers["center_1"], numbers["center_2"])
            rules[f"its centre is {off:g} from zero, and limit is {numbers['limit']:g}"] = off >= numbers["limit"]
        return rules


class Solved:
    """Leaf for a linear amplitude that the likelihood solves exactly; it is no parameter of the problem.

    `positive=False` lets it take either sign. One object stands at one leaf; a leaf that holds several
    amplitudes (a multi-Gaussian expansion) takes one object for all of them. `tag` is as that of a prior.
    """

    def __init__(self, *, positive: bool = True, tag: str | None = None) -> None:
        self.positive = positive
        self.tag = _new_tag() if tag is None else tag

    def __repr__(self) -> str:
        return "Solved()" if self.positive else "Solved(positive=False)"


def key(leaf: Prior | Part | Solved) -> tuple[str, int]:
    """What a leaf of a model stands for: two with the same key are one parameter."""
    return (leaf.prior.tag, leaf.index) if isinstance(leaf, Part) else (leaf.tag, 0)


def renewed(prior: Prior) -> Prior:
    """Another parameter with the same prior: its hyperparameters stay, its tag is new."""
    return replace(prior, tag=_new_tag())
