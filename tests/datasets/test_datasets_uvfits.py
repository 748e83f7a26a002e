"""UVFITS as users have them: frequency setups, sidebands, several sources, several arrays of antennas."""

import numpy as np
import pytest
import visibility_layouts as layouts
from astropy.io import fits

from lensfit.datasets import read_interferometer
from lensfit.errors import DataError

GROUPS, IFS, CHANNELS = 12, 2, 3
SECONDS = np.linspace(1e-6, 2e-6, GROUPS)
GRID = {"pixel_scale": 0.05, "shape": (120, 120)}
WIDE = {"FRQSEL": 1, "IF FREQ": [0.0, 4e9], "CH WIDTH": [1e8, 2e8], "SIDEBAND": [1, 1]}
OTHER = WIDE | {"FRQSEL": 5, "IF FREQ": [86e9, 90e9], "CH WIDTH": [5e7, 5e7]}
SETUPS = {"WIDE": ((0, 1e8), (4e9, 2e8)), "OTHER": ((86e9, 5e7), (90e9, 5e7))}
"""What two of them mean: offset and step of each IF."""


def written(folder, *, setups=(WIDE,), sources=(), weight=4.0, bits=-64, pixel=1, step=1e8, **parameters):
    """A file of 12 groups; parameters in place of the default ones, None = left out."""
    data = np.zeros((GROUPS, 1, 1, IFS, CHANNELS, 1, 3))
    data[..., 0] = np.arange(GROUPS * IFS * CHANNELS).reshape(GROUPS, 1, 1, IFS, CHANNELS, 1)
    data[..., 2] = np.reshape(np.broadcast_to(weight, GROUPS), (-1, 1, 1, 1, 1, 1))
    axes = tuple(("FREQ", 340e9, pixel, step) if axis[0] == "FREQ" else axis for axis in layouts.AXES)
    given = {"UU": SECONDS, "VV": -SECONDS, "BASELINE": np.full(GROUPS, 258.0)} | parameters
    columns = [(name, column) for name, column in given.items() if column is not None]
    path = folder / "lens.uvfits"
    return layouts.random_groups(path, data, columns, axes=axes, setups=setups, sources=sources, bits=bits)


def read(path, **options):
    return read_interferometer(path, **GRID, **options).visibilities


def expected(rows, pixel=1):
    """u (12 x 6,) of rows that are each ((offset, step), ...) of the IFs."""
    channel = np.arange(CHANNELS) + 1 - pixel
    return np.concatenate([
        s * (340e9 + offset + step * channel)
        for s, row in zip(SECONDS, rows, strict=True) for offset, step in row
    ])  # fmt: skip


def without(row, *names):
    return {name: value for name, value in row.items() if name not in names}


@pytest.mark.parametrize(
    ("setup", "steps"),
    [
        (WIDE, (1e8, 2e8)),
        (WIDE | {"SIDEBAND": [1, -1]}, (1e8, -2e8)),
        (WIDE | {"CH WIDTH": [1e8, -2e8]}, (1e8, -2e8)),
        (WIDE | {"CH WIDTH": [1e8, -2e8], "SIDEBAND": [1, -1]}, (1e8, -2e8)),
        (without(WIDE, "CH WIDTH") | {"TOTAL BANDWIDTH": [3e8, 6e8]}, (1e8, 2e8)),
        (WIDE | {"CH WIDTH": [0.0, 0.0]}, (1e8, 1e8)),
        (without(WIDE, "FRQSEL", "CH WIDTH", "SIDEBAND"), (1e8, 1e8)),
    ],
    ids=["width", "sideband", "negative width", "both", "bandwidth", "zero width", "header"],
)
@pytest.mark.parametrize("pixel", [1, 2])
def test_every_channel_by_its_own_frequency(setup, steps, pixel, tmp_path):
    made = read(written(tmp_path, setups=(setup,), pixel=pixel))
    rows = [((0, steps[0]), (4e9, steps[1]))] * GROUPS
    np.testing.assert_allclose(-made.u, expected(rows, pixel), rtol=1e-7)  # East is to the left
    np.testing.assert_allclose(made.v, -expected(rows, pixel), rtol=1e-7)
    assert ("1 of 2 IFs are lower sidebands" in " ".join(made.notes)) == (setup.get("SIDEBAND") == [1, -1]
                                                                          and setup["CH WIDTH"][1] > 0)  # fmt: skip


@pytest.mark.parametrize("setups", [(WIDE, OTHER), (OTHER, WIDE)], ids=["in order", "turned"])
def test_every_row_by_its_own_setup(setups, tmp_path):
    chosen = np.where(np.arange(GROUPS) % 3 == 0, 5.0, 1.0)
    made = read(written(tmp_path, setups=setups, FREQSEL=chosen))
    rows = [SETUPS["OTHER" if number == 5 else "WIDE"] for number in chosen]
    np.testing.assert_allclose(-made.u, expected(rows), rtol=1e-7)
    told = " ".join(made.notes)
    assert "one brightness is fitted to all of them" in told
    assert "2 frequency setups (FREQSEL" in told and "5: 426.0000 to 430.1000 GHz" in told
    np.testing.assert_array_equal(made.values.real, np.arange(GROUPS * IFS * CHANNELS))


def test_widths_that_disagree_are_told(tmp_path):
    assert "CDELT of the FREQ axis says 300 MHz" in " ".join(read(written(tmp_path, step=3e8)).notes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"setups": (WIDE, OTHER)}, "has 2 frequency setups, and no FREQSEL says"),
        ({"setups": (WIDE, OTHER), "FREQSEL": np.full(GROUPS, 3.0)}, "rows of frequency setup FREQSEL = 3, and its"),
        ({"FREQSEL": np.full(GROUPS, 3.0)}, "rows of frequency setup FREQSEL = 3, and its"),
        ({"FREQSEL": np.full(GROUPS, np.nan)}, "FREQSEL of 12 rows is no number"),
        ({"setups": ()}, "2 IFs and no AIPS FQ table"),
        ({"setups": (WIDE | {"IF FREQ": [0.0, 1e9, 2e9]},)}, "IF FREQ of its AIPS FQ table has 3 numbers a row"),
        ({"setups": (WIDE | {"IF FREQ": [0.0, -350e9]},)}, "a frequency of -1e"),
        ({"setups": (WIDE | {"IF FREQ": [0.0, 1e20]},)}, "a frequency of 1e"),
        ({"setups": (WIDE | {"IF FREQ": [0.0, np.nan]},)}, "a frequency of nan Hz"),
    ],
)
def test_frequencies_that_are_not_known_are_refused(changes, message, tmp_path):
    with pytest.raises(DataError, match=message):
        read(written(tmp_path, **changes))


def test_an_empty_frequency_table_is_refused(tmp_path):
    path = written(tmp_path, setups=())
    empty = fits.BinTableHDU.from_columns([fits.Column(name="IF FREQ", format="2D", array=np.zeros((0, 2)))])
    empty.name = "AIPS FQ"
    fits.append(path, empty.data, empty.header)
    with pytest.raises(DataError, match="its AIPS FQ table has no row"):
        read(path)


@pytest.mark.parametrize("number", [-1.0, 0.0, 1.0])
def test_the_only_setup_is_that_of_rows_that_name_none(number, tmp_path):
    made = read(written(tmp_path, FREQSEL=np.full(GROUPS, number)))
    np.testing.assert_allclose(-made.u, expected([SETUPS["WIDE"]] * GROUPS), rtol=1e-7)


def test_setups_of_rows_without_weight_do_not_matter(tmp_path):
    first = np.arange(GROUPS) == 0
    made = read(written(tmp_path, FREQSEL=np.where(first, 7.0, 1.0), weight=np.where(first, -4.0, 4.0)))
    assert len(made) == (GROUPS - 1) * IFS * CHANNELS
    assert "6 of 72 visibilities left out: zero or negative weight" in " ".join(made.notes)


SOURCES = ({"ID. NO.": 3, "SOURCE": "J0346-CAL"}, {"ID. NO.": 8, "SOURCE": "Lens"}, {"ID. NO.": 9, "SOURCE": "3"})
IDS = np.repeat([3.0, 8.0, 9.0], (2, 6, 4))


@pytest.mark.parametrize(
    ("field", "number"), [("Lens", 8), ("LENS ", 8), ("8", 8), (8, 8), ("J0346-CAL", 3), ("3", 9), ("9", 9)]
)
def test_one_source_of_several_is_chosen(field, number, tmp_path):
    made = read(written(tmp_path, sources=SOURCES, SOURCE=IDS), field=field)
    values = np.arange(GROUPS * IFS * CHANNELS).reshape(GROUPS, -1)[number == IDS]
    np.testing.assert_array_equal(made.values.real, values.ravel())
    assert f"source {number}, " in " ".join(made.notes)


LISTED = r"3 = J0346-CAL \(2 rows\), 8 = Lens \(6 rows\), 9 = 3 \(4 rows\)"
TWINS = (*SOURCES[:2], {"ID. NO.": 9, "SOURCE": "Lens"})


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"sources": SOURCES, "SOURCE": IDS}, None, f"holds 3 sources: {LISTED}; give the lens as field="),
        ({"SOURCE": IDS}, None, "holds 3 sources: 3 = nameless"),
        ({"sources": SOURCES, "SOURCE": IDS}, "M87", f"no sources 'M87' among {LISTED}"),
        ({"sources": TWINS, "SOURCE": IDS}, "Lens", "2 sources 'Lens' among .* give field= by its number"),
        ({"sources": SOURCES}, "Lens", "holds one source, nameless, and no SOURCE 'Lens'"),
        ({"sources": SOURCES, "SOURCE": np.full(GROUPS, 1e20)}, None, "SOURCE of 12 rows is no number"),
    ],
)
def test_sources_are_never_mixed(changes, field, message, tmp_path):
    with pytest.raises(DataError, match=message):
        read(written(tmp_path, **changes), field=field)


def test_a_source_without_weight_is_none(tmp_path):
    made = read(written(tmp_path, sources=SOURCES, SOURCE=IDS, weight=np.where(IDS == 8, 4.0, 0.0)))
    assert len(made) == 6 * IFS * CHANNELS


FIRST = np.repeat([1, 2], GROUPS // 2)
ENDS = {"BASELINE": None, "ANTENNA1": np.full(GROUPS, 1.0), "ANTENNA2": np.full(GROUPS, 300.0)}


@pytest.mark.parametrize(
    ("parameters", "antennas", "arrays"),
    [
        ({"BASELINE": 258.0 + 0.01 * (FIRST - 1)}, (1, 2), FIRST),
        ({"BASELINE": 65536 + 2048 * 1 + 300 + 0.01 * (FIRST - 1)}, (1, 300), FIRST),
        (ENDS | {"SUBARRAY": FIRST}, (1, 300), FIRST),
        ({"BASELINE": np.full(GROUPS, 258.0)}, (1, 2), None),
        (ENDS, (1, 300), None),
    ],
    ids=["decimals", "large numbers", "subarray", "one array", "antennas alone"],
)
@pytest.mark.parametrize("bits", [-64, -32])
def test_arrays_of_antennas_are_tracks(parameters, antennas, arrays, bits, tmp_path):
    made = read(written(tmp_path, bits=bits, **parameters))
    assert {*made.antenna1} == {antennas[0]} and {*made.antenna2} == {antennas[1]}
    if arrays is None:
        assert made.track is None
    else:
        np.testing.assert_array_equal(made.track, np.repeat(arrays - 1, IFS * CHANNELS))
        assert "2 arrays of antennas (AIPS AN 1, 2): each is a track with antennas of its own" in " ".join(made.notes)


def test_single_precision_has_no_room_for_the_array_beside_large_numbers(tmp_path):
    made = read(written(tmp_path, bits=-32, BASELINE=65536 + 2048 * 200 + 300 + 0.01 * (FIRST - 1)))
    assert made.track is None and {*made.antenna1} == {200}
