"""From the posteriors of single lenses to the mean and the intrinsic scatter of a population."""
from lensfit.population.figure import draw_hyperparameters, draw_lenses, population_figure
from lensfit.population.inference import Hyper, Population, infer
from lensfit.population.population import Populations, fit_population
from lensfit.population.posteriors import LensPosterior, read_posteriors

__all__ = [
    "Hyper",
    "LensPosterior",
    "Population",
    "Populations",
    "draw_hyperparameters",
    "draw_lenses",
    "fit_population",
    "infer",
    "population_figure",
    "read_posteriors",
]
