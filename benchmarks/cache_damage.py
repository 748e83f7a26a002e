"""Damage what was compiled, and see that nothing comes of it: python benchmarks/cache_damage.py N [--seed 0]

Flips a bit in, cuts short and empties N files of lensfit's kernels and N of JAX's programs, each in caches made by
an undamaged process. A process then evaluates ln L and gradient of a small galaxy from both caches, one file of
each damaged (a checksum counts as a file). Prints by damage: processes, those that failed or gave another ln L or
gradient, those that a signal ended, and caches that were not mended. Exits with 1 where there is one of these.

--unchecked does the same with the checksums ignored, to see what they are good for.
"""
from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu"}
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import argparse
import random
import shutil
import tempfile
import time
import warnings
from pathlib import Path

import jax
import numpy as np

import lensfit
from lensfit import cache_files, native
from lensfit.cache_files import SEAL, CacheFolder
from lensfit.datasets import Imaging
from lensfit.likelihood.imaging import ImagingLikelihood
from lensfit.model import LensModel
from lensfit.native import elementary, frame  # noqa: F401  once, and not in each process
from lensfit.priors import Normal
from lensfit.problem import Problem
from lensfit.profiles import Exponential

DAMAGES = {
    "a bit flipped": lambda content, rng: _flipped(bytearray(content), rng),
    "cut": lambda content, rng: content[: rng.randrange(len(content))],
    "emptied": lambda content, rng: b"",
}
SECONDS = 900
"""After which a process counts as hung: many times what it takes on a machine that is busy with other things."""


def _flipped(content: bytearray, rng: random.Random) -> bytes:
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)


def evaluated(folder: Path) -> np.ndarray:
    """ln L and gradient of a small galaxy, with what is compiled kept in a folder."""
    jax.config.update("jax_compilation_cache_dir", str(folder))
    lensfit.setup()
    y, x = np.indices((20, 20)) - 9.5
    imaging = Imaging.from_arrays(np.exp(-np.hypot(x, y) / 3), np.full(x.shape, 0.1), np.ones((3, 3)), pixel_scale=0.1)
    disk = Exponential(center_x=Normal(mean=0.0, sigma=0.1), center_y=0.0, e1=0.1, e2=0.0, intensity=1.0,
                       effective_radius=0.3)  # fmt: skip
    model = LensModel(light={"disk": disk}, mass={}, source={})
    value, slope = Problem(model, ImagingLikelihood.of(imaging, 2)).value_and_grad(np.array([0.05]))
    assert not native.trouble()
    return np.array([float(value), *np.asarray(slope, float)])


def forked(folder: Path) -> tuple[int, np.ndarray]:
    """Status of a process that evaluates, as os.wait gives it, and what it found; -1 where it hung."""
    found = folder.with_name("found.npy")
    found.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        try:
            np.save(found, evaluated(folder))
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", flush=True)
            os._exit(1)
        os._exit(0)
    deadline = time.monotonic() + SECONDS
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0:
        if time.monotonic() > deadline:
            os.kill(child, 9)
            os.waitpid(child, 0)
            return -1, np.empty(0)
        time.sleep(0.005)
    return ended[1], np.load(found) if ended[1] == 0 else np.empty(0)


def files_of(folder: Path) -> dict[str, list[Path]]:
    """The files of both caches, relative to the folder."""
    found = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    kernels = [path for path in found if path.parts[0] == "lensfit_kernels"]
    return {"kernels": kernels, "programs": [path for path in found if path not in kernels]}


def mended(folder: Path, files: list[Path]) -> bool:
    """Whether files are whole again."""
    names = [folder / str(path).removesuffix(SEAL) for path in files]
    return all(CacheFolder(path.parent).read(path.name) is not None for path in names)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--unchecked", action="store_true")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", message="os.fork")
    if arguments.unchecked:
        cache_files.CacheFolder.read = lambda self, name: cache_files.own_bytes(self.path / name)
    rng = random.Random(arguments.seed)
    bad = 0
    with tempfile.TemporaryDirectory() as place:
        whole, folder = Path(place) / "whole", Path(place) / "cache"
        status, expected = forked(whole)
        files = files_of(whole)
        assert status == 0 and all(files.values()), f"the undamaged process ended with {status}"
        print(f"{len(files['kernels'])} files of kernels, {len(files['programs'])} of programs")
        print(f"{'damage':15} {'processes':>9} {'failed':>7} {'signals':>8} {'not mended':>11} {'seconds each':>13}")
        for damage, spoil in DAMAGES.items():
            failed = signals = unmended = 0
            begun = time.monotonic()
            for _ in range(arguments.count):
                shutil.rmtree(folder, ignore_errors=True)
                shutil.copytree(whole, folder)
                struck = [rng.choice(files[kind]) for kind in files]
                for path in struck:
                    (folder / path).write_bytes(spoil((folder / path).read_bytes(), rng))
                status, found = forked(folder)
                signals += status != 0 and (status == -1 or os.WIFSIGNALED(status))
                failed += status != 0 or not np.array_equal(found, expected)
                unmended += not arguments.unchecked and not mended(folder, struck)
            seconds = (time.monotonic() - begun) / max(arguments.count, 1)
            print(f"{damage:15} {arguments.count:9} {failed:7} {signals:8} {unmended:11} {seconds:13.1f}", flush=True)
            bad += failed + unmended
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
