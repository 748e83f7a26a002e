"""From tables of every format, and folders, to lenses."""

from pathlib import Path

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from lensfit.cli.parser import parse
from lensfit.errors import DataError, ModelError
from lensfit.survey import OPTIONS, Lens, read_catalogue

FORMATS = {"ecsv": "ascii.ecsv", "csv": "ascii.csv", "fits": "fits", "vot": "votable", "parquet": "parquet"}


def table():
    """Two lenses: one says all, one leaves cells empty."""
    return Table({
        "Name": ["0029", "J1"],
        "path": ["a.fits", "b"],
        "RA": [10.5, 11.5],
        "z_lens": MaskedColumn([0.2, 0.3], mask=[False, True]),
        "mask_radius": [2.5, np.nan],
        "standard": ["flexible", ""],
        "plane": MaskedColumn([3, 0], mask=[False, True]),
    })  # fmt: skip


@pytest.mark.parametrize("ending", FORMATS)
def test_tables_of_every_format_are_the_same_lenses(ending, tmp_path):
    table().write(tmp_path / f"lenses.{ending}", format=FORMATS[ending])
    one, other = read_catalogue(tmp_path / f"lenses.{ending}", {"nan": "mask", "standard": "source_only"})
    assert one.name == "0029" and other.name == "J1"
    assert one.options == {"nan": "mask", "standard": "flexible", "path": "a.fits", "mask_radius": 2.5, "plane": 3}
    assert other.options == {"nan": "mask", "standard": "source_only", "path": "b"}
    assert one.columns == {"ra": 10.5, "z_lens": 0.2} and other.columns == {"ra": 11.5}
    data, fit, model = one.sections(4)
    assert data.path == tmp_path / "a.fits" and fit.standard == "flexible" and model is None
    assert fit.seed == one.seed(4) != one.seed(5) and other.seed(4) != fit.seed


def test_a_folder_of_folders(tmp_path):
    for name in ("b", "a", ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "note.txt").touch()
    lenses = read_catalogue(tmp_path, {"psf": Path("/psf.fits")})
    assert [lens.name for lens in lenses] == ["a", "b"]
    data, _, _ = lenses[0].sections(0)
    assert data.path == tmp_path / "a" and data.psf == Path("/psf.fits")


@pytest.mark.parametrize(
    ("option", "cell", "made"),
    [
        ("center", "0.1 -0.2", (0.1, -0.2)), ("center", [0.1, -0.2], (0.1, -0.2)), ("noise_scale", "1.5", 1.5),
        ("noise_scale", "auto", "auto"), ("psf_center", "yes", True), ("sign", "-1", -1), ("field", 3, "3"),
        ("more", "b.npz; c.npz", (Path("b.npz"), Path("c.npz"))),
    ],
)  # fmt: skip
def test_cells_become_options(option, cell, made):
    (lens,) = read_catalogue(Table({"path": ["a"], option: [cell]}), {})
    known = tuple(Path().absolute() / path for path in made) if option == "more" else made
    assert getattr(lens.sections(0)[0], option) == known


def test_a_source_on_pixels_by_columns():
    (lens,) = read_catalogue(Table({"path": ["a"], "source": ["pixels"], "mesh_pixels": [30]}), {"positive": True})
    assert lens.sections(0)[1].mesh == {"pixels": 30, "positive": True}


def test_a_row_s_place_takes_that_of_the_run_and_a_cutout_is_at_ra_and_dec():
    rows = Table({"path": ["a"], "center_sky": [[1.0, 2.0]]})
    assert "center" not in read_catalogue(rows, {"center": (0.0, 0.0)})[0].options
    (lens,) = read_catalogue(Table({"path": ["a"], "ra": [10.0], "dec": [-1.0], "cutout": [4.0]}), {})
    assert lens.sections(0)[0].center_sky == (10.0, -1.0)


def test_the_key_is_of_name_options_and_seed_alone():
    lens = Lens(name="a", options={"path": "x"}, base=Path("/one"), columns={"ra": 1.0})
    same = Lens(name="a", options={"path": "x"}, base=Path("/two"))
    assert lens.key(0) == same.key(0) != same.key(1)
    assert lens.key(0) != Lens(name="a", options={"path": "y"}, base=Path()).key(0)


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"name": ["a"]}, "no column for the data of a lens"),
        ({"path": ["a"], "file": ["a"]}, "columns path, file for the data"),
        ({"path": ["a", "b"], "name": ["X", "x"]}, "2 lenses of the catalogue are called 'x'"),
        ({"path": ["a"], "name": ["../a"]}, "holds /"),
        ({"path": ["a"], "name": [".a"]}, "begins or ends with a dot"),
        ({"path": ["a"], "name": ["a" * 201]}, "is longer than 200 bytes"),
        ({"path": ["a"], "mask_radus": [2.0]}, "did you mean mask_radius?"),
        ({"path": ["a", ""]}, "row 2: no path"),
        ({"path": np.array([], str)}, "no lens in it"),
    ],
)
def test_what_is_no_catalogue_is_told(columns, told):
    with pytest.raises(DataError) as error:
        read_catalogue(Table(columns), {})
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"nan": ["drop"]}, "a: nan: no choice 'drop'"), ({"standard": ["power"]}, "a: standard"),
        ({"mask_radius": ["wide"]}, "a: mask_radius: 'wide' is no finite number"),
        ({"fitter": ["stagd"]}, "did you mean staged?"),
        ({"mesh_pixels": [30], "source": ["profiles"]}, "source = pixels or auto"),
    ],
)  # fmt: skip
def test_options_that_cannot_be_are_told_before_any_fit(columns, told):
    with pytest.raises(ModelError) as error:
        read_catalogue(Table({"path": ["a"], **columns}), {})
    assert told in str(error.value)


@pytest.mark.parametrize(("name", "text", "told"), [
    ("a.ecsv", "no table", "is no table of the format ascii.ecsv"), ("a.txt", "", "no format of a table is known"),
    ("a.parquet", "PAR1", "is no table of the format parquet"), ("a.fits", "x", "is no table of the format fits"),
    ("a.vot", "<", "is no table of the format votable"), ("gone.csv", None, "no such file"),
])  # fmt: skip
def test_files_that_are_no_tables_are_told(name, text, told, tmp_path):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError) as error:
        read_catalogue(tmp_path / name, {})
    assert told in str(error.value)


def test_every_option_of_a_fit_reaches_the_lenses():
    """What `fit-many` takes beside what is of the run itself, a row can say too, and a mass reaches the fit."""
    of_the_run = {"command", "catalogue", "out", "quiet", "seed", "workers", "scheduler", "memory", "lens_timeout"}
    given = vars(parse(["fit-many", "lenses.csv", "--out", "survey"])).keys()
    assert given - of_the_run - {"retries", "retry_failed", "figures"} <= OPTIONS.keys()
    (lens,) = read_catalogue(Table({"path": ["a.fits"]}), {"standard": "flexible", "mass": "epl"})
    assert lens.sections(0)[1].mass == "epl"
