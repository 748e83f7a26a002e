"""What a fit of visibilities leaves, and the components that may explain it: lensed ones, and others that are not."""
from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from scipy.ndimage import maximum_filter
from scipy.special import ndtri

from lensfit.datasets import Interferometer
from lensfit.model import LensModel
from lensfit.observations.observation import Addition
from lensfit.pytree import replace
from lensfit.staged.joint import SUFFIXES, with_second_source
from lensfit.staged.visibility_stages import SECOND_SOURCE, seen
from lensfit.standard import unlensed
from lensfit.trust.of_visibilities import beams

CHANCE = 0.01
"""Chance that noise alone leaves so high a residual in any beam of the dirty image, down to which a component is
tried."""
DARK = 0.1
"""Share of its brightest place up to which the lensed light is dark: only there may light be that is not lensed."""
MOST_UNLENSED = 3
"""Components that are not lensed, at most."""


@dataclasses.dataclass(frozen=True)
class Residual:
    """The dirty image less that of a model, over its noise (H, W), what the antennas see of the model's lensed source
    (H, W) [Jy/pixel], and the sigma that noise alone exceeds in any beam with a chance of CHANCE."""

    left: np.ndarray
    arcs: np.ndarray
    limit: float

    @classmethod
    def of(cls, term: Any, found: LensModel) -> Residual:
        """Of a model of numbers."""
        left = np.asarray(term.dirty_residual(seen(term, found)))
        limit = -float(ndtri(0.5 * CHANCE / max(beams(term.w_tilde), 1.0)))
        return cls(left, np.asarray(seen(term, found.only("source"))), limit)


def additions(
    data: Interferometer, term: Any, model: LensModel, found: LensModel, known: Mapping[str, float]
) -> tuple[Addition, ...]:
    """The components that are worth a try beside those of a fitted model: `model` with its priors, `found` of numbers,
    `known` those of a source like the first one, beside it, where that was fitted."""
    residual = Residual.of(term, found)
    made: list[Addition | None] = []
    if known or (len(model.source) <= len(SUFFIXES) and abs(residual.left).max() > residual.limit):
        made.append(_lensed(data, residual, model, found, known))
    place = _dark_peak(data, residual)
    if place is not None and len(model.light) < MOST_UNLENSED:
        made.append(_unlensed(data, model, found, place))
    return tuple(one for one in made if one is not None)


def _lensed(
    data: Interferometer, residual: Residual, model: LensModel, found: LensModel, known: Mapping[str, float]
) -> Addition | None:
    """None where the first source has no place or no size."""
    first = found.source[min(found.source)]
    roles, center = first.roles, first.center
    if center is None or "radius" not in roles:
        return None
    larger = with_second_source(model)
    (name,) = larger.source.keys() - model.source.keys()
    words = f"a {SUFFIXES[len(model.source) - 1].removeprefix('_')} source"
    row, column = np.unravel_index(np.argmax(residual.left), residual.left.shape)
    x, y = found.source_position(data.x[row, column], data.y[row, column])
    size = float(getattr(first, roles["radius"]))
    beside = [(s, float(center[0]) + size * dx, float(center[1]) + size * dy) for s, dx, dy in SECOND_SOURCE]
    places = [(0.5, float(x), float(y)), *(() if known else beside)]
    fields = (field.name for field in dataclasses.fields(cast(Any, first)))
    shape = {field: float(getattr(first, field)) for field in fields if field != cast(Any, first).amplitude}
    made = [shape | {roles["center_x"]: x, roles["center_y"]: y, roles["radius"]: s * size} for s, x, y in places]
    starts = [{f"source.{name}.{key}": value for key, value in one.items()} for one in made]
    return Addition(words, larger, (*([known] if known else []), *starts))


def _dark_peak(data: Interferometer, residual: Residual) -> tuple[float, float] | None:
    """Where the residual is highest among places without lensed light, None where nothing stands out there."""
    reach = 2 * int(np.ceil(data.nyquist / data.pixel_scale)) + 1
    near = maximum_filter(residual.arcs, reach)
    left = np.where(near < DARK * near.max(), residual.left, 0.0)
    row, column = np.unravel_index(np.argmax(left), left.shape)
    if left[row, column] < residual.limit:
        return None
    return float(data.x[row, column]), float(data.y[row, column])


def _unlensed(data: Interferometer, model: LensModel, found: LensModel, place: tuple[float, float]) -> Addition:
    core = _is_core(data, found, place) and "core" not in model.light
    names = [f"unlensed_{k + 1}" for k in range(len(model.light) + 1)]
    name = "core" if core else next(name for name in names if name not in model.light)
    where = f"({place[0]:.2f}, {place[1]:.2f}) arcsec"
    words = f"a core of the lens at {where}" if core else f"emission that is not lensed at {where}"
    larger = replace(model, light={**model.light, name: unlensed(data, *place)})
    starts = [{f"light.{name}.effective_radius": size * data.pixel_scale} for size in (0.5, 2.0)]
    return Addition(words, larger, tuple(starts))


def _is_core(data: Interferometer, found: LensModel, place: tuple[float, float]) -> bool:
    """Whether a place is at the centre of a mass, as well as a beam tells."""
    centers = [p.center for p in found.mass.values() if p.center is not None]
    return any(np.hypot(float(x) - place[0], float(y) - place[1]) < 2 * data.nyquist for x, y in centers)


def again(known: Mapping[str, float], found: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    """Values of what was added, `names`, for a smaller model at other values `known` than those of the fit `found`:
    sources move along with the first one, light that is not lensed stays."""
    first = min(name.split(".")[1] for name in known if name.startswith("source."))
    moved = {
        key: known[path] - found[path] for key in ("center_x", "center_y") if (path := f"source.{first}.{key}") in known
    }
    return {
        name: found[name] + (moved.get(name.rpartition(".")[2], 0.0) if name.startswith("source.") else 0.0)
        for name in names
    }
