"""The final basin refitted as a small family of models: their spread is the honest error on real lenses."""
from __future__ import annotations

from typing import Any

import numpy as np

from lensfit.fitters.lm import Point
from lensfit.fitters.result import Variant
from lensfit.staged.joint import GROUPS, SUFFIX, Joint

SHEAR = ("gamma1", "gamma2")
SECOND_SOURCE = (2.5, 0.35)
"""Sizes, in units of the first source's, from which a second source is tried."""


def fit_family(
    joint: Joint,
    likelihood: Any,
    point: Point,
    seconds: tuple[tuple[float, float, float], ...],
    easing: tuple[float, ...],
) -> tuple[Variant, ...]:
    """Variants of a fit at `point`: without shear and with one more source, each alone and both together.

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

    def fit(start: np.ndarray, free: np.ndarray, shown: np.ndarray, iterations: int) -> Point:
        return joint.tally.descend(wide, likelihood, start, free, iterations, 1.0, GROUPS, shown).point

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
        best = min((fit(_start(joint, theta, second), model, more, 10) for second in seconds), key=_objective)
        best = fit(np.asarray(best.theta), model, more, 15)
        variants.append(_variant("two sources", joint, model, more, best.theta, best.amplitudes, float(best.chi2)))
        without_shear("two sources, no shear", np.asarray(best.theta), model, more)
    return tuple(variants)


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


def _start(joint: Joint, theta: np.ndarray, second: tuple[float, float, float]) -> np.ndarray:
    """theta of the wide space: the fit, with the second source beside the first and of another size."""
    size, x, y = second
    values = dict(zip(joint.wide.names, theta, strict=True))
    start = theta.copy()
    for k, parameter in enumerate(joint.wide.parameters):
        first = parameter.name.replace(SUFFIX, "")
        if k in joint.place or first not in values:
            continue
        owner = first.rpartition(".")[0]
        radius = next((values[f"{owner}.{p.name.rpartition('.')[2]}"] for p in joint.wide.parameters
                       if p.role == "radius" and p.name.startswith(f"{owner}.")), 0.0)
        moved = {"center_x": x * radius, "center_y": y * radius, "radius": (size - 1) * radius}
        start[k] = values[first] + moved.get(parameter.role, 0.0)
    return start
