"""profiles.json and likelihood.json, code `herculens`. Run where herculens is installed."""

from importlib.metadata import version

import cases
import jax
import make_mock
import numpy as np
from herculens.Coordinates.pixel_grid import PixelGrid
from herculens.Instrument.noise import Noise
from herculens.Instrument.psf import PSF
from herculens.LensImage.lens_image import LensImage
from herculens.LightModel.light_model import LightModel
from herculens.LightModel.Profiles.gaussian import GaussianEllipse
from herculens.LightModel.Profiles.sersic import Sersic
from herculens.MassModel.mass_model import MassModel
from herculens.MassModel.Profiles.epl import EPL
from herculens.MassModel.Profiles.shear import Shear
from herculens.MassModel.Profiles.sie import SIE

jax.config.update("jax_enable_x64", True)

CIOTTI_BERTIN = (-1 / 3, 4 / 405, 46 / 25515, 131 / 1148175, -2194697 / 30690717750)
SERSIC = Sersic(smoothing=1e-15, radius_major_axis=False)  # by default R_sersic is the major axis


def as_herculens(p):
    """The same Sersic profile, exactly: b' (R/R')^(1/n) = b (R/R_e)^(1/n) and amp' e^b' = I_e e^b."""
    n = p.get("sersic_index", 1.0)
    ours, theirs = 2 * n + sum(c / n**k for k, c in enumerate(CIOTTI_BERTIN)), 1.9992 * n - 0.3271
    assert np.isclose(theirs, float(Sersic.b_n(n)), rtol=1e-14)
    shape = {k: p[k] for k in ("center_x", "center_y", "e1", "e2")}
    radius = p["effective_radius"] * (theirs / ours) ** n
    return shape | {"amp": p["intensity"] * np.exp(ours - theirs), "R_sersic": radius, "n_sersic": n}


def as_gaussian(p):
    shape = {k: p[k] for k in ("center_x", "center_y", "e1", "e2", "sigma")}
    return shape | {"amp": p["intensity"] * 2 * np.pi * p["sigma"] ** 2}


def as_masses(p, isothermal):
    """Profiles and keyword arguments of the isothermal ellipsoid and of the shear, as far as p has them."""
    profiles, kwargs = [], []
    if "einstein_radius" in p:
        profiles.append(EPL() if isothermal == "EPL" else SIE())
        shape = {k: p[k] for k in ("center_x", "center_y", "e1", "e2")} | {"theta_E": p["einstein_radius"]}
        kwargs.append(shape | ({"gamma": 2.0} if isothermal == "EPL" else {}))
    if "gamma1" in p:
        profiles.append(Shear())
        kwargs.append({"gamma1": p["gamma1"], "gamma2": p["gamma2"], "ra_0": 0.0, "dec_0": 0.0})
    return profiles, kwargs


def light(c):
    x, y, p = np.array(c["x"]), np.array(c["y"]), c["parameters"]
    if c["profile"] == "gaussian":
        return np.array(GaussianEllipse().function(x, y, **as_gaussian(p))).tolist()
    return np.array(SERSIC.function(x, y, **as_herculens(p), max_R_frac=1e9)).tolist()


def mass(c, isothermal="EPL", deflection_only=False):
    """alpha_x, alpha_y, kappa, gamma1, gamma2, magnification."""
    x, y = np.array(c["x"]), np.array(c["y"])
    profiles, kwargs = as_masses(c["parameters"], isothermal)
    model = MassModel(profiles)
    rows = model.alpha(x, y, kwargs)
    if not deflection_only:
        magnification = model.magnification(x, y, kwargs)
        rows = [*rows, model.kappa(x, y, kwargs), *model.gamma(x, y, kwargs), magnification]
    return np.array(np.broadcast_arrays(*rows)).T.tolist()


def lens_image(m, isothermal="EPL", convolution="jax_scipy_fft"):
    """4x4 sub-pixels on every pixel (herculens evaluates no less), averaged, PSF at image resolution."""
    ny, nx = make_mock.SHAPE
    step = make_mock.PIXEL_SCALE
    grid = PixelGrid(
        nx,
        ny,
        transform_pix2angle=np.eye(2) * step,
        ra_at_xy_0=-step * (nx - 1) / 2,
        dec_at_xy_0=-step * (ny - 1) / 2,
    )
    return LensImage(
        grid,
        PSF("PIXEL", kernel_point_source=m["psf"]),
        Noise(nx, ny, noise_map=m["noise"]),
        MassModel([EPL() if isothermal == "EPL" else SIE(), Shear()]),
        LightModel([Sersic(radius_major_axis=False)]),
        LightModel([Sersic(radius_major_axis=False), Sersic(radius_major_axis=False)]),
        kwargs_numerics={
            "supersampling_factor": make_mock.SUB_PIXELS,
            "supersampling_convolution": False,
            "convolution_type": convolution,
        },
    )


def arguments(flat, isothermal="EPL"):
    """Keyword arguments; amplitudes are divided by the pixel's area, which herculens multiplies by."""
    area = make_mock.PIXEL_SCALE**2
    names = ("light.bulge", "light.disk", "source.sersic")
    bulge, disk, source = (as_herculens(make_mock.of(flat, name)) for name in names)
    for profile in (bulge, disk, source):
        profile["amp"] /= area
    masses = as_masses(make_mock.of(flat, "mass.sie"), isothermal)[1]
    masses += as_masses(make_mock.of(flat, "mass.shear"), isothermal)[1]
    return {"kwargs_lens": masses, "kwargs_source": [source], "kwargs_lens_light": [bulge, disk]}


def log_likelihood(model, kwargs, m):
    """herculens leaves the sum over pixels to the user: Gaussian, with normalisation, inside the mask."""
    image = np.array(model.model(**kwargs))
    noise = m["noise"][m["mask"]]
    residual = (m["data"] - image)[m["mask"]] / noise
    return -0.5 * float(np.sum(residual**2) + np.sum(np.log(2 * np.pi * noise**2)))


if __name__ == "__main__":
    how = {"code": "herculens", "version": f"{version('herculens')}, jax {jax.__version__}"}
    questions = cases.profile_cases()
    answers = {
        "light": [light(c) for c in questions["light"]],
        "mass": [mass(c) for c in questions["mass"]],
        "mass_hard": [mass(c, deflection_only=True) for c in questions["mass_hard"]],
    }
    with_core = {
        "light": answers["light"],
        **{k: [mass(c, "SIE", deflection_only=True) for c in questions[k]] for k in ("mass", "mass_hard")},
    }
    note = {
        "b_n": "herculens's b is 1.9992 n - 0.3271; radius and amplitude were rescaled so that the profile is"
        " the same",
        "sersic": "Sersic(radius_major_axis=False) with smoothing, a floor on R, of 1e-15 (default 1e-5)",
        "sie": "EPL with slope 2 and no core",
        "sie_of_core_1e-10": cases.deviations_of("profiles.json", with_core),
    }
    cases.store("profiles.json", "herculens", how | note, questions, answers)

    made, questions = make_mock.mock(), cases.likelihood_cases()
    for isothermal, code in (("EPL", "herculens"), ("SIE", "herculens_sie")):
        model = lens_image(made, isothermal)
        values = {
            name: log_likelihood(model, arguments(flat, isothermal), made) for name, flat in questions.items()
        }
        note = {
            "numerics": "every pixel, supersampling_factor 4, supersampling_convolution False, jax_scipy_fft;"
            " Sersic R held above 1e-5",
            "mass": {"EPL": "EPL with slope 2", "SIE": "SIE: core 1e-10, q held below 0.99999999"}[
                isothermal
            ],
            "normalisation": "model image from herculens, sum over the mask in the script",
        }
        cases.store("likelihood.json", code, how | note, questions, values)
