"""Observed data, checked at the door, and the readers and writers of their files."""

from lensfit.datasets.cutout import disc
from lensfit.datasets.dataset import Dataset, annular_mask, circular_mask, pixel_centers
from lensfit.datasets.field import FieldObject, FieldTable, arcs_signal, find_field, fine_image
from lensfit.datasets.galaxy import Galaxy
from lensfit.datasets.imaging import Imaging, blocks
from lensfit.datasets.info_file import stated_in
from lensfit.datasets.interferometer import Interferometer, least_field
from lensfit.datasets.masks import USED_AS_IT_IS, brightest_place, leaves_a_region
from lensfit.datasets.noise import level_of_sky
from lensfit.datasets.reading import (
    HELD,
    held_at,
    read,
    read_imaging,
    read_interferometer,
    read_psf,
    write_imaging,
    write_interferometer,
)
from lensfit.datasets.visibilities import ARCSEC, Visibilities, check_pixel
from lensfit.datasets.visibility_files import holds_visibilities, read_chunks

__all__ = [
    "ARCSEC",
    "HELD",
    "USED_AS_IT_IS",
    "Dataset",
    "FieldObject",
    "FieldTable",
    "Galaxy",
    "Imaging",
    "Interferometer",
    "Visibilities",
    "annular_mask",
    "arcs_signal",
    "blocks",
    "brightest_place",
    "check_pixel",
    "circular_mask",
    "disc",
    "find_field",
    "fine_image",
    "held_at",
    "holds_visibilities",
    "least_field",
    "leaves_a_region",
    "level_of_sky",
    "pixel_centers",
    "read",
    "read_chunks",
    "read_imaging",
    "read_interferometer",
    "read_psf",
    "stated_in",
    "write_imaging",
    "write_interferometer",
]
