"""Models in the files of COOLEST, a standard that lens-modelling codes share: written, and read."""
from lensfit.coolest.reading import read_coolest
from lensfit.coolest.writing import coolest_template, write_coolest

__all__ = ["coolest_template", "read_coolest", "write_coolest"]
