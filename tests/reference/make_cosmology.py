"""cosmology.json, by lenstronomy: python make_cosmology.py where it is installed. Nothing here imports lensfit.

Each case: redshifts, a cosmology of astropy by its name or as H0, Om0, an Einstein radius [arcsec]; lenstronomy's
LensCosmo gives Sigma_cr [Msun/Mpc^2], the projected mass in the Einstein radius [Msun], kpc per arcsec at the lens, pc
per arcsec at the source, and the velocity dispersion of the isothermal sphere [km/s]. lenstronomy's constants are
older than astropy's: `constants` is its Msun G over that of CODATA 2018 and the nominal solar mass parameter, by which
Sigma_cr and mass differ as one over it. `astropy`: Sigma_cr by its own distances between two redshifts and constants.
"""

import json
from pathlib import Path

import astropy
import lenstronomy
import numpy as np
from astropy import constants, units
from astropy import cosmology as models
from astropy.cosmology import FlatLambdaCDM
from lenstronomy.Cosmo.lens_cosmo import LensCosmo
from lenstronomy.Util import constants as theirs

CASES = [
    (0.2, 0.6, "Planck18", 1.2), (0.5, 2.0, "Planck18", 1.0), (0.05, 9.0, "WMAP9", 0.3), (1.4, 1.5, "Planck13", 2.7),
    (0.881, 4.224, "H0=70, Om0=0.3", 0.9), (0.45, 1.05, "H0=67.3, Om0=0.315", 1.7),
]  # fmt: skip


def model(name):
    if name.startswith("H0"):
        hubble, matter = (float(part.split("=")[1]) for part in name.split(","))
        return FlatLambdaCDM(H0=hubble, Om0=matter)
    return getattr(models, name)


def answer(lens, source, name, theta):
    cosmo = LensCosmo(lens, source, cosmo=model(name))
    arcsec = np.pi / 180 / 3600
    return {
        "critical_surface_density": float(cosmo.sigma_crit) / 1e6,
        "einstein_mass": float(cosmo.mass_in_theta_E(theta)),
        "kpc_per_arcsec": float(cosmo.dd) * 1e3 * arcsec,
        "pc_per_arcsec": float(cosmo.ds) * 1e6 * arcsec,
        "velocity_dispersion": float(cosmo.sis_theta_E2sigma_v(theta)),
    }


def by_astropy(lens, source, name):
    cosmo = model(name)
    between = cosmo.angular_diameter_distance_z1z2(lens, source)
    d, s = cosmo.angular_diameter_distance(lens), cosmo.angular_diameter_distance(source)
    density = constants.c**2 * s / (4 * np.pi * constants.G * d * between)
    return float(density.to_value(units.Msun / units.kpc**2))


if __name__ == "__main__":
    cases = [{"lens": c[0], "source": c[1], "cosmology": c[2], "theta": c[3], "lenstronomy": answer(*c),
              "astropy": by_astropy(*c[:3])} for c in CASES]  # fmt: skip
    how = f"lenstronomy {lenstronomy.__version__}, astropy {astropy.__version__}: python make_cosmology.py"
    ratio = theirs.G * theirs.M_sun / float((constants.G * constants.M_sun).to_value("m3 / s2"))
    path = Path(__file__).with_name("cosmology.json")
    path.write_text(json.dumps({"how": how, "constants": ratio, "cases": cases}, indent=1) + "\n")
