"""Profiles of other packages in a recipe, by their place or by an entry point."""

import importlib
import sys

import numpy as np
import pytest
from recipe_texts import one_sersic, read

from lensfit.errors import ModelError
from lensfit.model import from_plain, to_plain
from lensfit.profiles import SIE, LightProfile, MassProfile, parameter
from lensfit.pytree import pytree, replace
from lensfit.recipe import read_recipe, write_recipe

MODULE = '''
from lensfit.profiles import MassProfile, parameter
from lensfit.pytree import pytree


@pytree
class Sheet(MassProfile):
    formula = staticmethod(lambda x, y, kappa: (kappa * x, kappa * y))
    kappa: float = parameter("", "k")

    def convergence(self, x, y):
        return self.kappa + 0 * x

    def potential(self, x, y):
        return 0.5 * self.kappa * (x * x + y * y)


@pytree
class Bare(MassProfile):
    formula = staticmethod(lambda x, y, kappa: (kappa * x, kappa * y))
    kappa: float


number = 3
'''
RECIPE = '[mass.own]\nprofile = "{}"\nkappa = {{prior = "Normal", mean = 0, sigma = 0.1}}\n'


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package of one module, with an entry point."""
    (tmp_path / "others_masses.py").write_text(MODULE)
    told = tmp_path / "others_masses-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: others-masses\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield told
    sys.modules.pop("others_masses", None)


@pytest.mark.parametrize("name", ["others_masses:Sheet", "their-sheet"])
def test_a_profile_of_another_package_is_read_and_written(name, package, tmp_path):
    if name == "their-sheet":
        (package / "entry_points.txt").write_text("[lensfit.profiles]\ntheir-sheet = others_masses:Sheet\n")
        importlib.invalidate_caches()
    model = read(tmp_path, RECIPE.format(name)).model
    assert type(model.mass["own"]).__name__ == "Sheet"
    write_recipe(tmp_path / "again.toml", model)
    assert f'profile = "{name}"' in (tmp_path / "again.toml").read_text()
    again = read_recipe(tmp_path / "again.toml").model
    assert type(again.mass["own"]) is type(model.mass["own"])
    numbers = replace(model, mass={"own": replace(model.mass["own"], kappa=0.2)})
    kept = from_plain(to_plain(numbers))
    np.testing.assert_allclose(kept.deflection(1.0, -2.0), (0.2, -0.4))


@pytest.mark.parametrize("name, said", [
    ("others_mass:Sheet", "others_mass:Sheet: No module named 'others_mass'; install the package"),
    ("others_masses:Shet", "others_masses has no Shet"),
    ("others_masses:number", "is no MassProfile made with"),
    ("lensfit.profiles:Sersic", "is no MassProfile made with"),
    ("others_masses:Bare", "kappa without unit and role"),
    ("..others:Sheet", "no mass profile '..others:Sheet'"),
    ("others masses:Sheet", "no mass profile"),
])
def test_what_is_no_profile_of_another_package(name, said, package, tmp_path):
    with pytest.raises(ModelError, match=r"mass\.own: ") as caught:
        read(tmp_path, RECIPE.format(name))
    assert said in str(caught.value)


def test_a_profile_that_no_import_finds_is_not_written(tmp_path):
    @pytree
    class Own(LightProfile):
        intensity: float = parameter("", "I", "amplitude")

    model = replace(one_sersic(), light={"bulge": Own(intensity=1.0)})
    with pytest.raises(ModelError, match=r"light\.bulge: Own is in no module that a recipe could name"):
        write_recipe(tmp_path / "recipe.toml", model)


def test_lensfit_s_own_names_stay_plain():
    sie = SIE(center_x=0.0, center_y=0.0, e1=0.1, e2=0.0, einstein_radius=1.0)
    assert issubclass(SIE, MassProfile)
    assert to_plain(replace(one_sersic(), mass={"lens": sie}))["mass"]["lens"]["profile"] == "SIE"
