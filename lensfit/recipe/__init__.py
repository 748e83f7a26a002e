"""One TOML file <-> model, data, fit and instrument.

    sky = {solved = true, positive = false}                 # or a number, or a prior

    [light.bulge]
    profile = "Sersic"
    center_x = {prior = "Normal", mean = 0.0, sigma = 0.1}  # free
    center_y = 0.01                                         # fixed
    e = {prior = "Disk", scale = 0.3, limit = 0.8}          # sets e1 and e2
    intensity = "solved"                                    # solved exactly
    effective_radius = {prior = "LogUniform", low = 0.05, high = 3.0}
    sersic_index = 4.0

    [mass.sie]
    profile = "SIE"
    center_x = "light.bulge.center_x"                       # the same parameter
    center_y = {prior = "Normal", mean = "light.bulge.center_y", sigma = 0.05}
    ...

[data], [fit] and [instrument] are described by `DataSection`, `FitSection` and `InstrumentSection`.
"""
from lensfit.recipe.recipe_file import (
    OF_STANDARD,
    DataSection,
    FitSection,
    InstrumentSection,
    Recipe,
    read_recipe,
    write_recipe,
)

__all__ = ["OF_STANDARD", "DataSection", "FitSection", "InstrumentSection", "Recipe", "read_recipe", "write_recipe"]
