"""The model of a source on pixels: mesh and priors about where a fit of profiles has the arcs come from, the mass with
its priors, and lens light that keeps its shape.
"""
from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal, cast

import jax
import jax.numpy as jnp
import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from lensfit.compiled import compiled
from lensfit.errors import FitError, ModelError
from lensfit.fitters.laplace import Laplace
from lensfit.fitters.result import FitResult
from lensfit.inversion.regularisation import regularisation
from lensfit.lensing import brightness_at, unlensed
from lensfit.lensing.flux import brightness_on_mesh
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.likelihood.reconstruction import Reconstruction
from lensfit.model import LensModel, describe
from lensfit.names import Regularisation
from lensfit.priors import LogNormal, Normal, Part, Prior, Solved, key
from lensfit.problem import Problem
from lensfit.profiles import PixelSource
from lensfit.pytree import replace
from lensfit.space import Space, solve_amplitudes
from lensfit.terms import Evidence

NAME = "pixels"
"""Of the source on pixels in the model."""
STRENGTH = f"source.{NAME}.strength"

FAINT = 1.0
"""Signal over noise of a pixel, smoothed by one pixel, above which the lensed source is seen."""
BRIGHT = 0.1
"""Share of the brightest pixel of a sky above which a pixel counts, of visibilities."""
INSIDE = 0.98
"""Share of the squared signal over noise of these pixels whose rays fall on the mesh. A faint halo that covers many
pixels, often light of the lens that a second profile took up, so makes it no wider."""
CENTER_WIDTH, SIZE_WIDTH, STRENGTH_WIDTH = 0.3, 0.3, 2.0
"""Widths of the priors: of the centre in half-widths, of ln half-width, and of the strength in powers of ten."""
LENGTH, LENGTH_WIDTH = 0.3, 0.7
"""Median of the correlation length of "matern" in half-widths, and width of the prior of its logarithm."""
CONTRAST, CONTRAST_WIDTH = 0.5, 0.3
"""Middle and width of the prior of the contrast of "adaptive"."""
COARSER = 0.75
"""Nodes along a side of the neighbouring mesh, over those of the mesh."""
LEAST_PIXELS = 4
"""Nodes along a side, for a spline of any order."""
OWN = {"matern": ("length",), "adaptive": ("contrast", "reference")}
"""What a regularisation has of its own."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mesh:
    """How a source is put on pixels, as in `PixelSource`."""

    pixels: int = 28
    order: Literal[1, 2, 3] = 2
    regularisation: Regularisation = "gradient"
    positive: bool = False

    def coarser(self) -> Mesh:
        """The neighbouring mesh, with which the optimum is looked for too."""
        return dataclasses.replace(self, pixels=max(round(COARSER * self.pixels), LEAST_PIXELS))

    def check(self) -> None:
        """Raise ModelError where there are too few nodes for a spline."""
        if self.pixels < LEAST_PIXELS:
            raise ModelError(f"a mesh of {self.pixels} x {self.pixels} nodes is none: take {LEAST_PIXELS} or more")


@dataclasses.dataclass(frozen=True)
class Arcs:
    """Where an image shows lensed light: x, y (P,) [arcsec], and how much, weight (P,)."""

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, likelihood: Any, model: LensModel) -> Arcs:
        """Where the lensed source of a model of numbers is above the noise of an image, or bright on a sky.

        Raises:
            FitError: nowhere.
        """
        if likelihood.kind not in SEEN:
            raise FitError(f"a source on pixels is for {' or '.join(SEEN)}, not for {likelihood.kind}")
        seen, bright = SEEN[likelihood.kind](likelihood, model.only("source"))
        if np.count_nonzero(bright) < 2:
            raise FitError(
                "no lensed source is seen above the noise in the parametric fit: there is nothing to put on pixels"
            )
        x, y = likelihood.grid.coordinates()
        return cls(x[bright], y[bright], seen[bright] ** 2)


_image = compiled(ImagingLikelihood.image)
"""See there; its program is that which figures have."""


def _above_noise(likelihood: Any, source: LensModel) -> tuple[np.ndarray, np.ndarray]:
    """Signal over noise (H, W) of the lensed source, smoothed by one pixel, and where it is seen."""
    seen = gaussian_filter(np.asarray(_image(likelihood, source)) * np.asarray(likelihood.inverse_noise), 1.0)
    return seen, (seen > FAINT) & (np.asarray(likelihood.inverse_noise) > 0)


def _on_sky(likelihood: Any, source: LensModel) -> tuple[np.ndarray, np.ndarray]:
    """Brightness (H, W) of the lensed source, and where it is bright."""
    seen = np.asarray(likelihood.light(source))
    return seen, seen > BRIGHT * seen.max()


SEEN: dict[str, Callable[[Any, LensModel], tuple[np.ndarray, np.ndarray]]] = {
    "image": _above_noise, "visibilities": _on_sky,
}
"""How much lensed light a term of a kind shows (H, W), and where."""


def pixel_source(mesh: Mesh, arcs: Arcs, model: LensModel) -> PixelSource:
    """The source on pixels with its priors, about where the mass of a model of numbers takes the arcs.

    Its first strength is such that the source of the model is as likely as can be. The reference of "adaptive" is
    that source at the nodes as they lie here; it moves and grows with them.
    """
    x, y, half_width = extent_of(arcs, model)
    bare = PixelSource(center_x=x, center_y=y, half_width=half_width, strength=0.0, pixels=mesh.pixels)
    expected = brightness_at(unlensed(model), *_nodes(bare))
    kinds = {
        "matern": {"length": (LENGTH * half_width, LogNormal(median=LENGTH * half_width, sigma=LENGTH_WIDTH))},
        "adaptive": {
            "contrast": (CONTRAST, Normal(mean=CONTRAST, sigma=CONTRAST_WIDTH)),
            "reference": (expected, expected),
        },
    }
    own = kinds.get(mesh.regularisation, {})
    placed = replace(bare, **vars(mesh), **{name: first for name, (first, _) in own.items()})
    return replace(
        placed,
        center_x=Normal(mean=x, sigma=CENTER_WIDTH * half_width),
        center_y=Normal(mean=y, sigma=CENTER_WIDTH * half_width),
        half_width=LogNormal(median=half_width, sigma=SIZE_WIDTH),
        strength=Normal(mean=_strength(placed, expected), sigma=STRENGTH_WIDTH),
        **{name: prior for name, (_, prior) in own.items()},
    )


def extent_of(arcs: Arcs, model: LensModel) -> tuple[float, float, float]:
    """Centre (x, y) and half-width [arcsec] of the square that most of the arcs come from."""
    beta = np.asarray(_traced_back(LensModel(light={}, mass=model.mass, source={}), arcs.x, arcs.y))
    x, y = (float(np.average(b, weights=arcs.weight)) for b in beta)
    away = np.maximum(abs(beta[0] - x), abs(beta[1] - y))
    return x, y, float(np.quantile(away, INSIDE, weights=arcs.weight, method="inverted_cdf"))


@compiled
def _traced_back(mass: LensModel, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Where light at points (x, y) [arcsec] comes from."""
    return mass.source_position(x, y)


def neighbour(source: PixelSource, mesh: Mesh, found: Reconstruction) -> tuple[PixelSource, float]:
    """A source with priors on another mesh, or held otherwise, and the strength to begin with.

    That one holds what was found as firmly as the strength that it was found with.
    """
    fitted = found.source
    changed: dict[str, Any] = {"pixels": mesh.pixels, "regularisation": mesh.regularisation}
    for kind, names in OWN.items():
        if kind != mesh.regularisation:
            changed |= dict.fromkeys(names)
    if mesh.regularisation == "adaptive":
        changed["reference"] = zoom(np.asarray(fitted.reference), mesh.pixels / fitted.pixels, order=1)
    placed = replace(fitted, strength=0.0, **changed)
    there = brightness_on_mesh(fitted, found.coefficients, *_nodes(placed))
    strength = float(np.log10(float(_penalty(fitted, found.coefficients)) / float(_penalty(placed, there))))
    held = Normal(mean=strength, sigma=STRENGTH_WIDTH)
    return replace(source, strength=held, **changed), strength


def _nodes(placed: PixelSource) -> tuple[np.ndarray, np.ndarray]:
    """x, y (n, n) of the nodes [arcsec]."""
    steps = (np.arange(placed.pixels) - (placed.pixels - 1) / 2) * float(placed.step)
    x, y = np.meshgrid(float(placed.center_x) + steps, float(placed.center_y) + steps)
    return x, y


def _strength(placed: PixelSource, expected: np.ndarray) -> float:
    """log10 lambda at which a source of the brightness expected at the nodes is as likely as can be: S / s^T C s."""
    return float(np.log10(expected.size / float(_penalty(placed, expected))))


@compiled
def _penalty(source: PixelSource, values: jax.Array) -> jax.Array:
    """s^T C s of values (n, n) at the nodes."""
    return regularisation(source).penalty(jnp.ravel(values))


def pixel_model(model: LensModel, result: FitResult | Mapping[str, float], source: PixelSource) -> LensModel:
    """The model of a parametric fit with `source` in place of its sources.

    The mass keeps its priors. The lens light keeps the shape that it had in the fit, whose values are asked for by
    name; its amplitudes, and the sky's, are `Solved`. Where a prior of the mass is centred on the light, it is centred
    on what was fitted; what mass and light have in common, as the place of a galaxy, is held with the light.
    """
    bare = replace(solve_amplitudes(model), source={})
    paths, structure = jax.tree_util.tree_flatten_with_path(bare, is_leaf=_is_leaf)
    leaves = [(describe(bare, path), leaf) for path, leaf in paths]
    holder = _Holder(leaves, result)
    made = jax.tree_util.tree_unflatten(structure, [holder.leaf(leaf) for _, leaf in leaves])
    return replace(made, source={NAME: source})


def _is_leaf(node: Any) -> bool:
    return isinstance(node, (Prior, Part, Solved))


class _Holder:
    """Puts fitted numbers in place of priors, everywhere but in what is the mass's alone."""

    def __init__(self, leaves: list[tuple[Any, Any]], result: FitResult | Mapping[str, float]) -> None:
        self.values: dict[tuple[str, int], float] = {}
        self.free: set[str] = set()
        self.made: dict[str, Prior] = {}
        with_priors = [(where, leaf) for where, leaf in leaves if isinstance(leaf, (Prior, Part))]
        shared = {key(leaf)[0] for where, leaf in with_priors if where.group != "mass"}
        for where, leaf in with_priors:
            if key(leaf) not in self.values:
                self.values[key(leaf)] = result[where.name]
            if key(leaf)[0] not in shared:
                self.free.add(key(leaf)[0])

    def leaf(self, leaf: Any) -> Any:
        """What stands at a leaf."""
        if not isinstance(leaf, (Prior, Part)):
            return leaf
        return self._held(leaf) if key(leaf)[0] in self.free else self.values[key(leaf)]

    def _held(self, leaf: Prior | Part) -> Prior | Part:
        """A prior of the mass, its hyperparameters numbers unless they are parameters of the mass too."""
        if isinstance(leaf, Part):
            return Part(self._prior(leaf.prior), leaf.index)
        return self._prior(leaf)

    def _prior(self, prior: Prior) -> Prior:
        if prior.tag not in self.made:
            hypers = {f.name: getattr(prior, f.name) for f in dataclasses.fields(prior)}
            self.made[prior.tag] = replace(prior, **{name: self._hyper(h) for name, h in hypers.items()})
        return self.made[prior.tag]

    def _hyper(self, hyper: Any) -> Any:
        if not isinstance(hyper, (Prior, Part)):
            return hyper
        return self._held(hyper) if key(hyper)[0] in self.free else self.values[key(hyper)]


@dataclasses.dataclass(frozen=True, eq=False)
class LightHeld:
    """The problem of a source on pixels, `whole`, and the same with its light held in the term, `bare`, which is faster
    and whose programs many models share; `places` (K,) of the amplitudes among those of the bare one."""

    whole: Problem
    bare: Problem
    places: np.ndarray

    @classmethod
    def of(cls, problem: Problem) -> LightHeld:
        """Of a problem of one dataset."""
        every, space = cast(Evidence, problem.likelihood), Space.of(replace(problem.model, mass={}, source={}))
        light = () if space.ndim else _light_of(space, every)
        term, model, places = every.holding(problem.model, light)
        return cls(problem, Problem(model, term), places)

    def with_source(self, source: PixelSource) -> LightHeld:
        """With another mesh, or one that is held otherwise."""
        whole, bare = (
            Problem(replace(problem.model, source={NAME: source}), problem.likelihood)
            for problem in (self.whole, self.bare)
        )
        return LightHeld(whole, bare, self.places)

    def of_whole(self, found: Laplace) -> Laplace:
        """What was found of the bare problem, of the amplitudes of the whole one alone."""
        n = self.bare.ndim
        kept = np.concatenate([np.arange(n), n + self.places])
        values = replace(found.values, amplitudes=np.asarray(found.values.amplitudes)[self.places])
        return Laplace(values, found.covariance[np.ix_(kept, kept)])


@compiled
def _light_of(space: Space, likelihood: Any) -> Any:
    """See `Evidence.light_of`, of a space without parameters."""
    return likelihood.light_of(space.build(jnp.zeros(0)))


def reach(problem: Problem, likelihood: Evidence, theta: Any, margin: float) -> tuple[np.ndarray, ...]:
    """Where rays that a term follows end on the mesh at theta (n,) of a problem, or on one `margin` times as wide:
    (H, W) of each image, none where rays are followed everywhere in any case."""
    return likelihood.reach(_away(problem.space, likelihood, np.asarray(theta)), margin)


@compiled
def _away(space: Space, likelihood: Any, theta: jax.Array) -> tuple[jax.Array, ...]:
    """See `Evidence.away`."""
    return likelihood.away(space.build(theta))
