"""Visibilities at the door, their orientation, and the readers of their files."""

import json

import direct_sums as direct
import numpy as np
import pytest
import visibility_layouts as layouts
from astropy.io import fits
from mock_observation import SHARED

from lensfit.datasets import (
    Interferometer,
    Visibilities,
    circular_mask,
    holds_visibilities,
    read_chunks,
    read_imaging,
    read_interferometer,
    write_interferometer,
)
from lensfit.errors import DataError
from lensfit.operators.w_tilde import dirty_image

PIXEL, SHAPE = 0.1, (64, 72)
SOURCES = {(1.35, 0.45): 2.0, (-0.55, 1.75): 1.0}
"""Flux of points at (l, m) = (East, North) in arcsec: an image that no reflection leaves as it is."""


def columns(count=400, sign=-1, seed=0):
    """u, v and V of the sources as the law of interferometry has them, with l to the East and m to the North."""
    rng = np.random.default_rng(seed)
    length, angle = rng.uniform(3e4, 9e5, count), rng.uniform(0, 2 * np.pi, count)
    u, v = length * np.cos(angle), length * np.sin(angle)
    values = sum(
        flux * np.exp(sign * 2j * np.pi * (u * east + v * north) * direct.ARCSEC)
        for (east, north), flux in SOURCES.items()
    )
    return u, v, values


def dataset(**changes):
    u, v, values = columns()
    settings = {"sign": -1, "east": "left", "pixel_scale": PIXEL, "shape": SHAPE} | changes
    noise = {} if "weights" in settings else {"noise": settings.pop("noise", 0.1)}
    given = {"u": u, "v": v, "values": values} | {k: settings.pop(k) for k in ("u", "v", "values") if k in settings}
    return Interferometer.from_arrays(*given.values(), **noise, **settings)


@pytest.mark.parametrize("east", ["left", "right"])
@pytest.mark.parametrize("sign", [-1, 1])
def test_orientation(sign, east):
    """The brightest pixel of the dirty image is where the brighter source is on the sky."""
    u, v, values = columns(sign=sign)
    data = dataset(u=u, v=v, values=values, sign=sign, east=east)
    image = dirty_image(data.visibilities, SHAPE, PIXEL)
    for (l_east, m_north), flux in SOURCES.items():
        side = 1 if east == "right" else -1
        near = np.hypot(data.x - side * l_east, data.y - m_north) < 0.01
        far = np.hypot(data.x + side * l_east, data.y - m_north) < 0.01
        assert image[near].max() == pytest.approx(flux * len(u) / 0.01, rel=0.25)  # side lobes, pixel response
        assert image[far].max() < 0.4 * image[near].max()
    assert f"exp({'+' if sign > 0 else '-'}2 pi i" in data.notes[0] and f"to the {east}" in data.notes[0]


def test_forms_of_noise_and_values():
    u, v, values = columns(20)
    sigma = np.linspace(0.1, 0.3, 20)
    pair = np.stack([values.real, values.imag], 1)
    forms = [
        (values, {"noise": sigma}),
        (pair, {"noise": sigma + 1j * sigma}),
        (values, {"noise": np.stack([sigma, sigma], 1)}),
        (values, {"weights": sigma**-2}),
    ]
    for given, noise in forms:
        made = Visibilities.from_arrays(u, v, given, **noise, sign=-1, east="right")
        np.testing.assert_array_equal(made.values, values)
        np.testing.assert_allclose(made.sigma_im, sigma, rtol=1e-14)
        assert made.sigma_re is made.sigma_im and not made.u.flags.writeable
    metres = Visibilities.from_arrays(u * 1e-3, v * 1e-3, values, 0.1, sign=-1, east="right", wavelength=1e-3)
    np.testing.assert_allclose(metres.u, u, rtol=1e-14)


def test_rows_are_left_out_and_counted():
    u, v, values = columns(10)
    values[4] = np.nan
    weights = np.array([1, 1, 0, -1, 1, 1, 1, 0, 1, 1.0])
    made = Visibilities.from_arrays(
        u, v, values, weights=weights, flags=np.arange(10) == 9, nan="drop", sign=-1, east="right",
        antenna1=np.arange(10), antenna2=np.arange(1, 11), time=np.arange(10) / 7, track=np.zeros(10),
    )  # fmt: skip
    kept = [0, 1, 5, 6, 8]
    np.testing.assert_array_equal(made.u, u[kept])
    np.testing.assert_array_equal(made.antenna2, np.array(kept) + 1)
    np.testing.assert_array_equal(made.time, np.array(kept) / 7)
    assert made.track.dtype.kind == "i" and len(made) == 5
    text = " | ".join(made.notes)
    assert "1 of 10 visibilities left out: flagged" in text
    assert "3 of 10 visibilities left out: zero or negative weight" in text
    assert "1 of 10 visibilities left out: values NaN" in text


def spoiled(index, value, column="values"):
    given = columns()[("u", "v", "values").index(column)]
    return {column: np.where(np.arange(400) == index, value, given)}


def scaled(factor):
    u, v, _ = columns()
    return {"u": factor * u, "v": factor * v}


def bad_noise(count, value):
    return {"noise": np.where(np.arange(400) < count, value, 1.0)}


BAD = {
    "NaN in values": (spoiled(7, np.nan), r"NaN or infinite in 1 row, the first at row 7"),
    "inf in u": (spoiled(3, np.inf, "u"), r"u: NaN or infinite in 1 row, the first at row 3"),
    "noise zero": (bad_noise(2, 0.0), r"noise: zero or negative in 2 rows, the first at row 0"),
    "noise negative": (bad_noise(1, -1.0), r"zero or negative in 1 row, the first at row 0"),
    "noise NaN": (bad_noise(1, np.nan), r"noise: NaN or infinite in 1 row"),
    "imaginary noise zero": ({"noise": np.full(400, 1 + 0j)}, r"noise: zero or negative in 400 rows"),
    "weight infinite": ({"weights": np.full(400, np.inf)}, r"noise: zero or negative in 400 rows"),
    "short u": ({"u": np.ones(3)}, r"u: 3 rows, the visibilities have 400"),
    "short noise": ({"noise": np.ones(399)}, r"noise: 399 rows"),
    "short flags": ({"flags": np.zeros(4)}, r"flags: 4 rows, the visibilities have 400"),
    "short antennas": ({"antenna1": np.ones(4), "antenna2": np.ones(4)}, r"antenna1: 4 rows"),
    "two axes": ({"values": np.ones((400, 3))}, r"visibilities: shape \(400, 3\), a column"),
    "text": ({"u": np.array(["a"] * 400)}, r"u: values of type"),
    "masked u": ({"u": np.ma.masked_less(columns()[0], 0)}, r"u: numpy masked array; give its .data"),
    "masked values": ({"values": np.ma.masked_less(columns()[2], 0)}, r"visibilities: numpy masked array"),
    "masked noise": ({"noise": np.ma.ones((400, 2))}, r"noise: numpy masked array"),
    "masked weights": ({"weights": np.ma.ones(400)}, r"weights: numpy masked array"),
    "K = 0": ({"u": [], "v": [], "values": np.zeros(0)}, r"no visibility; give at least one"),
    "all flagged": ({"flags": np.ones(400)}, r"all 400 rows are left out \(400 of 400 .* flagged\)"),
    "no weight": ({"weights": np.zeros(400)}, r"all 400 rows are left out \(.*zero or negative weight"),
    "metres": (scaled(1e-3), r"look like metres \(give wavelength= in metres\)"),
    "kilo-wavelengths": (scaled(1e-3), r"kilo-wavelengths \(give wavelength=1e-3\)"),
    "pixel too coarse": ({"pixel_scale": 0.2}, r"0.2 arcsec is too coarse .* 891895 .* at most 0\.115633"),
    "field too small": ({"shape": (8, 72)}, r"0\.8 arcsec is too small for the shortest .*shape >= \d+\)"),
    "pixel scale": ({"pixel_scale": -1.0}, r"pixel_scale= is -1"),
    "shape": ({"shape": (64.5, 64)}, r"shape=\(64\.5, 64\): give \(H, W\)"),
    "beam": ({"primary_beam": 0.0}, r"primary_beam= is 0"),
    "mask": ({"mask": np.ones(SHAPE)}, r"all 4608 pixels are masked"),
    "sign": ({"sign": 0}, r"sign=0: give -1 or \+1"),
    "east": ({"east": "up"}, r"east='up': give 'left' or 'right'"),
    "wavelength": ({"wavelength": -1.0}, r"wavelength=-1"),
    "one antenna": ({"antenna1": np.ones(400)}, r"one of antenna1 and antenna2 is missing"),
    "antennas not whole": ({"antenna1": np.full(400, 0.5), "antenna2": np.ones(400)}, r"no whole number in 400"),
    "nan policy": ({"nan": "mask"}, r"give 'error' or 'drop'"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), BAD.values(), ids=BAD)
def test_refused_at_the_door(changes, message):
    with pytest.raises(DataError, match=message):
        dataset(**changes)


@pytest.mark.parametrize("given", [{}, {"noise": 1.0, "weights": np.ones(400)}], ids=["neither", "both"])
def test_noise_or_weights(given):
    with pytest.raises(DataError, match="one of the two"):
        Visibilities.from_arrays(*columns(), **given, sign=-1, east="left")


def test_the_remedies_named_are_accepted():
    """The largest pixel and the smallest field that the errors name are taken."""
    largest = dataset().nyquist
    assert dataset(pixel_scale=largest * (1 - 1e-9)).pixel_scale < largest
    with pytest.raises(DataError, match=r"shape >= (\d+)") as caught:
        dataset(shape=(8, 72))
    side = int(str(caught.value).split("shape >= ")[1].split(")")[0])
    assert dataset(shape=(side, 72)).shape == (side, 72)


def test_grid_masks_and_beam():
    data = dataset(primary_beam=5.0, origin=(0.4, -0.2))
    assert data.x.mean() == pytest.approx(0.4) and data.y.mean() == pytest.approx(-0.2)
    at = np.argmin(np.abs(np.hypot(data.x, data.y) - 2.5))
    assert data.beam.ravel()[at] == pytest.approx(0.5, abs=0.02) and data.beam.max() <= 1
    assert dataset().beam.min() == 1
    masked = data.with_mask(circular_mask(data.x, data.y, 1.0, (0.4, -0.2)))
    assert (~masked.mask).sum() * PIXEL**2 == pytest.approx(np.pi, rel=0.02)
    assert masked.hash != data.hash and dataset().hash == dataset().hash
    other = masked.regridded(pixel_scale=0.05, shape=(120, 130), origin=(0.0, 0.0))
    assert other.shape == (120, 130) and not other.mask.any() and other.visibilities is masked.visibilities


def table():
    """In the house's frame, with antennas."""
    u, v, values = columns(60)
    pairs = np.array(np.triu_indices(12, 1))[:, :60]
    sigma = np.linspace(0.1, 0.2, 60)
    return Visibilities.from_arrays(
        u, v, values, sigma, sign=-1, east="right", antenna1=pairs[0] + 1, antenna2=pairs[1] + 1
    )


GRID = {"pixel_scale": PIXEL, "shape": SHAPE}


@pytest.mark.parametrize("write", [layouts.npz, layouts.npz_of_complex_numbers, layouts.triple])
def test_readers_give_the_same_table(write, tmp_path):
    expected, path = table(), write(tmp_path, table())
    assert holds_visibilities(path)
    made = read_interferometer(path, **GRID)
    for name in ("u", "v", "values", "sigma_re", "sigma_im"):
        np.testing.assert_allclose(getattr(made.visibilities, name), getattr(expected, name), rtol=1e-14)
    assert made.primary_beam == (None if write is layouts.triple else 18)
    assert all(len(digest) == 64 for _, _, digest in made.visibilities.sources)
    if write is layouts.npz:
        np.testing.assert_array_equal(made.visibilities.antenna1, expected.antenna1)
    turned = read_interferometer(path, **GRID, east="left" if write is not layouts.npz_of_complex_numbers else "right")
    np.testing.assert_allclose(turned.visibilities.u, -made.visibilities.u)


def test_uvfits(tmp_path):
    expected, path = table(), layouts.uvfits(tmp_path, table())
    made = read_interferometer(path, **GRID).visibilities
    ratio = layouts.FREQUENCIES.ravel() / layouts.FREQUENCIES[0, 0]
    np.testing.assert_allclose(made.u, np.outer(expected.u, ratio).ravel(), rtol=1e-12)
    np.testing.assert_allclose(made.v, np.outer(expected.v, ratio).ravel(), rtol=1e-12)
    np.testing.assert_allclose(made.values, np.repeat(expected.values, 4), rtol=1e-12)
    np.testing.assert_allclose(made.sigma_re, np.repeat(expected.sigma_re, 4), rtol=1e-12)
    np.testing.assert_array_equal(made.antenna2, np.repeat(expected.antenna2, 4))
    assert made.time[0] == 2459000.5 and made.time[-1] == pytest.approx(2459000.5 + 59 * 0.1 / 60, abs=1e-9)
    assert "4 of 244 visibilities left out: flagged" in " ".join(made.notes)
    assert holds_visibilities(path) and not holds_visibilities(layouts.triple(tmp_path, table()) / "noise_map.fits")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"CTYPE3": "BEAM"}, "has no axis STOKES"),
        ({"CRVAL3": -3}, "no I, RR, LL, XX or YY"),
        ({"PTYPE1": "X"}, "no parameter UU"),
        ({"PTYPE4": "X"}, "neither BASELINE nor ANTENNA1"),
        ({"PSCAL1": 1e9}, "beyond one light second"),
    ],
)
def test_bad_uvfits(keys, message, tmp_path):
    path = layouts.uvfits(tmp_path, table())
    with fits.open(path) as hdus:
        hdus[0].header.update(keys)
        blocks = hdus[0].header.tostring(padding=True).encode()
    content = path.read_bytes()
    path.write_bytes(blocks + content[len(blocks) :])
    with pytest.raises(DataError, match=message):
        read_interferometer(path, **GRID)
    path.write_bytes(content[:4000])
    with pytest.raises(DataError, match=r"lens\.uvfits"):
        read_interferometer(path, **GRID)


def test_what_is_not_stated_is_asked_for(tmp_path):
    path = layouts.npz_of_complex_numbers(tmp_path, table())
    for missing, given in (("pixel_scale", {"shape": (64, 64)}), ("shape", {"pixel_scale": 0.1})):
        with pytest.raises(DataError, match=f"states no {missing.replace('_', ' ')}; give {missing}="):
            read_interferometer(path, **given)
    for missing in ("sign", "east"):
        stated = {"sign": -1, "east": "left"}
        del stated[missing]
        (path / "info.json").write_text(json.dumps(stated))
        with pytest.raises(DataError, match=f"states no {missing}; give {missing}="):
            read_interferometer(path, **GRID)
    (path / "info.json").write_text("[1]")
    with pytest.raises(DataError, match="no object with numbers"):
        read_interferometer(path, **GRID)


def test_files_that_are_missing_or_ambiguous(tmp_path):
    with pytest.raises(DataError, match="no such file or folder"):
        read_interferometer(tmp_path / "nowhere", **GRID)
    with pytest.raises(DataError, match="no files that could be visibilities"):
        read_interferometer(tmp_path, **GRID)
    layouts.npz(tmp_path, table())
    layouts.npz_of_complex_numbers(tmp_path, table())
    with pytest.raises(DataError, match=r"2 files that could be visibilities \(obs.npz, table.npz\)"):
        read_interferometer(tmp_path, **GRID)
    np.savez(tmp_path / "half.npz", u=np.ones(3), re=np.ones(3), im=np.ones(3))
    with pytest.raises(DataError, match=r"no v among its arrays"):
        read_interferometer(tmp_path / "half.npz", **GRID)
    assert not holds_visibilities(_image(tmp_path))
    with pytest.raises(DataError, match="random groups"):
        read_interferometer(tmp_path / "image.fits", **GRID)


def _image(folder):
    fits.PrimaryHDU(np.ones((4, 4))).writeto(folder / "image.fits")
    return folder / "image.fits"


def test_chunks_of_the_triple(tmp_path):
    expected = table()
    layouts.triple(tmp_path, expected)
    chunks = list(read_chunks(tmp_path, rows=25))
    assert [len(chunk) for chunk in chunks] == [25, 25, 10]
    np.testing.assert_array_equal(np.concatenate([chunk.values for chunk in chunks]), expected.values)
    (tmp_path / "noise_map.fits").unlink()
    with pytest.raises(DataError, match="noise_map"):
        next(read_chunks(tmp_path))
    fits.PrimaryHDU(np.ones((61, 2))).writeto(tmp_path / "noise_map.fits")
    with pytest.raises(DataError, match=r"noise_map.fits: 61 rows, the visibilities have 60"):
        next(read_chunks(tmp_path))


def test_written_and_read_back(tmp_path):
    u, v, values = columns(30)
    for k, noise in enumerate((0.1, 0.1 + 0.2j)):
        data = Interferometer.from_arrays(
            u, v, values, noise, sign=1, east="left", **GRID, origin=(0.1, 0.2), primary_beam=20.0, track=np.arange(30)
        )
        data = data.with_mask(circular_mask(data.x, data.y, 2.0))
        write_interferometer(data, tmp_path / str(k))
        again = read_interferometer(tmp_path / str(k))
        assert again.hash == data.hash
        np.testing.assert_array_equal(again.visibilities.track, np.arange(30))
        with pytest.raises(DataError, match="is there already"):
            write_interferometer(data, tmp_path / str(k))
    with pytest.raises(DataError):
        read_imaging(tmp_path / "0")


def test_real_alma_data():
    """SPT0202-61: brightest North of the phase centre, where its ring is (../shared/data/README.md)."""
    path = SHARED / "visilens_spt0202" / "SPT0202-61_ext.npz"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    data = read_interferometer(path, sign=1, east="left", pixel_scale=0.1, shape=(96, 96))
    image = dirty_image(data.visibilities, data.shape, data.pixel_scale)
    best = np.unravel_index(image.argmax(), image.shape)
    assert np.hypot(data.x[best], data.y[best] - 2.2) < 1.0
    assert data.primary_beam == pytest.approx(17.99, abs=0.01) and data.visibilities.antenna1.max() <= 16
