"""Tables, samples and page of a survey."""

import html
import json
import re
from pathlib import Path

import arviz
import h5py
import numpy as np
import pytest
import xarray
from astropy.table import Table
from tasks import lenses, quick

from lensfit.results.files import CHAINS
from lensfit.survey import Lens, Tally
from lensfit.survey.index_page import ALLOWED, INDEX, index_html, write_index
from lensfit.survey.outcome import FILE, Outcome, State
from lensfit.survey.page_script import SCRIPT
from lensfit.survey.samples import write_samples
from lensfit.survey.tables import COSTS, ECSV, PARQUET, Columns, survey_table, write_tables


def ended(lens, folder, **changes):
    """That of `quick`."""
    row = {"state": State.DONE, "found": quick(lens, folder, lens.seed(0)), "cost": {"cpu_seconds": 3.0, "host": "h"}}
    return Outcome(name=lens.name, key=lens.key(0), **{**row, **changes})


@pytest.fixture
def survey(tmp_path):
    """Four lenses: two done, one failed, one that waits; and their outcomes."""
    made = lenses(["B", "A", "C", "D"], ra=10.5, grade="a")
    failed = ended(made[2], tmp_path, state=State.FAILED, reason="no <pixel>", found={}, cost={"cpu_seconds": 1.0})
    return made, [ended(made[0], tmp_path), ended(made[1], tmp_path), failed]


def test_tables_are_in_the_catalogue_s_order_with_units_and_what_is_not_known(survey, tmp_path):
    made, outcomes = survey
    table = write_tables(tmp_path, made, lambda: iter(outcomes))
    for name, kind in ((ECSV, "ascii.ecsv"), (PARQUET, "parquet")):
        read = Table.read(tmp_path / name, format=kind)
        assert read.colnames == table.colnames
        assert list(read["name"]) == ["B", "A", "C", "D"]
        assert list(read["state"]) == ["done", "done", "failed", "waiting"] and read["reason"][2] == "no <pixel>"
        assert list(read["grade"]) == ["a"] * 4 and read["reasons"][0] == "a; b" and not read["verdict"][2]
        assert str(read["einstein_radius"].unit) == str(read["einstein_radius_total"].unit) == "arcsec"
        value = outcomes[1].found["einstein_radius"]["value"]
        assert read["einstein_radius"][1] == value and np.isnan(read["einstein_radius"][2:]).all()
        assert np.isnan(read["einstein_radius_spread"]).all() and read["check residuals"][0] == "passed"
        assert bool(read["trusted"][0]) is outcomes[0].found["trusted"] and "cpu_seconds" not in read.colnames
    costs = Table.read(tmp_path / COSTS, format="ascii.ecsv")
    assert list(costs["cpu_seconds"][:3]) == [3.0, 3.0, 1.0] and np.isnan(costs["cpu_seconds"][3])


def test_tables_are_the_same_bit_for_bit(survey, tmp_path):
    made, outcomes = survey
    content = []
    for place in ("one", "other"):
        (tmp_path / place).mkdir()
        write_tables(tmp_path / place, made, lambda: iter(outcomes))
        content.append([(tmp_path / place / name).read_bytes() for name in (ECSV, PARQUET)])
    assert content[0] == content[1]


def test_a_column_of_the_catalogue_stays_beside_one_that_was_fitted():
    (lens,) = lenses(["A"], chi2="theirs")
    table = survey_table([lens], [Outcome(name="A", key="", state=State.DONE, found={"chi2": 2.0})])
    assert table["chi2"][0] == "theirs" and table["fitted chi2"][0] == 2.0


@pytest.mark.parametrize(
    ("cells", "kind", "masked"),
    [([1, None], "f", False), ([1, 2], "i", False), ([True, None], "b", True), ([1.5, 2], "f", False),
     (["a", None], "U", False), ([None, [1, "b"]], "U", False)],
)  # fmt: skip
def test_columns_by_what_is_in_them(cells, kind, masked):
    columns = Columns(2)
    for row, cell in enumerate(cells):
        columns.put(row, "x", cell)
    column = columns.table()["x"]
    assert column.dtype.kind == kind and hasattr(column, "mask") == masked


def chains(folder, draws):
    """samples.h5 of a run folder, as `write_inference_data` lays it out."""
    folder.mkdir(parents=True)
    with h5py.File(folder / CHAINS, "w") as file:
        for name in ("posterior", "sample_stats"):
            group = file.create_group(name)
            group.attrs["fitter"] = "importance"
            for axis, size in (("chain", 2), ("draw", draws)):
                group.create_dataset(axis, data=np.arange(size)).make_scale(axis)
            values = np.random.default_rng(draws).random((2, draws))
            values = group.create_dataset("mass.sie.e1" if name == "posterior" else "lp", data=values)
            values.attrs["units"] = "arcsec"
            for number, axis in enumerate(("chain", "draw")):
                values.dims[number].attach_scale(group[axis])
    return folder


def test_samples_of_all_lenses_are_read_by_arviz_and_xarray(tmp_path):
    folders = [chains(tmp_path / name, draws) for name, draws in (("J1 a", 5), ("J2", 7))]
    assert write_samples(tmp_path / "all.h5", [*folders, tmp_path / "none"]) == 2
    for folder, draws in zip(folders, (5, 7), strict=True):
        posterior, stats = (xarray.load_dataset(tmp_path / "all.h5", engine="h5netcdf", group=f"{folder.name}/{group}")
                            for group in ("posterior", "sample_stats"))  # fmt: skip
        with h5py.File(folder / CHAINS) as file:
            np.testing.assert_array_equal(posterior["mass.sie.e1"], file["posterior/mass.sie.e1"])
        assert posterior.sizes == {"chain": 2, "draw": draws} and "lp" in stats
        assert posterior["mass.sie.e1"].attrs["units"] == "arcsec"
        assert "mean" in arviz.summary(posterior)
    tree = xarray.open_datatree(tmp_path / "all.h5", engine="h5netcdf")
    assert tree["J2/posterior"].sizes["draw"] == 7
    tree.close()
    assert write_samples(tmp_path / "no.h5", [tmp_path]) == 0 and not (tmp_path / "no.h5").exists()


def embedded(page):
    """What the page's script reads."""
    return json.loads(re.search(r'id="lenses">(.*?)</script>', page, re.S)[1])


def test_the_page_holds_every_lens_in_the_catalogue_s_order(survey, tmp_path):
    made, outcomes = survey
    write_index(tmp_path, made, iter(outcomes), Tally(total=4, done=2, failed=1))
    page = (tmp_path / INDEX).read_text(encoding="utf-8")
    data = embedded(page)
    assert [row[0] for row in data["rows"]] == ["B", "A", "C", "D"]
    assert [row[1] for row in data["rows"]][2:] == ["FAILED", "WAITING"]
    keys = [column[0] for column in data["columns"]]
    first = dict(zip(keys, data["rows"][0][4:], strict=True))
    assert first["ra"] == 10.5 and first["cpu"] == 3.0
    assert first["radius"] == pytest.approx(outcomes[0].found["einstein_radius"]["value"], rel=1e-6)
    assert "The run goes on" in page and "3 of 4 lenses" in page


EVIL = "</script><img src=x onerror=alert(1)>&\u2028"


def test_foreign_words_stay_words_in_the_page(tmp_path):
    lens = Lens(name=EVIL, options={}, base=Path(), columns={"ra": EVIL})
    outcome = Outcome(name=EVIL, key="", state=State.FAILED, reason=EVIL, found={"notes": [EVIL]})
    page = index_html(EVIL, [lens], [outcome], Tally(total=1, failed=1))
    assert page.count("</script>") == 2 and "<img" not in page
    assert "\u2028" not in page.partition('id="lenses">')[2]
    assert html.escape(EVIL[:-1]) in page
    name, verdict, reason, notes, *numbers = embedded(page)["rows"][0]
    assert (name, reason, notes, verdict) == (EVIL, EVIL, EVIL, "FAILED") and set(numbers) == {None}


def test_the_page_runs_its_own_script_alone(survey):
    made, outcomes = survey
    page = index_html("survey", made, outcomes, Tally(total=4))
    policy = re.search(r'content="(default-src [^"]*)"', page)[1]
    assert f"script-src 'sha256-{ALLOWED}'" in policy and "default-src 'none'" in policy
    assert f"<script>{SCRIPT}</script>" in page
    assert not re.search(r"https?://|\son\w+=|innerHTML|eval\(", page)


def test_an_outcome_is_kept_in_the_lens_s_folder(survey, tmp_path):
    outcome = survey[1][0]
    outcome.write(tmp_path)
    assert Outcome.of(tmp_path, outcome.key) == outcome
    assert Outcome.of(tmp_path, "another") is None
    for text in ("", "[]", "{}", '{"schema": 1, "version": 2, "key": 3}'):
        (tmp_path / FILE).write_text(text)
        assert Outcome.of(tmp_path, outcome.key) is None
    assert Outcome.of(tmp_path / "none", outcome.key) is None


@pytest.mark.parametrize(("seconds", "told"), [
    (0.0, "10 of 40 lenses, 7 trusted, 2 failed"),
    (7200.0, "10 of 40 lenses, 7 trusted, 2 failed, 4 per hour, 7:30:00 left"),
])  # fmt: skip
def test_progress_tells_the_rate_of_this_run(seconds, told):
    assert str(Tally(total=40, done=8, trusted=7, failed=2, earlier=2, seconds=seconds)) == told
