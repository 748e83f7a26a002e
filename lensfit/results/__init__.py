"""The files of a run, and the quantities that follow from its parameters."""
from lensfit.results.derived import Quantity, derived_quantities, headline, quantity_of
from lensfit.results.document import read_document, read_result
from lensfit.results.files import source_file, write_results
from lensfit.results.manifest import check_run, enlist, renewing, replacing_listed
from lensfit.results.photometry import Photometry, photometry_of
from lensfit.results.physical import physical_quantities

__all__ = [
    "Photometry",
    "Quantity",
    "check_run",
    "derived_quantities",
    "enlist",
    "headline",
    "photometry_of",
    "physical_quantities",
    "quantity_of",
    "read_document",
    "read_result",
    "renewing",
    "replacing_listed",
    "source_file",
    "write_results",
]
