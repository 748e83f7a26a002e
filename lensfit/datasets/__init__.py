"""Observed data, checked at the door, and the readers and writers of their files."""

from lensfit.datasets.fits import read_imaging, write_imaging
from lensfit.datasets.imaging import Imaging
from lensfit.datasets.interferometer import Interferometer
from lensfit.datasets.masks import annular_mask, circular_mask
from lensfit.datasets.visibilities import Visibilities

__all__ = [
    "Imaging",
    "Interferometer",
    "Visibilities",
    "annular_mask",
    "circular_mask",
    "read_imaging",
    "write_imaging",
]
