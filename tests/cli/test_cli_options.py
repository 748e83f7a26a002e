"""Arguments: wrong usage, and data, model and seed from the options and from a recipe."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest
from astropy.io.fits import open as open_fits
from stand_in import write

from lensfit.analysis import Analysis
from lensfit.cli import main
from lensfit.cli.fit import as_options, data_section, read_asked
from lensfit.cli.parser import parse
from lensfit.datasets import write_imaging
from lensfit.errors import ModelError
from lensfit.fitters.emcee import Emcee
from lensfit.model import LensModel
from lensfit.profiles import SIE
from lensfit.recipe import DataSection, write_recipe
from lensfit.start_up import setup


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fti"],
        ["fit", "data", "--resume"],
        ["fit", "--out", "run"],
        ["fit", "data", "--out", "run", "--model", "m.toml", "--standard", "flexible"],
        ["fit", "data", "--out", "run", "--standard", "spherical"],
        ["fit", "data", "--out", "run", "--mass", "nfw"],
        ["fit", "data", "--out", "run", "--seed", "-1"],
        ["fit", "data", "--out", "run", "--mask-radius", "wide"],
        ["inspect", "data", "--noise-scale", "0"],
        ["inspect", "data", "--noise-scale", "own"],
        ["inspect"],
        ["inspect", "data", "--out", "data.fits"],
        ["report"],
        ["export", "run"],
        ["population"],
        ["simulate", "m.toml"],
    ],
)
def test_wrong_usage_is_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: lensfit" in capsys.readouterr().err


def test_help_tells_the_exit_codes(capsys):
    for arguments in (["--help"], ["fit", "--help"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
        assert "130  interrupted" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options",
    [("--mask-radius", 1.5), ("--center", -0.1, 0.05, "--cutout", 1.4), ("--mask-is", "masked", "--plane", 0)],
)
def test_the_recipe_of_a_run_runs_it_again(options, lensfit, fits, data, tmp_path):
    first = fits()
    assert lensfit("fit", data, *options, "--seed", 7, "--out", tmp_path / "one")[0] == 0
    second = fits()
    recipe = tmp_path / "one" / "recipe.toml"
    assert lensfit("fit", "--model", recipe, "--out", tmp_path / "two")[0] == 0
    assert (second.seed, second.fitter) == (first.seed, first.fitter) == (7, "staged")
    assert second.problem.names == first.problem.names
    theta = first.problem.to_theta(np.zeros(first.problem.ndim))
    assert second.problem.log_prior(theta) == first.problem.log_prior(theta)
    np.testing.assert_array_equal(
        second.problem.likelihood.whitened_data, first.problem.likelihood.whitened_data
    )


RECIPE = '[fit]\nstandard = "parametric"\nseed = 5\n'


def test_a_recipe_may_name_a_standard_model_and_the_seed_be_given(lensfit, fits, data, tmp_path):
    made = fits()
    recipe = write(tmp_path / "recipe.toml", RECIPE)
    arguments = ("fit", data, "--mask-radius", 1.5, "--model", recipe, "--out")
    assert lensfit(*arguments, tmp_path / "one")[0] == 0
    assert (made.seed, made.problem.ndim) == (5, 25)
    assert lensfit(*arguments, tmp_path / "two", "--seed", 6)[0] == 0
    assert made.seed == 6


def test_a_galaxy_is_added_to_a_standard_model_alone(tmp_path):
    """Beside a model of one's own it would be told as in the model, and be nowhere."""
    own = LensModel(light={}, mass={"sie": SIE(center_x=0.0, center_y=0.0, e1=0.0, e2=0.0, einstein_radius=1.0)},
                    source={})  # fmt: skip
    write_recipe(tmp_path / "own.toml", own)
    asked = parse(["fit", "data", "--model", str(tmp_path / "own.toml"), "--out", "o", "--galaxy", "1,0"])
    with pytest.raises(ModelError, match=r"own.toml: holds profiles of its own, and --galaxy adds to a standard model"):
        read_asked(asked)
    with pytest.raises(ModelError, match=r"galaxies= adds to a standard model"):
        Analysis.begin(Path(__file__).parents[2] / "data" / "jwst_mock", own, galaxies=["1,0"])


def test_an_option_of_one_of_several_data_is_told_by_its_own_name():
    asked = parse(["fit", "--model", "m", "--out", "o", "--galaxy", "1,0", "--pixel-scale", "0.1"])
    with pytest.raises(ModelError, match=r"^--pixel-scale, --galaxy: the recipe names several data"):
        data_section(asked, {"V": DataSection(path=Path("v")), "J": DataSection(path=Path("j"))})


def test_options_count_before_the_recipe_unless_other_data_are_named():
    base = DataSection(path=Path("a"), psf=Path("p"), pixel_scale=0.1)
    same = parse(["fit", "--model", "m", "--out", "o", "--pixel-scale", "0.2", "--nan", "mask", "--psf-center"])
    asked = {"pixel_scale": 0.2, "nan": "mask", "psf_center": True}
    assert data_section(same, base) == DataSection(path=Path("a"), psf=Path("p"), **asked)
    placed = parse(["inspect", "a", "--center", "-1.6", "-0.6", "--cutout", "2", "--mask-is", "used", "--plane", "0"])
    expected = DataSection(path=Path("a"), center=(-1.6, -0.6), cutout=2.0, mask_is="used", plane=0)
    among = parse(["inspect", "a", "--galaxy", "-1.6,-0.6", "--galaxy", "0.4,1,light"])
    assert data_section(among, DataSection()).galaxies == ("-1.6,-0.6", "0.4,1,light")
    elsewhere = parse(["fit", "--model", "m", "--out", "o", "--center-sky", "150.1", "2.2"])
    assert data_section(elsewhere, expected) == DataSection(
        path=Path("a"), center_sky=(150.1, 2.2), cutout=2.0, mask_is="used", plane=0
    )
    assert data_section(placed, DataSection()) == expected
    other = parse(["fit", "b", "--model", "m", "--out", "o", "--mask", "k"])
    assert data_section(other, base) == DataSection(path=Path("b"), mask=Path("k"))
    noise = parse(["inspect", "b", "--noise-is", "ivm", "--noise-scale", "0.5"])
    assert data_section(noise, base) == DataSection(path=Path("b"), noise_is="ivm", noise_scale=0.5)


def test_options_of_visibilities():
    given = parse(["inspect", "lens.uvfits", "--field", "LENS", "--noise-scale", "auto"])
    expected = DataSection(path=Path("lens.uvfits"), field="LENS", noise_scale="auto")
    assert data_section(given, DataSection()) == expected
    assert data_section(parse(["inspect", "a", "--noise-scale", "2"]), DataSection()).noise_scale == 2


def neighbours(imaging):
    """The image whole, but for a corner."""
    return dataclasses.replace(imaging, mask=np.hypot(imaging.x - 1.5, imaging.y - 1.5) < 0.5)


def test_a_mask_is_chosen_where_none_is_given(lensfit, fits, tmp_path, mock):
    made = fits()
    data = tmp_path / "data"
    write_imaging(neighbours(mock.imaging), data)
    write_imaging(mock.imaging.circular_mask(0.9), tmp_path / "small")
    used = []
    small = tmp_path / "small" / "mask.fits"
    for name, options in (("a", []), ("b", ["--mask-radius", 1.0]), ("c", ["--mask", small])):
        assert lensfit("fit", data, *options, "--out", tmp_path / name)[0] == 0
        used.append(np.count_nonzero(made.problem.likelihood.inverse_noise))
    assert used[1:] == [np.count_nonzero(~mock.imaging.circular_mask(r).mask) for r in (1.0, 0.9)]
    assert "mask chosen from the data" in (tmp_path / "a" / "log.txt").read_text()


def test_a_mask_found_that_leaves_only_a_region_is_used_as_it_is(lensfit, fits, data, tmp_path, mock):
    made = fits()
    assert lensfit("fit", data, "--out", tmp_path / "run")[0] == 0
    assert np.count_nonzero(made.problem.likelihood.inverse_noise) == np.count_nonzero(~mock.imaging.mask)
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "the mask found leaves only a region of the image: used as it is" in log
    assert "mask chosen" not in log


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("a.fits: states no pixel scale; give pixel_scale= in arcsec per pixel",
         "a.fits: states no pixel scale; give --pixel-scale in arcsec per pixel"),
        ("mask these pixels, or give nan='mask' to have it done",
         "mask these pixels, or give --nan mask to have it done"),
        ("or give psf_center=True to have it centred", "or give --psf-center to have it centred"),
        ("holds 2 sources: 1 = a, 2 = b; give the lens as field=, by name or number",
         "holds 2 sources: 1 = a, 2 = b; give the lens as --field, by name or number"),
        ("errors are wrong by that factor, and noise_scale='auto' takes it out",
         "errors are wrong by that factor, and --noise-scale auto takes it out"),
        ("as variances its numbers fit the sky: give noise_is='variance', or give noise_scale=1 to have",
         "as variances its numbers fit the sky: give --noise-is variance, or give --noise-scale 1 to have"),
        ("mended by noise_scale=1.46e-05", "mended by --noise-scale 1.46e-05"),
        ("/data/mask=1/psf=.fits: no noise; give a file as noise=, or name it",
         "/data/mask=1/psf=.fits: no noise; give a file as --noise, or name it"),
        ("a cube of 3 planes; give plane=0 to plane=2, the one that is meant (see center_sky=, mask_radius=)",
         "a cube of 3 planes; give --plane 0 to --plane 2, the one that is meant (see --center-sky, --mask-radius)"),
        ("give mask_is='used' if 1 means used in it", "give --mask-is used if 1 means used in it"),
        ("noise_scale='auto' for an image", "--noise-scale auto for an image"),
        ("a.fits: center_sky=(400.0, 95.0) is no place", "a.fits: --center-sky 400.0 95.0 is no place"),
    ],
)
def test_messages_name_the_option(message, told):
    assert as_options(message) == told


def test_an_error_of_the_data_names_the_option(lensfit, data, tmp_path):
    (data / "info.json").unlink()
    header = "CDELT1"
    for name in ("data", "noise_map", "mask"):
        with open_fits(data / f"{name}.fits", mode="update") as file:
            del file[0].header[header]
    code, _, told = lensfit("fit", data, "--out", tmp_path / "run")
    assert code == 3
    assert "--pixel-scale" in told
    assert "pixel_scale=" not in told


def test_a_fitter_by_name_and_with_settings(lensfit, fits, data, tmp_path):
    first = fits()
    arguments = ("fit", data, "--mask-radius", 1.5)
    assert lensfit(*arguments, "--fitter", "emcee", "--out", tmp_path / "one")[0] == 0
    assert first.fitter == Emcee() and first.checkpoint.folder == tmp_path / "one" / "checkpoint"
    recipe = write(tmp_path / "m.toml", RECIPE + 'fitter = "emcee"\nsettings = {nsteps = 7, moves = "de"}\n')
    second = fits()
    assert lensfit(*arguments, "--model", recipe, "--out", tmp_path / "two")[0] == 0
    assert second.fitter == Emcee(nsteps=7, moves="de")
    third = fits()
    assert lensfit("fit", "--model", tmp_path / "two" / "recipe.toml", "--out", tmp_path / "three")[0] == 0
    assert third.fitter == second.fitter


def test_an_interrupted_fit_is_gone_on_with(lensfit, fits, data, tmp_path):
    run = tmp_path / "run"
    arguments = ("fit", data, "--mask-radius", 1.5, "--out", run)
    code, _, complaints = lensfit(*arguments, "--resume")
    assert code == 3 and "no interrupted fit" in complaints
    fits(error=KeyboardInterrupt("the state is in run/checkpoint"))
    code, _, complaints = lensfit(*arguments)
    assert (code, complaints) == (
        130, "lensfit: interrupted; the state is in run/checkpoint\n"
    )  # fmt: skip
    (run / "checkpoint").mkdir()
    (run / "checkpoint" / "manifest.json").write_text(
        '{"format": 1, "identity": {}, "generations": [{"number": 1, "files": {"00000001.values.json": ""}}]}'
    )
    assert lensfit(*arguments)[0] == 3
    fits()
    assert lensfit(*arguments, "--resume")[0] == 0
    assert not (run / "checkpoint").exists()
    log = (run / "log.txt").read_text()
    assert "ERROR interrupted" in log and log.count("free parameters") == 2


def test_compiled_programs_lie_where_the_user_keeps_them_or_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    before = jax.config.jax_compilation_cache_dir
    try:
        jax.config.update("jax_compilation_cache_dir", str(tmp_path / "own"))
        setup()
        assert jax.config.jax_compilation_cache_dir == str(tmp_path / "own")
        jax.config.update("jax_compilation_cache_dir", None)
        setup()
        assert tmp_path / "lensfit" / "jax" in Path(jax.config.jax_compilation_cache_dir).parents
    finally:
        jax.config.update("jax_compilation_cache_dir", before)
