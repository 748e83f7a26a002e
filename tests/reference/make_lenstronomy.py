"""profiles.json and likelihood.json, code `lenstronomy`. Run where lenstronomy is installed."""

import cases
import lenstronomy
import make_mock
import numpy as np
from lenstronomy.Data.imaging_data import ImageData
from lenstronomy.Data.psf import PSF
from lenstronomy.ImSim.image_model import ImageModel
from lenstronomy.LensModel.lens_model import LensModel
from lenstronomy.LensModel.Profiles.sersic_utils import SersicUtil
from lenstronomy.LightModel.light_model import LightModel
from lenstronomy.LightModel.Profiles.gaussian import GaussianEllipse
from lenstronomy.LightModel.Profiles.sersic import SersicElliptic

CIOTTI_BERTIN = (-1 / 3, 4 / 405, 46 / 25515, 131 / 1148175, -2194697 / 30690717750)


def as_lenstronomy(p, b_n=SersicUtil.b_n):
    """The same Sersic profile, exactly, in a code whose b differs from ours.

    b' (R/R')^(1/n) = b (R/R_e)^(1/n) wants R' = R_e (b'/b)^n,
    and amp' e^b' = I_e e^b wants amp' = I_e e^(b - b').
    """
    n = p.get("sersic_index", 1.0)
    ours, theirs = 2 * n + sum(c / n**k for k, c in enumerate(CIOTTI_BERTIN)), float(b_n(n))
    shape = {k: p[k] for k in ("center_x", "center_y", "e1", "e2")}
    radius = p["effective_radius"] * (theirs / ours) ** n
    return shape | {"amp": p["intensity"] * np.exp(ours - theirs), "R_sersic": radius, "n_sersic": n}


def as_gaussian(p):
    shape = {k: p[k] for k in ("center_x", "center_y", "e1", "e2", "sigma")}
    return shape | {"amp": p["intensity"] * 2 * np.pi * p["sigma"] ** 2}


def as_masses(p, isothermal="SIE"):
    """Keyword arguments of the SIE and of the shear, as far as p has them."""
    masses, slope = [], {"gamma": 2.0} if isothermal == "EPL" else {}
    if "einstein_radius" in p:
        shape = {k: p[k] for k in ("center_x", "center_y", "e1", "e2")}
        masses.append(shape | slope | {"theta_E": p["einstein_radius"]})
    if "gamma1" in p:
        masses.append({"gamma1": p["gamma1"], "gamma2": p["gamma2"]})
    return masses


def light(c):
    x, y, p = np.array(c["x"]), np.array(c["y"]), c["parameters"]
    if c["profile"] == "gaussian":
        return GaussianEllipse().function(x, y, **as_gaussian(p)).tolist()
    return SersicElliptic(smoothing=1e-15).function(x, y, **as_lenstronomy(p), max_R_frac=1e9).tolist()


def mass(c, isothermal="EPL", deflection_only=False):
    """alpha_x, alpha_y, kappa, gamma1, gamma2, magnification.

    EPL of slope 2 has no core, SIE one of 1e-10. SIE takes its second derivatives by differences over 1e-10,
    good to six digits, so EPL gives ours.
    """
    x, y, p = np.array(c["x"]), np.array(c["y"]), c["parameters"]
    names = {"sie": [isothermal], "shear": ["SHEAR"], "sie+shear": [isothermal, "SHEAR"]}[c["profile"]]
    kwargs = as_masses(p, isothermal)
    model = LensModel(names)
    rows = model.alpha(x, y, kwargs)
    if not deflection_only:
        rows = [
            *rows,
            model.kappa(x, y, kwargs),
            *model.gamma(x, y, kwargs),
            model.magnification(x, y, kwargs),
        ]
    return np.array(np.broadcast_arrays(*rows)).T.tolist()


def image_model(m, isothermal):
    """4x4 sub-pixels on every pixel, averaged, then one FFT at image resolution.

    flux_evaluate_indexes, which would leave out the pixels beyond the PSF's reach, picks wrong sub-pixels in
    1.14.2 when supersampling_factor > 1 (its mask of sub-pixels is reshaped with the axes exchanged).
    """
    ny, nx = make_mock.SHAPE
    step = make_mock.PIXEL_SCALE
    data = ImageData(
        m["data"],
        noise_map=m["noise"],
        ra_at_xy_0=-step * (nx - 1) / 2,
        dec_at_xy_0=-step * (ny - 1) / 2,
        transform_pix2angle=np.eye(2) * step,
    )
    numerics = {
        "supersampling_factor": make_mock.SUB_PIXELS,
        "supersampling_convolution": False,
        "convolution_type": "fft_static",
    }
    return ImageModel(
        data,
        PSF("PIXEL", kernel_point_source=m["psf"]),
        LensModel([isothermal, "SHEAR"]),
        LightModel(["SERSIC_ELLIPSE"]),
        LightModel(["SERSIC_ELLIPSE", "SERSIC_ELLIPSE"]),
        kwargs_numerics=numerics,
        likelihood_mask=m["mask"],
    )


def arguments(flat, isothermal):
    """Keyword arguments; amplitudes are divided by the pixel's area, which lenstronomy multiplies by."""
    area = make_mock.PIXEL_SCALE**2
    bulge, disk, source = (
        as_lenstronomy(make_mock.of(flat, name)) for name in ("light.bulge", "light.disk", "source.sersic")
    )
    for profile in (bulge, disk, source):
        profile["amp"] /= area
    masses = as_masses(make_mock.of(flat, "mass.sie"), isothermal) + as_masses(
        make_mock.of(flat, "mass.shear")
    )
    return {"kwargs_lens": masses, "kwargs_source": [source], "kwargs_lens_light": [bulge, disk]}


def normalisation(m):
    """The part of ln L that lenstronomy leaves out."""
    return -0.5 * float(np.sum(np.log(2 * np.pi * m["noise"][m["mask"]] ** 2)))


if __name__ == "__main__":
    how = {"code": "lenstronomy", "version": lenstronomy.__version__}
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
        "b_n": "lenstronomy's b is 1.9992 n - 0.3271; radius and amplitude were rescaled so that the profile"
        " is the same",
        "sersic": "SERSIC_ELLIPSE with smoothing (a floor on R, 1e-4 by default) set to 1e-15",
        "sie": "EPL with slope 2 and no core; R held above 1e-9, q = 1 as it is",
        "sie_of_core_1e-10": cases.deviations_of("profiles.json", with_core),
    }
    cases.store("profiles.json", "lenstronomy", how | note, questions, answers)

    made, questions = make_mock.mock(), cases.likelihood_cases()
    for isothermal, code in (("EPL", "lenstronomy"), ("SIE", "lenstronomy_sie")):
        model = image_model(made, isothermal)
        values = {
            name: model.likelihood_data_given_model(**arguments(flat, isothermal)) + normalisation(made)
            for name, flat in questions.items()
        }
        note = {
            "numerics": "every pixel, supersampling_factor 4, supersampling_convolution False, fft_static;"
            " Sersic R held above 1e-4",
            "mass": {"EPL": "EPL with slope 2", "SIE": "SIE: core 1e-10, q held below 0.99999999"}[
                isothermal
            ],
            "normalisation": "-1/2 sum ln(2 pi sigma^2), which lenstronomy leaves out, was added here",
        }
        cases.store("likelihood.json", code, how | note, questions, values)
