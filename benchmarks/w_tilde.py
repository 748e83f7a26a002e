"""w_tilde and the dirty image of many visibilities: OMP_NUM_THREADS=1 python benchmarks/w_tilde.py sums|stream

    sums    w_compact, and w_compact with the dirty image, of 1e7 visibilities on tracks; N = 300, 70,685 pixels
    stream  the same from a FITS triple of 1e8 visibilities that is written to /tmp first and removed

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

import numpy as np
from astropy.io import fits

from lensfit.datasets import ARCSEC, read_chunks
from lensfit.datasets.visibility_files import TRIPLE
from lensfit.instruments import earth_rotation, spiral
from lensfit.operators.nufft import pixel_response
from lensfit.operators.w_tilde import Sums, w_compact
from lensfit.pytree import replace

N, PIXEL = 300, 0.02
ANTENNAS, LONGEST = 45, 1600.0
NOISE = 0.1


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
            hour_angles=rng.uniform(-3, 3, moments), wavelength=870e-6, noise=NOISE,
        )  # fmt: skip
        rows = slice(0, min(size, count - made))
        u, v, sigma = track.u[rows].copy(), track.v[rows].copy(), track.sigma_re[rows].copy()
        values = NOISE * (rng.standard_normal(len(u)) + 1j * rng.standard_normal(len(u)))
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["sums", "stream", "read"])
    parser.add_argument("--count", type=float)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.what == "read":
        read(given.folder, int(given.count))
        return
    function, count = {"sums": (sums, 1e7), "stream": (stream, 1e8)}[given.what]
    function(int(given.count or count))


if __name__ == "__main__":
    main()
