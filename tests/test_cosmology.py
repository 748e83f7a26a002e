"""Redshifts: lengths, masses and velocities against lenstronomy and astropy; where they may be said, what is told."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table
from small_fits import found_at, numbers, observed, posed

import lensfit
from lensfit import cli
from lensfit.analysis import Analysis
from lensfit.cosmology import Redshifts
from lensfit.datasets import write_imaging
from lensfit.errors import DataError
from lensfit.recipe import read_recipe, write_recipe
from lensfit.results import Quantity, physical_quantities, read_document
from lensfit.survey.catalogue import read_catalogue

REFERENCE = json.loads((Path(__file__).parent / "reference" / "cosmology.json").read_text())


@pytest.mark.parametrize("case", REFERENCE["cases"], ids=lambda case: f"{case['cosmology']} {case['lens']}")
def test_numbers_are_lenstronomy_s_and_astropy_s(case):
    """Sigma_cr and mass differ by their constants alone; lenstronomy's arcsec and kpc are astropy's."""
    found = Redshifts.of(case["lens"], case["source"], case["cosmology"])
    theirs, ratio = case["lenstronomy"], REFERENCE["constants"]
    made = {
        "critical_surface_density": found.critical_surface_density / ratio,
        "einstein_mass": found.mass(case["theta"]) / ratio,
        "kpc_per_arcsec": found.kpc_per_arcsec,
        "pc_per_arcsec": found.pc_per_arcsec,
        "velocity_dispersion": found.velocity_dispersion(case["theta"]),
    }
    for name, value in made.items():
        assert value == pytest.approx(theirs[name], rel=1e-8), name
    assert found.critical_surface_density == pytest.approx(case["astropy"], rel=1e-8)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"lens": -0.1}, "redshift_lens=-0.1: no redshift"),
        ({"source": np.nan}, "redshift_source=nan: no redshift"),
        ({"lens": "far"}, "redshift_lens=far: no redshift"),
        ({"lens": 1.0, "source": 0.5}, "is not behind the lens"),
        ({"lens": 0.5, "cosmology": "Plank18"}, "did you mean Planck18"),
        ({"lens": 0.5, "cosmology": "H0=0, Om0=0.3"}, "H0 must be above 0"),
        ({"lens": 0.5, "cosmology": "available"}, "none of this name"),
    ],
)
def test_what_is_no_redshift_is_told(said, words):
    with pytest.raises(DataError, match=words):
        Redshifts.of(**said)


def test_errors_and_spreads_go_along():
    """A radius of 1 +- 0.01, its spread 0.02: 2 % in mass, 0.5 % in velocity; nothing where nothing is known."""
    radius = {"one.effective_einstein_radius": Quantity(1.0, 0.01, "arcsec", "", 0.02)}
    result = SimpleNamespace(names=("source.arc.effective_radius", "mass.sie.e1"), theta=np.array([0.1, 0.2]),
                             errors=np.array([0.01, 0.0]), spread=np.array([np.nan, 0.0]))  # fmt: skip
    found = physical_quantities(radius, result, Redshifts.of(0.5, 2.0))
    mass, velocity, kpc = (found[f"one.{n}"] for n in ("einstein_mass", "velocity_dispersion", "einstein_radius_kpc"))
    assert (mass.error / mass.value, mass.spread / mass.value) == pytest.approx((0.02, 0.04))
    assert velocity.error / velocity.value == pytest.approx(0.005, rel=1e-3)
    assert mass.total == pytest.approx(np.hypot(mass.error, mass.spread))
    assert kpc.value == pytest.approx(6.29099609) and kpc.unit == "kpc"
    size = found["source.arc.effective_radius_pc"]
    assert size.value == pytest.approx(857.8275309) and size.error == pytest.approx(85.78275309)
    assert np.isnan(size.spread)
    assert found["critical_surface_density"].error == 0.0
    assert physical_quantities(radius, result, None) == {}
    alone = physical_quantities(radius, result, Redshifts.of(0.5))
    assert [*alone] == ["one.einstein_radius_kpc"]
    assert [*physical_quantities(radius, result, Redshifts.of(source=0.5))] == ["source.arc.effective_radius_pc"]


@pytest.fixture(scope="module")
def done():
    problem = posed(observed())
    return Analysis.of(problem, found_at(problem, numbers(problem)), observed()).with_redshifts(0.3, 1.5, "WMAP9")


def test_files_and_summary_say_them(done, tmp_path):
    done.save(tmp_path, "overview")
    document, page = read_document(tmp_path), (tmp_path / "report.html").read_text()
    assert document["cosmology"] == {"redshift_lens": 0.3, "redshift_source": 1.5, "cosmology": "WMAP9"}
    mass = done.derived["einstein_mass"]
    assert document["derived"]["einstein_mass"]["value"] == mass.value > 1e10
    assert "einstein_mass" in page and "WMAP9" in page
    assert f"mass within      {mass}" in done.summary() and "e+11 +- " in str(mass)
    table = Table.read(tmp_path / "parameters.ecsv", format="ascii.ecsv")
    assert {"einstein_mass", "velocity_dispersion", "source.arc.effective_radius_pc"} <= set(table["name"])
    loaded = lensfit.load(tmp_path)
    assert loaded.redshifts == done.redshifts and loaded.derived["einstein_mass"] == mass
    nearer = loaded.with_redshifts(0.1, 1.5).derived["einstein_radius_kpc"]
    assert nearer.value < done.derived["einstein_radius_kpc"].value


def test_they_are_said_by_argument_recipe_and_info(tmp_path):
    write_imaging(observed(), tmp_path / "lens")
    info = tmp_path / "lens" / "info.json"
    info.write_text(json.dumps(json.loads(info.read_text()) | {"redshift_lens": 0.4, "cosmology": "Planck15"}))
    begun = Analysis.begin(tmp_path / "lens", redshift_source=2.5)
    assert begun.redshifts == Redshifts(lens=0.4, source=2.5, cosmology="Planck15")
    write_recipe(tmp_path / "recipe.toml", begun.ready().problem.model, data=begun.data)
    section = read_recipe(tmp_path / "recipe.toml").data
    assert (section.redshift_lens, section.redshift_source, section.cosmology) == (0.4, 2.5, "Planck15")
    assert Analysis.begin(section, redshift_lens=0.2).redshifts.lens == 0.2
    assert Analysis.begin(observed(), redshift_lens=0.2).redshifts == Redshifts(lens=0.2)
    info.write_text(json.dumps(json.loads(info.read_text()) | {"redshift_lens": "near"}))
    with pytest.raises(DataError, match="redshift_lens is 'near'; give a redshift"):
        Analysis.begin(tmp_path / "lens")


def test_the_command_and_a_catalogue_take_them(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli, "setup", lambda: None)
    write_imaging(observed(), tmp_path / "lens")
    command = ["fit", str(tmp_path / "lens"), "--redshift-lens", "2", "--redshift-source", "1"]
    assert cli.main([*command, "--out", str(tmp_path / "run")]) == 3
    assert "--redshift-source 1 is not behind the lens at --redshift-lens 2" in capsys.readouterr().err
    table = Table({"name": ["a"], "path": ["lens"], "redshift_lens": [0.3], "cosmology": ["WMAP7"]})
    table.write(tmp_path / "c.ecsv")
    (lens,) = read_catalogue(tmp_path / "c.ecsv", {"redshift_source": 1.0})
    data, _, _ = lens.sections(0)
    assert (data.redshift_lens, data.redshift_source, data.cosmology) == (0.3, 1.0, "WMAP7")
