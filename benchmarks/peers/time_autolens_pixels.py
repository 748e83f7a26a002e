"""ln evidence of a pixelised source by PyAutoLens's JAX path, jitted, one core: `../pixels.py` compares with it.

    /tmp/peers/autolens/bin/python time_autolens_pixels.py ../../../shared/data/simulated/hst [gradient]

Mask of 3.5", no lens light, 28 x 28 bilinear source pixels over all rays, one ray a pixel, constant
regularisation, free mass, shear and coefficient, the linear solver. `fft` keeps the PSF's transform, which is its
default now; `direct` sums over the PSF. With `gradient`, jax.value_and_grad too, ten gigabytes for `direct`.
"""

import common  # noqa: F401 (first: it sets the threads)

# isort: split
import json
import resource
import sys
import time
from pathlib import Path

import autofit as af
import autolens as al
import jax
import numpy as np
from autofit.non_linear.fitness import Fitness

RADIUS, PIXELS, SCALE = 3.5, 28, 0.05
TRUTH = {"einstein_radius": 1.6, "ell_comps": (0.05263157894736841, 0.0), "gamma_1": 0.05, "gamma_2": 0.05}


def lens_model():
    mass, shear = af.Model(al.mp.Isothermal), af.Model(al.mp.ExternalShear)
    lens = af.Model(al.Galaxy, redshift=0.5, mass=mass, shear=shear)
    pixelization = af.Model(
        al.Pixelization,
        mesh=al.mesh.RectangularUniform(shape=(PIXELS, PIXELS)),
        regularization=af.Model(al.reg.Constant),
    )
    source = af.Model(al.Galaxy, redshift=1.0, pixelization=pixelization)
    return af.Collection(galaxies=af.Collection(lens=lens, source=source))


def vector(model):
    values = []
    for prior in model.priors_ordered_by_id:
        name = [str(step) for step in model.path_for_prior(prior)]
        known = [TRUTH[key] for key in TRUTH if key in name]
        index = int(name[-1][-1]) if name[-1][-1].isdigit() and "gamma" not in name[-1] else None
        value = known[0] if known else (1.0 if "coefficient" in name else 0.0)
        values.append(float(value[index] if isinstance(value, tuple) else value))
    return np.array(values)


def seconds(call, repeats):
    call()
    found = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        found.append(time.process_time() - start)
    return float(np.median(found))


def likelihood(folder, model, use_fft):
    data, noise, psf = (
        al.Array2D.from_fits(file_path=folder / f"{name}.fits", pixel_scales=SCALE, hdu=0)
        for name in ("data", "noise_map", "psf")
    )
    imaging = al.Imaging(
        data=data, noise_map=noise, psf=al.Convolver(kernel=psf, use_fft=use_fft), over_sample_size_pixelization=1
    )
    mask = al.Mask2D.circular(shape_native=imaging.shape_native, pixel_scales=SCALE, radius=RADIUS)
    settings = al.Settings(use_positive_only_solver=False, use_edge_zeroed_pixels=False, use_border_relocator=False)
    analysis = al.AnalysisImaging(dataset=imaging.apply_mask(mask=mask), settings=settings, use_jax=True)
    return Fitness(model=model, analysis=analysis, fom_is_log_likelihood=True).call, int(np.sum(~np.asarray(mask)))


if __name__ == "__main__":
    folder, model = Path(sys.argv[1]), lens_model()
    theta = jax.numpy.asarray(vector(model))
    line = {"code": "PyAutoLens", "version": f"{al.__version__}, jax {jax.__version__}", "parameters": len(theta)}
    for name in ("fft", "direct"):
        function, line["pixels"] = likelihood(folder, model, name == "fft")
        value = jax.jit(function)
        line[f"{name}_value"] = float(value(theta))
        line[f"{name}_value_cpu_s"] = seconds(lambda f=value: f(theta).block_until_ready(), 3)
        if "gradient" in sys.argv[2:]:
            both = jax.jit(jax.value_and_grad(function))
            line[f"{name}_gradient_cpu_s"] = seconds(lambda f=both: jax.block_until_ready(f(theta)), 1)
            line[f"{name}_gradient_finite"] = bool(np.all(np.isfinite(both(theta)[1])))
        line[f"{name}_peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps(line))
