"""Valid files of every format that lensfit reads, made in memory: what `fuzz.py` mutates."""
from __future__ import annotations

import functools
import gzip
import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from astropy.io import fits

from lensfit.datasets import read, read_imaging
from lensfit.fitters.checkpoint import Session
from lensfit.recipe import read_recipe
from lensfit.results import read_result

SIDE, SCALE = 20, 0.05
RECIPE = """
[instrument]
shape = [12, 12]
pixel_scale = 0.05
psf = {fwhm = 0.1, size = 5}
exposure_time = 1000.0
gain = 1.0
sky = 0.1
read_noise = 5.0
unit = "e/s"
[data]
path = "lens.fits"
mask_radius = 2.0
origin = [0.0, 0.1]
[fit]
fitter = "lm"
seed = 3
settings = {starts = 2}
[light.galaxy]
profile = "Sersic"
center_x = {prior = "Normal", mean = 0.0, sigma = 0.1}
center_y = -0.01
e = {prior = "Disk", scale = 0.3, limit = 0.8}
intensity = {solved = true, positive = true}
effective_radius = 0.4
sersic_index = 3.0
[mass.sie]
profile = "SIE"
center_x = "light.galaxy.center_x"
center_y = "light.galaxy.center_y"
e1 = 0.1
e2 = -0.04
einstein_radius = 0.7
[mass.shear]
profile = "Shear"
gamma1 = 0.03
gamma2 = 0.02
[source.set]
profile = "MultiGaussian"
center_x = 0.1
center_y = 0.03
e1 = 0.0
e2 = 0.2
intensity = [1.5, 1.0]
sigmas = [0.1, 0.2]
"""


@dataclass(frozen=True)
class Seed:
    """Files by name, and the reader that makes something of the folder that they lie in."""

    files: dict[str, bytes]
    read: Callable[[Path], Any]


def arrays() -> dict[str, np.ndarray]:
    """data, noise, psf and mask of an image."""
    random = np.random.default_rng(7)
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    noise = random.uniform(0.5, 1.5, (SIDE, SIDE))
    across = np.exp(-(np.arange(-2, 3) ** 2) / 2.0)
    mask = np.zeros((SIDE, SIDE), "u1")
    mask[2:4, 3] = 1
    data = 30 * np.exp(-np.hypot(x, y) / 3) + noise * random.normal(size=noise.shape)
    return {"data": data, "noise": noise, "psf": np.outer(across, across) / across.sum() ** 2, "mask": mask}


def header() -> fits.Header:
    """A tangent projection."""
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.1, "CRVAL2": 2.2, "CRPIX1": 10.0, "CRPIX2": 9.0}
    cards |= {"CD1_1": -SCALE / 3600, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": SCALE / 3600, "BUNIT": "e-/s"}
    return fits.Header(cards)


def as_bytes(hdus: Any) -> bytes:
    """A FITS file."""
    with tempfile.TemporaryDirectory() as name:  # random groups cannot be written into memory
        path = Path(name) / "made.fits"
        hdus.writeto(path)
        return path.read_bytes()


def npz(**columns: Any) -> bytes:
    """An npz file."""
    stream = io.BytesIO()
    np.savez(stream, **columns)
    return stream.getvalue()


def hdf5(**columns: Any) -> bytes:
    """An HDF5 file."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        for name, column in columns.items():
            file[name] = column
    return stream.getvalue()


def multi_extension(kind: type = fits.ImageHDU, **compression: Any) -> bytes:
    """One FITS file with an extension for each array."""
    made = [fits.PrimaryHDU()]
    for name, array in arrays().items():
        whole = array.astype("i2") if name == "mask" or compression.get("compression_type") == "PLIO_1" else array
        made.append(kind(whole, header() if name == "data" else None, name=name.upper(), **compression))
    return as_bytes(fits.HDUList(made))


def table() -> dict[str, np.ndarray]:
    """Visibilities of 15 baselines."""
    random = np.random.default_rng(3)
    u, v = random.uniform(-4e5, 4e5, (2, 15))
    values = random.normal(size=15) + 1j * random.normal(size=15)
    return {"u": u, "v": v, "values": values, "sigma": np.full(15, 0.5)}


def uvfits() -> bytes:
    """Random groups with one IF of two channels and two hands."""
    rows, light = table(), 340e9
    count = len(rows["u"])
    numbers = np.stack([rows["values"].real, rows["values"].imag, np.full(count, 4.0)], -1)
    data = np.tile(numbers[:, None, None, None, None, None], (1, 1, 1, 1, 2, 2, 1))
    parameters = [rows["u"] / light, rows["v"] / light, np.zeros(count), 256.0 + np.arange(count) + 2]
    groups = fits.GroupData(data, bitpix=-64, parnames=["UU", "VV", "WW", "BASELINE"], pardata=parameters)
    hdu = fits.GroupsHDU(groups)
    axes = [("COMPLEX", 1, 1), ("STOKES", -5, -1), ("FREQ", light, 1e9), ("IF", 1, 1), ("RA", 0, 1), ("DEC", 0, 1)]
    for n, (kind, value, step) in enumerate(axes, 2):
        hdu.header[f"CTYPE{n}"], hdu.header[f"CRVAL{n}"] = kind, value
        hdu.header[f"CRPIX{n}"], hdu.header[f"CDELT{n}"] = 1, step
    offsets = fits.Column(name="IF FREQ", format="1D", array=np.zeros((1, 1)))
    return as_bytes(fits.HDUList([hdu, fits.BinTableHDU.from_columns([offsets], name="AIPS FQ")]))


def result() -> dict[str, Any]:
    """A result.json of two parameters and two samples."""
    row = {"value": 1.1, "error": 0.01, "spread": 0.02, "total": 0.03, "unit": "arcsec", "symbol": "x"}
    numbers = {"log_likelihood": -10.0, "log_posterior": -12.0, "chi2": 20.0, "seconds": 1.0, "cpu_seconds": 1.0,
               "widened": 1.0}
    counts = {"data_count": 30, "evaluations": 10, "gradients": 5, "log_evidence": None, "log_evidence_error": None}
    center = {"center_x": 0.0, "center_y": 0.1, "e1": 0.1, "e2": 0.0}
    model = {"light": {}, "mass": {"sie": {"profile": "SIE", **center, "einstein_radius": 1.1}}, "source": {}}
    check = {"name": "converged", "outcome": "passed", "finding": "it did", "essential": True}
    return {
        "schema": "lensfit.result", "version": 6, "fitter": "lm", "converged": True,
        "trust": {"word": "TRUSTED", "trusted": True, "headline": "TRUSTED", "reasons": [], "checks": [check]},
        "parameters": {"mass.sie.e1": dict(row), "mass.sie.einstein_radius": dict(row)},
        "amplitudes": {"sky": {"value": 0.1, "error": 0.01, "unit": "e/s"}},
        "covariance": {
            "names": ["mass.sie.e1", "mass.sie.einstein_radius", "sky"],
            "matrix": [[1e-4, 0.0, 0.0], [0.0, 1e-4, 0.0], [0.0, 0.0, 1e-4]],
        },
        "fit": numbers | counts | {"gain": 0.1}, "diagnostics": {"effective_samples": 2.0}, "samples": 2,
        "variants": [], "search": {"basins": [{"theta": [0.1, 1.1], "score": 10.0}], "other": [0.1, 1.0]},
        "explored": False, "model": model | {"sky": 0.1}, "notes": ["a note"], "fixed": {},
        "derived": {"einstein_radius": row | {"description": "of the critical curve"}},
        "data": {"unit": "e/s", "shape": [20, 20], "notes": []}, "road": [], "figures": ["fit.png"],
        "provenance": {"command": "lensfit fit", "seed": 1},
    }  # fmt: skip


SAMPLES = """# %ECSV 1.0
# ---
# datatype:
# - {name: weight, datatype: float64}
# - {name: log_likelihood, datatype: float64}
# - {name: mass.sie.e1, datatype: float64}
# - {name: mass.sie.einstein_radius, datatype: float64}
# schema: astropy-2.0
weight log_likelihood mass.sie.e1 mass.sie.einstein_radius
0.5 -10.0 0.1 1.1
0.5 -11.0 0.2 1.2
"""
IDENTITY = {"data": "a", "model": "b", "fitter": "c", "settings": {}, "seed": 1, "start": None, "version": {}}


def checkpoint() -> dict[str, bytes]:
    """The files of a store."""
    with tempfile.TemporaryDirectory() as name:
        session = Session(Path(name), 0.0, IDENTITY)
        session.save({"theta": np.arange(3.0), "step": 4, "library": b"bytes"})
        return {path.name: path.read_bytes() for path in Path(name).iterdir()}


def _resumed(folder: Path) -> Any:
    session = Session(folder, 30.0, IDENTITY)
    session.check()
    return session.load()


def _made(folder: Path) -> Any:
    recipe = read_recipe(folder / "recipe.toml")
    return recipe, recipe.instrument.instrument()


def _only_file(folder: Path) -> Any:
    (file,) = (path for path in folder.iterdir() if path.name.startswith("lens"))
    return read(file)


def _with_options(folder: Path) -> Any:
    return read_imaging(folder / "lens.fits", psf=folder / "psf.fits", pixel_scale=SCALE, nan="mask")


@functools.cache
def seeds() -> dict[str, Seed]:
    """Of each format its valid files."""
    images, rows = arrays(), table()
    info = json.dumps({"pixel_scale": SCALE, "origin": [0.0, 0.1]}).encode()
    frame = {"sign": -1, "east": "right", "pixel_scale": 0.1, "shape": [32, 32], "origin": [0, 0], "primary_beam": 18.0}
    single = {f"{n}.fits": as_bytes(fits.PrimaryHDU(a, header() if n == "data" else None)) for n, a in images.items()}
    pairs = {"visibilities": rows["values"].view(float).reshape(-1, 2), "noise_map": np.full((15, 2), 0.5),
             "uv_wavelengths": np.stack([rows["u"], rows["v"]], -1)}  # fmt: skip
    triple = {f"{name}.fits": as_bytes(fits.PrimaryHDU(pair)) for name, pair in pairs.items()}
    named = {"data": images["data"], "noise_map": images["noise"], "psf": images["psf"], "mask": images["mask"]}
    packed = {kind: {"compression_type": kind} for kind in ("RICE_1", "GZIP_2", "HCOMPRESS_1")}
    return {
        "fits": Seed(single, read),
        "extensions": Seed({"lens.fits": multi_extension()}, _only_file),
        "options": Seed({"lens.fits": multi_extension(), "psf.fits": single["psf.fits"]}, _with_options),
        "gzip": Seed({"lens.fits.gz": gzip.compress(multi_extension())}, _only_file),
        **{k: Seed({"lens.fits.fz": multi_extension(fits.CompImageHDU, **c)}, _only_file) for k, c in packed.items()},
        "npz": Seed({"lens.npz": npz(**named, ps=SCALE)}, _only_file),
        "hdf5": Seed({"lens.h5": hdf5(**named, transform_pix2angle=[[-SCALE, 0.0], [0.0, SCALE]])}, _only_file),
        "info": Seed({**single, "info.json": info}, read),
        "uvfits": Seed({"lens.uvfits": uvfits(), "info.json": json.dumps(frame).encode()}, read),
        "visibilities": Seed({"lens.npz": npz(**rows), "info.json": json.dumps(frame).encode()}, read),
        "stated": Seed({"lens.npz": npz(**rows, **frame)}, _only_file),
        "triple": Seed({**triple, "info.json": json.dumps(frame).encode()}, read),
        "recipe": Seed({"recipe.toml": RECIPE.encode()}, _made),
        "result": Seed({"result.json": json.dumps(result(), indent=1).encode(), "samples.ecsv": SAMPLES.encode()},
                       read_result),
        "checkpoint": Seed(checkpoint(), _resumed),
    }  # fmt: skip
