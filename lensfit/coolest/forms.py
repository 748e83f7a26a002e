"""Each profile as COOLEST has it, there and back: parameters of the same names mean other things in two codes.

The standard's formulas are those of its documentation and its own package (Galan et al. 2023): radii on the
intermediate axis, angles counter-clockwise from +y [degrees], b_n = 1.9992 n - 0.3271 in Sersic profiles, and the
brightness of analytic profiles per square arcsec where lensfit has it per pixel of the data.
"""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from lensfit.errors import ModelError
from lensfit.profiles import (
    DPIE,
    EPL,
    NFW,
    SIE,
    SIS,
    ConvergenceSheet,
    Exponential,
    Gaussian,
    MultiGaussian,
    Sersic,
    Shear,
)
from lensfit.profiles.sersic import sersic_b

Numbers = dict[str, Any]
"""Of each parameter its value, or its values (S,) over samples."""
AT_RS = 1 + np.log(0.5)
"""Of an NFW: alpha(r_s) = 4 kappa_s r_s times this (Meneghetti et al. 2003)."""
PIXELS = "PixelatedRegularGrid"
"""The type of a source on pixels."""
INDICES = (0.5, 10.0)
"""Sersic indices that the standard has."""


@dataclasses.dataclass(frozen=True)
class Form:
    """A profile of the standard: its type, the entries that numbers of lensfit become, each with a factor of brightness
    `area` (of a pixel, square arcsec), and the way back."""

    kind: str
    to: Callable[[Numbers, float], list[Numbers]]
    field: bool = False
    """Whether it is of no galaxy."""


def their_b(n: Any) -> Any:
    """b_n of the standard (Capaccioli 1989)."""
    return 1.9992 * n - 0.3271


def _ellipse(p: Numbers) -> Numbers:
    """q and phi [degrees from +y, -90 to 90] of e1 and e2."""
    e = np.hypot(p["e1"], p["e2"])
    return {"q": (1 - e) / (1 + e), "phi": _from_y(0.5 * np.degrees(np.arctan2(p["e2"], p["e1"])))}


def _from_y(angle: Any) -> Any:
    """An axis [degrees] from +x as one from +y, from -90 to 90."""
    return 90 - (-np.asarray(angle)) % 180


def _center(p: Numbers) -> Numbers:
    return {"center_x": p["center_x"], "center_y": p["center_y"]}


def _sie(p: Numbers, area: float) -> list[Numbers]:
    return [{"theta_E": p["einstein_radius"], **_ellipse(p), **_center(p)}]


def _sis(p: Numbers, area: float) -> list[Numbers]:
    zero = 0.0 * np.asarray(p["einstein_radius"])
    return [{"theta_E": p["einstein_radius"], "q": 1.0 + zero, "phi": zero, **_center(p)}]


def _epl(p: Numbers, area: float) -> list[Numbers]:
    return [{"theta_E": p["einstein_radius"], "gamma": p["slope"], **_ellipse(p), **_center(p)}]


def _dpie(p: Numbers, area: float) -> list[Numbers]:
    core, cut = p["core_radius"], p["cut_radius"]
    scale = p["einstein_radius"] * cut / (cut - core)
    return [{"b": scale, "s_c": core, "s_t": cut, **_ellipse(p), **_center(p)}]


def _nfw(p: Numbers, area: float) -> list[Numbers]:
    if np.any(np.hypot(p["e1"], p["e2"]) > 0):
        raise ModelError(
            "an elliptical NFW has its ellipse in the mass here and in the potential in COOLEST (Golse & Kneib 2002): "
            "no number makes them the same; fit a round one, or an EPL"
        )
    rs = np.asarray(p["scale_radius"])
    return [{"r_s": rs, "rho_c": p["alpha_rs"] / (4 * rs**2 * AT_RS), "q": 1.0 + 0 * rs, "phi": 0 * rs, **_center(p)}]


def _shear(p: Numbers, area: float) -> list[Numbers]:
    angle = 0.5 * np.degrees(np.arctan2(p["gamma2"], p["gamma1"]))
    return [{"gamma_ext": np.hypot(p["gamma1"], p["gamma2"]), "phi_ext": _from_y(angle)}]


def _sheet(p: Numbers, area: float) -> list[Numbers]:
    return [{"kappa_s": p["kappa"]}]


def _sersic(p: Numbers, area: float) -> list[Numbers]:
    """The same brightness everywhere by the standard's b_n, by which its radius holds half of the light."""
    n = np.asarray(p.get("sersic_index", 1.0), float)
    b, theirs = np.asarray(sersic_b(n)), their_b(n)
    radius = p["effective_radius"] * (theirs / b) ** n
    intensity = p["intensity"] * np.exp(b - theirs) / area
    return [{"I_eff": intensity, "theta_eff": radius, "n": n, **_ellipse(p), **_center(p)}]


def _gaussian(p: Numbers, area: float) -> list[Numbers]:
    """A Gaussian is a Sersic profile of index 0.5."""
    b, n = their_b(0.5), 0.5 + 0 * np.asarray(p["sigma"])
    size = {"I_eff": p["intensity"] * np.exp(-b) / area, "theta_eff": np.sqrt(2 * b) * p["sigma"], "n": n}
    return [{**size, **_ellipse(p), **_center(p)}]


def _gaussians(p: Numbers, area: float) -> list[Numbers]:
    sigmas, amplitudes = np.atleast_1d(p["sigmas"]), np.atleast_1d(p["intensity"])
    return [_gaussian({**p, "sigma": sigma, "intensity": amplitude}, area)[0]
            for sigma, amplitude in zip(sigmas, amplitudes, strict=True)]  # fmt: skip


FORMS: dict[type, Form] = {
    SIE: Form("SIE", _sie), SIS: Form("SIE", _sis), EPL: Form("PEMD", _epl), DPIE: Form("Chameleon", _dpie),
    NFW: Form("NFW", _nfw), Shear: Form("ExternalShear", _shear, field=True),
    ConvergenceSheet: Form("ConvergenceSheet", _sheet, field=True), Sersic: Form("Sersic", _sersic),
    Exponential: Form("Sersic", _sersic), Gaussian: Form("Sersic", _gaussian),
    MultiGaussian: Form("Sersic", _gaussians),
}  # fmt: skip
"""Of each class of lensfit how the standard has it."""


def _ellipticity(p: Numbers) -> Numbers:
    """e1 and e2 of q and phi [degrees from +y]."""
    e, twice = (1 - p["q"]) / (1 + p["q"]), 2 * np.radians(p["phi"] + 90)
    return {"e1": e * np.cos(twice), "e2": e * np.sin(twice)}


def _read_chameleon(p: Numbers, area: float) -> DPIE:
    radius = p["b"] * (p["s_t"] - p["s_c"]) / p["s_t"]
    return DPIE(**_center(p), **_ellipticity(p), einstein_radius=radius, core_radius=p["s_c"], cut_radius=p["s_t"])


def _read_nfw(p: Numbers, area: float) -> NFW:
    if p["q"] != 1:
        raise ModelError(f"an NFW of q = {p['q']:g} has its ellipse in the potential, and lensfit's not; give q = 1")
    alpha = 4 * p["rho_c"] * p["r_s"] ** 2 * AT_RS
    return NFW(**_center(p), e1=0.0, e2=0.0, scale_radius=p["r_s"], alpha_rs=alpha)


def _read_sersic(p: Numbers, area: float) -> Sersic:
    n = p["n"]
    b, theirs = float(sersic_b(n)), their_b(n)
    return Sersic(**_center(p), **_ellipticity(p), intensity=p["I_eff"] * np.exp(theirs - b) * area,
                  effective_radius=p["theta_eff"] * (b / theirs) ** n, sersic_index=n)  # fmt: skip


def _read_shear(p: Numbers, area: float) -> Shear:
    twice = 2 * np.radians(p["phi_ext"] + 90)
    return Shear(gamma1=p["gamma_ext"] * np.cos(twice), gamma2=p["gamma_ext"] * np.sin(twice))


READERS: dict[str, Callable[[Numbers, float], Any]] = {
    "SIE": lambda p, area: SIE(**_center(p), **_ellipticity(p), einstein_radius=p["theta_E"]),
    "PEMD": lambda p, area: EPL(**_center(p), **_ellipticity(p), einstein_radius=p["theta_E"], slope=p["gamma"]),
    "Chameleon": _read_chameleon,
    "NFW": _read_nfw,
    "ExternalShear": _read_shear,
    "ConvergenceSheet": lambda p, area: ConvergenceSheet(kappa=p["kappa_s"]),
}
"""Of each type of mass in the standard what makes lensfit's of it."""
LIGHT_READERS: dict[str, Callable[[Numbers, float], Any]] = {"Sersic": _read_sersic}
"""The same of light, given the area of a pixel [square arcsec]."""
