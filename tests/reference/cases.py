"""Where the codes are compared: parameters and points, drawn once from a seed, and how answers are stored.

Numpy only, so that it runs in the environment of every peer. `profile_cases()` and `likelihood_cases()` are
the questions; `store()` files one code's answers beside them. The questions in the JSON are the ones that
count: tests read those and never this file.
"""

import json
import platform
import sys
from pathlib import Path

import make_mock
import numpy as np

HERE = Path(__file__).parent
POINTS = 5


def ellipticity(rng, k):
    """Every sixth profile is round, the others reach q = 0.2."""
    if k % 6 == 0:
        return {"e1": 0.0, "e2": 0.0}
    q, phi = rng.uniform(0.2, 1.0), rng.uniform(0, np.pi)
    e = (1 - q) / (1 + q)
    return {"e1": short(e * np.cos(2 * phi)), "e2": short(e * np.sin(2 * phi))}


def short(value, digits=6):
    """Rounded to a few significant digits, to keep the files small."""
    return float(f"{value:.{digits}g}")


def log_uniform(rng, low, high):
    return short(np.exp(rng.uniform(np.log(low), np.log(high))))


def center(rng, scale=0.3):
    return {"center_x": short(rng.normal(0, scale)), "center_y": short(rng.normal(0, scale))}


def around(rng, parameters, low, high):
    """Points in all directions about the profile's centre, log-uniform in distance."""
    r = np.exp(rng.uniform(np.log(low), np.log(high), POINTS))
    angle = rng.uniform(0, 2 * np.pi, POINTS)
    x, y = r * np.cos(angle) + parameters["center_x"], r * np.sin(angle) + parameters["center_y"]
    return {"x": [short(v, 10) for v in x], "y": [short(v, 10) for v in y]}


def case(profile, parameters, points):
    return {"profile": profile, "parameters": parameters, **points}


def sersics(rng, count):
    for k in range(count):
        n = short(rng.uniform(0.4, 8.0)) if k % 4 else (0.4, 0.5, 1.0, 4.0, 8.0)[k // 4 % 5]
        radius = log_uniform(rng, 1e-3, 30.0)
        p = center(rng) | ellipticity(rng, k) | {"intensity": log_uniform(rng, 1e-3, 1e3)}
        p |= {"effective_radius": radius, "sersic_index": n}
        yield case("sersic", p, around(rng, p, 1e-3 * radius, radius * min(30.0, (100 / n) ** n)))


def exponentials(rng, count):
    for k in range(count):
        radius = log_uniform(rng, 1e-3, 30.0)
        p = center(rng) | ellipticity(rng, k)
        p |= {"intensity": log_uniform(rng, 1e-3, 1e3), "effective_radius": radius}
        yield case("exponential", p, around(rng, p, 1e-3 * radius, 20 * radius))


def gaussians(rng, count):
    for k in range(count):
        sigma = log_uniform(rng, 1e-3, 30.0)
        p = center(rng) | ellipticity(rng, k) | {"intensity": log_uniform(rng, 1e-3, 1e3), "sigma": sigma}
        yield case("gaussian", p, around(rng, p, 1e-3 * sigma, 5 * sigma))


def sies(rng, count):
    for k in range(count):
        p = center(rng) | ellipticity(rng, k) | {"einstein_radius": log_uniform(rng, 1e-2, 1e2)}
        yield case("sie", p, around(rng, p, 1e-4 * p["einstein_radius"], 1e2 * p["einstein_radius"]))


def shears(rng, count):
    for _ in range(count):
        p = {"gamma1": short(rng.normal(0, 0.1)), "gamma2": short(rng.normal(0, 0.1))}
        yield case("shear", p, around(rng, {"center_x": 0.0, "center_y": 0.0}, 1e-3, 1e2))


def sies_with_shear(rng, count):
    """Off-centre SIE in a shear about the origin: the sum of two profiles, for the magnification."""
    for k in range(count):
        p = center(rng) | ellipticity(rng, k) | {"einstein_radius": log_uniform(rng, 0.3, 3.0)}
        p |= {"gamma1": short(rng.normal(0, 0.1)), "gamma2": short(rng.normal(0, 0.1))}
        yield case("sie+shear", p, around(rng, p, 0.05 * p["einstein_radius"], 3 * p["einstein_radius"]))


def hard_sies():
    """Nearly round, near the centre, on the axes: where closed formulae lose digits."""
    far = {"x": [0.7, -1.3, 1e-3, 2.0, -0.4], "y": [0.9, 0.2, -2e-3, -3.0, -1.1]}
    axes = {"x": [1.0, -1.0, 0.0, 0.0, 1e-8], "y": [0.0, 0.0, 1.0, -1.0, 0.0]}
    near = {"x": [1e-4, -1e-6, 1e-8, 0.0, -3e-12], "y": [2e-4, 1e-6, -3e-8, 1e-10, 1e-12]}
    for exponent in (*range(3, 13), None):
        gap = 0.0 if exponent is None else 10.0**-exponent  # 1 - q
        for points in (far, axes) if exponent in (3, 6, 9, 12, None) else (far,):
            e = gap / (2 - gap)
            for e1, e2 in ((e, 0.0), (0.6 * e, -0.8 * e)) if gap else ((0.0, 0.0),):
                yield hard_case(e1, e2, points)
    for e1, e2 in ((0.0, 0.0), (0.3, 0.0), (-0.3, 0.0), (0.0, 0.2), (-0.1, 0.25), (0.66, 0.0), (1e-7, 1e-7)):
        for points in (near, axes):
            yield hard_case(e1, e2, points)


def hard_case(e1, e2, points):
    p = {"center_x": 0.0, "center_y": 0.0, "e1": e1, "e2": e2, "einstein_radius": 1.3}
    return case("sie", p, points)


def profile_cases():
    rng = np.random.default_rng(1)
    light = [*sersics(rng, 40), *exponentials(rng, 10), *gaussians(rng, 20)]
    mass = [*sies(rng, 30), *shears(rng, 6), *sies_with_shear(rng, 12)]
    return {"light": light, "mass": mass, "mass_hard": list(hard_sies())}


def likelihood_cases():
    """The truth and six departures from it, as flat dictionaries `light.bulge.e1: value`."""
    change = {
        "truth": {},
        "close": {
            "mass__sie__einstein_radius": 1.2871,
            "mass__sie__e1": -0.1285,
            "source__sersic__center_x": 0.0463,
        },
        "blunt": {
            "light__bulge__sersic_index": 0.7,
            "light__bulge__effective_radius": 0.25,
            "light__bulge__intensity": 2.0,
            "source__sersic__sersic_index": 0.6,
            "source__sersic__effective_radius": 0.3,
            "mass__shear__gamma1": -0.04,
        },
        "cuspy": {
            "light__bulge__sersic_index": 6.0,
            "light__bulge__effective_radius": 0.9,
            "light__bulge__intensity": 0.3,
            "source__sersic__sersic_index": 4.5,
            "source__sersic__effective_radius": 0.08,
            "mass__sie__einstein_radius": 1.22,
        },
        "elongated": {
            "mass__sie__e1": 0.2,
            "mass__sie__e2": -0.3,
            "light__disk__e1": -0.35,
            "source__sersic__e2": -0.4,
            "mass__sie__center_x": 0.08,
            "mass__shear__gamma2": 0.09,
        },
        "nearly_round": {"mass__sie__e1": 2e-6, "mass__sie__e2": -1e-6},
        "round": {f"{p}__{e}": 0.0 for p in ROUNDED for e in ("e1", "e2")},
    }
    return {name: make_mock.parameters(**changes) for name, changes in change.items()}


ROUNDED = ("light__bulge", "light__disk", "mass__sie", "source__sersic")


def store(name, code, how, questions, answers):
    """Put one code's answers into `name`; the questions of all codes must be the same."""
    path = HERE / name
    document = json.loads(path.read_text()) if path.exists() else {"how": {}, "cases": questions}
    if document["cases"] != questions:
        sys.exit(f"{path} was made from other questions: delete it and run every script again")
    python = f"Python {platform.python_version()}, numpy {np.__version__}, float64"
    document["how"][code] = {"command": f"python {Path(sys.argv[0]).name}", "with": python, **how}
    document[code] = answers if code in EXACT else shortened(answers)
    for other in set(document["how"]) - EXACT:
        if "mpmath" in document:
            document["how"][other]["largest_relative_deviation_from_mpmath"] = deviations(document, other)
    path.write_text(to_text(document))


EXACT = {"mpmath", "numpy"}


def shortened(answers):
    """Peers' numbers to 14 digits, the most that any of them has right."""
    if isinstance(answers, dict):
        return {k: shortened(v) for k, v in answers.items()}
    return [shortened(v) for v in answers] if isinstance(answers, list) else short(answers, 14)


def deviations_of(name, answers):
    """Deviations of answers that are not stored themselves."""
    document = json.loads((HERE / name).read_text())
    return deviations(document | {"these": answers}, "these")


def deviations(document, code):
    """By section and quantity; deflections and shears as vectors; q = 1 apart from the rest."""
    worst = {}
    for section, questions in document["cases"].items():
        for question, ours, theirs in zip(
            questions, document["mpmath"][section], document[code][section], strict=True
        ):
            p = question["parameters"]
            is_round = "mass" in section and p.get("e1") == p.get("e2") == 0
            near = section == "mass_hard" and min(map(np.hypot, question["x"], question["y"])) < 1e-6
            where = (" at q = 1" if is_round else "") + (" within 1e-6 of the centre" if near else "")
            for name, value in compared(ours, theirs):
                key = f"{section}: {question['profile']} {name}{where}"
                worst[key] = float(max(worst.get(key, 0.0), float(f"{value:.1e}")))
    return worst


def compared(ours, theirs):
    if not isinstance(ours[0], list):
        yield "intensity", max(abs(t - o) / max(abs(o), 1e-290) for o, t in zip(ours, theirs, strict=True))
        return
    columns = {"alpha": slice(0, 2), "kappa": slice(2, 3), "shear": slice(3, 5), "magnification": slice(5, 6)}
    width = len(theirs[0])
    for name, part in columns.items():
        if part.stop <= width:
            ours_, theirs_ = np.array([o[part] for o in ours]), np.array([t[part] for t in theirs])
            norm = np.linalg.norm(ours_, axis=1)
            if norm.all():
                yield name, float(np.max(np.linalg.norm(theirs_ - ours_, axis=1) / norm))


def to_text(value, depth=0):
    """JSON with the innermost lists on one line each, so that a diff can be read."""
    if isinstance(value, dict) and depth < 3 and any(isinstance(v, dict | list) for v in value.values()):
        inner = ",\n".join(f"{json.dumps(k)}: {to_text(v, depth + 1)}" for k, v in value.items())
        return "{\n" + inner + "\n}" + ("\n" if depth == 0 else "")
    if isinstance(value, list) and value and isinstance(value[0], dict | list):
        return "[\n" + ",\n".join(json.dumps(v) for v in value) + "\n]"
    return json.dumps(value)
