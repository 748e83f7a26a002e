"""Recipes as people write them."""

from lensfit.model import LensModel
from lensfit.profiles import Sersic
from lensfit.recipe import read_recipe

SERSIC = """
[light.bulge]
profile = "Sersic"
center_x = {prior = "Normal", mean = 0, sigma = 0.1}
center_y = 0.01
e = {prior = "Disk", scale = 0.3, limit = 0.8}
intensity = {solved = true, positive = false}
effective_radius = 0.5
sersic_index = 4
"""
SIE_TIED = """
[mass.sie]
profile = "SIE"
center_x = "light.bulge.center_x"
center_y = "light.bulge.center_y"
e = "light.bulge.e"
einstein_radius = {prior = "Normal", mean = "light.bulge.e2", sigma = 0.05}
"""

MULTI = """
[light.set]
profile = "MultiGaussian"
center_x = 0.0
center_y = 0.0
e1 = 0.1
e2 = 0.0
intensity = [1.0, 2.0]
sigmas = [0.1, 0.2]
"""

PIXELS = """
[source.arc]
profile = "PixelSource"
center_x = 0.0
center_y = 0.0
half_width = 0.5
strength = {prior = "Uniform", low = -3, high = 3}
pixels = 12
"""


def one_sersic():
    return LensModel(
        light={"bulge": Sersic(center_x=0.0, center_y=0.0, e1=0.1, e2=0.0, intensity=1.0,
                               effective_radius=0.5, sersic_index=2.0)},
        mass={}, source={},
    )  # fmt: skip


def read(folder, text):
    (folder / "made.toml").write_text(text, encoding="utf-8")
    return read_recipe(folder / "made.toml")


def edited(old, new, text=SERSIC + SIE_TIED):
    assert old in text
    return text.replace(old, new)
