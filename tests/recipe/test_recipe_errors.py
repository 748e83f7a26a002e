"""Errors of recipes say in which file, at which key, what is wrong and what may have been meant."""

import inspect
import os
import re

import pytest
from recipe_texts import MULTI, PIXELS, SERSIC, edited, one_sersic, read

from lensfit import profiles
from lensfit.errors import ModelError
from lensfit.priors import Disk, Normal, Prior
from lensfit.profiles import MassProfile
from lensfit.pytree import pytree, replace
from lensfit.recipe import read_recipe, write_recipe

OWN = [value for value in vars(profiles).values() if inspect.isclass(value) and value.__name__ in profiles.__all__]
MASSES = sorted(cls.__name__ for cls in OWN if issubclass(cls, MassProfile) and cls is not MassProfile)
WRONG = {
    "setting": (PIXELS + "pixel = 3\n", "no PixelSource parameter 'pixel'; did you mean pixels?"),
    "no setting": (PIXELS.replace("pixels = 12", ""), "source.arc: PixelSource has no pixels"),
    "wrong setting": (PIXELS + "order = 7\n", "source.arc: order 7; there are 1, 2 and 3"),
    "list for a setting": (PIXELS + 'regularisation = ["gradient"]\n', "no regularisation ['gradient']"),
    "regularisation": (PIXELS + 'regularisation = "matern"\n', "the regularisation 'matern' needs a length"),
    "rows": (PIXELS + "reference = [[1, 2], [3]]\n", "source.arc.reference: its rows have several lengths"),
    "pixels as light": (PIXELS.replace("source.arc", "light.arc"), "no light profile 'PixelSource'"),
    "negative Einstein radius": (
        edited("[mass.sie]", '[mass.other]\nprofile = "SIE"\ncenter_x = 0\ncenter_y = 0\ne1 = 0\ne2 = 0\n'
               "einstein_radius = -0.7\n[mass.sie]"),
        "mass.other.einstein_radius: -0.7, and an Einstein radius is not negative",
    ),
    "no Einstein radius allowed": (
        edited('prior = "Normal", mean = "light.bulge.e2", sigma = 0.05', 'prior = "Uniform", low = -3, high = -1'),
        "mass.sie.einstein_radius: -1, and an Einstein radius is not negative",
    ),
    "no radius": (edited("_radius = 0.5", "_radius = 0.0"), "effective_radius: 0, and it must be above 0"),
    "index": (edited("sersic_index = 4", "sersic_index = 0.1"), "sersic_index: 0.1, and it must be above 0.36"),
    "widths": (MULTI.replace("[0.1, 0.2]", "[0.1, 0.0]"), "light.set.sigmas: 0, and it must be above 0"),
    "ellipticity": (MULTI.replace("e1 = 0.1", "e1 = 1.5"), "light.set.e1: with e2 a length of 1.5, and an ellipticity"),
    "shear": ('[mass.shear]\nprofile = "Shear"\ngamma1 = 0.8\ngamma2 = 0.7\n', "and a shear is below 1"),
    "square": (edited("center_y = 0.01", "center_y = 1e200"), "center_y: beyond 1e+75, its square is no number"),
    "huge integer": (edited("center_y = 0.01", f"center_y = 1{'0' * 400}"), "is no finite number"),
    "galaxies": ('[data]\npath = "x.fits"\ngalaxies = ["1,x"]\n', "data.galaxies: '1,x' of galaxies= is no galaxy"),
    "huge seed": (f"[fit]\nseed = {2**70}\n", "is no whole number from 0 on, below 2^63"),
    "huge setting": (f"[fit]\nsettings = {{starts = {2**70}}}\n", "is too large for a whole number"),
    "fitter": ("[fit]\nfitter = [1]\n", "fit.fitter: no fitter [1]"),
    "deep": ("a = " + "[" * 2000 + "]" * 2000, "is nested too deep for a recipe"),
    "long key": (".".join("a" * 2000) + " = 1", "a key has more than 40 parts"),
    "deep list": (MULTI.replace("[1.0, 2.0]", "[[[1.0]]]"), "light.set.intensity: [1.0] is no finite number"),
    "many numbers": (MULTI.replace("[0.1, 0.2]", f"[{'0.1, ' * 5000}]"), "more than 4000 numbers in the lists"),
    "chain": ("".join(SERSIC.replace("bulge", f"a{k}").replace("= 4", f'= "light.a{k + 1}.sersic_index"')
                      for k in range(40)) + SERSIC.replace("bulge", "a40"), "more than 30 others; name the last one"),
    "many profiles": ("".join(SERSIC.replace("bulge", f"a{k}") for k in range(201)), "201 profiles; a model has at"),
    "no TOML": (SERSIC + "e = ", "is not valid TOML"),
    "section": ('[lihgt.bulge]\nprofile = "Sersic"\n', "no section 'lihgt'; did you mean light?"),
    "profile": (
        edited('"Sersic"', '"Sersick"'),
        "light.bulge: no light profile 'Sersick'; did you mean Sersic?",
    ),
    "mass as light": (
        edited('"SIE"', '"Sersic"'),
        f"mass.sie: no mass profile 'Sersic'; there are {', '.join(MASSES)}",
    ),
    "no profile": (edited('profile = "Sersic"', ""), "light.bulge: no profile; give profile = one of"),
    "key": (
        edited("sersic_index", "sersic_indx"),
        "no Sersic parameter 'sersic_indx'; did you mean sersic_index?",
    ),
    "missing": (edited("center_y = 0.01", ""), "light.bulge: Sersic has no center_y"),
    "both": (SERSIC + "e1 = 0.1\n", "light.bulge: both e and e1; e sets e1 and e2"),
    "prior": (
        edited('"Normal", mean = 0,', '"Norml", mean = 0,'),
        "no prior of 1 'Norml'; did you mean Normal or LogNormal?",
    ),
    "prior of two": (edited('"Disk"', '"Normal"'), "light.bulge.e: no prior of 2 'Normal'; there are Disk"),
    "no prior": (
        edited('prior = "Normal", mean = 0', "mean = 0"),
        "light.bulge.center_x: {'mean': 0, 'sigma': 0.1} names",
    ),
    "hyperparameter": (edited("mean = 0,", "men = 0,"), "no parameter of Normal 'men'; did you mean mean?"),
    "hyper missing": (edited(", sigma = 0.1", ""), "light.bulge.center_x: Normal has no sigma"),
    "hyper type": (
        edited("mean = 0,", "mean = true,"),
        "light.bulge.center_x.mean: True is no finite number",
    ),
    "tie": (
        edited("bulge.center_x", "buldge.center_x"),
        "mass.sie.center_x: no parameter 'light.buldge.center_x'; did you",
    ),
    "pair tie": (edited('"light.bulge.e"', '"light.bulge"'), "mass.sie.e1: no parameter 'light.bulge1'"),
    "pair number": (
        edited('"light.bulge.e"', "0.2"),
        "mass.sie.e: 0.2 is no prior; set numbers by e1 and e2",
    ),
    "tie to solved": (
        edited("bulge.center_x", "bulge.intensity"),
        "mass.sie.center_x: light.bulge.intensity is solved",
    ),
    "circle": (
        edited("mean = 0,", 'mean = "mass.sie.center_x",'),
        "light.bulge.center_x: leads back to itself",
    ),
    "solved": (edited("positive = false", "positve = false"), "no key 'positve'; did you mean positive?"),
    "solved false": (edited("solved = true", "solved = false"), "light.bulge.intensity: {'solved': False"),
    "solved shape": (
        edited("sersic_index = 4", 'sersic_index = "solved"'),
        "light.bulge.sersic_index: only the amplitude",
    ),
    "not finite": (
        edited("sersic_index = 4", "sersic_index = nan"),
        "light.bulge.sersic_index: nan is no finite",
    ),
    "date": (
        edited("sersic_index = 4", "sersic_index = 2020-01-01"),
        "light.bulge.sersic_index: datetime.date",
    ),
    "list": (
        edited("center_y = 0.01", "center_y = [0.01, 0.2]"),
        "with lists for center_y; give a number where",
    ),
    "list of texts": (
        edited("center_y = 0.01", 'center_y = ["a"]'),
        "light.bulge.center_y: 'a' is no finite number",
    ),
    "no width": (edited("sigma = 0.1", "sigma = 0"), "light.bulge.center_x: its Normal prior is no distribution"),
    "no table": ("light = 3\n", "light: 3 is no table"),
    "no profile table": ("[light]\nbulge = 3\n", "light.bulge: 3 is no table"),
    "two models": (
        SERSIC + '[fit]\nstandard = "flexible"\n',
        "fit.standard: the recipe holds a model of its own",
    ),
    "mass beside a model": (SERSIC + '[fit]\nmass = "epl"\n', "fit.mass: the recipe holds a model of its own"),
    "mass": ('[fit]\nmass = "ebl"\n', "fit.mass: no choice 'ebl'; did you mean epl?"),
    "standard": (
        '[fit]\nstandard = "flexibel"\n',
        "fit.standard: no choice 'flexibel'; did you mean flexible?",
    ),
    "seed": ("[fit]\nseed = -1\n", "fit.seed: -1 is no whole number from 0 on"),
    "data key": ("[data]\nmask_radios = 2\n", "data: no key 'mask_radios'; did you mean mask_radius or mask_is?"),
    "data type": ("[data]\npath = 3\n", "data.path: 3 is no text"),
    "number as text": ('[data]\nmask_radius = "2"\n', "data.mask_radius: '2' is no finite number"),
    "nan": ('[data]\nnan = "zero"\n', "data.nan: no choice 'zero'; did you mean error?"),
    "field": ("[data]\nfield = 1.5\n", "data.field: 1.5 is no text"),
    "negative field": ("[data]\nfield = -1\n", "data.field: -1 is no whole number"),
    "noise scale": ('[data]\nnoise_scale = "own"\n', "data.noise_scale: 'own' is neither a finite number nor 'auto'"),
    "shape": ("[instrument]\nshape = 30\n", "instrument.shape: 30 is no shape"),
    "psf": ("[instrument]\npsf = {fwhm = 0.1}\n", "instrument.psf: give the path of a file, or {fwhm"),
    "psf key": ("[instrument]\npsf = {fwmh = 0.1}\n", "instrument.psf: no key 'fwmh'; did you mean fwhm?"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(case, tmp_path):
    text, message = WRONG[case]
    with pytest.raises(ModelError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'made.toml'}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sigmas = [0.1, 0.2]", "sigmas = 0.1"),
        ("intensity = [1.0, 2.0]", "intensity = [1.0, 2.0, 3.0]"),
        ("intensity = [1.0, 2.0]", "intensity = 1.0"),
        ("intensity = [1.0, 2.0]", 'intensity = {prior = "Normal", mean = 1.0, sigma = 0.1}'),
    ],
)
def test_lists_of_the_wrong_length_are_refused(old, new, tmp_path):
    with pytest.raises(ModelError, match=r"light\.set: MultiGaussian cannot be evaluated with lists for"):
        read(tmp_path, edited(old, new, MULTI))


@pytest.mark.parametrize(
    "prior",
    [
        '{prior = "Uniform", low = 1.0, high = 0.5}',
        '{prior = "LogUniform", low = -1.0, high = 0.5}',
        '{prior = "LogNormal", median = 0.0, sigma = 0.5}',
        '{prior = "TruncatedNormal", mean = 1.0, sigma = 0.5, low = 2.0, high = 0.5}',
    ],
)
def test_priors_that_are_no_distribution_are_refused(prior, tmp_path):
    with pytest.raises(ModelError, match=r"light\.bulge\.sersic_index: its \w+ prior is no distribution"):
        read(tmp_path, edited("sersic_index = 4", f"sersic_index = {prior}"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"nowhere\.toml: cannot be read"):
        read_recipe(tmp_path / "nowhere.toml")


@pytree
class Flat(Prior):
    """A prior that lensfit does not know."""

    def forward(self, z):
        return z

    def inverse(self, theta):
        return theta


def test_models_without_a_recipe_are_refused(tmp_path):
    model = one_sersic()
    bulge = model.light["bulge"]
    first, second = Disk(scale=0.2, limit=0.8).parts
    loose = Normal(mean=Normal(mean=0.0, sigma=1.0), sigma=1.0)
    cases = {
        "cannot name the prior Flat": replace(bulge, center_x=Flat()),
        "light.bulge.e1: a recipe defines": replace(bulge, e1=second, e2=first),
        "light.bulge.center_x: a recipe defines": replace(bulge, center_x=first, center_y=second),
        "mean: a recipe defines a prior at a leaf": replace(bulge, center_x=loose),
    }
    for message, profile in cases.items():
        with pytest.raises(ModelError, match=re.escape(message)):
            write_recipe(tmp_path / "recipe.toml", replace(model, light={"bulge": profile}))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("special", ["pipe", "loop", "folder", "long", "bytes"])
def test_what_is_no_text_is_no_recipe(special, tmp_path):
    path = tmp_path / "made.toml"
    made = {
        "pipe": lambda: os.mkfifo(path), "loop": lambda: path.symlink_to(path.name), "folder": path.mkdir,
        "long": lambda: path.write_bytes(b"#" * (2**21 + 1)), "bytes": lambda: path.write_bytes(b"\xff\xfe"),
    }  # fmt: skip
    made[special]()
    with pytest.raises(ModelError, match=r"made\.toml: (cannot be read \(no such file, but|is not valid TOML)"):
        read_recipe(path)
