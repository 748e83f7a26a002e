"""Third stage: everything together, from the coarse image to the full one; then the final basin refitted as a small
family of models, whose spread is the honest error on real lenses."""
from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from lensfit.compiled import compiled
from lensfit.fitters.lm import Descent, Point, System
from lensfit.fitters.result import Basin, Variant
from lensfit.model import AnyModel, LensModel, Models
from lensfit.priors import Part, Prior, Solved, renewed
from lensfit.profiles import LightProfile
from lensfit.pytree import replace
from lensfit.space import Space, is_leaf
from lensfit.staged.case import Case, Roles, Score, Tally, basin_of, to_theta, to_z

GROUPS = ("light", "source")
SUFFIXES = ("_second", "_third")
"""What is added to a source's name for further ones like it."""
SHEAR = ("gamma1", "gamma2")
WIDER_PSF = 0.05
"""Share by which the PSF of a neighbouring model is wider: half of it, as the spread has it, is how well the widths of
PSFs are known."""
SECOND_SOURCE = (2.5, 0.35)
"""Sizes, in units of the first source's, from which a second source is tried."""


@dataclasses.dataclass(frozen=True)
class Joint:
    """Descents in all parameters of a space.

    They run in a `wide` space, that of a model with one more source, whose amplitude is held at zero: the
    model's neighbours are then fitted by the same compiled program. `place` (n,) and `shown` (K_wide,) say which
    of its parameters and amplitudes are the model's own; `moving` (n,) which of these move, None = all. `places` are
    those of the amplitudes of each of several datasets among all.
    """

    space: Space
    wide: Space
    place: np.ndarray
    shown: np.ndarray
    places: dict[str, np.ndarray] | None
    tally: Tally
    score: Score
    moving: np.ndarray | None = None

    @classmethod
    def of(cls, case: Case) -> Joint:
        """For the model of a case."""
        return cls.over(case.model, case.space, case.tally, case.score)

    @classmethod
    def over(cls, model: AnyModel, space: Space, tally: Tally, score: Score) -> Joint:
        """For a model and its space, or the models of several datasets; one with several sources has no wider one."""
        each = model.values() if isinstance(model, Models) else (model,)
        wider = with_second_source(model) if all(len(one.source) == 1 for one in each) else model
        wide = space if wider is model else Space.of(wider)
        own = {p.name for p in space.amplitudes}
        return cls(
            space=space,
            wide=wide,
            place=np.array([wide.names.index(name) for name in space.names]),
            shown=np.array([p.name in own for p in wide.amplitudes], bool),
            places=wider.places() if isinstance(wider, Models) else None,
            tally=tally,
            score=score,
        )

    def widened(self, theta: np.ndarray) -> np.ndarray:
        """theta of the wide space, what is not the model's own in the middle of its prior."""
        z = np.zeros(self.wide.ndim)
        z[self.place] = np.asarray(to_z(self.space, theta))
        return to_theta(self.wide, z)

    def descend(
        self, likelihood: Any, theta: np.ndarray, iterations: int, tolerance: float, free: np.ndarray | None = None
    ) -> Point:
        """The end of a descent from theta (n,), in the parameters flagged in free (n,) alone."""
        return self._narrow(self._run(likelihood, theta, iterations, tolerance, False, free).point)

    def settle(
        self, likelihood: Any, theta: np.ndarray, iterations: int, tolerance: float
    ) -> tuple[Point, System]:
        """The same with the exact system at that end."""
        end = self._run(likelihood, theta, iterations, tolerance, True)
        own = np.concatenate([self.place, self.wide.ndim + np.flatnonzero(self.shown)])
        curvature, slope = np.asarray(end.system.curvature), np.asarray(end.system.slope)
        system = System(curvature=curvature[np.ix_(own, own)], slope=slope[own])  # pyright: ignore[reportArgumentType]
        return self._narrow(end.point), system

    def _own_columns(self, columns: Any) -> Any:
        """Those of the model's own amplitudes, of several datasets in each."""
        if self.places is None:
            return np.asarray(columns)[self.shown]
        return {name: np.asarray(columns[name])[self.shown[place]] for name, place in self.places.items()}

    def fit(
        self, likelihood: Any, theta: np.ndarray, iterations: int, tolerance: float, free: np.ndarray | None = None
    ) -> Basin:
        """The end of a descent as a basin."""
        return basin_of(self.descend(likelihood, theta, iterations, tolerance, free), likelihood, theta, self.score)

    def whitened(self, likelihood: Any, theta: np.ndarray, group: str) -> np.ndarray:
        """Whitened image (H, W) of the light of a group at theta (n,), all amplitudes solved; the sky is lens light."""
        point = self.descend(likelihood, theta, 0, 1.0)
        model = self.space.build(theta).filled(point.amplitudes)  # pyright: ignore[reportArgumentType]
        return np.asarray(_whitened(likelihood, model.only(group)))

    def _run(
        self, likelihood: Any, theta: np.ndarray, iterations: int, tolerance: float, exact: bool,
        free: np.ndarray | None = None,
    ) -> Descent:
        own = np.ones(len(self.place), bool) if free is None else free
        moving = np.zeros(self.wide.ndim, bool)
        moving[self.place] = own if self.moving is None else own & self.moving
        start = self.widened(theta)
        return self.tally.descend(
            self.wide, likelihood, start, moving, iterations, tolerance, GROUPS, self.shown, exact
        )

    def _narrow(self, point: Point) -> Point:
        if self.wide is self.space:
            return point
        arrays = {
            "z": np.asarray(point.z)[self.place],
            "theta": np.asarray(point.theta)[self.place],
            "amplitudes": np.asarray(point.amplitudes)[self.shown],
            "columns": self._own_columns(point.columns),
        }
        return replace(point, **arrays)


def with_second_source(model: AnyModel) -> Any:
    """The model with another source like its first one, parameters of its own and the amplitude solved; of several
    datasets each, what is one parameter of their sources is one of the others too."""
    own: dict[str, Prior] = {}

    def another(leaf: Any) -> Any:
        prior = leaf.prior if isinstance(leaf, Part) else leaf
        if not isinstance(prior, Prior):
            return leaf
        copy = own.setdefault(prior.tag, renewed(prior))
        return Part(copy, leaf.index) if isinstance(leaf, Part) else copy

    def widened(one: LensModel) -> LensModel:
        name = min(one.source)
        second: LightProfile = jax.tree.map(another, one.source[name], is_leaf=is_leaf)
        second = replace(second, **{second.amplitude: Solved()})
        return replace(one, source={**one.source, name + SUFFIXES[len(one.source) - 1]: second})

    return Models(terms={n: widened(one) for n, one in model.items()}) if isinstance(model, Models) else widened(model)


def join(roles: Roles, light: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """theta (n,) with the light of one and the mass and source of the other."""
    return np.where(roles.light, light, rest)


@compiled
def _whitened(likelihood: Any, model: LensModel) -> jax.Array:
    return likelihood.image(model) * likelihood.inverse_noise


def fit_family(
    joint: Joint,
    likelihood: Any,
    point: Point,
    seconds: tuple[tuple[float, float, float], ...],
    easing: tuple[float, ...],
) -> tuple[Variant, ...]:
    """Variants of a fit at `point`: with another PSF; what has a typical value held there, as the slope of a mass;
    without shear and with one more source, each alone and both together.

    The further source starts from the best of `seconds`: its size, and its place (x, y) about the first one, in
    units of the size of that. Before shear is taken away it is held at the shares `easing` of itself in turn.
    """
    wide = joint.wide
    own = np.isin(np.arange(wide.ndim), joint.place)
    unsheared = np.array([p.role not in SHEAR for p in wide.parameters])
    model, more = np.ones(wide.ndim, bool), np.ones(len(wide.amplitudes), bool)
    theta = joint.widened(np.asarray(point.theta))
    known = np.zeros(len(more))
    known[joint.shown] = point.amplitudes
    variants = [_variant("as fitted", joint, own, joint.shown, theta, known, float(point.chi2))]

    def fit(start: np.ndarray, free: np.ndarray, shown: np.ndarray, iterations: int, term: Any = likelihood) -> Point:
        return joint.tally.descend(wide, term, start, free, iterations, 1.0, GROUPS, shown).point

    wider = likelihood.wider_psf(WIDER_PSF)
    if wider is not None:
        end = fit(theta, own, joint.shown, 10, wider)
        name = f"PSF {100 * WIDER_PSF:.0f} % wider"
        variants.append(_variant(name, joint, own, joint.shown, end.theta, end.amplitudes, float(end.chi2)))
    held = {k: p.typical for k, p in enumerate(wide.parameters) if p.group == "mass" and p.typical is not None}
    if held:
        start, free = theta.copy(), own & ~np.isin(np.arange(wide.ndim), list(held))
        start[list(held)] = list(held.values())
        end, name = fit(start, free, joint.shown, 20), _held_name(wide, held)
        variants.append(_variant(name, joint, free, joint.shown, end.theta, end.amplitudes, float(end.chi2)))

    def without_shear(name: str, start: np.ndarray, free: np.ndarray, shown: np.ndarray) -> None:
        if not unsheared.all():
            free = free & unsheared
            shear = start
            for share in easing:
                start = np.asarray(fit(np.where(unsheared, start, share * shear), free, shown, 8).theta)
            end = fit(np.where(unsheared, start, 0.0), free, shown, 20)
            variants.append(_variant(name, joint, free, shown, end.theta, end.amplitudes, float(end.chi2)))

    without_shear("no shear", theta, own, joint.shown)
    if wide is not joint.space:
        best = min((fit(start_beside(joint, theta, second), model, more, 10) for second in seconds), key=_objective)
        best = fit(np.asarray(best.theta), model, more, 15)
        variants.append(_variant("two sources", joint, model, more, best.theta, best.amplitudes, float(best.chi2)))
        without_shear("two sources, no shear", np.asarray(best.theta), model, more)
    return tuple(variants)


def _held_name(space: Space, values: dict[int, float]) -> str:
    """What is held at which value, in words, by index."""
    return ", ".join(f"{space.names[k].rpartition('.')[2]} {value:g}" for k, value in values.items())


def _objective(point: Point) -> float:
    return float(point.objective)


def _variant(
    name: str, joint: Joint, free: np.ndarray, shown: np.ndarray, theta: Any, amplitudes: Any, chi2: float
) -> Variant:
    """Of the parameters that are free and the amplitudes that are shown; those that are not are zero."""
    theta, amplitudes = np.asarray(theta), np.where(shown, np.asarray(amplitudes), 0.0)
    values = zip(joint.wide.names, theta.tolist(), free, strict=True)
    solved = zip((p.name for p in joint.wide.amplitudes), amplitudes.tolist(), shown, strict=True)
    model = joint.wide.build(theta).filled(amplitudes)  # pyright: ignore[reportArgumentType]
    return Variant(name, chi2, {key: value for key, value, has in (*values, *solved) if has}, True, model)


def start_beside(joint: Joint, theta: np.ndarray, second: tuple[float, float, float]) -> np.ndarray:
    """theta of the wide space: the fit, with the second source beside the first and of another size."""
    size, x, y = second
    values = dict(zip(joint.wide.names, theta, strict=True))
    start = theta.copy()
    for k, parameter in enumerate(joint.wide.parameters):
        first = parameter.name.replace(SUFFIXES[0], "")
        if k in joint.place or first not in values:
            continue
        owner = first.rpartition(".")[0]
        radius = next((values[f"{owner}.{p.name.rpartition('.')[2]}"] for p in joint.wide.parameters
                       if p.role == "radius" and p.name.startswith(f"{owner}.")), 0.0)
        moved = {"center_x": x * radius, "center_y": y * radius, "radius": (size - 1) * radius}
        start[k] = values[first] + moved.get(parameter.role, 0.0)
    return start
