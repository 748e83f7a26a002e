"""Every layout in which an observation may arrive, written from the same arrays."""

import gzip
import json
from pathlib import Path

import h5py
import numpy as np
from astropy.io import fits
from mock_observation import SCALE, sky_header


def hdus(*extensions, primary=None):
    """A FITS file with an empty primary and image extensions (name, array, header)."""
    images = [fits.ImageHDU(array, header, name=name) for name, array, header in extensions]
    return fits.HDUList([fits.PrimaryHDU(header=primary), *images])


def write_triple(folder: Path, arrays, names=("data", "noise_map", "psf", "mask"), header=None):
    header = sky_header() if header is None else header
    for name, role in zip(names, ("data", "noise", "psf", "mask"), strict=True):
        array = arrays[role].astype("u1" if role == "mask" else ">f8")
        fits.PrimaryHDU(array, header if role == "data" else None).writeto(folder / f"{name}.fits")
    return folder


def triple(folder, arrays):
    return write_triple(folder, arrays)


def hst_names(folder, arrays):
    names = ("j1_f814w_drz_sci", "j1_f814w_rms", "psf_f814w", "mask_extra_galaxies")
    (folder / "notes.txt").write_text("not an image")
    return write_triple(folder, arrays, names)


def unnamed_data(folder, arrays):
    return write_triple(folder, arrays, ("J0029-0055", "err", "psf", "mask"))


def info_json(folder, arrays):
    (folder / "info.json").write_text(json.dumps({"pixel_scale": SCALE, "redshift_lens": 0.5}))
    return write_triple(folder, arrays, header=fits.Header())


def gzipped(folder, arrays):
    write_triple(folder, arrays)
    for file in list(folder.glob("*.fits")):
        (folder / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    return folder


def multi_extension(folder, arrays):
    file = folder / "lens.fits"
    hdus(
        ("SCI", arrays["data"], sky_header(BUNIT="e-/s")),
        ("ERR", arrays["noise"], fits.Header({"BUNIT": "e-/s"})),
        ("PSF", arrays["psf"], None),
        ("MASK", arrays["mask"].astype("i2"), None),
    ).writeto(file)
    return file


def data_in_the_primary(folder, arrays):
    file = folder / "lens.fits"
    extensions = [(name, arrays[name.lower()], None) for name in ("NOISE", "PSF")]
    extensions.append(("MASK", arrays["mask"].astype("u1"), None))
    images = [fits.ImageHDU(array, header, name=name) for name, array, header in extensions]
    fits.HDUList([fits.PrimaryHDU(arrays["data"], sky_header()), *images]).writeto(file)
    return file


def tile_compressed(folder, arrays):
    file = folder / "lens.fits.fz"
    compress = {"compression_type": "GZIP_2", "quantize_level": 0}
    images = [
        fits.CompImageHDU(arrays["data"], sky_header(), name="SCI", **compress),
        fits.CompImageHDU(arrays["noise"], name="RMS", **compress),
        fits.CompImageHDU(arrays["psf"], name="PSF", **compress),
        fits.CompImageHDU(arrays["mask"].astype("i2"), name="MASK"),
    ]
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(file)
    return file


def jwst_i2d(folder, arrays):
    """PC + CDELT, MJy/sr, variances in parts, flags, and a PSF beside."""
    file = folder / "jw_i2d.fits"
    part = arrays["noise"] ** 2 / 4
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.1, "CRVAL2": 2.2})
    header.update({"CRPIX1": 9.0, "CRPIX2": 8.0, "CDELT1": SCALE / 3600, "CDELT2": SCALE / 3600})
    header.update({"PC1_1": -1.0, "PC1_2": 0.0, "PC2_1": 0.0, "PC2_2": 1.0})
    header.update({"BUNIT": "MJy/sr", "PIXAR_A2": SCALE**2, "RADESYS": "ICRS", "MJD-AVG": 59946.5})
    flags = np.where(arrays["mask"], 5, 4).astype("u4")
    hdus(
        ("SCI", arrays["data"], header),
        ("CON", np.ones((1, *part.shape), "i4"), None),
        ("VAR_POISSON", part, fits.Header({"BUNIT": "MJy2 / sr2"})),
        ("VAR_RNOISE", 3 * part, None),
        ("DQ", flags, None),
        primary=fits.Header({"TELESCOP": "JWST", "DATE-OBS": "2023-01-02"}),
    ).writeto(file)
    fits.PrimaryHDU(arrays["psf"]).writeto(folder / "psf.fits")
    return folder


def hst_drizzle(folder, arrays):
    file = folder / "lens_drz.fits"
    weight = np.where(arrays["mask"], 0, arrays["noise"] ** -2)
    hdus(
        ("SCI", arrays["data"], sky_header(BUNIT="ELECTRONS/S")),
        ("WHT", weight, fits.Header({"BUNIT": "UNITLESS"})),
        ("PSF", arrays["psf"], None),
    ).writeto(file)
    return file


def npz(folder, arrays):
    file = folder / "lens.npz"
    noise = {"noise_map": arrays["noise"]}
    np.savez(file, data=arrays["data"], psf=arrays["psf"], mask=arrays["mask"], ps=SCALE, **noise)
    return file


def hdf5(folder, arrays):
    file = folder / "lens.h5"
    with h5py.File(file, "w") as out:
        out["image_data"] = arrays["data"].astype(">f8")
        out.create_dataset("noise_map", data=arrays["noise"], compression="gzip")
        out["mask"] = arrays["mask"]
        out["transform_pix2angle"] = [[-SCALE, 0.0], [0.0, SCALE]]
    with h5py.File(folder / "psf.h5", "w") as out:
        out["kernel_point_source"] = arrays["psf"]
    return folder


LAYOUTS = [
    triple,
    hst_names,
    unnamed_data,
    info_json,
    gzipped,
    multi_extension,
    data_in_the_primary,
    tile_compressed,
    jwst_i2d,
    hst_drizzle,
    npz,
    hdf5,
]
