"""What is used of a file: the array that is named, the plane of a cube, the part about the lens, the mask as meant."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from astropy.io import fits
from file_layouts import LAYOUTS, hdus, write_triple
from mock_observation import SCALE, SHAPE, sky_header, sky_wcs

from lensfit import observations
from lensfit.datasets import USED_AS_IT_IS, Imaging, leaves_a_region, read_imaging, write_imaging
from lensfit.errors import DataError
from lensfit.observations import observe
from lensfit.recipe import DataSection

SIDE = 30
ORIGIN = (1.0, -2.0)


def refused(path, message, **options):
    with pytest.raises(DataError, match=message):
        read_imaging(path, **options)


def two_of_each(folder, arrays):
    """A file with two chips, one twice as bright, and a nameless last extension."""
    chips = [(name, k * arrays[role], None) for k in (1, 2) for name, role in (("SCI", "data"), ("ERR", "noise"))]
    made = hdus(*chips, ("PSF", arrays["psf"], None))
    for k in (3, 4):
        made[k].ver = 2
    made.append(fits.ImageHDU(5 * arrays["data"]))
    made.writeto(folder / "chips.fits")
    return folder / "chips.fits"


# Arrays


def test_an_array_is_no_file(tmp_path, arrays):
    file = two_of_each(tmp_path, arrays)
    refused(arrays["data"], "path: ndarray is no path; name a file, or make the data of arrays with lensfit.Imaging")
    refused(file, "psf=: ndarray is no path", psf=arrays["psf"])


@pytest.mark.parametrize(
    ("array", "factor", "noise"),
    [("SCI", 1, None), ("sci", 1, None), ("SCI,1", 1, None), ("1", 1, None), ("SCI,2", 2, None), ("sci, 2", 2, None),
     ("3", 2, None), ("6", 5, "ERR,2")],
)  # fmt: skip
def test_an_extension_is_named(array, factor, noise, tmp_path, arrays):
    file = two_of_each(tmp_path, arrays)
    refused(file, "several candidates for the data: SCI, SCI,2", pixel_scale=SCALE)
    named = {} if noise is None else {"noise": f"{file}[{noise}]"}
    image = read_imaging(f"{file}[{array}]", pixel_scale=SCALE, **named)
    np.testing.assert_array_equal(image.data, factor * arrays["data"])
    np.testing.assert_array_equal(image.noise, min(factor, 2) * arrays["noise"])


@pytest.mark.parametrize("array", ["SCI,3", "RMS", "0", "9"])
def test_an_extension_that_is_not_there_is_told(array, tmp_path, arrays):
    file = two_of_each(tmp_path, arrays)
    refused(f"{file}[{array}]", f"chips.fits: no image '{array}' in it; there are SCI, ERR, SCI,2, ERR,2, PSF, 6")
    refused(f"{tmp_path}/none.fits[SCI]", "none.fits.*: no such file")


SURVEYS = {
    "MER": ("VIS_BGSUB", "VIS_RMS", "VIS_PSF"), "FLUX": ("VIS_FLUX", "VIS_RMS", "VIS_PSF"),
    "bare": ("VIS", "VIS_ERR", "VIS_PSF"), "role first": ("SCI_VIS", "RMS_VIS", "PSF_VIS"),
}  # fmt: skip


def survey_file(folder, arrays, names, bands=("VIS", "NIR_H")):
    """Bands in one file, each twice as bright as the last one."""
    roles = ("data", "noise", "psf")
    made = [(name.replace("VIS", band), 2**k * arrays[role] if role == "data" else arrays[role],
             sky_header() if role == "data" else None)
            for k, band in enumerate(bands) for name, role in zip(names, roles, strict=True)]  # fmt: skip
    hdus(*made).writeto(folder / "lens.fits")
    return folder / "lens.fits"


@pytest.mark.parametrize("names", SURVEYS.values(), ids=SURVEYS)
def test_a_file_of_several_bands_is_an_image_in_each(names, tmp_path, arrays):
    file = survey_file(tmp_path, arrays, names)
    section = observations.by_name(DataSection(path=file))
    assert {name: str(one.path) for name, one in section.items()} == {
        "VIS": f"{file}[VIS]", "NIR_H": f"{file}[NIR_H]"
    }
    assert observations.by_name(DataSection(path=Path(f"{file}[NIR_H]"), more=(Path(f"{file}[vis]"),))).keys() == {
        "NIR_H", "VIS"
    }
    for k, band in enumerate(("VIS", "NIR_H")):
        for array in (band, band.lower(), names[0].replace("VIS", band)):
            image = read_imaging(f"{file}[{array}]")
            np.testing.assert_array_equal(image.data, 2**k * arrays["data"])
            assert [path for _, path, _ in image.sources] == [f"{file}[{n.replace('VIS', band)}]" for n in names]


def test_what_is_said_of_one_band_in_a_file_counts_more(tmp_path, arrays):
    file = survey_file(tmp_path, arrays, SURVEYS["MER"])
    write_triple(tmp_path, {**arrays, "noise": 3 * arrays["noise"]})
    image = read_imaging(f"{file}[VIS]", noise=tmp_path / "noise_map.fits")
    np.testing.assert_array_equal(image.noise, 3 * arrays["noise"])
    with pytest.raises(DataError, match=r"pixel_scale=: of one image, and several are given"):
        observations.by_name(DataSection(path=file, pixel_scale=SCALE))


def test_a_file_of_one_band_and_one_of_two_chips_are_one_image(tmp_path, arrays):
    alone = survey_file(tmp_path, arrays, SURVEYS["MER"], ("VIS",))
    for file in (alone, two_of_each(tmp_path, arrays)):
        assert observations.by_name(section := DataSection(path=file)) is section
    np.testing.assert_array_equal(read_imaging(alone).data, arrays["data"])


@pytest.mark.parametrize("form", ["npz", "hdf5"])
def test_every_array_may_be_named(form, tmp_path, arrays):
    """Names that say nothing, one of them in a group."""
    names = {"data": "a/one", "noise": "b", "psf": "c", "mask": "d"}
    file = tmp_path / f"all.{form}"
    if form == "npz":
        np.savez(file, **{name: arrays[role] for role, name in names.items()})
    else:
        with h5py.File(file, "w") as out:
            for role, name in names.items():
                out[name] = arrays[role]
    data, *others = (f"{file}[{name}]" for name in names.values())
    image = read_imaging(data, pixel_scale=SCALE, **dict(zip(("noise", "psf", "mask"), others, strict=True)))
    for role in names:
        np.testing.assert_array_equal(getattr(image, role), arrays[role])
    assert [path for _, path, _ in image.sources] == [data, *others]


def test_what_an_array_is_called_says_what_it_holds(tmp_path, arrays):
    made = hdus(("VAR", arrays["noise"] ** 2, None), ("WHT", arrays["noise"] ** -2, None))
    made.writeto(tmp_path / "extra.fits")
    write_triple(tmp_path, arrays)
    for name in ("VAR", "WHT"):
        image = read_imaging(tmp_path / "data.fits", noise=f"{tmp_path}/extra.fits[{name}]", psf=tmp_path / "psf.fits")
        np.testing.assert_allclose(image.noise, arrays["noise"], rtol=1e-14)


def test_a_file_whose_name_ends_in_brackets_is_a_file(tmp_path, arrays):
    write_triple(tmp_path, arrays)
    odd = tmp_path / "psf.fits[1]"
    (tmp_path / "psf.fits").rename(odd)
    np.testing.assert_array_equal(read_imaging(tmp_path, psf=odd).psf, arrays["psf"])


# Planes


def cubes(folder, arrays, shape):
    """Data and noise of that many leading axes, each plane another multiple of the arrays."""
    number = int(np.prod(shape))
    stack = np.arange(1, number + 1).reshape(*shape, 1, 1)
    header = sky_header()
    planes = {role: stack * arrays[role] for role in ("data", "noise")}
    return write_triple(folder, arrays | planes, header=header)


@pytest.mark.parametrize("shape", [(1,), (1, 1)])
def test_axes_of_length_one_are_squeezed_with_a_note(shape, tmp_path, arrays):
    image = read_imaging(cubes(tmp_path, arrays, shape))
    np.testing.assert_array_equal(image.data, arrays["data"])
    assert sum("axes of length one left out" in note for note in image.notes) == 2
    assert image.pixel_scale == pytest.approx(SCALE)


@pytest.mark.parametrize("shape", [(3,), (1, 3), (3, 1)])
def test_of_a_cube_a_plane_must_be_named(shape, tmp_path, arrays):
    folder = cubes(tmp_path, arrays, shape)
    refused(folder, r"data.fits\[PRIMARY\]: a cube of 3 planes.*give plane=0 to plane=2")
    refused(folder, "and no plane 3", plane=3)
    image = read_imaging(folder, plane=1)
    np.testing.assert_array_equal(image.data, 2 * arrays["data"])
    np.testing.assert_array_equal(image.noise, 2 * arrays["noise"])
    assert any("plane 1 of" in note for note in image.notes)


# The part that is used


@pytest.fixture
def folder(tmp_path):
    """A square image whose pixels count up, on the sky, its middle at ORIGIN."""
    values = np.arange(1.0, SIDE**2 + 1).reshape(SIDE, SIDE)
    write_triple(tmp_path, {"data": values, "noise": np.ones_like(values), "psf": np.ones((3, 3)),
                            "mask": np.zeros((SIDE, SIDE))}, header=sky_header())  # fmt: skip
    (tmp_path / "info.json").write_text(json.dumps({"pixel_scale": SCALE, "origin": ORIGIN}))
    return tmp_path


def test_a_cutout_keeps_all_coordinates(folder):
    whole, part = read_imaging(folder), read_imaging(folder, center=(1.2, -2.1), cutout=0.3)
    np.testing.assert_array_equal(part.data, whole.cutout(0.3, (1.2, -2.1)).data)
    assert part.shape == (12, 12) and part.center == (1.2, -2.1) and whole.center is None
    place = np.argwhere(whole.data == part.data[3, 4])[0]
    assert (part.x[3, 4], part.y[3, 4]) == pytest.approx((whole.x[tuple(place)], whole.y[tuple(place)]))
    here, there = part.wcs.pixel_to_world(4, 3), whole.wcs.pixel_to_world(place[1], place[0])
    assert here.separation(there).arcsec < 1e-6
    assert any("cut out rows" in note for note in part.notes)
    assert ("lens", "x = 1.2, y = -2.1 arcsec, as stated") in part.describe()


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_of_every_layout_a_part_is_read_as_from_the_whole(layout, tmp_path, arrays):
    path = layout(tmp_path, arrays)
    whole, part = read_imaging(path).cutout(0.4, (0.05, 0.0)), read_imaging(path, center=(0.05, 0.0), cutout=0.4)
    for name in ("data", "noise", "psf", "mask"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name))
    assert part.origin == pytest.approx(whole.origin) and part.pixel_scale == whole.pixel_scale


@pytest.mark.parametrize("shape", [(1, 1), (3,)])
def test_of_a_cube_a_part_is_read(shape, tmp_path, arrays):
    image = read_imaging(cubes(tmp_path, arrays, shape), plane=0, cutout=0.2)
    assert image.shape[0] < arrays["data"].shape[0]
    assert np.isin(image.data, arrays["data"]).all()


def test_of_an_image_too_large_to_read_a_part_is_read(tmp_path, arrays, monkeypatch):
    """As much memory as the part needs; a mask is read whole, for what it means is seen on the whole image."""
    side = 700
    wide = {role: np.pad(arrays[role], (side - 20) // 2, constant_values=1)[:side, :side] for role in ("data", "noise")}
    write_triple(tmp_path, arrays | wide, header=sky_header())
    (tmp_path / "mask.fits").unlink()
    monkeypatch.setattr("lensfit.datasets.image_files.MAX_IMAGE", 2**20)
    refused(tmp_path, "more than 0.000977 GiB.*cutout=")
    image = read_imaging(tmp_path, cutout=0.3)
    assert image.shape == (12, 12) and np.isin(image.data, wide["data"]).all()


def test_a_part_of_arrays_of_several_grids_is_refused(tmp_path, arrays):
    write_triple(tmp_path, arrays | {"noise": arrays["noise"][1:]})
    refused(tmp_path, "noise_map.fits.*shape .* is not the data's shape", cutout=0.3)


def test_the_sky_says_where_the_lens_is(folder):
    sky = sky_wcs().pixel_to_world(20, 11)
    image = read_imaging(folder, center_sky=(sky.ra.deg, sky.dec.deg))
    assert image.center == pytest.approx((image.x[11, 20], image.y[11, 20]), abs=1e-6)
    assert any("declination" in note for note in image.notes)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"center": (9.0, 0.0)}, r"centre \(9, 0\) arcsec lies outside the image, whose x runs from 0.25 to 1.75"),
        ({"center": (1.0, np.nan)}, "no place; give two finite numbers"),
        ({"center": (1.0, -2.0), "center_sky": (150.1, 2.2)}, "give one of them"),
        ({"center_sky": (10.0, 80.0)}, "lies outside the image|is no place of its image"),
        ({"center_sky": (10.0, 280.0)}, "is no place of its image"),
        ({"center": "here"}, "no place; give two finite numbers"),
        ({"center": 3.0}, "no place; give two finite numbers"),
        ({"cutout": "wide"}, "keeps no pixel; give a length above 0"),
        ({"cutout": -1.0}, "keeps no pixel; give a length above 0"),
        ({"cutout": 0.2}, "holds no pixel of the image"),
        ({"mask_radius": 0.0}, "keeps no pixel; give a length above 0"),
        ({"center": (1.0, -2.0), "mask_radius": 0.01}, "all 900 pixels are masked"),
    ],
)  # fmt: skip
def test_a_place_that_cannot_be_is_refused(wanted, message, folder):
    refused(folder, message, **wanted)


def test_without_celestial_coordinates_the_sky_says_nothing(folder, arrays):
    fits.PrimaryHDU(np.ones((SIDE, SIDE))).writeto(folder / "data.fits", overwrite=True)
    refused(folder, "no celestial coordinates in its header; give center=", center_sky=(150.1, 2.2))


@pytest.mark.parametrize("wanted", [{"cutout": 0.4}, {"mask_radius": 0.4}])
@pytest.mark.parametrize(("name", "bad"), [("data", np.nan), ("noise_map", 0.0), ("noise_map", np.nan)])
def test_pixels_beyond_may_be_as_bad_as_they_like(name, bad, wanted, folder):
    values = fits.getdata(folder / f"{name}.fits").astype(float)
    values[:3] = bad
    fits.PrimaryHDU(values).writeto(folder / f"{name}.fits", overwrite=True)
    refused(folder, "zero or negative in|NaN or infinite in")
    assert read_imaging(folder, center=ORIGIN, **wanted).data.max() > 1


@pytest.mark.parametrize(("radius", "told"), [(0.5, False), (0.75, True), (2.0, True)])
def test_a_disc_that_reaches_the_edge_is_told(radius, told, folder):
    notes = read_imaging(folder, center=ORIGIN, mask_radius=radius).notes
    assert any('reaches the edge of the image, 0.75" away' in note for note in notes) == told


# What 1 means in a mask


def masked(folder, mask):
    """A lens in the middle of a square image, a mask, and a folder with both."""
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    data = 30 * np.exp(-np.hypot(x, y) / 3)
    made = {"data": data, "noise": np.ones_like(data), "psf": np.ones((3, 3)), "mask": mask(x, y)}
    return write_triple(folder, made, header=sky_header())


def disc(x, y):
    return np.hypot(x, y) < 10


def ring(x, y):
    return (np.hypot(x, y) < 4) | (np.hypot(x, y) > 12)


def star(x, y):
    return np.hypot(x - 8, y) < 3


def core(x, y):
    return np.hypot(x, y) < 2


def all_but_neighbours(x, y):
    return np.hypot(x - 9, y - 9) > 3


@pytest.mark.parametrize("mask", [disc, all_but_neighbours])
def test_a_mask_that_leaves_out_the_lens_is_asked_about(mask, tmp_path):
    folder = masked(tmp_path, mask)
    refused(folder, r"mask.fits\[PRIMARY\]\): leaves out the brightest light.*give mask_is='used' if 1 means used")
    used, left = (read_imaging(folder, mask_is=meaning) for meaning in ("used", "masked"))
    np.testing.assert_array_equal(used.mask, ~left.mask)
    assert any("1 means used in it" in note for note in used.notes)


@pytest.mark.parametrize(("mask", "told"), [(ring, True), (core, True), (star, False)])
def test_a_mask_that_leaves_the_lens_is_taken(mask, told, tmp_path):
    image = read_imaging(masked(tmp_path, mask))
    assert any("leaves out the brightest light" in note for note in image.notes) == told
    write_imaging(image, tmp_path / "again")
    np.testing.assert_array_equal(read_imaging(tmp_path / "again").mask, image.mask)


def inside(x, y):
    return np.hypot(x, y) > 12


def wide_ring(x, y):
    return (np.hypot(x, y) < 8) | (np.hypot(x, y) > 13)


@pytest.mark.parametrize(("mask", "kept"), [(inside, True), (wide_ring, True), (star, False)])
def test_a_mask_is_judged_before_an_image_is_cut(mask, kept, tmp_path):
    folder = masked(tmp_path, mask)
    part = read_imaging(folder, cutout=9 * SCALE)
    assert part.shape < (SIDE, SIDE) and not leaves_a_region(part.mask)
    assert (USED_AS_IT_IS in part.notes) == kept
    for seen in (observe(part), observe(read_imaging(folder).cutout(9 * SCALE)),
                 observations.read(DataSection(path=folder, cutout=9 * SCALE))):  # fmt: skip
        assert np.array_equal(seen.region().frame.mask, part.mask) == kept


def test_a_folder_may_state_what_its_mask_means(tmp_path):
    folder = masked(tmp_path, disc)
    (folder / "info.json").write_text('{"mask_is": "used"}')
    assert not read_imaging(folder).mask[15, 15]
    assert read_imaging(folder, mask_is="masked").mask[15, 15]


def test_what_a_mask_cannot_mean_is_refused(tmp_path):
    folder = masked(tmp_path, disc)
    refused(folder, "mask_is='yes' is not known; give 'masked' or 'used'", mask_is="yes")
    (folder / "mask.fits").unlink()
    refused(folder, "there is no mask; give its file as mask=", mask_is="used")


def test_arrays_in_memory_take_the_place_of_the_lens(arrays):
    image = Imaging.from_arrays(arrays["data"], arrays["noise"], arrays["psf"], pixel_scale=SCALE, center=(0.1, 0))
    assert image.center == (0.1, 0.0) and image.cutout(0.3).center == image.binned(2).center == (0.1, 0.0)
    assert image.shape == SHAPE


# What is said of one thing counts for that thing


def test_what_a_folder_says_of_its_mask_is_not_said_of_another(tmp_path, arrays):
    image = Imaging.from_arrays(arrays["data"], arrays["noise"], arrays["psf"], pixel_scale=SCALE)
    write_imaging(image, tmp_path / "lens")
    lit = np.zeros(SHAPE, bool)
    row, column = np.unravel_index(np.argmax(arrays["data"]), SHAPE)
    lit[max(row - 6, 0) : row + 7, max(column - 6, 0) : column + 7] = True
    fits.PrimaryHDU(lit.astype("u1")).writeto(tmp_path / "used.fits")
    told = read_imaging(tmp_path / "lens", mask=tmp_path / "used.fits", mask_is="masked").notes
    try:
        asked = read_imaging(tmp_path / "lens", mask=tmp_path / "used.fits").notes
    except DataError as error:
        asked = (*told, str(error))
    assert len(asked) > len(told) and "give mask_is='used'" in asked[-1]


def test_a_file_may_hold_the_noise_and_another_the_data(tmp_path, arrays):
    hdus(("ERR", arrays["noise"], None), ("PSF", arrays["psf"], None)).writeto(tmp_path / "extras.fits")
    hdus(("SCI", arrays["data"], None)).writeto(tmp_path / "data.fits")
    extras = {role: f"{tmp_path / 'extras.fits'}[{name}]" for role, name in (("noise", "ERR"), ("psf", "PSF"))}
    image = read_imaging(tmp_path, pixel_scale=SCALE, **extras)
    np.testing.assert_array_equal(image.data, arrays["data"])


def test_a_plane_of_what_is_no_cube_is_refused(tmp_path, arrays):
    hdus(("SCI", arrays["data"], None), ("ERR", arrays["noise"], None), ("PSF", arrays["psf"], None)).writeto(
        tmp_path / "lens.fits"
    )
    refused(tmp_path / "lens.fits", "plane=3, and neither it nor what is beside it is a cube", plane=3,
            pixel_scale=SCALE)  # fmt: skip


@pytest.mark.parametrize("named", ["mask", "mask_radius", None])
def test_what_was_named_stays_as_it_is_on_the_road(named, tmp_path, arrays):
    image = Imaging.from_arrays(arrays["data"], arrays["noise"], arrays["psf"], pixel_scale=SCALE)
    write_imaging(image, tmp_path / "lens")
    out = np.zeros(SHAPE, "u1")
    out[0, :3] = 1
    fits.PrimaryHDU(out).writeto(tmp_path / "mine.fits")
    options = {"mask": {"mask": tmp_path / "mine.fits"}, "mask_radius": {"mask_radius": 0.4}, None: {}}[named]
    read = read_imaging(tmp_path / "lens", **options)
    region = observe(read).region().frame
    assert np.array_equal(region.mask, read.mask) == (named is not None)
