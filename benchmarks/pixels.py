"""Sources on pixels: how fast and how exact. CPU time of one core, float64, medians; peak memory of the process.

    python benchmarks/pixels.py default              784 and 1521 source pixels, light and sky solved
    python benchmarks/pixels.py peer PYTHON          PyAutoLens in its environment (peers/README.md), at its own setting
    python benchmarks/pixels.py visibilities         N = 256, 784 source pixels, 1e4 and 1e6 visibilities
    python benchmarks/pixels.py gradient [DRAWS]     against finite differences at draws of the prior
    python benchmarks/pixels.py truth                Einstein radius of ../shared/data/simulated against the truth
"""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

ONE = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
os.environ.update(dict.fromkeys(ONE, "1"))
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_ENABLE_X64"] = "1"
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import jax  # noqa: E402
import numpy as np  # noqa: E402
from scipy.optimize import minimize  # noqa: E402

from lensfit import LensModel, PixelImagingLikelihood, PixelInterferometerLikelihood, Problem, read_imaging  # noqa: E402
from lensfit.bench.rows import cpu_seconds  # noqa: E402
from lensfit.datasets import Interferometer  # noqa: E402
from lensfit.priors import Disk, Normal, Solved, Uniform  # noqa: E402
from lensfit.profiles import SIE, PixelSource, Sersic, Shear  # noqa: E402
from lensfit.pytree import replace  # noqa: E402

SIMULATED = Path(__file__).parents[2] / "shared" / "data" / "simulated"
SCALES = {"hst": 0.05, "jwst": 0.03}
RADIUS = 1.6 * 2 * np.sqrt(0.9) / 1.9
"""Einstein radius of the simulated lenses about the intermediate axis; q = 0.9."""


def imaging(name="hst", radius=3.5):
    paths = {kind: SIMULATED / name / f"{kind}.fits" for kind in ("data", "noise_map", "psf")}
    data = read_imaging(
        paths["data"], noise=paths["noise_map"], psf=paths["psf"], pixel_scale=SCALES[name]
    )
    return data.circular_mask(radius)


def lens(light=True, **mesh):
    """The simulated lens with priors about its truth; rows of the files run upwards here, hence the signs."""
    e1, e2 = Disk(scale=0.1, limit=0.7, center_2=-0.0526).parts
    g1, g2 = Disk(scale=0.05, limit=0.3, center_1=0.05, center_2=-0.05).parts
    near = {"center_x": Normal(mean=0.0, sigma=0.02), "center_y": Normal(mean=0.0, sigma=0.02)}
    bulge = Sersic(
        **near, e1=0.0, e2=-0.0526, intensity=Solved(), effective_radius=Uniform(low=0.4, high=0.8), sersic_index=3.0
    )
    source = {
        "center_x": Normal(mean=0.0, sigma=0.05), "center_y": Normal(mean=0.0, sigma=0.05),
        "half_width": Uniform(low=0.15, high=1.2), "strength": Uniform(low=-4.0, high=2.0), "pixels": 28,
    }
    return LensModel(
        light={"bulge": bulge} if light else {},
        mass={
            "sie": SIE(**near, e1=e1, e2=e2, einstein_radius=Uniform(low=1.3, high=1.9)),
            "shear": Shear(gamma1=g1, gamma2=g2),
        },
        source={"pixels": PixelSource(**source | mesh)},
        sky=Solved(positive=False) if light else 0.0,
    )


def times(problem, theta):
    """CPU seconds of ln evidence, and with its gradient."""
    jax.block_until_ready((problem.log_likelihood(theta), problem.value_and_grad(theta)))
    value = cpu_seconds(lambda: problem.log_likelihood(theta).block_until_ready())
    return value, cpu_seconds(lambda: jax.block_until_ready(problem.value_and_grad(theta)))


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def default():
    likelihood = PixelImagingLikelihood.of(imaging())
    for pixels in (28, 39):
        for half_width, covers in ((0.5, "covers the source"), (3.0, "covers all rays")):
            problem = Problem(lens(pixels=pixels, half_width=half_width), likelihood)
            value, both = times(problem, problem.to_theta(np.zeros(problem.ndim)))
            print(
                f"S = {pixels**2}, M = {likelihood.data_count}, {problem.ndim} parameters, mesh {covers}: "
                f"{1e3 * value:.1f} ms, with gradient {1e3 * both:.1f} ms, {both / value:.2f} x; peak {peak():.2f} GiB",
                flush=True,
            )


def peer(python):
    script = Path(__file__).parent / "peers" / "time_autolens_pixels.py"
    ran = subprocess.run(
        [python, script, SIMULATED / "hst"], capture_output=True, text=True, check=True, cwd=script.parent,
        env=os.environ | {"PYAUTO_SKIP_WORKSPACE_VERSION_CHECK": "1"},
    )
    theirs = json.loads(ran.stdout.splitlines()[-1])
    print(f"PyAutoLens {theirs['version']}, M = {theirs['pixels']}")
    likelihood = PixelImagingLikelihood.of(imaging(), sub_pixels=1)
    for engine in ("native", "xla"):
        problem = Problem(lens(light=False, order=1, half_width=3.5), replace(likelihood, engine=engine))
        value, both = times(problem, problem.to_theta(np.zeros(problem.ndim)))
        print(f"lensfit, {engine}: {1e3 * value:.1f} ms, with gradient {1e3 * both:.1f} ms")
        for name in ("fft", "direct"):
            seconds = theirs[f"{name}_value_cpu_s"]
            print(f"    PyAutoLens by {name}: {1e3 * seconds:.0f} ms, {seconds / value:.1f} x", flush=True)


def spiral(count, pixel_scale):
    """Noise on baselines that turn about the sky."""
    rng = np.random.default_rng(0)
    length = 0.9 / (2 * pixel_scale * np.pi / 180 / 3600) * np.sqrt(rng.uniform(0.02, 1.0, count))
    angle = rng.uniform(0, 2 * np.pi, count)
    values = rng.standard_normal(count) + 1j * rng.standard_normal(count)
    return length * np.cos(angle), length * np.sin(angle), values


def visibilities():
    model = replace(lens(light=False), sky=0.0)
    scale = 0.03
    y, x = (np.indices((256, 256)) - 127.5) * scale
    for mask, shown in ((np.hypot(x, y) > 2.5, "mask of 2.5 arcsec"), (None, "no mask")):
        for count in (10**4, 10**6):
            u, v, values = spiral(count, scale)
            data = Interferometer.from_arrays(
                u, v, values, 1.0, sign=-1, east="right", pixel_scale=scale, shape=(256, 256), mask=mask
            )
            likelihood = PixelInterferometerLikelihood.of(data)
            for half_width in (0.5, 3.5):
                pixels = replace(model.source["pixels"], half_width=half_width)
                problem = Problem(replace(model, source={"pixels": pixels}), likelihood)
                value, both = times(problem, problem.to_theta(np.zeros(problem.ndim)))
                print(
                    f"K = {count:.0e}, {shown}, M = {len(likelihood.pixels)}, mesh +-{half_width} arcsec: "
                    f"{value:.3f} CPU s, with gradient {both / value:.2f} x; peak {peak():.2f} GiB",
                    flush=True,
                )


def gradient(draws=1000):
    """Along a random direction in z: central differences of fourth order, error over the length of the gradient."""
    likelihood = PixelImagingLikelihood.of(imaging())
    for order, step in ((2, 1e-5), (3, 1e-4)):
        problem = Problem(lens(order=order), likelihood)
        both = jax.jit(jax.value_and_grad(problem.log_posterior))
        rng = np.random.default_rng(0)
        errors, finite = [], 0
        for _ in range(draws):
            z, along = rng.standard_normal((2, problem.ndim))
            along /= np.linalg.norm(along)
            _, slope = both(z)
            ahead, behind, far, back = (float(problem.log_posterior(z + k * step * along)) for k in (1, -1, 2, -2))
            central = (8 * (ahead - behind) - (far - back)) / (12 * step)
            finite += bool(np.all(np.isfinite(slope)))
            errors.append(abs(float(slope @ along) - central) / np.linalg.norm(slope))
        print(
            f"order {order}, {draws} draws, {problem.ndim} parameters: median {np.median(errors):.1e}, "
            f"worst {np.max(errors):.1e}, finite {finite} of {draws}",
            flush=True,
        )


def descend(both, size):
    return minimize(lambda z: [np.asarray(a, float) for a in both(z)], np.zeros(size), jac=True, method="L-BFGS-B")


def truth():
    """The most probable model by L-BFGS from the truth; what the mesh and the strength are is not known before."""
    for name in SCALES:
        likelihood = PixelImagingLikelihood.of(imaging(name))
        problem = Problem(lens(), likelihood)
        found = descend(jax.jit(jax.value_and_grad(lambda z, p=problem: -p.log_posterior(z))), problem.ndim)
        theta = np.asarray(problem.to_theta(found.x))
        made = problem.reconstruct(theta)
        named = dict(zip(problem.names, theta, strict=True))
        radius = named["mass.sie.einstein_radius"]
        print(
            f"{name}: einstein_radius {radius:.5f}, {100 * (radius / RADIUS - 1):+.3f} % of the truth; shear "
            f"{named['mass.shear.gamma1'] - 0.05:+.5f} {named['mass.shear.gamma2'] + 0.05:+.5f}; chi2 "
            f"{float(made.solution.chi2):.0f} of {likelihood.data_count}; magnification "
            f"{float(made.magnification):.2f}; {found.nfev} gradients",
            flush=True,
        )


if __name__ == "__main__":
    command, *rest = sys.argv[1:] or ["default"]
    if command == "gradient":
        gradient(*map(int, rest))
    else:
        {"default": default, "peer": peer, "visibilities": visibilities, "truth": truth}[command](*rest)
