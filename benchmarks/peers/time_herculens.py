"""ln L and its gradient by herculens, jitted, one core: python time_herculens.py mock.npz [SIE|EPL]

SIE (an NIE of core 1e-10) is its fastest isothermal ellipsoid. LensImage evaluates the whole array and has no
mask. `model` is LensImage.model, which convolves the source and the lens light apart; `one_convolution` asks
it for the unconvolved super-sampled sum and convolves once; each with the FFT and with direct convolution.
"""

from importlib.metadata import version

import common
import jax
import jax.numpy as jnp
import make_herculens
import numpy as np


def log_likelihood(m, flat, mass, convolution, convolve_once):
    kwargs = make_herculens.arguments(flat, mass)
    places, theta = common.free(kwargs)
    image = make_herculens.lens_image(m, mass, convolution)
    data, weight = jnp.asarray(m["data"]), jnp.asarray(np.where(m["mask"], m["noise"] ** -2.0, 0.0))
    constant = common.normalisation(m)

    def function(t):
        made = image.model(
            **common.filled(kwargs, places, t), supersampled=convolve_once, point_source_add=False
        )
        if convolve_once:
            made = image.ImageNumerics.re_size_convolve(made)
        return -0.5 * jnp.sum((data - made) ** 2 * weight) + constant

    return function, theta


if __name__ == "__main__":
    m, flat = common.load()
    mass = common.mass()
    functions = {}
    for convolution in ("jax_scipy_fft", "jax_scipy"):
        for once in (False, True):
            name = f"{'one_convolution' if once else 'model'}, {convolution}"
            functions[name], theta = log_likelihood(m, flat, mass, convolution, once)
    versions = f"{version('herculens')}, jax {jax.__version__}"
    common.report("herculens", versions, common.jax_settings(functions, theta), gradient="jax.value_and_grad")
