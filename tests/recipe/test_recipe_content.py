"""What a recipe says is what is read."""

import numpy as np
import pytest
from recipe_texts import MULTI, SERSIC, SIE_TIED, read

from lensfit.errors import ModelError
from lensfit.priors import Part
from lensfit.space import Space


def test_ties_and_hyperparameters_are_parameters(tmp_path):
    model = read(tmp_path, SERSIC + SIE_TIED).model
    bulge, sie = model.light["bulge"], model.mass["sie"]
    assert sie.center_x is bulge.center_x
    assert sie.center_y == bulge.center_y == 0.01
    assert sie.e1.prior is sie.e2.prior is bulge.e1.prior
    assert isinstance(sie.einstein_radius.mean, Part)
    assert bulge.intensity.positive is False
    assert model.sky == 0.0
    assert Space.of(model).names == (
        "light.bulge.center_x", "light.bulge.e1", "light.bulge.e2", "mass.sie.einstein_radius",
    )  # fmt: skip


def test_a_recipe_without_a_model_names_a_standard_one(tmp_path):
    recipe = read(tmp_path, '[fit]\nstandard = "flexible"\nseed = 3\n')
    assert recipe.model is None
    assert (recipe.fit.standard, recipe.fit.seed) == ("flexible", 3)


def test_lists_stand_where_the_profile_has_several_numbers(tmp_path):
    profile = read(tmp_path, MULTI).model.light["set"]
    np.testing.assert_array_equal(profile.sigmas, [0.1, 0.2])
    np.testing.assert_array_equal(profile.intensity, [1.0, 2.0])


def test_an_instrument_comes_from_a_preset_and_numbers(tmp_path):
    numbers = "exposure_time = 200\npsf = {fwhm = 0.1, size = 11}\n"
    section = read(tmp_path, f'[instrument]\npreset = "jwst_f150w"\nshape = [40, 50]\n{numbers}').instrument
    made = section.instrument()
    assert section.shape == (40, 50)
    assert (made.exposure_time, made.pixel_scale, made.psf.shape) == (200.0, 0.031, (11, 11))


def test_an_instrument_takes_a_file_as_psf(tmp_path):
    np.savez(tmp_path / "psf.npz", psf=np.eye(3) + 1)
    text = '[instrument]\npreset = "jwst_f150w"\nshape = [40, 50]\npsf = "psf.npz"\n'
    psf = read(tmp_path, text).instrument.instrument().psf
    np.testing.assert_allclose(psf, (np.eye(3) + 1) / 12)


def test_an_instrument_says_what_it_lacks(tmp_path):
    section = read(tmp_path, "[instrument]\nshape = [40, 50]\npixel_scale = 0.05\n").instrument
    with pytest.raises(ModelError, match="no psf, exposure_time, gain, sky, read_noise, unit; give"):
        section.instrument()
