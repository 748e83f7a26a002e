"""ln L and its gradient by PyAutoLens's JAX path, jitted, one core: python time_autolens.py mock.npz [SIE|EPL]

The likelihood is AnalysisImaging's, called through Fitness.call as a search calls it: 4x4 sub-pixels in the
mask, one sub-pixel a pixel beyond it within the PSF's reach (PyAutoLens has no other way). `fft` keeps
the PSF's transform, `direct` sums. The value is `pyautolens_as_it_comes` of tests/reference/likelihood.json.
"""

import common  # first: it sets the threads

# isort: split
import autofit as af
import autolens as al
import jax
import make_autolens
import numpy as np
from autofit.non_linear.fitness import Fitness


def lens_model(mass):
    lens = af.Model(
        al.Galaxy,
        redshift=0.5,
        bulge=af.Model(al.lp.Sersic),
        disk=af.Model(al.lp.Exponential),
        mass=af.Model(al.mp.PowerLaw if mass == "EPL" else al.mp.Isothermal),
        shear=af.Model(al.mp.ExternalShear),
    )
    lens.disk.centre = lens.bulge.centre
    source = af.Model(al.Galaxy, redshift=1.0, light=af.Model(al.lp.Sersic))
    return af.Collection(galaxies=af.Collection(lens=lens, source=source))


def vector(model, flat, mass):
    """The truth in the order of the model's free parameters."""
    galaxies = dict(zip(("lens", "source"), make_autolens.tracer(flat, mass).galaxies, strict=True))
    values = []
    for prior in model.priors_ordered_by_id:
        _, galaxy, *steps = model.path_for_prior(prior)
        value = galaxies[galaxy]
        for step in steps:
            value = value[int(step[-1])] if isinstance(value, tuple) else getattr(value, step)
        values.append(float(value))
    assert len(values) == 25 + (mass == "EPL")
    return np.array(values)


if __name__ == "__main__":
    m, flat = common.load()
    mass = common.mass()
    model = lens_model(mass)
    functions = {}
    for name in ("fft", "direct"):
        dataset = make_autolens.dataset(m, m["mask"], use_fft=name == "fft")
        analysis = al.AnalysisImaging(dataset=dataset, use_jax=True)
        functions[name] = Fitness(model=model, analysis=analysis, fom_is_log_likelihood=True).call
    settings = common.jax_settings(functions, vector(model, flat, mass))
    versions = f"{al.__version__}, jax {jax.__version__}"
    common.report("PyAutoLens", versions, settings, gradient="jax.value_and_grad")
