"""ln L of the mock by lenstronomy, one core: python time_lenstronomy.py mock.npz [SIE|EPL]

Its gradient is a forward difference a parameter: 26 values, of an EPL 27.

SIE (an NIE of core 1e-10) is its fastest isothermal ellipsoid; numba is installed, so its fast paths are on.
The PSF's FFT is kept (fft_static). `adaptive` takes 4x4 sub-pixels only where the PSF carries light into the
mask and one sub-pixel elsewhere; `regular` takes 4x4 on the whole array. (flux_evaluate_indexes, which would
drop the rest altogether, picks wrong sub-pixels in 1.14.2 when supersampling_factor > 1.)
"""

import common
import lenstronomy
import make_lenstronomy
from lenstronomy.ImSim.image_model import ImageModel


def model(m, mass, numerics):
    plain = make_lenstronomy.image_model(m, mass)
    return ImageModel(
        plain.Data,
        plain.PSF,
        plain.LensModel,
        plain.SourceModel,
        plain.LensLightModel,
        kwargs_numerics={"supersampling_factor": 4, "convolution_type": "fft_static"} | numerics,
        likelihood_mask=m["mask"],
    )


def measured(m, flat, mass, numerics):
    kwargs = make_lenstronomy.arguments(flat, mass)
    places, theta = common.free(kwargs)
    image, constant = model(m, mass, numerics), common.normalisation(m)

    def value(t):
        return image.likelihood_data_given_model(**common.filled(kwargs, places, t)) + constant

    def gradient():
        here, step = value(theta), 1e-7
        for k in range(len(theta)):
            moved = theta.copy()
            moved[k] += step
            (value(moved) - here) / step

    return {
        "value": float(value(theta)),
        "value_cpu_s": common.cpu_seconds(lambda: value(theta)),
        "gradient_cpu_s": common.cpu_seconds(gradient),
    }


if __name__ == "__main__":
    m, flat = common.load()
    mass = common.mass()
    settings = {
        "regular": {},
        "adaptive": {"compute_mode": "adaptive", "supersampled_indexes": common.reach(m)},
    }
    times = {name: measured(m, flat, mass, numerics) for name, numerics in settings.items()}
    common.report("lenstronomy", lenstronomy.__version__, times, gradient="numerical, by forward differences")
