"""Whether a fit may be believed: the same questions for every fitter, every kind of data and every number of masses.

Facts are gathered once (`facts`), each of a room of measures by the kind of data; questions are put to them
(`questions`). What is not known leaves a check unchecked, and a fit with an essential check unchecked is not trusted.
"""
from lensfit.trust.examine import examine

__all__ = ["examine"]
