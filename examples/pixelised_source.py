"""Put the source of the mock lens on pixels. From the root of the repository:

    python examples/pixelised_source.py [FOLDER]
"""
import sys

import lensfit
from lensfit.analysis import Mesh, SourceOnPixels

lensfit.setup()  # double precision, and compiled programs kept for the next run

smooth = lensfit.analyse("data/jwst_mock", seed=0)  # a source on pixels begins where a smooth one ends
done = smooth.then(SourceOnPixels(Mesh(pixels=20)))
print(f"Einstein radius with a Sersic source {smooth.einstein_radius}")
print(f"                with pixels          {done.einstein_radius}")
print(f"ln evidence {done.result.log_evidence:.1f}, {done.trust.word}")

found, unit = done.problem.reconstruct(done.result.theta), done.observation.frame.unit
print(f"source of {found.brightness.shape} nodes, {float(found.source_flux):.3g} {unit} arcsec^2, "
      f"magnified {float(found.magnification):.1f} times")  # fmt: skip

folder = done.save(sys.argv[1] if len(sys.argv) > 1 else "runs/pixelised_source")
print(folder / "source.fits")
