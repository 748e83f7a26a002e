"""Put the source of the mock lens on pixels. From the root of the repository:

    python examples/pixelised_source.py [FOLDER]
"""
import sys
from pathlib import Path

import jax
from lensfit.pixel_fit import fit_pixels
from lensfit.pixelised.mesh import Mesh
from lensfit.results.pixels import source_file

import lensfit
from lensfit.plots import PIXEL_FIGURES, pixel_scene

jax.config.update("jax_enable_x64", True)  # before the first array is made

imaging = lensfit.read_imaging("data/jwst_mock")
smooth = lensfit.Problem(lensfit.standard.parametric(imaging), lensfit.ImagingLikelihood.of(imaging))
start = lensfit.fit(smooth, seed=0)  # a source on pixels begins where a smooth one ends
done = fit_pixels(imaging, smooth, start, Mesh(pixels=20))

radius, result = "mass.sie.einstein_radius", done.result
k = result.names.index(radius)
print(f"Einstein radius {start[radius]:.4f} arcsec with a Sersic source, {result[radius]:.4f} with pixels, "
      f"+- {result.errors[k]:.4f} from the noise, +- {result.spread[k]:.4f} over meshes")  # fmt: skip
print(f"ln evidence {result.log_evidence:.1f}")
print("trusted" if result.trust.trusted else f"NOT TRUSTED: {'; '.join(result.trust.reasons)}")

found = done.problem.reconstruct(result.theta)
print(f"source of {found.brightness.shape} nodes, {float(found.source_flux):.3g} {imaging.unit} arcsec^2, "
      f"magnified {float(found.magnification):.1f} times")  # fmt: skip

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/pixelised_source")
folder.mkdir(parents=True, exist_ok=True)
source_file(found, imaging.unit).writeto(folder / "source.fits", overwrite=True)
PIXEL_FIGURES["overview"](pixel_scene(imaging, done.problem, found)).savefig(folder / "overview.png")
print(folder / "source.fits")
