"""The files of a run, and the quantities that follow from its parameters."""
from lensfit.results.derived import Quantity, derived_quantities, headline
from lensfit.results.document import read_document, read_result
from lensfit.results.files import appearing, of_earlier_runs, replacing, source_file, write_results

__all__ = [
    "Quantity",
    "appearing",
    "derived_quantities",
    "headline",
    "of_earlier_runs",
    "read_document",
    "read_result",
    "replacing",
    "source_file",
    "write_results",
]
