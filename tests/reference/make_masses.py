"""masses.json, by lenstronomy and by mpmath: python make_masses.py where both are installed.

Nothing here imports lensfit. Each case: a profile, its parameters as lensfit names them, points; `lenstronomy` has
rows alpha_x, alpha_y, kappa, and psi less psi at the first point; `integral` rows alpha_x, alpha_y from the
convergence alone, by integrals over its ellipses (Schramm 1990; Keeton 2001, eq. 4) in 25 digits.
"""

import json
from pathlib import Path

import lenstronomy
import mpmath as mp
import numpy as np
from cases import short
from lenstronomy.LensModel.lens_model import LensModel

mp.mp.dps = 25


def shape(p):
    return {k: p[k] for k in ("center_x", "center_y", "e1", "e2") if k in p}


def epl(p):
    return [("EPL", shape(p) | {"theta_E": p["einstein_radius"], "gamma": p["slope"]})]


def dpie(p):
    """lenstronomy has the sum round alone, as PJAFFE; else two ellipsoids with cores."""
    core, cut, theta = p["core_radius"], p["cut_radius"], p["einstein_radius"]
    if (p["e1"], p["e2"]) == (0.0, 0.0):
        center = {k: p[k] for k in ("center_x", "center_y")}
        return [("PJAFFE", center | {"sigma0": theta / (2 * core), "Ra": core, "Rs": cut})]
    scale = theta * cut / (cut - core)
    return [("NIE", shape(p) | {"theta_E": sign * scale, "s_scale": s}) for sign, s in ((1, core), (-1, cut))]


def multipole(m):
    def made(p):
        a, phi = np.hypot(p["a1"], p["a2"]), np.arctan2(p["a2"], p["a1"]) / m
        return [("MULTIPOLE", shape(p) | {"m": m, "a_m": a, "phi_m": phi})]

    return made


def nfw(p):
    return [("NFW", shape({k: p[k] for k in p if k not in ("e1", "e2")})
             | {"Rs": p["scale_radius"], "alpha_Rs": p["alpha_rs"]})]


def radius(p):
    return shape(p) | {"theta_E": p["einstein_radius"]}


THEIRS = {
    "EPL": epl, "DPIE": dpie, "NFW": nfw, "SIS": lambda p: [("SIS", radius(p))],
    "SIE": lambda p: [("EPL", radius(p) | {"gamma": 2.0})], "PointMass": lambda p: [("POINT_MASS", radius(p))],
    "ConvergenceSheet": lambda p: [("CONVERGENCE", {"kappa": p["kappa"]})],
    "Shear": lambda p: [("SHEAR", {"gamma1": p["gamma1"], "gamma2": p["gamma2"]})],
    **{f"Multipole{m}": multipole(m) for m in (1, 3, 4)},
}


def by_lenstronomy(case):
    names, kwargs = zip(*THEIRS[case["profile"]](case["parameters"]), strict=True)
    x, y = np.array(case["x"]), np.array(case["y"])
    model = LensModel(list(names))
    psi = model.potential(x, y, list(kwargs))
    rows = np.broadcast_arrays(*model.alpha(x, y, list(kwargs)), model.kappa(x, y, list(kwargs)), psi - psi[0])
    return [[short(v, 14) for v in row] for row in np.array(rows).T.tolist()]


def convergence(case):
    """kappa(R) of a case as mpmath sees it, and the power of R with which it rises to the centre."""
    p = {k: mp.mpf(v) for k, v in case["parameters"].items()}
    if case["profile"] == "EPL":
        t = p["slope"] - 1
        return (lambda r: (1 - t / 2) * (p["einstein_radius"] / r) ** t), t
    if case["profile"] == "DPIE":
        core, cut = p["core_radius"], p["cut_radius"]
        scale = p["einstein_radius"] * cut / (cut - core) / 2
        return (lambda r: scale * (1 / mp.sqrt(core**2 + r * r) - 1 / mp.sqrt(cut**2 + r * r))), mp.mpf(0)
    scale = p["alpha_rs"] / (2 * p["scale_radius"] * (1 - mp.log(2)))

    def halo(r):
        x = r / p["scale_radius"]
        root = mp.sqrt(abs(1 - x * x))
        arc = (mp.acosh(1 / x) if x < 1 else mp.atan(root)) / root
        return scale * (1 - arc) / (x * x - 1)

    return halo, mp.mpf(1)


def by_integral(case):
    p = {k: mp.mpf(v) for k, v in case["parameters"].items()}
    e, phi = mp.hypot(p["e1"], p["e2"]), mp.atan2(p["e2"], p["e1"]) / 2
    q, c, s = (1 - e) / (1 + e), mp.cos(phi), mp.sin(phi)
    kappa, rise = convergence(case)
    power = 2 / (2 - rise)  # u = v^power: nothing is singular at the centre

    def at(x, y):
        dx, dy = mp.mpf(x) - p["center_x"], mp.mpf(y) - p["center_y"]
        a, b = dx * c + dy * s, dy * c - dx * s

        def integrand(v, n):
            u = v**power
            rest = 1 - (1 - q * q) * u
            slope = power * v ** (power - 1)
            return kappa(mp.sqrt(q * u * (a * a + b * b / rest))) * slope / rest ** (n + mp.mpf(1) / 2)

        one, two = (q * mp.quad(lambda v, n=n: integrand(v, n), [0, 0.25, 0.5, 0.75, 0.9, 1]) for n in (0, 1))
        return [float(one * a * c - two * b * s), float(one * a * s + two * b * c)]

    return [at(x, y) for x, y in zip(case["x"], case["y"], strict=True)]


def around(rng, p, low, high, count=4):
    r, angle = np.exp(rng.uniform(np.log(low), np.log(high), count)), rng.uniform(0, 2 * np.pi, count)
    x, y = r * np.cos(angle) + p.get("center_x", 0.0), r * np.sin(angle) + p.get("center_y", 0.0)
    return {"x": [short(v, 10) for v in x], "y": [short(v, 10) for v in y]}


def drawn(rng, e):
    angle = rng.uniform(0, 2 * np.pi)
    center = {"center_x": short(rng.normal(0, 0.3)), "center_y": short(rng.normal(0, 0.3))}
    return center, {"e1": short(e * np.cos(angle)), "e2": short(e * np.sin(angle))}


def questions():
    rng = np.random.default_rng(18)
    for slope in (1.2, 1.5, 1.8, 2.0, 2.2, 2.5, 2.8):
        for e in (0.0, 0.1, 0.3, 0.5, 0.7, 0.8):
            center, ellipse = drawn(rng, e)
            p = center | ellipse | {"einstein_radius": short(rng.uniform(0.5, 2)), "slope": slope}
            yield {"profile": "EPL", "parameters": p, **around(rng, p, 0.1, 10)}
    for e in (0.0, 0.1, 0.3, 0.5, 0.8):
        center, ellipse = drawn(rng, e)
        p = center | ellipse | {"einstein_radius": 1.1, "core_radius": 0.05, "cut_radius": short(rng.uniform(1, 9))}
        yield {"profile": "DPIE", "parameters": p, **around(rng, p, 0.01, 30)}
        p = center | ellipse | {"scale_radius": short(rng.uniform(0.5, 20)), "alpha_rs": 1.3}
        yield {"profile": "NFW", "parameters": p, **around(rng, p, 0.01, 30)}
        yield {"profile": "SIE", "parameters": center | ellipse | {"einstein_radius": 1.3}, **around(rng, p, 0.1, 10)}
    for _ in range(3):
        center, _ = drawn(rng, 0.0)
        wave = {"a1": short(rng.normal(0, 0.1)), "a2": short(rng.normal(0, 0.1))}
        for m in (1, 3, 4):
            yield {"profile": f"Multipole{m}", "parameters": center | wave, **around(rng, center, 0.1, 10)}
        for name in ("SIS", "PointMass"):
            yield {"profile": name, "parameters": center | {"einstein_radius": 1.2}, **around(rng, center, 0.1, 10)}
        yield {"profile": "ConvergenceSheet", "parameters": {"kappa": wave["a1"]}, **around(rng, {}, 0.1, 10)}
        shear = {"gamma1": wave["a1"], "gamma2": wave["a2"]}
        yield {"profile": "Shear", "parameters": shear, **around(rng, {}, 0.1, 10)}


def answered(case):
    p = case["parameters"]
    if case["profile"] in ("EPL", "DPIE", "NFW"):
        case["integral"] = by_integral(case)
    elliptical_nfw = case["profile"] == "NFW" and (p["e1"], p["e2"]) != (0.0, 0.0)  # theirs is a fit to 1e-4
    return case if elliptical_nfw else case | {"lenstronomy": by_lenstronomy(case)}


if __name__ == "__main__":
    how = {"command": "python make_masses.py", "lenstronomy": lenstronomy.__version__, "mpmath": mp.__version__}
    made = [answered(case) for case in questions()]
    lines = ",\n".join(json.dumps(case) for case in made)
    text = f'{{"how": {json.dumps(how)},\n"cases": [\n{lines}\n]}}\n'
    (Path(__file__).parent / "masses.json").write_text(text)
