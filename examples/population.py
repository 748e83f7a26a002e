"""Mean and intrinsic scatter of slopes that were measured with errors, one in ten of no population. From the root:

    python examples/population.py [FIGURE.png]
"""
import sys

import numpy as np

from lensfit.population import LensPosterior, infer, population_figure

MEAN, SCATTER, COUNT = 2.08, 0.16, 80
"""Of the population that slopes are drawn from. Of fitted lenses: lensfit.fit_population("DIR", "slope")."""

if __name__ == "__main__":
    rng = np.random.default_rng(3)
    slopes = np.where(rng.random(COUNT) < 0.1, rng.uniform(1.2, 2.8, COUNT), rng.normal(MEAN, SCATTER, COUNT))
    errors = rng.uniform(0.02, 0.2, COUNT)
    seen = rng.normal(slopes, errors)
    lenses = [
        LensPosterior(f"lens {k}", True, value, error, spread=0.0, gauss=(value, error))
        for k, (value, error) in enumerate(zip(seen, errors, strict=True))
    ]
    found = infer("slope", lenses)
    print(f"mean {found.mean}, scatter {found.scatter}, outliers {found.outliers}")
    print(f"of the values as they are: mean {seen.mean():.3f}, scatter {seen.std():.3f}")
    if len(sys.argv) > 1:
        population_figure({"all": found}).savefig(sys.argv[1])
