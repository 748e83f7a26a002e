"""What a reconstructed source adds to the results: source.fits, and quantities of the source with errors."""
from __future__ import annotations

from typing import Any

import jax
import numpy as np
from astropy.io import fits

from lensfit.likelihood.reconstruction import Reconstruction
from lensfit.pixelised.shape import half_light_radius
from lensfit.results._planes import image_file


def source_file(found: Reconstruction, unit: str | None) -> fits.HDUList:
    """SOURCE, its standard DEVIATION and the spline's COEFFICIENT at the nodes; offsets as the data's, in arcsec."""
    planes = (
        ("SOURCE", found.brightness, "brightness at the nodes"),
        ("DEVIATION", found.deviation, "posterior standard deviation of the brightness, lens and mesh held"),
        ("COEFFICIENT", found.coefficients, "of the B-splines centred on the nodes, zero beyond them"),
    )
    images = tuple((name, np.asarray(array), unit, words) for name, array, words in planes)
    return image_file(images, _header(found), {})


def _header(found: Reconstruction) -> fits.Header:
    header = fits.Header()
    for axis, nodes in ((1, np.asarray(found.x)), (2, np.asarray(found.y))):
        header[f"CRPIX{axis}"] = (len(nodes) + 1) / 2
        header[f"CRVAL{axis}"] = float(nodes.mean())
        header[f"CDELT{axis}"] = float(nodes[1] - nodes[0])
        header[f"CUNIT{axis}"] = "arcsec"
    return header


@jax.jit
def measured(space: Any, likelihood: Any, theta: jax.Array) -> dict[str, jax.Array]:
    """Of the source at theta (n,): magnification, half-light radius, and fluxes [data unit times arcsec^2]."""
    found = likelihood.reconstruct(space.build(theta))
    return {
        "source_magnification": found.magnification,
        "source_half_light_radius": half_light_radius(found.brightness, found.x, found.y),
        "source_flux": found.source_flux,
        "lensed_source_flux": found.lensed_flux,
    }


