"""What a user sees of an object: as text, in Jupyter, and where a name is wrong."""

import base64
import dataclasses
import datetime
import math
import re

import jax
import pytest
from small_fits import LENS, found_at, numbers, observed, posed

import lensfit
from lensfit import instruments, names
from lensfit.analysis import Analysis
from lensfit.cli import main
from lensfit.cli.fit import new_folder
from lensfit.cli.parser import parse
from lensfit.errors import ModelError
from lensfit.fitters.result import Variant
from lensfit.plots import corner_figure
from lensfit.pytree import replace
from lensfit.recipe.recipe_file import PRESETS
from lensfit.words import counted, nearest, number_text

MOST_LINES, MOST_CHARACTERS = 10, 1000


@pytest.fixture(scope="module")
def done():
    problem = posed(observed())
    return Analysis.of(problem, found_at(problem, numbers(problem)), observed())


def objects(done):
    problem = done.problem
    every = (done, done.result, problem, problem.likelihood, problem.likelihood.grid, problem.space, problem.model,
             done.result.model, LENS.mass["sie"], done.observation.frame, done.maps(), done.maps().curves)  # fmt: skip
    return {type(one).__name__: one for one in every}


def test_objects_are_short_as_text(done):
    for name, one in objects(done).items():
        text = repr(one)
        assert len(text.splitlines()) <= MOST_LINES and len(text) <= MOST_CHARACTERS, f"{name}: {len(text)}"
        assert "object at 0x" not in text and "array(" not in text, f"{name}: {text}"


def test_visibilities_are_short_as_text():
    data = lensfit.read_interferometer("data/alma_mock")
    assert repr(data).startswith("<Interferometer: ") and "Jy / pixel" in repr(data)
    assert re.fullmatch(r"<\d+ visibilities on baselines up to .* wavelengths>", repr(data.visibilities))


def test_a_result_sums_up(done):
    lines = done.result.summary().splitlines()
    assert lines[0] == done.result.trust.headline and lines[1].startswith("chi2 ")
    assert "mass.sie.einstein_radius     1.0000 +- 0.001 arcsec" in lines
    rows = len(done.result.names) + len(done.result.amplitude_names)
    assert len(lines) == 2 + rows
    assert done.result._repr_html_().count("<tr>") == rows


def test_jupyter_sees_picture_and_table_before_and_after_it_is_kept(done, tmp_path):
    pages = [done._repr_html_(), lensfit.load(done.save(tmp_path))._repr_html_()]
    for page in pages:
        content = base64.b64decode(re.search(r"data:image/png;base64,([^\"]+)", page)[1])
        assert content.startswith(b"\x89PNG")
        assert "einstein_radius" in page and "UNCHECKED" in page and "<table>" in page
        assert "body {" not in page, "no style of the whole page"


def test_a_wrong_name_is_answered_by_the_nearest(done):
    result = done.result
    with pytest.raises(KeyError, match=r"no parameter of the fit; did you mean mass\.sie\.einstein_radius"):
        result["mass.sie.einstien_radius"]
    with pytest.raises(KeyError, match=r"did you mean mass\.sie\.einstein_radius"):
        result["einstein_radius"]
    with pytest.raises(KeyError, match=r"no parameter of the fit; did you mean mass\.sie\.einstein_radius"):
        corner_figure(result, "mass.sie.einstien_radius")
    (solved,) = {"light.disk.intensity"} & {*result.amplitude_names}
    with pytest.raises(KeyError, match="a solved amplitude, no parameter; its error is among amplitude_errors"):
        corner_figure(result, [solved])
    with pytest.raises(KeyError, match="no derived quantity; did you mean source_magnification"):
        done.derived["source_magnificaton"]
    with pytest.raises(KeyError, match=r"einstein_mass: not known without redshifts; take it of analysis\.with_redsh"):
        done.derived["einstein_mass"]
    with pytest.raises(KeyError, match="no derived quantity; did you mean einstein_mass"):
        done.with_redshifts(0.5, 2.0).derived["einstein_mas"]
    with pytest.raises(KeyError, match="dusk: no profile of these maps; did you mean disk"):
        done.maps().light["dusk"]
    with pytest.raises(TypeError, match="einstien_radius: no field of SIE; did you mean einstein_radius"):
        replace(LENS.mass["sie"], einstien_radius=1.0)
    assert nearest("zzz", ["a", "b"]) == "there are a, b"
    assert nearest("zzz", map(str, range(9))) == "there are 0, 1, 2, 3, 4, 5 and 3 more"


def test_a_number_of_ones_own_has_its_errors(done):
    """That of a parameter is the parameter's; that of a place's magnification is what its slopes make of the
    covariance."""
    name = "mass.sie.einstein_radius"
    radius = done.quantity(lambda model: model.mass["sie"].einstein_radius, "arcsec", "of the mass")
    assert radius.value == done.result[name] and (radius.unit, radius.description) == ("arcsec", "of the mass")
    assert radius.error == pytest.approx(done.result.errors[done.result.index(name)])
    assert math.isnan(radius.spread), "no neighbour counts"
    x, y = 1.3, 0.4

    def at(theta):
        return lensfit.lensing.magnification(done.problem.space.build(theta), x, y)

    found = done.quantity(lambda model: lensfit.lensing.magnification(model, x, y))
    slopes = jax.grad(at)(done.result.theta)
    assert found.error == pytest.approx(float(slopes @ done.result.covariance @ slopes) ** 0.5, rel=1e-3)
    radii = (1.01, 1.03, 1.5)
    beside = [done.result.model, *(changed(done.result.model, radius) for radius in radii)]
    variants = [Variant(str(k), 1.0, {}, k < 3, model) for k, model in enumerate(beside)]
    wider = done.changed(result=dataclasses.replace(done.result, variants=tuple(variants)))
    assert wider.quantity(lambda model: model.mass["sie"].einstein_radius).spread == pytest.approx(0.015)
    with pytest.raises(ModelError, match="no data are called 'F150W'"):
        done.quantity(lambda model: 1.0, data="F150W")


def changed(model, radius):
    return replace(model, mass={**model.mass, "sie": replace(model.mass["sie"], einstein_radius=radius)})


def test_numbers_and_plurals():
    assert [counted(1, "pixel"), counted(0, "pixel")] == ["1 pixel", "0 pixels"]
    assert counted(2, "lens", "lenses") == "2 lenses"
    assert number_text(2.5163e11, 5.03e8) == "2.516e+11" and number_text(1.30983, 0.0012) == "1.3098"
    assert number_text(2.0, float("nan")) == "2"


def test_a_run_without_a_folder_has_its_name_and_date():
    now = datetime.datetime.now()
    for data, name in (("data/jwst_mock", "jwst_mock"), ("there/a lens.fits[SCI]", "a_lens")):
        folder = new_folder(parse(["fit", data]))
        made = datetime.datetime.strptime(folder.name.removeprefix(f"{name}-"), "%Y%m%d-%H%M%S")
        assert folder.parent.name == "runs" and abs((made - now).total_seconds()) < 5
    with pytest.raises(SystemExit, match="2"):
        parse(["fit", "data", "--resume"])


def test_presets_are_listed(capsys):
    assert set(PRESETS) == set(names.PRESETS)
    assert all(isinstance(PRESETS[name](), instruments.Instrument) for name in PRESETS)
    with pytest.raises(SystemExit, match="0"):
        main(["simulate", "--help"])
    assert all(name in capsys.readouterr().out for name in names.PRESETS)
