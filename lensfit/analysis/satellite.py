"""A satellite that is seen by its mass alone: where a small isothermal mass makes a source on pixels more likely.

The light of a satellite on or beside an arc is taken for light of the source, and its mass bends the arcs where nothing
else does. ln evidence of a source on pixels says by its slope and curvature what a mass anywhere about the lens would
gain, without a fit for each place (the linear step of gravitational imaging, Koopmans 2005; Vegetti & Koopmans 2009).
"""
from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from lensfit.compiled import compiled
from lensfit.fitters.laplace import unanswered
from lensfit.lensing import einstein_radius_of, main_center, whole_field
from lensfit.model import LensModel
from lensfit.priors import LogNormal, Normal
from lensfit.problem import Problem
from lensfit.profiles import DPIE
from lensfit.pytree import pytree, replace
from lensfit.space import Space
from lensfit.terms import Evidence

NAME = "satellite"
"""Of the satellite among the masses."""
RINGS, AROUND = (0.55, 0.8, 1.0, 1.2, 1.5, 1.9), 16
"""Where it is looked for: distances from the lens [Einstein radii], and places on each ring."""
TYPICAL, WIDTH, LARGEST, FIRST = 0.05, 0.8, 0.2, 0.03
"""Its Einstein radius in units of the lens's: median and width in ln of its prior, the largest one promised, and that
at which it begins."""
PLACE, SEEN = 0.2, 0.02
"""Width of the prior of its centre [Einstein radii of the lens], and where its light is seen."""
FARTHEST = 3.0
"""Distance from the lens [Einstein radii] up to which a companion is tried."""
TRIED, APART = 4, 0.35
"""How many are tried, and how far they are apart [Einstein radii]."""
CORE, CUT = 0.5, 100.0
"""Its core [pixels], the distance of the rays: what turns round between two of them makes ln evidence step. Its cut
[Einstein radii of the lens]: none in the field."""


@dataclasses.dataclass(frozen=True, eq=False)
class Satellite:
    """A satellite with priors about where it is asked for, the values of its parameters there by name, and by how much
    ln posterior should rise with it."""

    mass: DPIE
    values: dict[str, float]
    promise: float

    @property
    def where(self) -> str:
        """In words."""
        x, y, radius = self.values.values()
        return f'a satellite of {radius:.3f}" at ({x:.2f}", {y:.2f}")'


def with_satellite(problem: Problem, mass: DPIE) -> Problem:
    """The problem with a satellite among its masses."""
    model = cast(LensModel, problem.model)
    return Problem(replace(model, mass={**model.mass, NAME: mass}), problem.likelihood)


@pytree
class _Spheres:
    """Isothermal spheres with one core, none with a cut, at x, y (K,) of Einstein radii (K,) [arcsec]; what
    `lensfit.profiles.DPIE` is where it is round."""

    x: Any
    y: Any
    radii: Any
    core: Any
    center = None

    def deflection(self, x: Any, y: Any) -> tuple[Any, Any]:
        """alpha (...) at points x, y (...)."""
        dx, dy = x[..., None] - self.x, y[..., None] - self.y
        over = self.radii / (self.core + jnp.sqrt(dx * dx + dy * dy + self.core * self.core))
        return jnp.sum(over * dx, -1), jnp.sum(over * dy, -1)


@dataclasses.dataclass(frozen=True, eq=False)
class Lens:
    """What satellites are measured by: Einstein radius and centre (2,) of the lens, and the core of theirs [arcsec]."""

    radius: float
    center: np.ndarray
    core: float

    @classmethod
    def of(cls, problem: Problem, z: np.ndarray) -> Lens:
        """Of a problem at z (n,)."""
        grid, model = problem.likelihood.grids[0], problem.space.build(problem.to_theta(z)).only()
        center = cast(np.ndarray, main_center(model.mass))
        return cls(einstein_radius_of(model, whole_field(grid)), center, CORE * float(grid.pixel_scale))

    def satellite(self, x: float, y: float, place: float, promise: float = 0.0) -> Satellite:
        """At a place [arcsec] known to so many Einstein radii of the lens."""
        mass = DPIE(
            center_x=Normal(mean=x, sigma=place * self.radius), center_y=Normal(mean=y, sigma=place * self.radius),
            e1=0.0, e2=0.0, einstein_radius=LogNormal(median=TYPICAL * self.radius, sigma=WIDTH),
            core_radius=self.core, cut_radius=CUT * self.radius,
        )  # fmt: skip
        begun = {"center_x": x, "center_y": y, "einstein_radius": FIRST * self.radius}
        return Satellite(mass, {f"mass.{NAME}.{key}": value for key, value in begun.items()}, promise)


def companions_with_mass(lens: Lens, seen: Iterable[Any]) -> list[Satellite]:
    """Satellites where companions (x, y) [arcsec] are seen near the lens."""
    near = [one for one in seen if np.hypot(one.x - lens.center[0], one.y - lens.center[1]) < FARTHEST * lens.radius]
    return [lens.satellite(one.x, one.y, SEEN) for one in near]


def asked_satellites(lens: Lens, space: Space, near: Evidence, z: np.ndarray) -> list[Satellite]:
    """The satellites that would gain most, one alone and all else moving along, of a source on pixels at its optimum
    z (n,); the term `near` follows its rays. Best first, apart from one another, at most TRIED."""
    places = lens.center + lens.radius * _places()
    slope, curvature = (np.asarray(a) for a in _responses(space, near, jnp.asarray(z), *places.T, lens.core))
    moving = np.array([p.role != "regularisation" for p in space.parameters])
    n = len(z)
    own, across = curvature[:n, :n][np.ix_(moving, moving)] + np.eye(moving.sum()), curvature[:n, n:][moving]
    bends = np.diag(curvature[n:, n:]) - np.sum(across * np.linalg.solve(own, across), axis=0)
    radii = np.clip(slope / np.maximum(bends, 1e-300), 0.0, LARGEST * lens.radius)
    promises = slope * radii - 0.5 * bends * radii**2
    found: list[Satellite] = []
    left = np.ones(len(places), bool)
    while len(found) < TRIED and left.any():
        best = int(np.argmax(np.where(left, promises, -np.inf)))
        left &= np.hypot(*(places - places[best]).T) > APART * lens.radius
        x, y = places[best].tolist()
        found.append(lens.satellite(x, y, PLACE, float(promises[best])))
    return found


def _places() -> np.ndarray:
    """Places (K, 2) about the lens [Einstein radii], those of a ring between those of the last one."""
    turns = [(np.arange(AROUND) + 0.5 * (k % 2)) * 2 * np.pi / AROUND for k in range(len(RINGS))]
    return np.concatenate([r * np.stack([np.cos(t), np.sin(t)], -1) for r, t in zip(RINGS, turns, strict=True)])


@compiled
def _responses(
    space: Space, likelihood: Any, z: jax.Array, x: jax.Array, y: jax.Array, core: float
) -> tuple[jax.Array, jax.Array]:
    """Of ln evidence at z (n,): its slope (K,) along Einstein radii of satellites at x, y (K,) with a core, none there
    yet, and how -ln evidence bends (n + K, n + K) along z and these, as Gauss and Newton have it."""
    model = space.build(space.to_theta(z))
    found = likelihood.solution(model)
    source = found.s[: likelihood.coefficients(model)]

    def beside(x: jax.Array, y: jax.Array, radii: jax.Array) -> Any:
        return replace(model, mass={**model.mass, NAME: _Spheres(x=x, y=y, radii=radii, core=core)})

    def of_place(place: tuple[jax.Array, jax.Array]) -> Any:
        def lensed(radius: jax.Array) -> Any:
            return likelihood.lensed(beside(place[0][None], place[1][None], radius[None]), source)

        return jax.jvp(lensed, (jnp.zeros(()),), (jnp.ones(()),))[1]

    def of_model(z: jax.Array) -> Any:
        return likelihood.lensed(space.build(space.to_theta(z)), source)

    slope = jax.grad(lambda radii: likelihood.solution(beside(x, y, radii)).log_evidence)(jnp.zeros(len(x)))
    _, push = jax.linearize(of_model, z)
    changes = jax.vmap(push)(jnp.eye(len(z))), jax.lax.map(of_place, (x, y))
    images = jax.tree.map(lambda *both: jnp.concatenate(both), *changes)
    return slope, unanswered(likelihood, model, found, images)
