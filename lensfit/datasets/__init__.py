"""Observed data, checked at the door, and the readers and writers of their files."""

from lensfit.datasets.fits import read_imaging, write_imaging
from lensfit.datasets.imaging import Imaging
from lensfit.datasets.interferometer import Interferometer
from lensfit.datasets.masks import annular_mask, circular_mask
from lensfit.datasets.visibilities import Visibilities
from lensfit.datasets.visibility_files import read_chunks, read_interferometer, write_interferometer

__all__ = [
    "Imaging",
    "Interferometer",
    "Visibilities",
    "annular_mask",
    "circular_mask",
    "read_chunks",
    "read_imaging",
    "read_interferometer",
    "write_imaging",
    "write_interferometer",
]
