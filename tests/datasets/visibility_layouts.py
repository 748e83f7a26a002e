"""Every layout in which visibilities may arrive, written from one table in the house's frame."""

import json

import numpy as np
from astropy.io import fits

FREQUENCIES = np.array([[340e9, 341e9], [343e9, 344e9]])  # (IF, channel)


def npz(folder, table):
    path = folder / "table.npz"
    np.savez(
        path, u=-table.u, v=-table.v, re=table.values.real, im=table.values.imag, sigma=table.sigma_re,
        ant1=table.antenna1, ant2=table.antenna2, pb_fwhm_arcsec=18.0, sign=1, east="right",
    )  # fmt: skip
    return path


def npz_of_complex_numbers(folder, table):
    """Column names of another code, East to the left, weights; in a folder with an info.json."""
    np.savez(folder / "obs.npz", uu=-table.u, vv=table.v, data=table.values, weight=table.sigma_re**-2)
    (folder / "info.json").write_text(json.dumps({"sign": -1, "east": "left", "primary_beam": 18}))
    (folder / "readme.txt").write_text("not data")
    return folder


def triple(folder, table):
    """As PyAutoLens writes it, big-endian."""
    pairs = {
        "visibilities": (table.values.real, table.values.imag),
        "noise_map": (table.sigma_re, table.sigma_im),
        "uv_wavelengths": (table.u, table.v),
    }
    for name, columns in pairs.items():
        fits.PrimaryHDU(np.stack(columns, -1).astype(">f8")).writeto(folder / f"{name}.fits")
    return folder


def uvfits(folder, table):
    """Random groups with two IFs of two channels, XX and YY of unlike weight, and one autocorrelation.

    Baselines are those of the table at each group's first frequency; the values of the table stand in every
    channel, split over the hands so that their weighted mean is the table's.
    """
    count = len(table.u)
    weight = np.stack([0.25 * table.sigma_re**-2, 0.75 * table.sigma_re**-2], -1)
    hands = np.stack([table.values + 3.0, table.values - 1.0], -1)
    data = np.stack([hands.real, hands.imag, weight], -1)  # (K, STOKES, COMPLEX)
    data = np.tile(data[:, None, None, None, None], (1, 1, 1, 2, 2, 1, 1))
    data = np.concatenate([data, data[:1]])
    light = FREQUENCIES[0, 0]
    first, second = np.append(table.antenna1, 3), np.append(table.antenna2, 3)
    parameters = [np.append(-table.u / light, 0), np.append(table.v / light, 0), 0 * first, 256.0 * first + second]
    parameters += [np.full(count + 1, 2459000.5), np.linspace(0, 0.1, count + 1)]
    names = ["UU---SIN", "VV---SIN", "WW---SIN", "BASELINE", "DATE", "DATE"]
    named = list(zip(names, parameters, strict=True))
    return random_groups(folder / "lens.uvfits", data, named, setups=[{"IF FREQ": [0.0, 3e9]}])


AXES = (("COMPLEX", 1, 1, 1), ("STOKES", -5, 1, -1), ("FREQ", 340e9, 1, 1e9), ("IF", 1, 1, 1), ("RA", 0, 1, 1),
        ("DEC", 0, 1, 1))  # fmt: skip
"""Name, value, pixel and step of each axis of the groups."""
FORMS = {
    "IF FREQ": "D", "CH WIDTH": "E", "TOTAL BANDWIDTH": "E", "SIDEBAND": "J", "FRQSEL": "J", "ID. NO.": "J",
    "SOURCE": "A",
}  # fmt: skip


def random_groups(path, data, parameters, *, axes=AXES, setups=(), sources=(), bits=-64):
    """A UVFITS of data (K, DEC, RA, IF, FREQ, STOKES, COMPLEX).

    parameters: (name, column) of the groups. setups, sources: rows of the AIPS FQ and SU tables, each column a number,
    a list or a text.
    """
    names, columns = zip(*parameters, strict=True)
    hdu = fits.GroupsHDU(fits.GroupData(data, bitpix=bits, parnames=list(names), pardata=list(columns)))
    for n, (kind, value, pixel, step) in enumerate(axes, 2):
        for key, card in (("CTYPE", kind), ("CRVAL", value), ("CRPIX", pixel), ("CDELT", step)):
            hdu.header[f"{key}{n}"] = card
    tables = [_table(name, rows) for name, rows in (("AIPS FQ", setups), ("AIPS SU", sources)) if rows]
    fits.HDUList([hdu, *tables]).writeto(path)
    return path


def _table(name, rows):
    columns = []
    for key in rows[0]:
        column = [row[key] for row in rows]
        form = FORMS[key] if np.ndim(column) == 1 else f"{np.shape(column)[1]}{FORMS[key]}"
        columns.append(fits.Column(name=key, format="16A" if form == "A" else form, array=np.array(column)))
    return fits.BinTableHDU.from_columns(columns, name=name)
