"""w_tilde and the likelihood through it: OMP_NUM_THREADS=1 python benchmarks/w_tilde.py sums|stream|chi2

    sums    w_compact, and w_compact with the dirty image, of 1e7 visibilities on tracks; N = 300, 70,685 pixels
    stream  the same from a FITS triple of 1e8 visibilities that is written to /tmp first and removed
    chi2    value and gradient through w_tilde against a NUFFT in JAX (nufftax), N = 64 and 256

CPU time, medians; memory is the peak of the whole process. `--count` sets another number of visibilities.
"""

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
from astropy.io import fits  # noqa: E402

from lensfit.datasets import read_chunks  # noqa: E402
from lensfit.datasets._visibility_files import TRIPLE  # noqa: E402
from lensfit.likelihood.interferometer import InterferometerLikelihood  # noqa: E402
from lensfit.model import LensModel  # noqa: E402
from lensfit.operators.nufft import ARCSEC, pixel_response  # noqa: E402
from lensfit.operators.w_tilde import Sums, w_compact  # noqa: E402
from lensfit.profiles import SIE, Sersic, Shear  # noqa: E402
from lensfit.pytree import replace  # noqa: E402
from lensfit.tracks import earth_rotation, spiral  # noqa: E402

N, PIXEL = 300, 0.02
ANTENNAS, LONGEST = 45, 1600.0


def tracks(count, seed=0, size=10**6, pixel=PIXEL):
    """Chunks of visibilities of noise on the tracks of 45 antennas, some 990 baselines times many moments."""
    rng = np.random.default_rng(seed)
    baselines = ANTENNAS * (ANTENNAS - 1) // 2
    longest = LONGEST * PIXEL / pixel
    made = 0
    while made < count:
        moments = -(-min(size, count - made) // baselines)
        track = earth_rotation(
            spiral(ANTENNAS, longest), latitude=-23.0, declination=-40.0,
            hour_angles=rng.uniform(-3, 3, moments), wavelength=870e-6, noise=0.1,
        )  # fmt: skip
        rows = slice(0, min(size, count - made))
        u, v, sigma = track.u[rows].copy(), track.v[rows].copy(), track.sigma_re[rows].copy()
        values = 0.1 * (rng.standard_normal(len(u)) + 1j * rng.standard_normal(len(u)))
        labels = {"antenna1": None, "antenna2": None, "time": None, "track": None}
        yield replace(track, u=u, v=v, values=values, sigma_re=sigma, sigma_im=sigma, **labels)
        made += len(u)


def peak():
    """GiB of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def clocks(function, repeats=1):
    """Median CPU seconds of calls, and their result."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        result = function()
        times.append(time.process_time() - start)
    return float(np.median(times)), result


def sums(count):
    chunks = list(tracks(count))
    x, y = (np.arange(N) - (N - 1) / 2 for _ in range(2))
    used = np.hypot(*np.meshgrid(x, y)) < N / 2
    print(f"K = {count:.0e} on tracks, N = {N}, {used.sum()} pixels in the circle; data held: {peak():.2f} GiB")

    def weights_alone():
        total = 0.0
        for chunk in chunks:
            weights = (chunk.sigma_re * pixel_response(chunk.u, chunk.v, PIXEL)) ** -2
            total = total + w_compact(chunk.u, chunk.v, weights, (N, N), PIXEL)
        return total

    alone, made = clocks(weights_alone)
    both, whole = clocks(lambda: Sums.of(chunks, (N, N), PIXEL))
    small = 20
    offsets = np.random.default_rng(1).integers(-N + 1, N, (small, 2))
    step = 2 * np.pi * PIXEL * ARCSEC

    def written_out(j, i):
        parts = ((c, (c.sigma_re * pixel_response(c.u, c.v, PIXEL)) ** -2) for c in chunks)
        return sum(w @ np.cos(step * (c.u * i + c.v * j)) for c, w in parts)

    slow, exact = clocks(lambda: [written_out(j, i) for j, i in offsets])
    direct = slow / small * (2 * N * N)
    for name, table in (("w_compact", made), ("with dirty image", whole.w_compact)):
        error = max(abs(table[j + N - 1, i + N - 1] - e) for (j, i), e in zip(offsets, exact, strict=True))
        seconds = alone if name == "w_compact" else both
        print(
            f"{name:18s} {seconds:7.2f} s  {direct / seconds:10.0f} times NumPy's sum over half of the offsets "
            f"({small} timed, scaled)  error {error / table.max():.1e} of the largest"
        )
    print(f"peak {peak():.2f} GiB")


def write_triple(folder, count):
    """PyAutoLens's FITS triple, made and written in chunks."""
    header = fits.Header([("SIMPLE", True), ("BITPIX", -64), ("NAXIS", 2), ("NAXIS1", 2), ("NAXIS2", count)])
    files = {role: fits.StreamingHDU(str(folder / name), header) for role, name in TRIPLE.items()}
    for chunk in tracks(count):
        files["values"].write(chunk.values.view(float).reshape(-1, 2).astype(">f8"))
        files["noise"].write(np.stack([chunk.sigma_re, chunk.sigma_im], 1).astype(">f8"))
        files["uv"].write(np.stack([chunk.u, chunk.v], 1).astype(">f8"))
    for file in files.values():
        file.close()


def stream(count):
    folder = Path(tempfile.mkdtemp(prefix="lensfit-stream-"))
    try:
        write_triple(folder, count)
        subprocess.run([sys.executable, __file__, "read", "--folder", folder, "--count", str(count)], check=True)
    finally:
        shutil.rmtree(folder)


def read(folder, count):
    start, cpu = time.perf_counter(), time.process_time()
    whole = Sums.of(read_chunks(folder), (N, N), PIXEL)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    assert whole.count == count
    print(
        f"K = {count:.0e} from disk, N = {N}: {cpu:.1f} CPU s, {wall:.1f} s wall, {count / cpu:.2e} visibilities "
        f"per CPU s, {count / wall:.2e} per s, peak {peak():.2f} GiB"
    )


MODEL = LensModel(
    light={},
    mass={"sie": SIE(center_x=0.05, center_y=0.02, e1=0.1, e2=0.05, einstein_radius=0.5),
          "shear": Shear(gamma1=0.03, gamma2=0.02)},
    source={"s": Sersic(center_x=0.1, center_y=0.0, e1=0.1, e2=0.1, intensity=1e-4, effective_radius=0.15,
                        sersic_index=1.2)},
)  # fmt: skip


def likelihood_of(count, n, pixel, sub_pixels=4):
    return InterferometerLikelihood.of_sums(
        Sums.of(tracks(count, pixel=pixel), (n, n), pixel, sub_pixels=sub_pixels), sub_pixels
    )


def through_nufft(count, n, pixel):
    """chi2 of an image with its gradient through nufftax, the same pixel response."""
    import nufftax

    chunks, turn = list(tracks(count, pixel=pixel)), 2 * np.pi * pixel * ARCSEC
    u, v, values = (np.concatenate([getattr(c, name) for c in chunks]) for name in ("u", "v", "values"))
    shift = -0.5 if n % 2 == 0 else 0.0  # pixels lie half a pixel off the integers
    factor = np.exp(1j * turn * shift * (u + v)) / pixel_response(u, v, pixel, 4)
    u, v, factor, values = (jnp.asarray(a) for a in (u * turn, v * turn, factor, values))

    def chi2(image):
        model = nufftax.nufft2d2(u, v, image.astype(complex), eps=1e-12, isign=-1) * factor
        left = (values - model) / 0.1
        return jnp.sum(left.real**2 + left.imag**2)

    return chi2


def run(function, *arguments):
    return jax.block_until_ready(function(*arguments))


def in_turns(function, trees, repeats):
    """Median CPU seconds of function(tree) for each, called in an order that changes every round."""
    rng, times = np.random.default_rng(0), [[] for _ in trees]
    for _ in range(repeats):
        for k in rng.permutation(len(trees)):
            times[k].append(clocks(lambda: run(function, trees[k]))[0])  # noqa: B023
    return [float(np.median(some)) for some in times]


def through_w_tilde(likelihood, image):
    return likelihood.chi2(image)


def of_model(chi2_of_image):
    """chi2 of the lens model and its gradient in the parameters, as a function of the likelihood."""
    compiled = jax.jit(
        jax.value_and_grad(lambda model, likelihood: chi2_of_image(likelihood, likelihood.image(model)))
    )
    return lambda likelihood: compiled(MODEL, likelihood)


def chi2(count):
    for n in (64, 256):
        pixel = PIXEL * 256 / n / 1.3
        likelihoods = [likelihood_of(k, n, pixel) for k in (count, 10**4, 10**7)]
        slow = through_nufft(count, n, pixel)
        image = likelihoods[0].image(MODEL)
        compiled = jax.jit(lambda likelihood, image: jax.value_and_grad(likelihood.chi2)(image))
        ours = lambda likelihood: compiled(likelihood, image)  # noqa: B023, E731
        theirs = jax.jit(jax.value_and_grad(slow))
        (value, gradient), (expected, slope) = run(ours, likelihoods[0]), run(theirs, image)
        reference, _ = clocks(lambda: run(theirs, image), 3)  # noqa: B023
        seconds, few, many = in_turns(ours, likelihoods, 1000)
        print(
            f"N = {n}, K = {count:.0e}, chi2 and gradient of an image: {1e3 * seconds:.3f} ms, through nufftax "
            f"{reference:.2f} s: {reference / seconds:.0f} times; at K = 1e4 {few / seconds:.3f} and at 1e7 "
            f"{many / seconds:.3f} of that time; values differ by {abs(value / expected - 1):.1e}, gradients by "
            f"{jnp.abs(gradient - slope).max() / jnp.abs(slope).max():.1e}"
        )
        for sub_pixels in (2, 4):
            likelihood = likelihood_of(count, n, pixel, sub_pixels)
            fast, other = of_model(through_w_tilde), of_model(lambda _, image: slow(image))  # noqa: B023
            run(fast, likelihood), run(other, likelihood)
            reference, _ = clocks(lambda: run(other, likelihood), 3)  # noqa: B023
            (seconds,) = in_turns(fast, [likelihood], 50)
            print(
                f"    of a lens model, {sub_pixels} x {sub_pixels} sub-pixels, with its parameters: "
                f"{1e3 * seconds:.2f} ms, through nufftax {reference:.2f} s: {reference / seconds:.0f} times"
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["sums", "stream", "chi2", "read"])
    parser.add_argument("--count", type=float)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.what == "read":
        read(given.folder, int(given.count))
        return
    function, count = {"sums": (sums, 1e7), "stream": (stream, 1e8), "chi2": (chi2, 1e6)}[given.what]
    function(int(given.count or count))


if __name__ == "__main__":
    main()
