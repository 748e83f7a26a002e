"""coolest_template.json, coolest_pixels.json with its FITS file, and coolest.json, by the packages coolest and
lenstronomy: python make_coolest.py.

Nothing here imports lensfit. The template is written by the standard's own package. Answers at points: the brightness
of each Sersic profile (per pixel) and the convergence of the PEMD by its API; the deflection of shear and sheet by it;
of SIE, NFW and Chameleon, which its API does not compute, convergences by lenstronomy (EPL of slope 2, NFW) and, of
the Chameleon, the formula of the standard's documentation. Of a source on pixels its brightness by the API's bilinear
interpolation (needs scikit-image, pandas and matplotlib); the API's cubic one does not go through the pixels' values.
"""

import json
import os
from importlib.metadata import version
from pathlib import Path

import numpy as np
from astropy.io import fits
from coolest.api.profiles.light import PixelatedRegularGrid, Sersic
from coolest.api.profiles.mass import PEMD, ConvergenceSheet, ExternalShear
from coolest.template import lazy
from coolest.template.json import JSONSerializer
from coolest.template.standard import COOLEST
from lenstronomy.LensModel.lens_model import LensModel
from lenstronomy.Util.param_util import phi_q2_ellipticity

HERE = Path(__file__).parent
PIXEL = 0.08
PLACE = {"center_x": 0.05, "center_y": -0.03}
ELLIPSE = {"q": 0.62, "phi": 60.5, **PLACE}
MASS = {
    "SIE": {"theta_E": 1.1, **ELLIPSE},
    "PEMD": {"theta_E": 0.9, "gamma": 2.2, "q": 0.8, "phi": -35.0, **PLACE},
    "NFW": {"r_s": 3.0, "rho_c": 0.1, "q": 1.0, "phi": 0.0, **PLACE},
    "Chameleon": {"b": 0.4, "s_c": 0.1, "s_t": 2.0, **ELLIPSE},
}
FIELDS = {"ExternalShear": {"gamma_ext": 0.06, "phi_ext": 20.0}, "ConvergenceSheet": {"kappa_s": -0.04}}
LIGHT = [
    {"I_eff": 200.0, "theta_eff": 0.7, "n": 4.0, **ELLIPSE}, {"I_eff": 80.0, "theta_eff": 0.4, "n": 0.5, **ELLIPSE},
    {"I_eff": 30.0, "theta_eff": 1.2, "n": 1.0, "q": 0.9, "phi": -80.0, **PLACE},
]  # fmt: skip
SOURCE = {"I_eff": 300.0, "theta_eff": 0.15, "n": 1.3, "q": 0.7, "phi": 5.0, "center_x": 0.1, "center_y": 0.02}


def filled(model, numbers):
    for profile, some in zip(model, numbers, strict=True):
        for name, value in some.items():
            profile.parameters[name].set_point_estimate(value)
    return model


def template():
    lens = lazy.Galaxy("lens", 0.4, light_model=filled(lazy.LightModel(*["Sersic"] * len(LIGHT)), LIGHT),
                       mass_model=filled(lazy.MassModel(*MASS), MASS.values()))  # fmt: skip
    source = lazy.Galaxy("source", 1.7, light_model=filled(lazy.LightModel("Sersic"), [SOURCE]))
    field = lazy.MassField("field", 0.4, mass_model=filled(lazy.MassModel(*FIELDS), FIELDS.values()))
    grid = lazy.PixelatedRegularGrid(field_of_view_x=(-1.6, 1.6), field_of_view_y=(-1.6, 1.6), num_pix_x=40,
                                     num_pix_y=40, check_fits_file=False)  # fmt: skip
    return COOLEST("MAP", lazy.CoordinatesOrigin("00h00m00s", "+00d00m00s"),
                   lazy.LensingEntityList(field, lens, source), lazy.Observation(pixels=grid),
                   lazy.Instrument(PIXEL), cosmology=lazy.Cosmology(H0=70.0, Om0=0.3))  # fmt: skip


GRID = {"field_of_view_x": (-0.3, 0.3), "field_of_view_y": (-0.3, 0.3), "num_pix_x": 6, "num_pix_y": 6}
IMAGE = "coolest_pixels_source.fits"


def template_of_pixels():
    image = np.random.default_rng(5).random((6, 6))
    fits.PrimaryHDU(image).writeto(HERE / IMAGE, overwrite=True)
    lens = lazy.Galaxy("lens", 0.4, mass_model=filled(lazy.MassModel("SIE"), [MASS["SIE"]]))
    source = lazy.Galaxy("source", 1.7, light_model=lazy.LightModel("PixelatedRegularGrid"))
    source.light_model[0].parameters["pixels"].set_grid(IMAGE, check_fits_file=False, **GRID)
    made = template()
    made.lensing_entities = lazy.LensingEntityList(lens, source)
    return made, image


def convergences(x, y):
    def ellipse(p):
        return dict(zip(("e1", "e2"), phi_q2_ellipticity(np.radians(p["phi"] + 90), p["q"]), strict=True))

    sie, nfw, cham = MASS["SIE"], MASS["NFW"], MASS["Chameleon"]
    by_lenstronomy = {
        "SIE": ("EPL", {"theta_E": sie["theta_E"], "gamma": 2.0, **ellipse(sie), **PLACE}),
        "NFW": ("NFW", {"Rs": nfw["r_s"], "alpha_Rs": 4 * nfw["rho_c"] * nfw["r_s"] ** 2 * (1 + np.log(0.5)), **PLACE}),
    }
    found = {name: LensModel([kind]).kappa(x, y, [numbers]) for name, (kind, numbers) in by_lenstronomy.items()}
    angle, dx, dy = np.radians(cham["phi"] + 90), x - PLACE["center_x"], y - PLACE["center_y"]
    along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    square = cham["q"] * along**2 + across**2 / cham["q"]
    found["Chameleon"] = 0.5 * cham["b"] * ((square + cham["s_c"] ** 2) ** -0.5 - (square + cham["s_t"] ** 2) ** -0.5)
    return found | {"PEMD": PEMD().convergence(x, y, **MASS["PEMD"])}


if __name__ == "__main__":
    path = HERE / "coolest_template"
    JSONSerializer(os.fspath(path), obj=template(), check_external_files=False).dump_simple()
    on_pixels, image = template_of_pixels()
    JSONSerializer(os.fspath(HERE / "coolest_pixels"), obj=on_pixels, check_external_files=False).dump_simple()
    rng = np.random.default_rng(2)
    x, y = rng.uniform(-1.5, 1.5, (2, 12))
    shear = ExternalShear().deflection(x, y, **FIELDS["ExternalShear"])
    sheet = ConvergenceSheet().deflection(x, y, **FIELDS["ConvergenceSheet"])
    answers = {
        "x": x, "y": y, "convergence": convergences(x, y), "field": [shear[k] + sheet[k] for k in (0, 1)],
        "light": [PIXEL**2 * Sersic().evaluate_surface_brightness(x, y, **p) for p in LIGHT],
        "pixels": PixelatedRegularGrid(**GRID, interpolation_method="linear").evaluate_surface_brightness(
            0.15 * x, 0.15 * y, pixels=image),
        "source": PIXEL**2 * Sersic().evaluate_surface_brightness(0.2 * x, 0.2 * y, **SOURCE),
    }  # fmt: skip
    how = f"coolest {version('coolest')}, lenstronomy {version('lenstronomy')}: python make_coolest.py"
    text = json.dumps({"how": how, **answers}, indent=1, default=lambda array: array.tolist())
    (HERE / "coolest.json").write_text(text + "\n")
