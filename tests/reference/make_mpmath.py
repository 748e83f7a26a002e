"""profiles.json, code `mpmath`: the formulae of docs/conventions in 50-digit arithmetic, rounded to float64.

The parameters and points are taken as the exact binary numbers that the JSON stores, except that centre
offsets x - center_x are exact here and rounded once in any float64 code. kappa, the shear components and the
magnification come from the second derivatives of the lens potential, taken numerically at 50 digits, so they
check the deflection as well.
"""

import cases
import mpmath as mp
from mpmath import mpf

mp.mp.dps = 50
STEP = mpf(10) ** -18  # central differences: truncation 1e-36, cancellation 1e-32, both relative to the scale


def along_axes(x, y, p):
    e1, e2 = mpf(p["e1"]), mpf(p["e2"])
    e, phi = mp.sqrt(e1**2 + e2**2), mp.atan2(e2, e1) / 2
    dx, dy = x - mpf(p["center_x"]), y - mpf(p["center_y"])
    c, s = mp.cos(phi), mp.sin(phi)
    return dx * c + dy * s, dy * c - dx * s, (1 - e) / (1 + e), c, s


def radius(x, y, p):
    u, v, q, _, _ = along_axes(x, y, p)
    return mp.sqrt(q * u**2 + v**2 / q)


def b_n(n):
    terms = (2 * n, -mpf(1) / 3, 4 / (405 * n), 46 / (25515 * n**2), 131 / (1148175 * n**3))
    return mp.fsum(terms) - 2194697 / (30690717750 * n**4)


def light(profile, p, x, y):
    if profile == "gaussian":
        return mpf(p["intensity"]) * mp.exp(-((radius(x, y, p) / mpf(p["sigma"])) ** 2) / 2)
    n = mpf(p.get("sersic_index", 1))
    scaled = (radius(x, y, p) / mpf(p["effective_radius"])) ** (1 / n)
    return mpf(p["intensity"]) * mp.exp(-b_n(n) * (scaled - 1))


def sie(x, y, p):
    u, v, q, c, s = along_axes(x, y, p)
    f, psi = mp.sqrt(1 - q**2), mp.sqrt(q**2 * u**2 + v**2)
    if f == 0:
        a, b = u / psi, v / psi
    else:
        a, b = mp.atan(f * u / psi) / f, mp.atanh(f * v / psi) / f
    strength = mpf(p["einstein_radius"]) * mp.sqrt(q)
    return strength * (a * c - b * s), strength * (a * s + b * c)


def deflection(profile, p, x, y):
    ax, ay = sie(x, y, p) if "sie" in profile else (mpf(0), mpf(0))
    if "shear" in profile:
        g1, g2 = mpf(p["gamma1"]), mpf(p["gamma2"])
        ax, ay = ax + g1 * x + g2 * y, ay + g2 * x - g1 * y
    return ax, ay


def mass(profile, p, x, y):
    """alpha_x, alpha_y, kappa, gamma1, gamma2, magnification."""
    ax, ay = deflection(profile, p, x, y)
    h = STEP * mp.sqrt((x - mpf(p.get("center_x", 0))) ** 2 + (y - mpf(p.get("center_y", 0))) ** 2)
    right, left = deflection(profile, p, x + h, y), deflection(profile, p, x - h, y)
    up, down = deflection(profile, p, x, y + h), deflection(profile, p, x, y - h)
    xx, yx = ((a - b) / (2 * h) for a, b in zip(right, left, strict=True))
    xy, yy = ((a - b) / (2 * h) for a, b in zip(up, down, strict=True))
    assert abs(xy - yx) < mpf(10) ** -25 * (1 + abs(xx) + abs(yy)), "the deflection is no gradient"
    kappa, g1, g2 = (xx + yy) / 2, (xx - yy) / 2, (xy + yx) / 2
    if "sie" in profile:
        closed = mpf(p["einstein_radius"]) / (2 * radius(x, y, p))
        assert abs(kappa / closed - 1) < mpf(10) ** -25, "kappa is not the divergence of alpha"
    kappa, g1, g2 = (mpf(0) if abs(v) < mpf(10) ** -25 else v for v in (kappa, g1, g2))
    return ax, ay, kappa, g1, g2, 1 / ((1 - kappa) ** 2 - g1**2 - g2**2)


def answer(c):
    points = [(mpf(x), mpf(y)) for x, y in zip(c["x"], c["y"], strict=True)]
    if c["profile"] in ("sersic", "exponential", "gaussian"):
        return [float(light(c["profile"], c["parameters"], x, y)) for x, y in points]
    return [[float(v) for v in mass(c["profile"], c["parameters"], x, y)] for x, y in points]


if __name__ == "__main__":
    questions = cases.profile_cases()
    how = {
        "code": "mpmath",
        "version": mp.__version__,
        "light": "surface brightness at each point",
        "mass": "alpha_x, alpha_y, kappa, gamma1, gamma2, magnification at each point",
        "note": "50 digits, rounded once; |shear| below 1e-25 is written as 0",
    }
    cases.store(
        "profiles.json", "mpmath", how, questions, {k: [answer(c) for c in v] for k, v in questions.items()}
    )
