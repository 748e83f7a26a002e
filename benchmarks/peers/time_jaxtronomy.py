"""ln L and its gradient by JAXtronomy, jitted, one core: python time_jaxtronomy.py mock.npz [SIE|EPL]

SIE (an NIE of core 1e-10) is its fastest isothermal ellipsoid. `adaptive` takes 4x4 sub-pixels only where the
PSF carries light into the mask and one sub-pixel elsewhere; `regular` takes 4x4 on the whole array.
"""

from importlib.metadata import version

import common
import make_jaxtronomy
import make_lenstronomy


def log_likelihood(m, flat, mass, numerics):
    kwargs = make_lenstronomy.arguments(flat, mass)
    places, theta = common.free(kwargs)
    image = make_jaxtronomy.image_model(m, mass, numerics)
    constant = common.normalisation(m)

    def function(t):
        return image.likelihood_data_given_model(**common.filled(kwargs, places, t)) + constant

    return function, theta


if __name__ == "__main__":
    m, flat = common.load()
    mass = common.mass()
    settings = {
        "regular": {},
        "adaptive": {"compute_mode": "adaptive", "supersampled_indexes": common.reach(m)},
    }
    functions = {}
    for name, numerics in settings.items():
        functions[name], theta = log_likelihood(m, flat, mass, numerics)
    versions = ", ".join(f"{p} {version(p)}" for p in ("jaxtronomy", "lenstronomy", "jax"))
    common.report(
        "JAXtronomy", versions, common.jax_settings(functions, theta), gradient="jax.value_and_grad"
    )
