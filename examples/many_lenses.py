"""A catalogue of five simulated lenses to a table with verdicts. From the root of the repository:

    python examples/many_lenses.py [FOLDER]

Workers are processes of their own, which read this file anew: what begins the work stands under __main__.
"""
import sys
from pathlib import Path

import numpy as np
from astropy.table import Table

import lensfit
from lensfit.instruments import gaussian_psf
from lensfit.profiles import SIE, Sersic, Shear

EUCLID = lensfit.Instrument(pixel_scale=0.1, psf=gaussian_psf(0.16, 0.1, 15), exposure_time=2240.0, gain=1.0, sky=0.18,
                            read_noise=7.2, unit="electron/s")  # fmt: skip


def lens(random):
    """A lens drawn at random."""
    radius, angle = random.uniform(0.8, 1.3), random.uniform(0, 2 * np.pi)
    e1, e2, gamma1, gamma2 = random.uniform(-0.05, 0.05, 4)
    place = {"center_x": 0.2 * np.cos(angle), "center_y": 0.2 * np.sin(angle)}
    light = Sersic(center_x=0.0, center_y=0.0, e1=e1, e2=e2, intensity=1.5, effective_radius=0.4, sersic_index=3.0)
    source = Sersic(**place, e1=0.1, e2=0.0, intensity=2.0, effective_radius=0.12, sersic_index=1.0)
    mass = {"sie": SIE(center_x=0.0, center_y=0.0, e1=e1, e2=e2, einstein_radius=radius),
            "shear": Shear(gamma1=gamma1, gamma2=gamma2)}  # fmt: skip
    return lensfit.LensModel(light={"bulge": light}, mass=mass, source={"sersic": source})


def main(folder):
    """Make the lenses and their catalogue, fit them, and show what came of it."""
    random, rows = np.random.default_rng(1), []
    for number in range(5):
        model, name = lens(random), f"J{number}"
        lensfit.write_imaging(lensfit.simulate_imaging(model, EUCLID, (48, 48), seed=number), folder / "data" / name)
        radius = model.mass["sie"].einstein_radius
        rows.append({"name": name, "path": f"data/{name}", "mask_radius": 2.2, "z_lens": 0.5, "truth": radius})
    Table(rows).write(folder / "catalogue.ecsv", overwrite=True)

    survey = lensfit.analyse_many(folder / "catalogue.ecsv", folder / "survey", seed=0)

    table = survey.table
    print(table["name", "verdict", "truth", "einstein_radius", "einstein_radius_total", "signal_to_noise"])
    good = table[table["trusted"] & (table["signal_to_noise"] > 40)]  # the cut
    print(f"{len(good)} of {len(table)} lenses in the sample; their page is {survey.index}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/many"))
