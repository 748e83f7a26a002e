"""The files of a run: written by `write_results`, read back by `read_result`."""
from lensfit.fitters._saved import read_document as read_result
from lensfit.fitters._saved import replacing
from lensfit.results.derived import Quantity, derived_quantities
from lensfit.results.files import write_results

__all__ = ["Quantity", "derived_quantities", "read_result", "replacing", "write_results"]
