"""likelihood.json, code `jaxtronomy`. Run where jaxtronomy (and so lenstronomy) is installed."""

from importlib.metadata import version

import cases
import jax
import make_lenstronomy
import make_mock
import numpy as np
from jaxtronomy.Data.imaging_data import ImageData
from jaxtronomy.ImSim.image_model import ImageModel
from jaxtronomy.LensModel.lens_model import LensModel
from jaxtronomy.LightModel.light_model import LightModel
from lenstronomy.Data.psf import PSF

jax.config.update("jax_enable_x64", True)


def image_model(m, isothermal="EPL", numerics=None):
    """4x4 sub-pixels on every pixel, averaged, then one FFT at image resolution."""
    ny, nx = make_mock.SHAPE
    step = make_mock.PIXEL_SCALE
    data = ImageData(
        m["data"],
        noise_map=m["noise"],
        ra_at_xy_0=-step * (nx - 1) / 2,
        dec_at_xy_0=-step * (ny - 1) / 2,
        transform_pix2angle=np.eye(2) * step,
    )
    default = {
        "supersampling_factor": make_mock.SUB_PIXELS,
        "supersampling_convolution": False,
        "convolution_type": "fft",
    }
    return ImageModel(
        data,
        PSF("PIXEL", kernel_point_source=m["psf"]),
        LensModel([isothermal, "SHEAR"]),
        LightModel(["SERSIC_ELLIPSE"]),
        LightModel(["SERSIC_ELLIPSE", "SERSIC_ELLIPSE"]),
        kwargs_numerics=default | (numerics or {}),
        likelihood_mask=m["mask"],
    )


if __name__ == "__main__":
    versions = {p: version(p) for p in ("jaxtronomy", "lenstronomy", "jax")}
    how = {"code": "JAXtronomy", "version": ", ".join(f"{p} {v}" for p, v in versions.items())}
    made, questions = make_mock.mock(), cases.likelihood_cases()
    for isothermal, code in (("EPL", "jaxtronomy"), ("SIE", "jaxtronomy_sie")):
        model = image_model(made, isothermal)
        values = {
            name: float(model.likelihood_data_given_model(**make_lenstronomy.arguments(flat, isothermal)))
            + make_lenstronomy.normalisation(made)
            for name, flat in questions.items()
        }
        note = {
            "numerics": "every pixel, supersampling_factor 4, supersampling_convolution False, fft;"
            " Sersic R held above 1e-4",
            "mass": {"EPL": "EPL with slope 2", "SIE": "SIE: core 1e-10, q held below 0.99999999"}[
                isothermal
            ],
            "normalisation": "-1/2 sum ln(2 pi sigma^2), which JAXtronomy leaves out, was added here",
        }
        cases.store("likelihood.json", code, how | note, questions, values)
