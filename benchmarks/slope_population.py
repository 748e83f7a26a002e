"""Mean and scatter of the slopes of simulated lenses, trusted alone and all: does the verdict's cut move them?

    python benchmarks/slope_population.py OUT FIRST LAST    # fits these lenses, each into OUT/lenses
    python benchmarks/slope_population.py OUT               # the population of what is there, beside the truth

The lenses are those of `population.py` with slopes of mean 2.08 and scatter 0.16, as Auger et al. 2010 measured; the
fits have another prior, of mean 2.0 and width 0.3.
"""
from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from population import _draw, observed

import lensfit
from lensfit.analysis import Analysis
from lensfit.population import fit_population
from lensfit.priors import Normal
from lensfit.profiles import EPL
from lensfit.progress import silent
from lensfit.pytree import replace
from lensfit.standard import parametric

MEAN, SCATTER = 2.08, 0.16
INTERIM = {"mean": 2.0, "sigma": 0.3}
FIRST = 170_000


def truth(k: int):
    """The model of lens k: a power law, Einstein radii of 0.6 to 1.65 arcsec, arcs of peak S/N about 20 to 70."""
    random = np.random.default_rng(FIRST + k)
    drawn = _draw(random, smallest=0.6, shear=0.04, offset=0.25, brightness=1.0)
    slope = random.normal(MEAN, SCATTER)
    return replace(drawn, mass={"epl": EPL(**vars(drawn.mass["sie"]), slope=slope), "shear": drawn.mass["shear"]})


def model(imaging):
    """The standard model with a power law under the interim prior."""
    made = parametric(imaging, mass="epl")
    main = replace(made.mass["epl"], slope=Normal(**INTERIM))
    return replace(made, mass={**made.mass, "epl": main})


def fit(out: Path, k: int) -> None:
    """Fit one lens and save it, unless that was done."""
    folder = out / "lenses" / f"lens{k:04d}"
    if not (folder / "result.json").is_file():
        imaging = observed(truth(k), FIRST + k)
        done: Analysis = lensfit.analyse(imaging, model, seed=k, source="profiles", progress=silent)
        done.save(folder, "overview")


def compare(out: Path) -> None:
    """What the fits say beside what the lenses were drawn with."""
    found = fit_population(out, "slope")
    print(found.summary())
    for word, one in found.found.items():
        true = np.array([float(truth(int(lens.name.removeprefix("lens"))).mass["epl"].slope) for lens in one.lenses])
        off = [(hyper.value - was) / hyper.error for hyper, was in ((one.mean, MEAN), (one.scatter, SCATTER))]
        said = f"drawn {true.mean():.3f} and {true.std(ddof=1):.3f}"
        print(f"{word}: {said}; off by {off[0]:+.2f} and {off[1]:+.2f} sigma")
    found.save(out / "population")


if __name__ == "__main__":
    lensfit.setup()
    here = Path(sys.argv[1])
    if len(sys.argv) > 2:
        for number in range(int(sys.argv[2]), int(sys.argv[3])):
            fit(here, number)
    compare(here)
